#include "common/httpd_exchange.h"

#include <string.h>

#include "common/guard.h"
#include "common/log.h"

/* ---- the request ---- */

enum http_method httpd_method(const struct httpd_exchange *exchange) { return exchange->method; }

const char *httpd_method_text(const struct httpd_exchange *exchange) {
    return exchange->method_text;
}

const char *httpd_path(const struct httpd_exchange *exchange) { return exchange->path; }

bool httpd_has_query(const struct httpd_exchange *exchange) { return exchange->has_query; }

const char *httpd_query(const struct httpd_exchange *exchange, const char *name) {
    return MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *httpd_header(const struct httpd_exchange *exchange, const char *name) {
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

struct counting {
    const char *name;
    unsigned count;
};

static enum MHD_Result count_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                    const char *value) {
    struct counting *counting = ctx;

    (void)kind;
    (void)value;
    counting->count += strcasecmp(name, counting->name) == 0;
    return MHD_YES;
}

unsigned httpd_header_count(const struct httpd_exchange *exchange, const char *name) {
    struct counting counting = {name, 0};

    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, count_header, &counting);
    return counting.count;
}

/* RFC 9112 6.1, 6.3: where the body ends is else anybody's guess, and another's request smuggled
 * in. */
bool httpd_exchange_framed(const struct httpd_exchange *exchange) {
    const unsigned lengths = httpd_header_count(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const bool chunks = httpd_header_count(exchange, MHD_HTTP_HEADER_TRANSFER_ENCODING) > 0;

    if (GUARD("length-once", lengths <= 1) && GUARD("length-or-chunks", lengths == 0 || !chunks)) {
        return true;
    }
    log_line(LOG_WARNING, "httpd", "refused", "peer=%s reason=\"the body has two lengths\"",
             exchange->peer->address);
    return false;
}

const char *httpd_body(const struct httpd_exchange *exchange, size_t *ret_len) {
    *ret_len = exchange->body.len;
    return exchange->body.data != NULL ? exchange->body.data : "";
}

bool httpd_body_too_large(const struct httpd_exchange *exchange) { return exchange->too_large; }

uint64_t httpd_started_us(const struct httpd_exchange *exchange) { return exchange->started_us; }

const char *httpd_peer_address(const struct httpd_exchange *exchange) {
    return exchange->peer->address;
}

const struct x509_cert *httpd_peer(const struct httpd_exchange *exchange) {
    return exchange->peer->cert.x509 != NULL ? &exchange->peer->cert : NULL;
}

void httpd_data_set(struct httpd_exchange *exchange, void *data, void (*free_fn)(void *)) {
    exchange->data = data;
    exchange->data_free = free_fn;
}

void *httpd_data(const struct httpd_exchange *exchange) { return exchange->data; }

struct httpd_exchange *httpd_exchange_new(struct httpd *httpd, struct MHD_Connection *connection,
                                          const char *uri) {
    struct httpd_exchange *exchange = calloc(1, sizeof(*exchange));

    if (exchange != NULL) {
        exchange->httpd = httpd;
        exchange->connection = connection;
        exchange->started_us = clock_wall_us();
        exchange->path = strndup(uri, strcspn(uri, "?"));
        exchange->has_query = strchr(uri, '?') != NULL;
        exchange->body = buf_new(httpd->options.body_max);
    }
    return exchange;
}

void httpd_exchange_free(struct httpd_exchange *exchange) {
    if (exchange->data_free != NULL) {
        exchange->data_free(exchange->data);
    }
    for (unsigned i = 0; i < exchange->header_count; i++) {
        free(exchange->headers[i].name);
        free(exchange->headers[i].value);
    }
    if (exchange->response != NULL) {
        MHD_destroy_response(exchange->response);
    }
    buf_done(&exchange->body);
    free(exchange->path);
    free(exchange);
}

/* ---- the answer ---- */

bool httpd_defer(struct httpd_exchange *exchange) {
    struct httpd *httpd = exchange->httpd;

    (void)pthread_mutex_lock(&httpd->lock);
    bool room = !httpd->stopping && httpd->deferred < httpd->options.deferred_max;
    if (room) {
        exchange->deferred = true;
        exchange->next = httpd->first;
        if (httpd->first != NULL) {
            httpd->first->previous = exchange;
        }
        httpd->first = exchange;
        httpd->deferred++;
        httpd->unfinished++;
        MHD_suspend_connection(exchange->connection);
    }
    (void)pthread_mutex_unlock(&httpd->lock);
    return room;
}

/* Under the lock. */
static void unlink_deferred(struct httpd *httpd, struct httpd_exchange *exchange) {
    if (exchange->previous != NULL) {
        exchange->previous->next = exchange->next;
    } else {
        httpd->first = exchange->next;
    }
    if (exchange->next != NULL) {
        exchange->next->previous = exchange->previous;
    }
    httpd->deferred--;
}

void httpd_header_add(struct httpd_exchange *exchange, const char *name, const char *value) {
    AUTO(free) char *name_copy = strdup(name);
    AUTO(free) char *value_copy = strdup(value);

    if (strpbrk(name, "\r\n:") != NULL || strpbrk(value, "\r\n") != NULL
        || exchange->header_count == HTTPD_HEADERS_MAX || name_copy == NULL || value_copy == NULL) {
        log_line(LOG_ERROR, "httpd", "header-refused", "path=%s", exchange->path);
        return;
    }
    exchange->headers[exchange->header_count++] =
        (struct answer_header){TAKE(name_copy), TAKE(value_copy)};
}

void httpd_exchange_dress(struct httpd_exchange *exchange, struct MHD_Response *response,
                          const char *type) {
    if (type != NULL) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    }
    for (unsigned i = 0; i < exchange->header_count; i++) {
        (void)MHD_add_response_header(response, exchange->headers[i].name,
                                      exchange->headers[i].value);
    }
    exchange->response = response;
}

void httpd_exchange_render(struct httpd_exchange *exchange, unsigned status, const char *type,
                           char *body, size_t len) {
    static char nothing[1];
    struct MHD_Response *response =
        body != NULL ? MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE)
                     : MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);

    if (response == NULL) {
        free(body);
        return; /* no memory: the connection is closed without an answer */
    }
    httpd_exchange_dress(exchange, response, type);
    exchange->status = status;
    exchange->response_len = body != NULL ? len : 0;
}

void httpd_answer(struct httpd_exchange *exchange, unsigned status, const char *type, char *body,
                  size_t len) {
    httpd_exchange_render(exchange, status, type, body, len);
    httpd_exchange_send(exchange);
}

void httpd_exchange_send(struct httpd_exchange *exchange) {
    struct httpd *httpd = exchange->httpd;
    struct MHD_Connection *connection = exchange->connection;

    if (!exchange->deferred) {
        return; /* on_request queues it */
    }
    (void)pthread_mutex_lock(&httpd->lock);
    unlink_deferred(httpd, exchange);
    (void)pthread_mutex_unlock(&httpd->lock);
    MHD_resume_connection(connection);
}

void httpd_exchange_refuse_all(struct httpd *httpd) {
    (void)pthread_mutex_lock(&httpd->lock);
    httpd->stopping = true;
    while (httpd->first != NULL) {
        struct httpd_exchange *exchange = httpd->first;
        unlink_deferred(httpd, exchange);
        httpd_exchange_render(exchange, 503, NULL, NULL, 0);
        MHD_resume_connection(exchange->connection);
    }
    (void)pthread_mutex_unlock(&httpd->lock);
}
