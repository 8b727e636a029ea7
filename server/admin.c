#include "server/admin.h"

#include <stdlib.h>
#include <string.h>

#define METRICS_MAX 65536
#define TEXT_TYPE "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define CONNECTIONS_MAX 64

struct admin {
    struct admin_options options;
    struct httpd *httpd;
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

static void answer_text(struct httpd_exchange *exchange, unsigned status, const char *text) {
    char *body = strdup(text);
    httpd_answer(exchange, body == NULL ? 503 : status, TEXT_TYPE, body,
                 body == NULL ? 0 : strlen(body));
}

static void answer_metrics(struct admin *admin, struct httpd_exchange *exchange) {
    AUTO(buf_done) struct buf buf = buf_new(METRICS_MAX);

    (void)meter_render(admin->options.meter, &buf);
    (void)render_rooms(&admin->options, &buf);
    (void)metrics_render_process("nfacme-server", &buf);
    size_t len = buf.len;
    char *text = buf_take(&buf);
    httpd_answer(exchange, text == NULL ? 503 : 200, METRICS_TYPE, text, text == NULL ? 0 : len);
}

static void handle(void *ctx, struct httpd_exchange *exchange) {
    struct admin *admin = ctx;
    const char *path = httpd_path(exchange);

    if ((httpd_method(exchange) & (HTTP_GET | HTTP_HEAD)) == 0) {
        httpd_header_add(exchange, "Allow", "GET, HEAD");
        answer_text(exchange, 405, "GET or HEAD\n");
    } else if (strcmp(path, "/healthz") == 0) {
        answer_text(exchange, 200, "ok\n");
    } else if (strcmp(path, "/readyz") == 0) {
        bool ready = store_counts(admin->options.store).healthy;
        answer_text(exchange, ready ? 200 : 503, ready ? "ok\n" : "the store cannot be written\n");
    } else if (strcmp(path, "/metrics") == 0) {
        answer_metrics(admin, exchange);
    } else {
        answer_text(exchange, 404, "no such page: /healthz /readyz /metrics\n");
    }
}

struct admin *admin_start(const struct admin_options *options, struct err *err) {
    AUTO(admin_stop) struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the admin listener");
        return NULL;
    }
    admin->options = *options;
    admin->httpd = httpd_start(&(struct httpd_options){.listen = options->listen,
                                                       .body_max = 1024,
                                                       .connections_max = CONNECTIONS_MAX,
                                                       .handler = handle,
                                                       .ctx = admin},
                               err);
    return admin->httpd == NULL ? NULL : TAKE(admin);
}

void admin_stop(struct admin *admin) {
    if (admin != NULL) {
        httpd_stop(admin->httpd);
        free(admin);
    }
}

unsigned admin_port(const struct admin *admin) { return httpd_port(admin->httpd); }
