/* NF types: TS 29.510 6.1.6.3.3 names and the RFC 9310 certificate extension (1.3.6.1.5.5.7.1.34).
 */
#pragma once

#include <openssl/x509.h>
#include <stddef.h>

#include "common/err.h"

#define NFTYPES_MAX 16
#define NFTYPES_NAME_SIZE 33

struct nftypes {
    unsigned count;
    char name[NFTYPES_MAX][NFTYPES_NAME_SIZE]; /* in certificate order */
};

/* Is it a name of TS 29.510 (v18.5.0)?  The enum is extensible, so nftypes_wellformed is what a
 * receiver checks: 1 to 32 of [A-Z0-9_] beginning with a letter or digit. */
bool nftypes_known(const char *name);
bool nftypes_wellformed(const char *name);

bool nftypes_has(const struct nftypes *types, const char *name);
/* Append, no duplicates; false when full or not well formed. */
bool nftypes_add(struct nftypes *types, const char *name);
/* Every name of inner is in outer. */
bool nftypes_within(const struct nftypes *inner, const struct nftypes *outer);
/* "AMF,SMF" for logs; out[size]. */
void nftypes_text(const struct nftypes *types, char *out, size_t size);

/* extnValue's content, DER: SEQUENCE SIZE(1..MAX) OF IA5String(SIZE(1..32)).
 * One AMF is 30 05 16 03 41 4D 46.  *ret_der caller owns, free(). */
MUST_CHECK bool nftypes_encode(const struct nftypes *types, unsigned char **ret_der,
                               size_t *ret_len, struct err *err);
/* Strict DER; ERR_MALFORMED for an empty sequence, a wrong tag or size, trailing octets. */
MUST_CHECK bool nftypes_decode(const unsigned char *der, size_t len, struct nftypes *ret,
                               struct err *err);
