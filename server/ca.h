/* The co-located CA: root and issuing CA (or a directly signing root), NF certificates as TS 33.310
 * 6.1.3c wants them, and the server's own TLS certificate under the same root. */
#pragma once

#include "common/acme.h"
#include "common/clock.h"
#include "common/key.h"
#include "common/x509.h"
#include "server/profile.h"

#define CA_ALTERNATES_MAX 3

struct ca;

struct ca_options {
    const char *state_dir; /* root.pem, root.key, issuing.pem, issuing.key live here */
    unsigned depth;        /* 2: root and issuing CA; 1: the root signs */
    enum key_type key_type;
    const char *country; /* "XX" */
    const char *domain;  /* O=: "5gc.mnc001.mcc001.3gppnetwork.org" */
    const char *import_cert, *import_key; /* the operator's own CA, PEM files; or NULL */
    const char *key_uri, *key_module; /* the signing key is in a token (ca_engine.h); or NULL */
    unsigned alternates;                  /* further roots, at most CA_ALTERNATES_MAX */
    const struct clock *clock;
};

/* Load the CA from the state directory, or make it there (keys mode 0600). */
struct ca *ca_open(const struct ca_options *options, struct err *err);
void ca_free(struct ca *ca);
AUTO_DEFINE(struct ca, ca_free)

/* Where certificates say their CRL and OCSP responder are ("http://127.0.0.1:14080"); set once the port is known. */
void ca_pki_url_set(struct ca *ca, const char *url);

X509 *ca_root(const struct ca *ca);           /* borrowed */
X509 *ca_issuer(const struct ca *ca);         /* borrowed: signs leaves and CRLs */
EVP_PKEY *ca_issuer_key(const struct ca *ca); /* borrowed */

/* Further roots for alternate chains, n from 1 to ca_alternate_count. */
unsigned ca_alternate_count(const struct ca *ca);
X509 *ca_alternate_root(const struct ca *ca, unsigned n);  /* borrowed */
X509 *ca_alternate_cross(const struct ca *ca, unsigned n); /* borrowed: stands below that root */
/* Does what this CA issued now stand in that chain?  Another issuer's has no alternates. */
bool ca_is_issuer_of(const struct ca *ca, const char *chain_pem);
/* The chain of the same leaf to alternate root n; caller owns, free(); NULL: no memory. */
char *ca_alternate_chain(const struct ca *ca, unsigned n, const char *chain_pem);

/* A TLS server certificate for names and addresses; chain and key as PEM, caller owns (free). */
MUST_CHECK bool ca_tls(struct ca *ca, const char *const *names, char **ret_chain_pem,
                       char **ret_key_pem, struct err *err);

struct ca_request {
    const struct x509_csr *csr; /* read and verified */
    const struct profile *profile;
    const struct acme_identifier *identifiers;
    unsigned identifier_count;
    struct nftypes nftypes;            /* the token's; count 0 without NfInstanceId */
    int64_t not_before_s, not_after_s; /* wanted; 0 = the profile's */
    int64_t not_after_max_s;           /* the authority token's exp; 0 = none */
};

struct ca_certificate {
    char serial[X509_SERIAL_SIZE];
    char *chain_pem; /* caller owns: free() */
    int64_t not_before_s, not_after_s;
    unsigned char spki_sha256[32];
};

/* Does the CSR ask for exactly the order's identifiers and nothing its profile forbids?
 * ERR_BAD_CSR names the reason (RFC 8555 7.4): a name missing or extra, CA:TRUE, another NF type.
 */
MUST_CHECK bool ca_csr_fits(const struct ca_request *request, struct err *err);

/* Issue: CPU only, thread-safe, stores nothing.  Calls ca_csr_fits first. */
MUST_CHECK bool ca_issue(struct ca *ca, const struct ca_request *request,
                         struct ca_certificate *ret, struct err *err);
