#include "client/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/admin.h"
#include "client/credentials.h"
#include "client/engine.h"
#include "client/housekeeper.h"
#include "client/jobs.h"
#include "client/nf_crl.h"
#include "client/reload.h"
#include "client/schedule.h"
#include "client/solver_dns01.h"
#include "client/solver_tkauth01.h"
#include "client/solvers.h"
#include "client/state.h"
#include "client/vault.h"
#include "common/file.h"
#include "common/run.h"
#include "common/x509.h"
#include "common/x509_crl.h"

#define ADDRESS_SIZE 80

struct client {
    const struct options *options;
    struct credentials credentials;
    struct trace *trace;
    struct loop *loop;
    struct vault *vault;
    struct store *store;
    X509_STORE *acme_trust, *oam_trust, *nf_trust;
    struct httpc *acme, *oam;
    struct cas cas;
    struct solvers solvers;
    struct jobs *jobs;
    struct engine *engine;
    struct notify_options notify;
    struct schedule_policy policy;
    struct schedule *schedule;
    struct housekeeper *housekeeper;
    char *nf_trust_pem;    /* as read last */
    struct config *latest; /* as read by the last SIGHUP; or NULL */
    struct nf_crl *nf_crl;
    struct api *api;
    struct admin *admin;
    pthread_t thread;
    bool running;
};

/* What lives under the state directory. */
static bool open_state(struct client *client, struct err *err) {
    const struct options *options = client->options;

    return file_folder(options->state_dir, err)
           && credentials_read(options->tls_cert, options->tls_key, options->state_dir,
                               options->nf_trust_pem, &options->clock, &client->credentials, err)
           && state_open(options, client->loop, &client->vault, &client->store, err);
}

static X509_STORE *trust_of(const char *path, struct err *err) {
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read_file(path, err);

    return anchors == NULL ? NULL : x509_trust(anchors, err);
}

static bool open_upstream(struct client *client, struct err *err) {
    const struct options *options = client->options;

    client->acme_trust = trust_of(options->ca_file, err);
    if (client->acme_trust == NULL) {
        return false;
    }
    client->acme =
        httpc_new(&(struct httpc_options){.loop = client->loop,
                                          .trust = client->acme_trust,
                                          .connections_max =
                                              options->connections_max * (1 + UPSTREAM_SLOW_FACTOR),
                                          .keep_session = true,
                                          .user_agent = "nfacme-client/" NFACME_VERSION},
                  err);
    for (unsigned i = 0; client->acme != NULL && i < options->directories_count; i++) {
        struct upstream *upstream =
            upstream_new(&(struct upstream_options){.loop = client->loop,
                                                    .httpc = client->acme,
                                                    .clock = &options->clock,
                                                    .trace = client->trace,
                                                    .seed = options->seed + i,
                                                    .connections_max = options->connections_max,
                                                    .rate = options->ca_rate,
                                                    .directory_url = options->directories[i]},
                         err);
        if (upstream == NULL) {
            return false;
        }
        client->cas.list[client->cas.count++] = (struct ca){options->directories[i], upstream};
    }
    return client->acme != NULL;
}

static bool open_oam(struct client *client, struct err *err) {
    const struct options *options = client->options;

    if (options->oam == NULL) {
        return true;
    }
    client->oam_trust = trust_of(options->oam_ca_file, err);
    client->oam =
        client->oam_trust == NULL
            ? NULL
            : httpc_new(&(struct httpc_options){.loop = client->loop,
                                                .trust = client->oam_trust,
                                                .chain = client->credentials.chain,
                                                .key = client->credentials.key,
                                                .connections_max = options->connections_max,
                                                .keep_session = true,
                                                .user_agent = "nfacme-client/" NFACME_VERSION},
                        err);
    client->solvers.tkauth01 =
        client->oam == NULL
            ? NULL
            : solver_tkauth01_new(
                &(struct solver_tkauth01_options){.httpc = client->oam,
                                                  .upstream = client->cas.list[0].upstream,
                                                  .oam_url = options->oam},
                err);
    return client->solvers.tkauth01 != NULL;
}

static bool open_solvers(struct client *client, struct err *err) {
    return solvers_open(client->options, client->loop, client->store, &client->solvers, err)
           && open_oam(client, err);
}

static bool open_jobs(struct client *client, struct err *err) {
    client->jobs = jobs_new(&(struct jobs_options){.loop = client->loop,
                                                   .store = client->store,
                                                   .vault = client->vault,
                                                   .cas = &client->cas,
                                                   .clock = &client->options->clock},
                            err);
    return client->jobs != NULL && jobs_resume(client->jobs, err);
}

