/* Refused requests from data: catalogue/jws-negative.cases says how a row's input is built out of
 * the right request, catalogue/jws-negative.tsv what must come back.  README.md has the words. */
#pragma once

#include "tests/conformance/spec_internal.h"

/* One line of the data file while it runs. */
struct negative {
    struct spec *spec;
    const char *vehicle, *status, *types;
    const json_t *how;
    const char *url; /* asked */
    const struct spec_account *account;
    const struct spec_account *other; /* NULL until used */
    const struct spec_order *order;   /* likewise */
    const struct spec_certificate *certificate;
    EVP_PKEY *key;      /* of newAccount; the new one of keyChange */
    EVP_PKEY *stranger; /* nobody's */
    const char *name;
    const char *right; /* the JWS that templates take apart */
};

/* %WORD% and \xHH of a text replaced; *ret_len may be NULL.  Words: negative_text.c. */
char *negative_expand(struct negative *negative, const char *text, size_t *ret_len);
/* The same in every text of a JSON value. */
json_t *negative_expand_json(struct negative *negative, const json_t *json);
/* Member of the JWS in negative->right: "protected", "payload", "signature". */
const char *negative_part(struct negative *negative, const char *member);
const struct spec_account *negative_other(struct negative *negative);

/* Octets as base64url, negative_number.c.  alias: its last character's spare bits changed. */
const char *negative_alias(struct spec *spec, const char *text);
/* One zero octet before (by > 0), or the first octet taken away. */
const char *negative_shift(struct spec *spec, const char *text, int by);
/* Odd, of full length. */
const char *negative_random(struct spec *spec, size_t len);
/* A modulus of len octets that no RSA key may have: "EVEN", "THIRD", "SQUARE", "ROCA". */
const char *negative_modulus(struct spec *spec, const char *kind, size_t len);

/* A key by name: key.h's, "rsa512", "rsa1024", "rsa2048e3", "p192", "secp256k1", "explicit", "dsa",
 * "x25519", "ed448", "account", "other", "certificate", "issued", "revoked", "stranger" (kept for
 * %JWKNEW%), "x0" (P-256, x begins with 0). */
EVP_PKEY *negative_key(struct negative *negative, const char *name);

/* The signature of the right JWS, spoilt: "flip", "der", "cut" …; base64url. */
const char *negative_signature(struct negative *negative, EVP_PKEY *key, const char *how);

/* The CSR that how->csr describes, base64url or whatever form it asks for. */
const char *negative_csr(struct negative *negative, const json_t *csr);

/* The steps of how->do; false: it is an ordinary row. */
bool negative_special(struct negative *negative, const struct spec_post *post);
/* status and types of the line. */
void negative_expect(struct negative *negative, const struct spec_answer *answer);
/* newOrder for the line's name, all valid. */
const struct spec_order *negative_ready(struct negative *negative);
