/* Account keys at rest: AES-256-GCM under a master key that never leaves its file and this room. */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>

#include "common/err.h"

struct vault;

/* The master key is read from path, or made there (mode 0600) when the file is absent.
 * ERR_CONFIG: unreadable, readable by others, or not a key file.  Caller owns. */
struct vault *vault_open(const char *path, struct err *err);
/* The same of a key that must be there.  guarded: others than its owner may not read it. */
struct vault *vault_open_file(const char *path, bool guarded, struct err *err);
void vault_close(struct vault *vault); /* cleanses the master key */
AUTO_DEFINE(struct vault, vault_close)

/*
 * Seal a private key: version, random 96-bit IV, ciphertext, 128-bit tag.
 * name   what the record is called in the store; authenticated, so that a sealed key moved to
 *        another record does not open.   *ret_sealed  caller owns, free().
 */
MUST_CHECK bool vault_seal(struct vault *vault, const char *name, EVP_PKEY *key,
                           unsigned char **ret_sealed, size_t *ret_len, struct err *err);

/* Open what vault_seal made under the same name; ERR_STORE when it was altered or is another's.
 * Caller owns the key. */
EVP_PKEY *vault_open_key(struct vault *vault, const char *name, const unsigned char *sealed,
                         size_t len, struct err *err);
