#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/later.h"
#include "common/log.h"
#include "common/run.h"
#include "server/admin.h"
#include "server/audit.h"
#include "server/ca.h"
#include "server/history.h"
#include "server/housekeeper.h"
#include "server/pki.h"
#include "server/status.h"
#include "server/store_memory.h"
#include "server/store_sqlite.h"
#include "server/wfe.h"

#define PATH_SIZE 512
#define AUDIT "audit.jsonl"
#define DRAIN_US 10000000
#define NONCE_WINDOW 0x100000

struct server {
    const struct options *options;
    struct store *store;
    struct ca *ca;
    struct pki *pki;
    struct status *status;
    struct revoker *revoker;
    X509_CHAIN *token_authority;
    struct history *history; /* NULL = not kept */
    struct va *va;
    struct nonce_pool *nonces;
    struct keyring *keyring;
    struct eab_keys *eab;
    struct key_policy *keys;
    struct terms *terms;
    struct profile_offer profiles;
    struct throttle *throttle;
    struct meter *meter;
    struct faults *faults;
    struct trace *trace;
    struct wfe *wfe;
    char *cert_pem, *key_pem;
    struct httpd *httpd;
    struct admin *admin;
    struct audit *audit;
    struct housekeeper *housekeeper;
};

/* "http://host:port", host as people reach what listens there. */
static void url_text(const char *scheme, const char *listen, unsigned port, char *text,
                     size_t size) {
    const char *colon = strrchr(listen, ':');
    int len = colon == NULL ? 0 : (int)(colon - listen);
    bool any = len == 0 || strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0;

    (void)snprintf(text, size, "%s://%.*s:%u", scheme, any ? 9 : len, any ? "localhost" : listen,
                   port);
}

static bool open_store(struct server *server, struct err *err) {
    const struct options *options = server->options;
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof(path), "%s/" SERVER_DATABASE, options->state_dir);
    server->store = options->memory ? store_memory_open(err)
                                    : store_sqlite_open(path, clock_now_s(&options->clock), err);
    return server->store != NULL;
}

#define US_PER_S 1000000

const char *server_audit_path(const struct options *options, char *text, size_t size) {
    if (options->audit == NULL) {
        (void)snprintf(text, size, "%s/" AUDIT, options->state_dir);
        return text;
    }
    return strcmp(options->audit, "none") == 0 ? NULL : options->audit;
}

static bool start_upkeep(struct server *server, struct err *err) {
    const struct options *options = server->options;
    char path[PATH_SIZE];
    const char *audit = server_audit_path(options, path, sizeof(path));
    if (audit != NULL) {
        server->audit = audit_open(&(struct audit_options){.path = audit,
                                                           .store = server->store,
                                                           .clock = &options->clock,
                                                           .memory = options->memory},
                                   err);
        if (server->audit == NULL) {
            return false;
        }
        store_observe(server->store, audit_committed, server->audit);
    }
    server->housekeeper = housekeeper_start(
        &(struct housekeeper_options){.store = server->store,
                                      .clock = &options->clock,
                                      .interval_us = options->housekeeping_us,
                                      .keep_s = (int64_t)(options->keep_us / US_PER_S),
                                      .certificate_keep_s =
                                          (int64_t)(options->certificate_keep_us / US_PER_S)},
        err);
    return server->housekeeper != NULL;
}

void server_reopen(struct server *server) {
    if (server->audit != NULL) {
        audit_reopen(server->audit);
    }
}

struct ca *server_ca_open(const struct options *options, struct err *err) {
    return ca_open(&(struct ca_options){.state_dir = options->state_dir,
                                        .depth = options->ca_depth,
                                        .key_type = options->ca_key,
                                        .country = options->country,
                                        .domain = options->domain,
                                        .import_cert = options->import_cert,
                                        .import_key = options->import_key,
                                        .key_uri = options->key_uri,
                                        .key_module = options->key_module,
                                        .alternates = options->alternates,
                                        .clock = &options->clock},
                   err);
}

/* CA, its listener, and what is said there of what it issued. */
static bool start_pki(struct server *server, struct err *err) {
    const struct options *options = server->options;
    char url[PATH_SIZE];

    server->ca = server_ca_open(options, err);
    server->pki = server->ca == NULL ? NULL
                                     : pki_start(&(struct pki_options){.listen = options->pki,
                                                                       .ca = server->ca,
                                                                       .clock = &options->clock},
                                                 err);
    if (server->pki == NULL) {
        return false;
    }
    url_text("http", options->pki, pki_port(server->pki), url, sizeof(url));
    ca_pki_url_set(server->ca, url);
    server->status =
        status_new(&(struct status_options){.ca = server->ca,
                                            .store = server->store,
                                            .state_dir = options->state_dir,
                                            .clock = &options->clock,
                                            .crl_lifetime_us = options->crl_lifetime_us,
                                            .ocsp_lifetime_us = options->ocsp_lifetime_us},
                   err);
    if (server->status == NULL) {
        return false;
    }
    server->revoker = revoker_new(status_sources(server->status)->crl, err);
    return server->revoker != NULL;
}

