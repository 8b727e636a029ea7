#include "tests/bench/load_responder.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/httpd.h"
#include "common/route.h"

struct responder {
    pthread_mutex_t lock; /* of answers: the loop publishes, the listener reads */
    json_t *answers;      /* token to key authorization */
    struct httpd *httpd;
};

static void answer(void *ctx, struct httpd_exchange *exchange) {
    struct responder *responder = ctx;
    struct route_params params;
    char *content = NULL;

    if (httpd_method(exchange) == HTTP_GET
        && route_match("/.well-known/acme-challenge/{token}", httpd_path(exchange), &params)) {
        (void)pthread_mutex_lock(&responder->lock);
        const char *found = json_string_value(json_object_get(responder->answers, params.value[0]));
        content = found == NULL ? NULL : strdup(found);
        (void)pthread_mutex_unlock(&responder->lock);
    }
    httpd_answer(exchange, content == NULL ? 404 : 200,
                 content == NULL ? NULL : "application/octet-stream", content,
                 content == NULL ? 0 : strlen(content));
}

struct responder *responder_start(unsigned port, struct err *err) {
    AUTO(responder_stop) struct responder *responder = calloc(1, sizeof(*responder));
    char listen[32];

    if (responder == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the responder");
        return NULL;
    }
    (void)pthread_mutex_init(&responder->lock, NULL);
    responder->answers = json_object();
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
    const struct httpd_options options = {.listen = listen,
                                          .body_max = 1024,
                                          .idle_timeout_s = 10,
                                          .handler = answer,
                                          .ctx = responder};
    responder->httpd = httpd_start(&options, err);
    return responder->httpd == NULL ? NULL : TAKE(responder);
}

void responder_stop(struct responder *responder) {
    if (responder != NULL) {
        httpd_stop(responder->httpd);
        json_decref(responder->answers);
        (void)pthread_mutex_destroy(&responder->lock);
        free(responder);
    }
}

void responder_publish(struct responder *responder, const char *token, const char *thumbprint) {
    (void)pthread_mutex_lock(&responder->lock);
    (void)json_object_set_new(responder->answers, token,
                              json_sprintf("%s.%s", token, thumbprint)); /* 8.1 */
    (void)pthread_mutex_unlock(&responder->lock);
}

void responder_withdraw(struct responder *responder, const char *token) {
    (void)pthread_mutex_lock(&responder->lock);
    (void)json_object_del(responder->answers, token);
    (void)pthread_mutex_unlock(&responder->lock);
}
