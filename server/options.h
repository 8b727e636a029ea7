/* nfacme-server's command line and configuration file: one table, read into one record. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/key.h"
#include "server/va.h"
#include "server/throttle.h"

#define OPTIONS_CAA_MAX 16
#define OPTIONS_NAMES_MAX 67 /* localhost, its two addresses, and 64 given */

extern const struct config_program options_program;

struct options { /* texts are borrowed from config */
    struct config *config;
    const char *state_dir;
    const char *listen, *pki, *admin;
    const char *names[OPTIONS_NAMES_MAX + 1]; /* of the TLS certificate, lower case; NULL-ended */
    char *own_names[OPTIONS_NAMES_MAX];
    bool memory; /* --store memory */
    unsigned ca_depth;
    enum key_type ca_key;
    char domain[64]; /* 5gc.mncNNN.mccNNN.3gppnetwork.org */
    const char *country;
    const char *key_uri, *key_module; /* or NULL: ca_engine.h */
    const char *import_cert, *import_key; /* or both NULL */
    unsigned alternates;
    bool key_binding;
    const char *token_authority; /* a PEM file; or NULL */
    unsigned http01_port, tlsalpn01_port;
    const char *exclude[VA_EXCLUDE_MAX + 1]; /* CIDRs; NULL-ended */
    unsigned retries, history;
    uint64_t retry_interval_us;
    const char *resolver, *resolve_to;
    bool require_eab;
    const char *terms;                               /* URL of the terms of service; or NULL */
    const char *website;                             /* or NULL */
    const char *caa_identities[OPTIONS_CAA_MAX + 1]; /* NULL-ended */
    bool caa;                                        /* CAA records are asked for */
    uint64_t caa_reuse_us;
    const char *blocked_keys; /* a file; or NULL */
    struct throttle_options limits;
    const char *limits_help; /* a URL, or NULL */
    const char *trace, *events;
    struct clock clock;
    uint64_t fault_seed;
    unsigned threads;
    unsigned connections_max, accounts_kept;
    const char *audit; /* a file, "none", or NULL: audit.jsonl in the state directory */
    uint64_t housekeeping_us, keep_us, certificate_keep_us;
    bool ari;
    bool profiles; /* are spoken of */
    uint64_t ari_retry_us;
    unsigned authz_reuse;
    bool subdomains;
    uint64_t finalize_delay_us;
    uint64_t order_lifetime_us, authz_lifetime_us, crl_lifetime_us, ocsp_lifetime_us;
};

/* Read what config_start gave; config is taken.  ERR_CONFIG names file, line and key. */
MUST_CHECK bool options_read(struct config *config, struct options *ret, struct err *err);
void options_done(struct options *options);
void options_done_auto(struct options *options);
