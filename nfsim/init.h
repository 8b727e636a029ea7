/* First trust, TS 33.310 clause 10 and Annex J.2: the OAM's CA, its own certificates, and per NF an
 * id, names, a key and a bootstrap certificate, all in one state folder. */
#pragma once

#include "common/clock.h"
#include "common/err.h"
#include "nfsim/fleet.h"
#include "nfsim/inventory.h"

#define INIT_CLIENT_LABEL "nfacme-client" /* of the shared client's FQDN */
#define INIT_BOOTSTRAP_DAYS 7

struct init_options {
    const char *state; /* made when absent */
    struct fleet fleet;
    uint32_t nfs;              /* how many NFs there shall be at least */
    const struct clock *clock; /* for validity */
    bool quiet;                /* no progress on stderr */
    bool plain;                /* never rewrite a line */
};

/*
 * Make what is missing: the files oam-ca, oam, token-authority and client (.pem and .key), and NFs
 * up to nfs; bootstrap certificates that end within a day are made anew.  Run again it changes
 * nothing.   ERR_CONFIG when the folder holds another fleet (seed, PLMN or types).
 */
MUST_CHECK bool init_state(const struct init_options *options, struct err *err);

/* A bootstrap certificate and key for an NF, signed by the OAM's CA.  The caller's ret is filled
 * but for its index. */
struct init_ca {
    X509 *x509;
    EVP_PKEY *key;
    char domain[FLEET_DOMAIN_SIZE];
};
MUST_CHECK bool init_ca_read(const char *state, const struct fleet *fleet, struct init_ca *ret,
                             struct err *err);
void init_ca_done(struct init_ca *ca);
void init_ca_done_auto(struct init_ca *ca);
MUST_CHECK bool init_bootstrap(const struct init_ca *ca, const struct fleet_nf *id, int64_t now_s,
                               struct inventory_nf *ret, struct err *err);
