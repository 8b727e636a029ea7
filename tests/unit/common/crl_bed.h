/* Revocation lists for tests. */
#pragma once

#include <check.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "common/ossl.h"

/* A list by issuer, valid between the two, with one certificate on it (NULL: none); caller owns. */
static X509_CRL *crl_bed_make(X509 *issuer, EVP_PKEY *key, X509 *revoked, int64_t from_s,
                              int64_t until_s) {
    X509_CRL *crl = X509_CRL_new();
    AUTO(ASN1_TIME_free) ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)from_s);
    AUTO(ASN1_TIME_free) ASN1_TIME *until = ASN1_TIME_set(NULL, (time_t)until_s);

    ck_assert(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1
              && X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1
              && X509_CRL_set1_lastUpdate(crl, from) == 1
              && X509_CRL_set1_nextUpdate(crl, until) == 1);
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ck_assert(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked)) == 1
                  && X509_REVOKED_set_revocationDate(entry, from) == 1
                  && X509_CRL_add0_revoked(crl, entry) == 1);
    }
    ck_assert_int_gt(X509_CRL_sign(crl, key, EVP_sha256()), 0);
    return crl;
}

/* As text; crl is freed, caller owns the text. */
__attribute__((unused)) static char *crl_bed_pem(X509_CRL *crl) {
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    ck_assert_int_eq(PEM_write_bio_X509_CRL(bio, crl), 1);
    const long len = BIO_get_mem_data(bio, &text);
    X509_CRL_free(crl);
    return strndup(text, (size_t)len);
}