static bool start_va(struct server *server, struct err *err) {
    const struct options *options = server->options;

    if (options->token_authority != NULL) {
        server->token_authority = x509_chain_read_file(options->token_authority, err);
        if (server->token_authority == NULL) {
            return false;
        }
    }
    if (options->history > 0) {
        server->history = history_new(options->history, err);
        if (server->history == NULL) {
            return false;
        }
    }
    server->va = va_new(
        &(struct va_options){
            .clock = &options->clock,
            .key_binding = server->options->key_binding,
            .token_authority = server->token_authority,
            .http01_port = options->http01_port,
            .tlsalpn01_port = options->tlsalpn01_port,
            .exclude = options->exclude,
            .retries = options->retries,
            .retry_interval_us = clock_real_delay_us(&options->clock, options->retry_interval_us),
            .observer = {server->history == NULL ? NULL : history_query, server->history},
            .caa_identities = options->caa ? options->caa_identities : NULL,
            .names = options->names,
            .resolver = options->resolver,
            .resolve_to = options->resolve_to},
        err);
    return server->va != NULL;
}

static bool read_eab(struct server *server, struct err *err) {
    const struct config *config = server->options->config;

    server->eab = eab_keys_new(err);
    for (size_t i = 0; server->eab != NULL && i < config_count(config, "eab.keys"); i++) {
        if (!eab_keys_add(server->eab, config_text_at(config, "eab.keys", i), err)) {
            return false;
        }
    }
    return server->eab != NULL && eab_keys_load(server->eab, server->store, err);
}

static bool block(void *ctx, const unsigned char spki_sha256[32], struct err *err) {
    return key_policy_block(ctx, spki_sha256)
           || err_set(err, ERR_CONFIG, "more than %d compromised keys", KEY_POLICY_BLOCKED_MAX);
}

/* What accounts are held to. */
static bool make_rules(struct server *server, struct err *err) {
    const struct options *options = server->options;

    server->keys = key_policy_new(err);
    server->terms = terms_new(err);
    server->throttle = throttle_new(&options->limits, err);
    return server->keys != NULL && server->terms != NULL && server->throttle != NULL
           && (options->blocked_keys == NULL
               || key_policy_read(server->keys, options->blocked_keys, err))
           && store_compromised_each(server->store, block, server->keys, err)
           && terms_load(server->terms, server->store, options->terms, err);
}

static bool make_wfe(struct server *server, struct err *err) {
    const struct options *options = server->options;

    server->profiles.silent = !options->profiles;
    server->meter = meter_new(err);
    server->faults = faults_new(options->fault_seed, err);
    server->nonces = nonce_pool_new(NONCE_WINDOW, err);
    server->keyring = keyring_new(server->store, options->accounts_kept, err);
    server->trace = trace_open("server", options->trace, options->events, err);
    if (server->meter == NULL || server->faults == NULL
        || !faults_read_config(server->faults, options->config, err) || server->nonces == NULL
        || server->keyring == NULL || server->trace == NULL || !read_eab(server, err)
        || !make_rules(server, err)) {
        return false;
    }
    server->wfe = wfe_new(
        &(struct wfe_options){.clock = &options->clock,
                              .store = server->store,
                              .gate = {.nonces = server->nonces, .keyring = server->keyring},
                              .ca = server->ca,
                              .va = server->va,
                              .revoker = server->revoker,
                              .eab = server->eab,
                              .require_eab = options->require_eab,
                              .keys = server->keys,
                              .terms = server->terms,
                              .profiles = &server->profiles,
                              .throttle = server->throttle,
                              .limits_help = options->limits_help,
                              .website = options->website,
                              .caa_identities = options->caa_identities,
                              .caa_reuse_us = options->caa_reuse_us,
                              .names = options->names,
                              .meter = server->meter,
                              .audit = server->audit,
                              .faults = server->faults,
                              .trace = server->trace,
                              .order_lifetime_us = options->order_lifetime_us,
                              .authz_reuse = options->authz_reuse,
                              .subdomains = options->subdomains,
                              .finalize_delay_us = options->finalize_delay_us,
                              .authz_lifetime_us = options->authz_lifetime_us,
                              .ari = options->ari,
                              .ari_retry_us = options->ari_retry_us},
        err);
    return server->wfe != NULL && wfe_resume(server->wfe, err);
}

