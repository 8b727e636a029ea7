/* Certificates and requests: reading what matters to an NF certificate (TS 33.310 6.1.3c), making
 * certificates and CSRs, PEM chains, and path validation. */
#pragma once

#include <openssl/x509.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/nftypes.h"
#include "common/ossl.h"

#define X509_DNS_MAX 8
#define X509_IP_MAX 8
#define X509_SERIAL_SIZE 41 /* 20 octets in hex and the NUL */

enum x509_eku {
    X509_EKU_CLIENT = 1,
    X509_EKU_SERVER = 2,
    X509_EKU_OTHER = 4, /* read only */
    /* made only; read as _OTHER */
    X509_EKU_OCSP = 8,
    X509_EKU_JWT = 16, /* RFC 9509 */
    X509_EKU_HTTP_ENCRYPT = 32,
    X509_EKU_OAUTH_SIGNING = 64
};

/* subjectAltName as an NF certificate uses it. */
struct x509_names {
    char uuid[37]; /* of URI:urn:uuid:…, lower case; "" = none */
    unsigned dns_count;
    char dns[X509_DNS_MAX][254]; /* lower case */
    unsigned ip_count;
    char ip[X509_IP_MAX][46]; /* as acme_ip_canonical writes them */
    unsigned others; /* entries of any other kind, a second UUID, what is beyond the arrays */
};

/* A certificate, read once.  x509_cert_done frees what it owns. */
struct x509_cert {
    X509 *x509; /* owned reference */
    struct x509_names names;
    bool names_critical;
    struct nftypes types; /* count 0 = no extension */
    int64_t not_before_s, not_after_s;
    bool ca;
    unsigned eku;                  /* X509_EKU_…; 0 = no extension */
    char serial[X509_SERIAL_SIZE]; /* lower-case hex, no leading zero octet */
    unsigned char sha256[32];      /* of the DER */
};
void x509_cert_done(struct x509_cert *cert);
void x509_cert_done_auto(struct x509_cert *cert);
/* x509 is up-ref'd.  ERR_MALFORMED when an extension we read is not well-formed. */
MUST_CHECK bool x509_cert_read(X509 *x509, struct x509_cert *ret, struct err *err);

/* A PKCS #10 request whose self-signature verified. */
struct x509_csr {
    EVP_PKEY *key; /* owned reference */
    struct x509_names names;
    char common_name[256]; /* ASCII; "" = none; more than one CN: ERR_BAD_CSR */
    bool asks_ca;          /* basicConstraints CA:TRUE */
    struct nftypes types;  /* count 0 = not asked for */
};
void x509_csr_done(struct x509_csr *csr);
void x509_csr_done_auto(struct x509_csr *csr);
/* DER, no trailing octets, at most 16 KiB.  ERR_BAD_CSR says why: DER, version, signature, key
 * (key_acceptable), an extension that is not well-formed or twice there. */
MUST_CHECK bool x509_csr_read(const unsigned char *der, size_t len, struct x509_csr *ret,
                              struct err *err);

/* A CSR with an empty subject, names (may be NULL) in a SAN and types (may be NULL) as RFC 9310.
 * *ret_der caller owns, free(). */
MUST_CHECK bool x509_csr_make(EVP_PKEY *key, const struct x509_names *names,
                              const struct nftypes *types, unsigned char **ret_der, size_t *ret_len,
                              struct err *err);

/* What to put into a certificate; zero members are left out. */
struct x509_spec {
    const char *country, *organization, *common_name; /* subject, in this order */
    const struct x509_names *names;
    bool names_critical;
    const char *const *ips; /* NULL-terminated textual addresses for the SAN */
    const struct nftypes *types;
    int64_t not_before_s, not_after_s;
    bool ca;      /* keyUsage keyCertSign cRLSign, basicConstraints critical */
    int path_len; /* with ca; -1 = unlimited */
    unsigned eku; /* X509_EKU_CLIENT | X509_EKU_SERVER; _OCSP: with id-pkix-ocsp-nocheck */
    const char *crl_url, *issuer_url, *ocsp_url;
    EVP_PKEY *key; /* subject's; borrowed */
};
/*
 * Make and sign.  Serial: random, 16 octets, positive.  keyUsage critical digitalSignature for
 * leaves.  SKI by RFC 5280 method 1; AKI = issuer's SKI.
 * issuer   NULL: self-signed.   Caller owns the certificate.
 */
X509 *x509_make(const struct x509_spec *spec, X509 *issuer, EVP_PKEY *issuer_key, struct err *err);
/* The same in DER (caller owns, free()) and its serial number as x509_cert has it: half the cost.
 */
MUST_CHECK bool x509_make_der(const struct x509_spec *spec, X509 *issuer, EVP_PKEY *issuer_key,
                              unsigned char **ret_der, size_t *ret_len,
                              char ret_serial[X509_SERIAL_SIZE], struct err *err);

/* Append a certificate in PEM; false when it does not fit. */
MUST_CHECK bool x509_pem_add(struct buf *out, const unsigned char *der, size_t len);
/* PEM, certificates only, leaf first.  Caller owns (free(), chain_free). */
char *x509_pem(X509 *x509, struct err *err);
char *x509_chain_pem(X509_CHAIN *chain, struct err *err);
X509_CHAIN *x509_chain_read(const char *pem, size_t len,
                            struct err *err);                        /* 1 to 16 certificates */
X509_CHAIN *x509_chain_read_file(const char *path, struct err *err); /* ERR_CONFIG names path */
X509 *x509_from_der(const unsigned char *der, size_t len, struct err *err);

/* A store trusting every certificate of the given chain; caller owns. */
X509_STORE *x509_trust(X509_CHAIN *anchors, struct err *err);

/*
 * Path validation, RFC 5280, at now_s, from chain[0] with the rest as intermediates, for purpose
 * X509_PURPOSE_SSL_CLIENT, _SSL_SERVER or X509_PURPOSE_ANY.  ERR_UNAUTHORIZED with the reason.
 */
MUST_CHECK bool x509_verify(X509_CHAIN *chain, X509_STORE *trust, int purpose, int64_t now_s,
                            struct err *err);
