/* Which keys an account or a certificate may have, beyond their form (common/key): kinds by use,
 * RSA moduli of close primes, and keys known to be compromised (RFC 8555 sections 6.2, 7.3
 * and 11.1).
 *
 * The list of compromised keys is in memory, so asking costs nothing while it is empty and a hash
 * of the key when it is not. */
#pragma once

#include <openssl/evp.h>

#include "common/err.h"

struct key_policy;

#define KEY_POLICY_BLOCKED_MAX 1048576 /* keys; 32 octets and some each */

struct key_policy *key_policy_new(struct err *err);
void key_policy_free(struct key_policy *policy);
AUTO_DEFINE(struct key_policy, key_policy_free)

/* Block the keys of a file: a line is the SHA-256 of a SubjectPublicKeyInfo in hex, blank, or a
 * comment that begins with "#".  ERR_CONFIG names file and line. */
MUST_CHECK bool key_policy_read(struct key_policy *policy, const char *path, struct err *err);
/* Block one; from any thread.  false: KEY_POLICY_BLOCKED_MAX are blocked, or no memory. */
bool key_policy_block(struct key_policy *policy, const unsigned char spki_sha256[32]);
unsigned key_policy_blocked(struct key_policy *policy);

enum key_use { KEY_USE_ACCOUNT, KEY_USE_CERTIFICATE };

/* Judge a key that key_acceptable let pass.  ERR_BAD_PUBLIC_KEY (account) or ERR_BAD_CSR
 * (certificate) says why. */
MUST_CHECK bool key_policy_check(struct key_policy *policy, EVP_PKEY *key, enum key_use use,
                                 struct err *err);