static bool listen_all(struct server *server, struct err *err) {
    const struct options *options = server->options;

    if (!ca_tls(server->ca, options->names, &server->cert_pem, &server->key_pem, err)
        || !status_own_add(server->status, server->cert_pem, err)) {
        return false;
    }
    pki_sources_set(server->pki, status_sources(server->status));
    server->httpd = httpd_start(&(struct httpd_options){.listen = options->listen,
                                                        .cert_pem = server->cert_pem,
                                                        .key_pem = server->key_pem,
                                                        .many_idle = true,
                                                        .threads = options->threads,
                                                        .body_max = GATE_BODY_MAX,
                                                        .connections_max = options->connections_max,
                                                        .handler = wfe_handle,
                                                        .ctx = server->wfe},
                                err);
    if (server->httpd == NULL) {
        return false;
    }
    server->admin = admin_start(&(struct admin_options){.listen = options->admin,
                                                        .meter = server->meter,
                                                        .faults = server->faults,
                                                        .history = server->history,
                                                        .nonces = server->nonces,
                                                        .store = server->store,
                                                        .va = server->va,
                                                        .keyring = server->keyring,
                                                        .eab = server->eab,
                                                        .terms = server->terms,
                                                        .profiles = &server->profiles,
                                                        .throttle = server->throttle,
                                                        .acme = server->httpd,
                                                        .ca = server->ca,
                                                        .status = status_sources(server->status),
                                                        .wfe = server->wfe,
                                                        .audit = server->audit,
                                                        .housekeeper = server->housekeeper,
                                                        .clock = &options->clock},
                                err);
    return server->admin != NULL;
}

struct server *server_start(const struct options *options, struct err *err) {
    AUTO(server_stop) struct server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the server");
        return NULL;
    }
    server->options = options;
    if (!file_folder(options->state_dir, err) || !open_store(server, err)
        || !start_upkeep(server, err) || !start_pki(server, err) || !start_va(server, err)
        || !make_wfe(server, err) || !listen_all(server, err)) {
        return NULL;
    }
    return TAKE(server);
}

unsigned server_port(const struct server *server) { return httpd_port(server->httpd); }

unsigned server_admin_port(const struct server *server) { return admin_port(server->admin); }

void server_ready(const struct server *server) {
    const struct options *options = server->options;
    char directory[PATH_SIZE], pki[PATH_SIZE], admin[PATH_SIZE];

    url_text("https", options->listen, server_port(server), directory, sizeof(directory));
    url_text("http", options->pki, pki_port(server->pki), pki, sizeof(pki));
    url_text("http", options->admin, admin_port(server->admin), admin, sizeof(admin));
    run_ready("ready directory=%s/directory root=%s/root.pem pki=%s admin=%s", directory,
              options->state_dir, pki, admin);
}

/* First nothing new is let in and what is under way ends; then those who call are stopped before
 * those they call. */
void server_stop(struct server *server) {
    if (server == NULL) {
        return;
    }
    if (server->wfe != NULL && !wfe_drain(server->wfe, DRAIN_US)) {
        log_line(LOG_WARNING, "server", "undrained", "after_s=%d", DRAIN_US / 1000000);
    }
    admin_stop(server->admin);
    housekeeper_stop(server->housekeeper);
    if (server->faults != NULL) {
        later_stop(faults_later(server->faults));
    }
    va_free(server->va);
    history_free(server->history);
    store_stop(server->store);
    revoker_free(server->revoker);
    httpd_stop(server->httpd);
    pki_stop(server->pki);
    status_free(server->status);
    wfe_free(server->wfe);
    audit_close(server->audit);
    trace_close(server->trace);
    meter_free(server->meter);
    faults_free(server->faults);
    eab_keys_free(server->eab);
    key_policy_free(server->keys);
    terms_free(server->terms);
    throttle_free(server->throttle);
    keyring_free(server->keyring);
    nonce_pool_free(server->nonces);
    chain_free(server->token_authority);
    ca_free(server->ca);
    store_close(server->store);
    free(server->cert_pem);
    if (server->key_pem != NULL) {
        OPENSSL_cleanse(server->key_pem, strlen(server->key_pem));
    }
    free(server->key_pem);
    free(server);
}
