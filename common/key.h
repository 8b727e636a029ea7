/* Key pairs: making, reading, writing, judging.  Algorithms are fetched once; keys are imported by
 * EVP_PKEY_fromdata or kept decoders, never by the slow generic path (per thread, kept contexts).
 */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>

#include "common/err.h"

enum key_type {
    KEY_P256,
    KEY_P384,
    KEY_P521,
    KEY_RSA2048,
    KEY_RSA3072,
    KEY_RSA4096,
    KEY_ED25519,
    KEY__COUNT
};

/* Caller owns, EVP_PKEY_free; NULL and ERR_SERVER_INTERNAL on failure. */
EVP_PKEY *key_generate(enum key_type type, struct err *err);

/* "p256", "p384", "rsa2048", "ed25519"…; false when unknown. */
bool key_type_parse(const char *name, enum key_type *ret);
const char *key_type_name(enum key_type type);

/* Which curve an EC key is on, P-256, P-384 or P-521 (named, not explicit parameters); false when
 * it is another key. */
bool key_curve(EVP_PKEY *key, enum key_type *ret);

#define KEY_POINT_MAX 133
/* Octets of a coordinate: 32, 48, 66; type is a curve. */
size_t key_coordinate_len(enum key_type type);
/* An EC public key of 04||X||Y, checked to be on the curve; caller owns; NULL: it is not. */
EVP_PKEY *key_from_point(enum key_type type, const unsigned char *point, size_t len);
/* 04||X||Y of an EC key whose curve is type. */
MUST_CHECK bool key_point(EVP_PKEY *key, enum key_type type, unsigned char ret[KEY_POINT_MAX],
                          struct err *err);

/* SubjectPublicKeyInfo DER to a key, not yet judged; caller owns; NULL: not one. */
EVP_PKEY *key_from_spki(const unsigned char *der, size_t len);
/* And back; *ret_der caller owns, OPENSSL_free(). */
MUST_CHECK bool key_spki(EVP_PKEY *key, unsigned char **ret_der, size_t *ret_len, struct err *err);

/* What a certificate or account may use: P-256, P-384, P-521, RSA 2048-4096 with an odd exponent
 * > 65536, Ed25519.  kind is the error to set (ERR_BAD_PUBLIC_KEY or ERR_BAD_CSR), detail why. */
MUST_CHECK bool key_acceptable(EVP_PKEY *key, enum err_kind kind, struct err *err);

/* PKCS #8 DER, private.  *ret_der caller owns; cleanse with OPENSSL_clear_free(der, len). */
MUST_CHECK bool key_private_der(EVP_PKEY *key, unsigned char **ret_der, size_t *ret_len,
                                struct err *err);
/* Back again; a P-256 key takes the fast import.  Caller owns the key. */
EVP_PKEY *key_from_private_der(const unsigned char *der, size_t len, struct err *err);

/* Private key PEM files, mode 0600, replaced atomically and synced. */
MUST_CHECK bool key_write_file(EVP_PKEY *key, const char *path, struct err *err);
/* An unencrypted one, whole and consistent; caller owns; NULL and ERR_CONFIG. */
EVP_PKEY *key_read_pem(const char *text, size_t len, struct err *err);
EVP_PKEY *key_read_file(const char *path, struct err *err);

/* SHA-256 of the SubjectPublicKeyInfo: finds a key in a store. */
MUST_CHECK bool key_spki_sha256(EVP_PKEY *key, unsigned char ret[32], struct err *err);
