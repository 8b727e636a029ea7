/* Keys whose private half lives elsewhere, in a token behind an OpenSSL engine.  Their
 * implementations need not stand several threads at once: one signature at a time. */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"

/* Is it such a key? */
bool foreign_key(const EVP_PKEY *key);

/* Around whatever makes key sign; both do nothing for a key of our own. */
void foreign_lock(const EVP_PKEY *key);
void foreign_unlock(const EVP_PKEY *key);

/* Sign data[len] with a foreign key; md NULL: the key has a digest of its own.
 * *ret_len: the room at signature, then its length. */
MUST_CHECK bool foreign_sign(EVP_PKEY *key, const EVP_MD *md, const void *data, size_t len,
                             unsigned char *signature, size_t *ret_len);
