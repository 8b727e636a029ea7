#include "server/status.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/revoker.h"

#define US_PER_S 1000000

struct status {
    struct pki_sources sources;
    char crl_state[PATH_MAX];
};

/* An ocsp_source; ctx is a struct store. */
static bool ask_store(void *ctx, const char *serial, struct ocsp_status *ret, struct err *err) {
    struct ocsp_status status = {.known = true};
    struct err why = {0};

    if (store_certificate_status(ctx, serial, &status.revoked_at_s, &status.reason, &why)) {
        *ret = status;
        return true;
    }
    if (why.kind == ERR_NOT_FOUND) {
        *ret = (struct ocsp_status){.reason = -1};
        return true;
    }
    *err = why;
    return false;
}

static bool start(struct status *status, const struct status_options *options, struct err *err) {
    struct pki_sources *sources = &status->sources;
    bool two_levels = ca_root(options->ca) != ca_issuer(options->ca);

    (void)snprintf(status->crl_state, sizeof status->crl_state, "%s/crl.state", options->state_dir);
    sources->crl =
        crl_new(&(struct crl_options){.ca = options->ca,
                                      .source = revoker_source,
                                      .ctx = options->store,
                                      .clock = options->clock,
                                      .lifetime_s = (int64_t)(options->crl_lifetime_us / US_PER_S),
                                      .state_file = status->crl_state},
                err);
    sources->ocsp =
        sources->crl == NULL
            ? NULL
            : ocsp_new(&(struct ocsp_options){.ca = options->ca,
                                              .source = ask_store,
                                              .ctx = options->store,
                                              .clock = options->clock,
                                              .lifetime_s =
                                                  (int64_t)(options->ocsp_lifetime_us / US_PER_S)},
                       err);
    if (sources->ocsp != NULL && two_levels) {
        sources->root_crl =
            root_crl_open(options->state_dir, ca_root(options->ca), options->clock, err);
    }
    return sources->ocsp != NULL && (!two_levels || sources->root_crl != NULL);
}

struct status *status_new(const struct status_options *options, struct err *err) {
    AUTO(status_free) struct status *status = calloc(1, sizeof *status);

    if (status == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for certificate status");
        return NULL;
    }
    return start(status, options, err) ? TAKE(status) : NULL;
}

void status_free(struct status *status) {
    if (status != NULL) {
        ocsp_free(status->sources.ocsp);
        root_crl_free(status->sources.root_crl);
        crl_free(status->sources.crl);
        free(status);
    }
}

bool status_own_add(struct status *status, const char *chain_pem, struct err *err) {
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(chain_pem, strlen(chain_pem), err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    return chain != NULL && x509_cert_read(sk_X509_value(chain, 0), &cert, err)
           && ocsp_own_add(status->sources.ocsp, cert.serial, err);
}

const struct pki_sources *status_sources(const struct status *status) { return &status->sources; }
