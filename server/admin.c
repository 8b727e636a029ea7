#include "server/admin.h"

#include <stdlib.h>

#include "common/health.h"

struct admin {
    struct admin_options options;
    struct health *health;
};

/* What other rooms count, as rows of the moment. */
static bool render_rooms(const struct admin_options *options, struct buf *buf) {
    struct store_counts store = store_counts(options->store);
    struct nonce_counts nonces = nonce_counts(options->nonces);
    /* clang-format off */
    struct metric rows[] = {
        {METRIC_COUNTER, "nfacme_server_commits_total", NULL, "Group commits made durable", (int64_t)store.commits},
        {METRIC_COUNTER, "nfacme_server_commit_records_total", NULL, "Transactions in those commits", (int64_t)store.transactions},
        {METRIC_COUNTER, "nfacme_server_store_refused_total", NULL, "Transactions refused or lost", (int64_t)store.failed},
        {METRIC_GAUGE,   "nfacme_server_store_queue", NULL, "Transactions waiting for the writer", store.queued},
        {METRIC_COUNTER, "nfacme_server_nonces_total", "outcome=\"issued\"", "Nonces by what became of them", (int64_t)nonces.issued},
        {METRIC_COUNTER, "nfacme_server_nonces_total", "outcome=\"spent\"", NULL, (int64_t)nonces.spent},
        {METRIC_COUNTER, "nfacme_server_nonces_total", "outcome=\"unknown\"", NULL, (int64_t)nonces.unknown},
        {METRIC_COUNTER, "nfacme_server_nonces_total", "outcome=\"again\"", NULL, (int64_t)nonces.again},
        {METRIC_COUNTER, "nfacme_server_nonces_total", "outcome=\"aged\"", NULL, (int64_t)nonces.aged},
        {METRIC_COUNTER, "nfacme_server_nonces_total", "outcome=\"evicted\"", NULL, (int64_t)nonces.evicted},
        {METRIC_GAUGE,   "nfacme_server_validations", NULL, "Validations waiting and under way", va_queued(options->va)},
        {METRIC_GAUGE,   "nfacme_server_connections", NULL, "ACME connections", httpd_connections(options->acme)},
        {METRIC_GAUGE,   "nfacme_server_deferred", NULL, "ACME requests waiting for store or validation", httpd_deferred(options->acme)},
    };
    /* clang-format on */
    return metrics_render(rows, COUNT(rows), buf);
}

static void add_metrics(void *ctx, struct buf *buf) {
    struct admin *admin = ctx;

    (void)meter_render(admin->options.meter, buf);
    (void)render_rooms(&admin->options, buf);
}

static bool is_ready(void *ctx) {
    return store_counts(((struct admin *)ctx)->options.store).healthy;
}

struct admin *admin_start(const struct admin_options *options, struct err *err) {
    AUTO(admin_stop) struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the admin listener");
        return NULL;
    }
    admin->options = *options;
    admin->health = health_start(&(struct health_options){.listen = options->listen,
                                                          .ready = is_ready,
                                                          .metrics = add_metrics,
                                                          .ctx = admin,
                                                          .program = "nfacme-server"},
                                 err);
    return admin->health == NULL ? NULL : TAKE(admin);
}

void admin_stop(struct admin *admin) {
    if (admin != NULL) {
        health_stop(admin->health);
        free(admin);
    }
}

unsigned admin_port(const struct admin *admin) { return health_port(admin->health); }
