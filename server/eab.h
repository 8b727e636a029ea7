/* External account binding, RFC 8555 section 7.3.4: keys given to operators out of band.
 *
 * One kid may bind any number of accounts: a shared client has one, and an account per NF.  Keys
 * are given by options, or made at run time and kept in the store, which then also counts their
 * uses. */
#pragma once

#include <jansson.h>

#include "common/err.h"
#include "common/jwk.h"

struct eab_keys;
struct store;

#define EAB_KEYS_MAX 16384
#define EAB_KID_MAX 128
#define EAB_KEY_MIN 16
#define EAB_KEY_MAX 128 /* octets */

struct eab_keys *eab_keys_new(struct err *err);
void eab_keys_free(struct eab_keys *keys);
AUTO_DEFINE(struct eab_keys, eab_keys_free)

/* Add "KID:BASE64URL".  ERR_CONFIG: form, size, kid twice there. */
MUST_CHECK bool eab_keys_add(struct eab_keys *keys, const char *text, struct err *err);
/* Add those of the store; an option's key of the same kid stays. */
MUST_CHECK bool eab_keys_load(struct eab_keys *keys, struct store *store, struct err *err);
bool eab_keys_any(struct eab_keys *keys);

/*
 * Make a key at run time, in the store and here.
 * kid   letters, digits and "-._~".   key   base64url.   uses   accounts it may bind; 0: any
 * number. ERR_INVALID: form or size.  ERR_CONFLICT: the kid is taken.  ERR_OVERLOAD: EAB_KEYS_MAX.
 */
MUST_CHECK bool eab_keys_make(struct eab_keys *keys, struct store *store, const char *kid,
                              const char *key, unsigned uses, uint64_t now_us, struct err *err);
/* Remove such a one; its accounts stay.  ERR_NOT_FOUND; ERR_CONFLICT: it is an option's. */
MUST_CHECK bool eab_keys_remove(struct eab_keys *keys, struct store *store, const char *kid,
                                struct err *err);
/* The kids of options. */
void eab_keys_options(struct eab_keys *keys, void (*sink)(void *ctx, const char *kid), void *ctx);

struct eab_bound {
    char kid[EAB_KID_MAX + 1];
    bool stored; /* STORE_EAB_USE must go with the account */
};

/*
 * Check the value of externalAccountBinding in a newAccount request.
 * url          of the outer request, which the inner must name.
 * thumbprint   of the outer request's key, which must be the inner payload.
 * ERR_MALFORMED: form, nonce, url, key; ERR_UNAUTHORIZED: kid or MAC; ERR_BAD_SIGNATURE_ALGORITHM.
 */
MUST_CHECK bool eab_check(struct eab_keys *keys, const json_t *binding, const char *url,
                          const char *thumbprint, struct eab_bound *ret, struct err *err);
