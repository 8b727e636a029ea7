/* External account binding (RFC 8555 7.3.4): which key binds which account. */
#pragma once

#include <stddef.h>

#include "common/err.h"

#define EAB_KEY_MAX 128
#define EAB_KEYS_MAX 65536

struct eab_key {
    char kid[256];
    unsigned char key[EAB_KEY_MAX];
    size_t len;
};

struct eab_keys;

/*
 * path   a YAML file `eab: [{account: PATTERN, kid: KID, key: BASE64URL}, …]`, readable by its
 * owner alone; the first whose pattern (of a shell: * ? [) fits an account's name is its key. NULL:
 * none. one    KID:BASE64URL for accounts no other key fits; NULL: none. ERR_CONFIG names file and
 * line.  Caller owns; keys are cleansed.
 */
struct eab_keys *eab_keys_read(const char *path, const char *one, struct err *err);
void eab_keys_free(struct eab_keys *keys);
AUTO_DEFINE(struct eab_keys, eab_keys_free)

/* NULL: accounts of that name are not bound.  Borrowed.  keys NULL is harmless. */
const struct eab_key *eab_keys_of(const struct eab_keys *keys, const char *account);
