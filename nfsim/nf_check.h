/* What an NF checks before it believes a certificate: step 9 ends when all of it holds. */
#pragma once

#include "common/err.h"
#include "common/ossl.h"
#include "common/x509.h"

struct nf_check;

/* trust   the operator's root; borrowed for its life.   names_only   a CA that knows no NF profile:
 * judge path, validity, names and key, not EKU, NFTypes or criticality. */
struct nf_check *nf_check_new(X509_STORE *trust, bool names_only, struct err *err);
void nf_check_free(struct nf_check *check);
AUTO_DEFINE(struct nf_check, nf_check_free)

struct nf_wanted {
    const struct x509_names *names; /* exactly these */
    const char *type;               /* NFTypes holds this and nothing else */
    const char *profile;            /* "nf-client", "nf-server", "nf-both"; others: any EKU */
    EVP_PKEY *key;                  /* the NF's */
    int64_t now_s;
};

/*
 * Parse and judge a PEM chain, leaf first.
 * err   ERR_UPSTREAM with what is wrong.
 * ret_chain   caller owns.   ret_leaf   x509_cert_done.
 * Cost  one certificate parsed and one signature checked while the issuers stay the same.
 */
MUST_CHECK bool nf_check_chain(struct nf_check *check, const struct nf_wanted *wanted,
                               const char *pem, size_t len, X509_CHAIN **ret_chain,
                               struct x509_cert *ret_leaf, struct err *err);
