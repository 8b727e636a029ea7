/* JSON Web Keys, RFC 7517/7518/8037, and their RFC 7638 thumbprints. */
#pragma once

#include <jansson.h>
#include <openssl/evp.h>

#include "common/err.h"

#define JWK_THUMBPRINT_SIZE 44 /* 43 base64url characters of SHA-256 and the NUL */

/*
 * A public JWK to a key.  ERR_BAD_PUBLIC_KEY: kty, curve or size not acceptable, not on the curve,
 * coordinates not of the curve's full length (RFC 7518 6.2.1.2), private or symmetric members.
 * ERR_MALFORMED: not an object, member of a wrong type.   Caller owns the key.
 */
EVP_PKEY *jwk_read(const json_t *jwk, struct err *err);

/* The public part as a JWK, members in thumbprint order; caller owns; NULL: no memory. */
json_t *jwk_write(EVP_PKEY *key, struct err *err);

/* RFC 7638: base64url of SHA-256 over the required members (leading zeros kept, erratum 7565). */
MUST_CHECK bool jwk_thumbprint(EVP_PKEY *key, char ret[JWK_THUMBPRINT_SIZE], struct err *err);
/* The same 32 octets. */
MUST_CHECK bool jwk_thumbprint_raw(EVP_PKEY *key, unsigned char ret[32], struct err *err);
