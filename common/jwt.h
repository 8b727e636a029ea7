/* Compact JWTs, RFC 7519: client credentials assertions (TS 33.501 13.3.8) and authority tokens
 * (RFC 9447). */
#pragma once

#include <jansson.h>
#include <openssl/evp.h>

#include "common/err.h"
#include "common/ossl.h"

#define JWT_MAX 16384 /* octets of the compact form */

struct jwt {
    struct jws *parts; /* as a parsed JWS; header in parts->header */
    json_t *claims;
    X509_CHAIN *x5c; /* from the header, leaf first; NULL when absent */
};
void jwt_done(struct jwt *jwt);
void jwt_done_auto(struct jwt *jwt);

/* Parse header.claims.signature.  ERR_MALFORMED with what is wrong; `crit` and `none` refused;
 * x5c is standard base64 DER (RFC 7515 4.1.6), at most 8 certificates. */
MUST_CHECK bool jwt_read(const char *text, size_t len, struct jwt *ret, struct err *err);

/* As jwt_read; ret->x5c ends with pinned (borrowed; NULL: none) when that is among x5c: it is not
 * decoded again, which is most of the cost of reading, and what follows it is not looked at. */
MUST_CHECK bool jwt_read_pinned(const char *text, size_t len, X509 *pinned, const char *pinned_text,
                                struct jwt *ret, struct err *err);
/* A certificate as x5c has it: the pinned_text of pinned.  Caller owns, free(). */
char *jwt_x5c_text(X509 *x509, struct err *err);

/* The claims of what looks like a compact JWT, unjudged: for what is judged elsewhere.  Caller
 * owns; NULL: not an object. */
json_t *jwt_claims(const char *text);

/* ERR_UNAUTHORIZED when the signature is not key's. */
MUST_CHECK bool jwt_verify(const struct jwt *jwt, EVP_PKEY *key, struct err *err);

/*
 * exp (required) in the future, nbf and iat not, with leeway_s; iat may not lie more than
 * lifetime_max_s before exp when that is not 0.  ERR_UNAUTHORIZED otherwise.
 */
MUST_CHECK bool jwt_timely(const struct jwt *jwt, int64_t now_s, int64_t leeway_s,
                           int64_t lifetime_max_s, struct err *err);

/* Sign: header gets "typ":"JWT", alg and, when chain is not NULL, x5c.  Caller owns, free(). */
char *jwt_sign(EVP_PKEY *key, X509_CHAIN *chain, const json_t *claims, struct err *err);
