/* The client's command line and configuration file, checked and turned into values. */
#pragma once

#include <stddef.h>

#include "client/api.h"
#include "client/cas.h"
#include "client/options_dns01.h"
#include "client/schedule.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/err.h"

extern const struct config_program options_program;

/* Texts are borrowed from config. */
struct options {
    struct config *config;            /* owned */
    const char *directories[CAS_MAX]; /* the preferred one first */
    unsigned directories_count;
    uint64_t failover_us;
    const char *ca_file;
    const char *state_dir;
    const char *vault_key; /* NULL: a systemd credential, or in the state directory */
    const char *listen, *admin;
    const char *tls_cert, *tls_key; /* both or neither */
    unsigned challenges_count;
    enum acme_challenge_type challenges[ACME_CHALLENGE__COUNT];
    bool challenge_none; /* names may be authorised beforehand */
    enum api_identifiers identifiers;
    const char *http01_listen;    /* NULL = no responder */
    const char *tlsalpn01_listen; /* likewise */
    struct options_dns01 dns01;
    const char *oam, *oam_ca_file; /* both or neither */
    char *nf_trust_pem;            /* all --nf-trust files, one after the other; owned */
    enum account_model account_model;
    struct eab_keys *eab;       /* owned */
    const char *trace, *events; /* NULL = none */
    struct clock clock;
    struct schedule_policy renewal;
    uint64_t seed;
    const char *preferred_chain;
    double ca_rate;                   /* requests a second; 0 = no limit */
    double tenant_rate, tenant_burst; /* requests a second, at once, of one NF; 0 = no limit */
    bool nf_tokens;
    uint64_t account_key_life_us;
    uint64_t keep_us; /* ended enrolments; 0 = for ever */
    unsigned threads, live_max, held_max, connections_max;
};

/* Takes config in any case.  ERR_CONFIG names file and key. */
MUST_CHECK bool options_read(struct config *config, struct options *ret, struct err *err);
void options_done(struct options *options);
void options_done_auto(struct options *options);
