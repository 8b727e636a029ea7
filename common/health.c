#include "common/health.h"

#include <stdlib.h>
#include <string.h>

#include "common/metrics.h"

#define HEALTH_METRICS_MAX (256 * 1024)
#define HEALTH_BODY_MAX (64 * 1024)
#define HEALTH_CONNECTIONS_MAX 64
#define TEXT_TYPE "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct health {
    struct health_options options;
    struct httpd *httpd;
};

static void answer_text(struct httpd_exchange *exchange, unsigned status, const char *text) {
    char *body = strdup(text);

    httpd_answer(exchange, body == NULL ? 503 : status, TEXT_TYPE, body,
                 body == NULL ? 0 : strlen(body));
}

static void answer_metrics(const struct health_options *options, struct httpd_exchange *exchange) {
    AUTO(buf_done) struct buf buf = buf_new(HEALTH_METRICS_MAX);

    options->metrics(options->ctx, &buf);
    (void)metrics_render_process(options->program, &buf);
    const size_t len = buf.len;
    char *text = buf_take(&buf);
    httpd_answer(exchange, text == NULL ? 503 : 200, METRICS_TYPE, text, text == NULL ? 0 : len);
}

static void handle(void *ctx, struct httpd_exchange *exchange) {
    const struct health_options *options = &((struct health *)ctx)->options;
    const char *path = httpd_path(exchange);
    const bool ours = strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0
                      || strcmp(path, "/metrics") == 0;

    if (!ours && options->other != NULL) {
        options->other(options->ctx, exchange);
    } else if ((httpd_method(exchange) & (HTTP_GET | HTTP_HEAD)) == 0) {
        httpd_header_add(exchange, "Allow", "GET, HEAD");
        answer_text(exchange, 405, "GET or HEAD\n");
    } else if (!ours) {
        answer_text(exchange, 404, "no such page: /healthz /readyz /metrics\n");
    } else if (path[1] == 'h') {
        answer_text(exchange, 200, "ok\n");
    } else if (path[1] == 'm') {
        answer_metrics(options, exchange);
    } else {
        const bool ready = options->ready(options->ctx);
        answer_text(exchange, ready ? 200 : 503, ready ? "ok\n" : "the store cannot be written\n");
    }
}

struct health *health_start(const struct health_options *options, struct err *err) {
    AUTO(health_stop) struct health *health = calloc(1, sizeof(*health));

    if (health == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the admin listener");
        return NULL;
    }
    health->options = *options;
    health->httpd = httpd_start(&(struct httpd_options){.listen = options->listen,
                                                        .body_max = HEALTH_BODY_MAX,
                                                        .connections_max = HEALTH_CONNECTIONS_MAX,
                                                        .handler = handle,
                                                        .ctx = health},
                                err);
    return health->httpd == NULL ? NULL : TAKE(health);
}

void health_stop(struct health *health) {
    if (health != NULL) {
        httpd_stop(health->httpd);
        free(health);
    }
}

unsigned health_port(const struct health *health) { return httpd_port(health->httpd); }