static bool open_engine(struct client *client, struct err *err) {
    const struct options *options = client->options;
    const struct engine_options engine = {
        .loop = client->loop,
        .store = client->store,
        .vault = client->vault,
        .cas = &client->cas,
        .jobs = client->jobs,
        .solvers = &client->solvers,
        .clock = &options->clock,
        .trace = client->trace,
        .renewal = &client->policy,
        .failover_us = options->failover_us,
        .account_model = options->account_model,
        .eab = options->eab,
        .preferred_chain = options->preferred_chain,
        .account_key_life_us = options->account_key_life_us,
        .live_max = options->live_max,
        .seed = options->seed,
        .verify = engine_verify,
    };

    client->engine = engine_new(&engine, err);
    return client->engine != NULL && engine_resume(client->engine, err);
}

/* Whom notifications go to; those under way keep the old store. */
static bool nf_trust_make(struct client *client, const char *crl_pem, struct err *err) {
    const char *pem = client->nf_trust_pem;
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read(pem, strlen(pem), err);
    AUTO(X509_STORE_free) X509_STORE *trust = anchors == NULL ? NULL : x509_trust(anchors, err);

    if (trust == NULL || (crl_pem != NULL && !x509_crl_trust(trust, crl_pem, err))) {
        return false;
    }
    X509_STORE_free(client->nf_trust);
    client->nf_trust = TAKE(trust);
    client->notify.trust = client->nf_trust;
    return true;
}

static bool nf_crl_changed(void *ctx, const char *pem, struct err *err) {
    struct client *client = ctx;

    return nf_trust_make(client, pem, err) && api_crls(client->api, pem, err);
}

static bool open_schedule(struct client *client, struct err *err) {
    const struct options *options = client->options;

    client->nf_crl = nf_crl_new(client->loop, options->config, "nf_crl", err);
    if (client->nf_crl == NULL || !nf_trust_make(client, nf_crl_pem(client->nf_crl), err)) {
        return false;
    }
    client->notify = (struct notify_options){.loop = client->loop,
                                             .trust = client->nf_trust,
                                             .chain = client->credentials.chain,
                                             .key = client->credentials.key,
                                             .clock = &options->clock};
    client->schedule = schedule_new(&(struct schedule_options){.loop = client->loop,
                                                               .store = client->store,
                                                               .cas = &client->cas,
                                                               .clock = &options->clock,
                                                               .policy = &client->policy,
                                                               .notify = &client->notify},
                                    err);
    if (client->schedule != NULL) {
        schedule_start(client->schedule);
    }
    return client->schedule != NULL;
}

static bool open_housekeeper(struct client *client, struct err *err) {
    client->housekeeper =
        housekeeper_new(&(struct housekeeper_options){.loop = client->loop,
                                                      .store = client->store,
                                                      .clock = &client->options->clock,
                                                      .keep_us = client->options->keep_us},
                        err);
    if (client->housekeeper != NULL) {
        housekeeper_start(client->housekeeper);
    }
    return client->housekeeper != NULL;
}

static void begin(void *ctx) {
    const struct cas *cas = ctx;

    for (unsigned i = 0; i < cas->count; i++) {
        upstream_refresh(cas->list[i].upstream);
    }
}

static void *run(void *arg) {
    loop_run(arg);
    return NULL;
}

static bool start(struct client *client, struct err *err) {
    const struct options *options = client->options;

    loop_post(client->loop, begin, &client->cas);
    if (pthread_create(&client->thread, NULL, run, client->loop) != 0) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not start a thread");
    }
    client->running = true;
    client->api = api_start(&(struct api_options){.listen = options->listen,
                                                  .cert_pem = client->credentials.chain_pem,
                                                  .key_pem = client->credentials.key_pem,
                                                  .nf_trust_pem = options->nf_trust_pem,
                                                  .nf_crl_pem = nf_crl_pem(client->nf_crl),
                                                  .clock = &options->clock,
                                                  .identifiers = options->identifiers,
                                                  .solvers = &client->solvers,
                                                  .engine = client->engine,
                                                  .trace = client->trace,
                                                  .held_max = options->held_max,
                                                  .tenant_rate = options->tenant_rate,
                                                  .tenant_burst = options->tenant_burst,
                                                  .threads = options->threads},
                            err);
    if (client->api != NULL) {
        nf_crl_watch(client->nf_crl, nf_crl_changed, client);
    }
    client->admin = client->api == NULL
                        ? NULL
                        : admin_start(&(struct admin_options){.listen = options->admin,
                                                              .loop = client->loop,
                                                              .store = client->store,
                                                              .engine = client->engine,
                                                              .trace = client->trace},
                                      err);
    return client->admin != NULL;
}

