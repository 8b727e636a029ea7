/* Certificate revocation lists (RFC 5280 section 5) in files. */
#pragma once

#include "common/err.h"
#include "common/ossl.h"

#define X509_CRL_FILES_MAX 32 /* files, and lists in one of them */

/* The lists of one file, PEM (one or several) or DER, as PEM appended to out.  ERR_CONFIG names
 * the path. */
struct buf;
MUST_CHECK bool x509_crl_read_file(const char *path, struct buf *out, struct err *err);

/*
 * From now on x509_verify with that store refuses what the lists (PEM text) have revoked, at any
 * place of the path.  An issuer without a list is let pass; a list whose nextUpdate has passed
 * still counts; one with a wrong signature makes every certificate of its issuer refused.
 */
MUST_CHECK bool x509_crl_trust(X509_STORE *store, const char *pem, struct err *err);
/* For verification callbacks: what X509_verify_cert found (X509_V_ERR_…) is let pass by the above.
 */
bool x509_crl_lets_pass(int code);
