/* JSON Web Signatures as ACME uses them: Flattened JSON with a protected header only, RFC 8555
 * section 6.2, strict about hostile input. */
#pragma once

#include <jansson.h>
#include <openssl/evp.h>
#include <stddef.h>

#include "common/err.h"

enum jws_alg {
    JWS_ES256,
    JWS_ES384,
    JWS_ES512,
    JWS_RS256,
    JWS_EDDSA,
    JWS_HS256,
    JWS_HS384,
    JWS_HS512,
    JWS_ALG__COUNT
};

const char *jws_alg_name(enum jws_alg alg);
bool jws_alg_parse(const char *name, enum jws_alg *ret);
/* The algorithm a key signs with; false when there is none. */
bool jws_alg_of_key(EVP_PKEY *key, enum jws_alg *ret);

/* A parsed, not yet verified JWS.  Owned by the caller: jws_done. */
struct jws {
    json_t *header; /* the protected header, an object without duplicate names */
    enum jws_alg alg;
    const char *url;        /* borrowed from header; NULL when absent */
    const char *nonce;      /* likewise */
    const char *kid;        /* likewise */
    const json_t *jwk;      /* likewise */
    unsigned char *payload; /* decoded, NUL-terminated beyond payload_len */
    size_t payload_len;
    char *signed_text; /* "protected.payload" as sent */
    size_t signed_len;
    unsigned char signature[512];
    size_t signature_len;
};
void jws_done(struct jws *jws);
void jws_done_auto(struct jws *jws);

/*
 * Parse a Flattened JWS.  text any bytes.  Refused with ERR_MALFORMED: not one JSON object, general
 * or compact form, `signatures`, an unprotected `header`, missing or non-string members, padding or
 * foreign characters in base64url, duplicate names, any `crit`, `b64`, non-string
 * alg/url/nonce/kid, non-object jwk, jwk and kid together, a nonce that is not base64url.
 * ERR_BAD_SIGNATURE_ALGORITHM: alg unknown or "none". On failure *ret is empty (jws_done is
 * harmless).
 */
MUST_CHECK bool jws_read(const char *text, size_t len, struct jws *ret, struct err *err);

/* The three base64url texts of any serialization; borrowed. */
struct jws_parts {
    const char *header, *payload, *signature;
    size_t header_len, payload_len, signature_len;
};
/* What jws_read does once the envelope is open (jwt.c opens another one).  ret untouched on
 * failure. */
MUST_CHECK bool jws_read_parts(const struct jws_parts *parts, struct jws *ret, struct err *err);

/* Verify with a public key.  ERR_BAD_PUBLIC_KEY: alg does not fit the key.  ERR_MALFORMED: length
 * or signature wrong (ECDSA is R||S of fixed length, RFC 7518 3.4).  Never accepts a MAC alg. */
MUST_CHECK bool jws_verify(const struct jws *jws, EVP_PKEY *key, struct err *err);

/* Verify HS256/384/512 in constant time (external account binding); never accepts another alg. */
MUST_CHECK bool jws_verify_mac(const struct jws *jws, const void *key, size_t len, struct err *err);

/* Sign payload[len] (NULL, 0: the empty payload of POST-as-GET) under header, to which "alg" is
 * added.  Flattened JSON text; caller owns, free(). */
char *jws_sign(EVP_PKEY *key, json_t *header, const void *payload, size_t len, struct err *err);
char *jws_sign_mac(const void *key, size_t key_len, json_t *header, const void *payload, size_t len,
                   struct err *err);

/* Raw parts for jwt.c: signature of text[len] as JOSE wants it, at most 512 octets. */
MUST_CHECK bool jws_sign_raw(EVP_PKEY *key, enum jws_alg alg, const void *text, size_t len,
                             unsigned char signature[512], size_t *ret_len, struct err *err);
MUST_CHECK bool jws_verify_raw(EVP_PKEY *key, enum jws_alg alg, const void *text, size_t len,
                               const unsigned char *signature, size_t signature_len,
                               struct err *err);
