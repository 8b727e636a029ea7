/* Client credentials assertions, TS 33.501 13.3.8, as docs/security.md uses them: an NF's word
 * that a shared client may get a token for it. */
#pragma once

#include "common/err.h"
#include "common/jwk.h"
#include "common/ossl.h"

#define CCA_AUDIENCE "OAM"
#define CCA_LIFETIME_MAX_S 3600

struct cca_spec {
    const char *uuid;   /* sub */
    const char *type;   /* nfType */
    const char *fqdn;   /* NULL unless asked for */
    const char *client; /* a SAN of the shared client */
    int64_t now_s;
    int64_t lifetime_s; /* at most CCA_LIFETIME_MAX_S */
    const char *jkt;    /* the key the certificate will be for, RFC 7638; NULL = not said */
};

/*
 * Make one, with a fresh jti, signed with the key of the NF's TLS certificate.
 * chain   that certificate, for x5c.   Caller owns the text, free().
 */
char *cca_make(const struct cca_spec *spec, X509_CHAIN *chain, EVP_PKEY *key, struct err *err);

/* What a verified assertion says. */
struct cca {
    char sub[37]; /* canonical UUID */
    char jti[128];
    char client[254]; /* lower case */
    char fqdn[254];   /* lower case; "" = not asked for */
    char type[33];    /* nfType; "" = not said */
    int64_t exp_s;
    char jkt[JWK_THUMBPRINT_SIZE]; /* cnf.jkt; "" = not said */
};

/*
 * Judge one: its signature under the leaf of x5c, that leaf's path to trust, its being live, its
 * SAN URI = sub, its times and audience.
 * err   ERR_CCA with the reason.
 */
MUST_CHECK bool cca_judge(const char *text, X509_STORE *trust, int64_t now_s, struct cca *ret,
                          struct err *err);
