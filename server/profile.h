/* Certificate profiles (draft-ietf-acme-profiles): what a name in newOrder's `profile` promises. */
#pragma once

#include "common/acme.h"
#include "common/err.h"

struct profile {
    const char *name;        /* "nf-client" */
    const char *description; /* directory meta.profiles */
    unsigned eku;            /* X509_EKU_… */
    bool nf;                 /* needs an NfInstanceId; SAN critical, NFTypes */
    bool dns_allowed;        /* whether the order may hold dns and ip identifiers too */
    int64_t lifetime_s;      /* default validity; TS 33.310: at most 3 years */
    bool dns_needed;         /* and must hold a dns identifier */
    const char *nf_type;     /* that the authority token must grant; NULL: any */
};

/* TLS: nf-client, nf-server, nf-both, scp, sepp, tls-server; RFC 9509's purposes: nf-jwt,
 * nf-http-encrypt, nf-oauth-signing.  Ended by a NULL name. */
extern const struct profile profiles[];
const struct profile *profile_find(const char *name);

/* The profile an order gets: by name, or by its identifiers when name is NULL (NfInstanceId alone:
 * nf-client; with dns or ip: nf-both; those alone: tls-server).  ERR_INVALID_PROFILE when the name is
 * unknown or does not take these identifiers. */
const struct profile *profile_choose(const char *name, const struct acme_identifier *identifiers,
                                     unsigned count, struct err *err);
