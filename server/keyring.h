/* Accounts as the gate needs them: id to parsed key and status, a bounded cache before the store.
 */
#pragma once

#include <openssl/evp.h>
#include <stdint.h>

#include "common/acme.h"
#include "common/err.h"
#include "common/jwk.h"
#include "server/id.h"

struct keyring;
struct store;

#define KEYRING_SIZE 16384 /* accounts kept by default; about 2 KiB each */

/* What authenticates an account; key is an owned reference: keyring_entry_done. */
struct keyring_entry {
    char id[ID_SIZE];
    char thumbprint[JWK_THUMBPRINT_SIZE];
    enum account_status status;
    bool prepared; /* newOrder looks for authorizations made for no order */
    uint64_t terms; /* mark of the terms of service agreed to; 0: none (server/terms) */
    EVP_PKEY *key;
};
void keyring_entry_done(struct keyring_entry *entry);

/* size   accounts kept; the least recently used goes first.   store  borrowed for the life. */
struct keyring *keyring_new(struct store *store, unsigned size, struct err *err);
void keyring_free(struct keyring *keyring);
AUTO_DEFINE(struct keyring, keyring_free)

/* Copy out the account, read from the store when not kept.  ERR_ACCOUNT_DOES_NOT_EXIST. */
MUST_CHECK bool keyring_get(struct keyring *keyring, const char *id, struct keyring_entry *ret,
                            struct err *err);
/* Keep an account just committed; saves its first read. */
void keyring_put(struct keyring *keyring, const struct keyring_entry *entry);
/* After a change was committed and before it is acknowledged; readings begun earlier are not kept.
 */
void keyring_forget(struct keyring *keyring, const char *id);
