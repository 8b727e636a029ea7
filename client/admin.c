#include "client/admin.h"

#include <stdlib.h>
#include <string.h>

#include "client/stats.h"
#include "common/httpd.h"

#define METRICS_MAX (64 * 1024)
#define TEXT_TYPE "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define CONNECTIONS_MAX 64

struct admin {
    const struct store *store;
    struct httpd *httpd;
};

static void answer_text(struct httpd_exchange *exchange, unsigned status, const char *text) {
    char *body = strdup(text);

    httpd_answer(exchange, body == NULL ? 503 : status, TEXT_TYPE, body,
                 body == NULL ? 0 : strlen(body));
}

static void answer_metrics(const struct admin *admin, struct httpd_exchange *exchange) {
    AUTO(buf_done) struct buf buf = buf_new(METRICS_MAX);

    metric_set(stats_count(STATS_COMMITS), (int64_t)store_commits(admin->store));
    metric_set(stats_count(STATS_RECORDS), (int64_t)store_commit_records(admin->store));
    (void)stats_render(&buf);
    const size_t len = buf.len;
    char *text = buf_take(&buf);
    httpd_answer(exchange, text == NULL ? 503 : 200, METRICS_TYPE, text, text == NULL ? 0 : len);
}

static void admin_handle(void *ctx, struct httpd_exchange *exchange) {
    const struct admin *admin = ctx;
    const char *path = httpd_path(exchange);

    if (httpd_method(exchange) != HTTP_GET) {
        httpd_header_add(exchange, "Allow", "GET");
        answer_text(exchange, 405, "only GET\n");
    } else if (strcmp(path, "/healthz") == 0) {
        answer_text(exchange, 200, "ok\n");
    } else if (strcmp(path, "/readyz") == 0) {
        const bool ready = store_writable(admin->store);
        answer_text(exchange, ready ? 200 : 503, ready ? "ok\n" : "the store cannot be written\n");
    } else if (strcmp(path, "/metrics") == 0) {
        answer_metrics(admin, exchange);
    } else {
        answer_text(exchange, 404, "no such page\n");
    }
}

struct admin *admin_start(const char *listen, const struct store *store, struct err *err) {
    AUTO(admin_stop) struct admin *admin = calloc(1, sizeof *admin);

    if (admin == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    admin->store = store;
    admin->httpd = httpd_start(&(struct httpd_options){.listen = listen,
                                                       .connections_max = CONNECTIONS_MAX,
                                                       .body_max = 1024,
                                                       .handler = admin_handle,
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