struct client *client_start(const struct options *options, struct err *err) {
    AUTO(client_stop) struct client *client = calloc(1, sizeof *client);

    if (client == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    client->options = options;
    client->policy = options->renewal;
    client->nf_trust_pem = strdup(options->nf_trust_pem);
    if (client->nf_trust_pem == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    client->trace = trace_open("client", options->trace, options->events, err);
    client->loop = client->trace == NULL ? NULL : loop_new(err);
    if (client->loop == NULL || !open_state(client, err) || !open_upstream(client, err)
        || !open_solvers(client, err) || !open_jobs(client, err) || !open_engine(client, err)
        || !open_schedule(client, err) || !open_housekeeper(client, err) || !start(client, err)) {
        return NULL;
    }
    return TAKE(client);
}

void client_stop(struct client *client) {
    if (client == NULL) {
        return;
    }
    if (client->running) {
        loop_post(client->loop, engine_stop, client->engine);
        (void)pthread_join(client->thread, NULL);
    }
    api_stop(client->api);
    nf_crl_free(client->nf_crl);
    admin_stop(client->admin);
    store_close(client->store);               /* before the engine: completions find nobody */
    solver_dns01_stop(client->solvers.dns01); /* what is published stays, for the next start */
    client->solvers.dns01 = NULL;
    admin_free(client->admin);
    engine_free(client->engine);
    jobs_free(client->jobs);
    schedule_free(client->schedule);
    housekeeper_free(client->housekeeper);
    solver_tkauth01_free(client->solvers.tkauth01);
    solvers_close(&client->solvers);
    for (unsigned i = 0; i < client->cas.count; i++) {
        upstream_free(client->cas.list[i].upstream);
    }
    httpc_free(client->acme);
    httpc_free(client->oam);
    X509_STORE_free(client->acme_trust);
    X509_STORE_free(client->oam_trust);
    X509_STORE_free(client->nf_trust);
    vault_close(client->vault);
    loop_free(client->loop);
    trace_close(client->trace);
    credentials_done(&client->credentials);
    config_free(client->latest);
    free(client->nf_trust_pem);
    free(client);
}

static bool reload(struct client *client, struct options *fresh, struct err *err) {
    const struct reload_rooms rooms = {.loop = client->loop,
                                       .api = client->api,
                                       .nf_crl = client->nf_crl,
                                       .acme = client->acme,
                                       .oam = client->oam,
                                       .notify = &client->notify,
                                       .engine = client->engine,
                                       .housekeeper = client->housekeeper,
                                       .policy = &client->policy,
                                       .credentials = &client->credentials,
                                       .acme_trust = &client->acme_trust,
                                       .oam_trust = &client->oam_trust,
                                       .nf_trust = &client->nf_trust,
                                       .nf_trust_pem = &client->nf_trust_pem};

    if (!reload_begin(&rooms, fresh, err)) {
        return false;
    }
    reload_compare(client->latest == NULL ? client->options->config : client->latest,
                   fresh->config);
    config_free(client->latest);
    client->latest = TAKE(fresh->config);
    return true;
}

void client_reload(struct client *client, int argc, char **argv) {
    AUTO(options_done) struct options fresh = {0};
    struct config *config = NULL;
    struct err err = {0};

    if (config_start(&options_program, argc, argv, &config) != CONFIG_RUN) {
        (void)err_set(&err, ERR_CONFIG, "the configuration is wrong: see standard error");
    } else if (options_read(config, &fresh, &err) && reload(client, &fresh, &err)) {
        return;
    }
    reload_refused(&err);
}

/* "ADDR:PORT" with the port that was really taken. */
static void address(const char *listen, unsigned port, char out[ADDRESS_SIZE]) {
    const char *colon = strrchr(listen, ':');
    const int host = colon == NULL ? 0 : (int)(colon - listen);

    (void)snprintf(out, ADDRESS_SIZE, "%.*s:%u", host, listen, port);
}

void client_ready(const struct client *client) {
    char api[ADDRESS_SIZE], admin[ADDRESS_SIZE];

    address(client->options->listen, api_port(client->api), api);
    address(client->options->admin, admin_port(client->admin), admin);
    run_ready("ready api=https://%s root=%s admin=http://%s", api, client->credentials.root_path,
              admin);
}

unsigned client_api_port(const struct client *client) { return api_port(client->api); }

unsigned client_admin_port(const struct client *client) { return admin_port(client->admin); }
