/* OpenSSL objects kept for the life of the process or thread: algorithms fetched once, contexts
 * made once per thread (a fetch or a new context costs more than the work done with it). */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>

#include "common/key.h"

enum kept_digest { KEPT_SHA1, KEPT_SHA256, KEPT_SHA384, KEPT_SHA512, KEPT_DIGEST__COUNT };
enum kept_import { KEPT_EC, KEPT_RSA, KEPT_ED25519, KEPT_IMPORT__COUNT };
enum kept_form { KEPT_SPKI, KEPT_PKCS8, KEPT_FORM__COUNT };

/* The digest, fetched once; NULL: OpenSSL has none. */
const EVP_MD *kept_md(enum kept_digest digest);
/* Digest of data[len] into out (EVP_MAX_MD_SIZE octets suffice). */
MUST_CHECK bool kept_hash(enum kept_digest digest, const void *data, size_t len,
                          unsigned char *out);

/* This thread's signing context, reset; NULL: no memory.  kept_md_ctx_done after use drops its
 * reference to the key. */
EVP_MD_CTX *kept_md_ctx(void);
void kept_md_ctx_done(void);

/* ECDSA over the digest of data[len], signatures in DER; without the digest contexts above, which
 * cost a tenth of a signature.  The contexts of keys verified with last are kept, and with them the
 * keys, at most KEPT_VERIFY_MAX in the process; no private key is. */
#define KEPT_VERIFY_MAX 256
MUST_CHECK bool kept_verify(EVP_PKEY *key, enum kept_digest digest, const void *data, size_t len,
                            const unsigned char *signature, size_t signature_len);
/* *ret_len: the room at signature, then its length. */
MUST_CHECK bool kept_sign(EVP_PKEY *key, enum kept_digest digest, const void *data, size_t len,
                          unsigned char *signature, size_t *ret_len);

/* A key of parameters, EVP_PKEY_PUBLIC_KEY or EVP_PKEY_KEYPAIR; caller owns; NULL: refused. */
EVP_PKEY *kept_import(enum kept_import kind, int selection, OSSL_PARAM *params);
/* A public key on P-256, P-384 or P-521 of its encoded point, checked to be on the curve, of a
 * group made once; caller owns; NULL: refused. */
EVP_PKEY *kept_point(enum key_type curve, const char *group, const unsigned char *point,
                     size_t len);
/* A new key pair; caller owns; NULL on failure. */
EVP_PKEY *kept_generate(enum key_type type);
/* A key of DER without trailing octets; caller owns; NULL: not one. */
EVP_PKEY *kept_decode(enum kept_form form, const unsigned char *der, size_t len);
