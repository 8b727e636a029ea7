/* External account binding, RFC 8555 section 7.3.4: keys given to operators out of band.
 *
 * One kid may bind any number of accounts: a shared client has one, and an account per NF. */
#pragma once

#include <jansson.h>

#include "common/err.h"
#include "common/jwk.h"

struct eab_keys;

#define EAB_KEYS_MAX 1024
#define EAB_KID_MAX 128
#define EAB_KEY_MAX 128 /* octets; at least 16 */

struct eab_keys *eab_keys_new(struct err *err);
void eab_keys_free(struct eab_keys *keys);
AUTO_DEFINE(struct eab_keys, eab_keys_free)

/* Add "KID:BASE64URL".  ERR_CONFIG: form, size, kid twice there. */
MUST_CHECK bool eab_keys_add(struct eab_keys *keys, const char *text, struct err *err);
bool eab_keys_any(const struct eab_keys *keys);

/*
 * Check the value of externalAccountBinding in a newAccount request.
 * url          of the outer request, which the inner must name.
 * thumbprint   of the outer request's key, which must be the inner payload.
 * ERR_MALFORMED: form, nonce, url, key; ERR_UNAUTHORIZED: kid or MAC; ERR_BAD_SIGNATURE_ALGORITHM.
 */
MUST_CHECK bool eab_check(const struct eab_keys *keys, const json_t *binding, const char *url,
                          const char *thumbprint, struct err *err);
