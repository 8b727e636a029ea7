/* What relying parties are told of what this CA issued: revocation lists and OCSP, as one. */
#pragma once

#include "server/pki.h"
#include "server/store.h"

struct status_options { /* borrowed for the life */
    struct ca *ca;
    struct store *store;
    const char *state_dir;
    const struct clock *clock;
    uint64_t crl_lifetime_us, ocsp_lifetime_us;
};

struct status;

/* Signs the first list of each CA certificate; the pki listener's URL must be known to the CA. */
struct status *status_new(const struct status_options *options, struct err *err);
void status_free(struct status *status);
AUTO_DEFINE(struct status, status_free)

/* The leaf of a chain (PEM) that no order led to is good: the server's own.  Before the sources are
 * given to anybody. */
MUST_CHECK bool status_own_add(struct status *status, const char *chain_pem, struct err *err);

const struct pki_sources *status_sources(const struct status *status); /* borrowed */
