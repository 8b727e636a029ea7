/* The OpenSSL and jansson types AUTO knows how to free. */
#pragma once

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/cleanup.h"

typedef STACK_OF(X509) X509_CHAIN; /* the one typedef: a macro type cannot be passed to AUTO */

__attribute__((unused)) static inline void chain_free(X509_CHAIN *chain) {
    sk_X509_pop_free(chain, X509_free);
}
__attribute__((unused)) static inline void ossl_free(void *memory) { OPENSSL_free(memory); }
__attribute__((unused)) static inline void ossl_free_auto(void *place) {
    OPENSSL_free(*(void **)place);
}

AUTO_DEFINE(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
AUTO_DEFINE(ASN1_OBJECT, ASN1_OBJECT_free)
AUTO_DEFINE(ASN1_TIME, ASN1_TIME_free)
AUTO_DEFINE(BIGNUM, BN_free)
AUTO_DEFINE(BIGNUM, BN_clear_free)
AUTO_DEFINE(BIO, BIO_free_all)
AUTO_DEFINE(ECDSA_SIG, ECDSA_SIG_free)
AUTO_DEFINE(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
AUTO_DEFINE(EVP_MAC_CTX, EVP_MAC_CTX_free)
AUTO_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)
AUTO_DEFINE(EVP_ENCODE_CTX, EVP_ENCODE_CTX_free)
AUTO_DEFINE(EVP_PKEY, EVP_PKEY_free)
AUTO_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
AUTO_DEFINE(GENERAL_NAMES, GENERAL_NAMES_free)
AUTO_DEFINE(OSSL_PARAM, OSSL_PARAM_free)
AUTO_DEFINE(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
AUTO_DEFINE(SSL, SSL_free)
AUTO_DEFINE(SSL_CTX, SSL_CTX_free)
AUTO_DEFINE(X509, X509_free)
AUTO_DEFINE(X509_CRL, X509_CRL_free)
AUTO_DEFINE(X509_EXTENSION, X509_EXTENSION_free)
AUTO_DEFINE(X509_NAME, X509_NAME_free)
AUTO_DEFINE(X509_REQ, X509_REQ_free)
AUTO_DEFINE(X509_STORE, X509_STORE_free)
AUTO_DEFINE(X509_STORE_CTX, X509_STORE_CTX_free)
AUTO_DEFINE(X509_CHAIN, chain_free)

__attribute__((unused)) static inline void json_release(json_t *json) { json_decref(json); }
AUTO_DEFINE(json_t, json_release)
