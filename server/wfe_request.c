#include "server/wfe_request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/acme.h"
#include "common/log.h"
#include "common/problem.h"
#include "server/wfe_faults.h"

#define URL_MAX 512
#define JSON_TYPE "application/json"

void wfe_hold(struct wfe *wfe) {
    (void)pthread_mutex_lock(&wfe->lock);
    wfe->live++;
    (void)pthread_mutex_unlock(&wfe->lock);
}

void wfe_let_go(struct wfe *wfe) {
    (void)pthread_mutex_lock(&wfe->lock);
    if (--wfe->live == 0) {
        (void)pthread_cond_broadcast(&wfe->idle);
    }
    (void)pthread_mutex_unlock(&wfe->lock);
}

void wfe_event(const struct wfe *wfe, const struct trace_event *event) {
    if (wfe->options.trace != NULL) {
        trace_event(wfe->options.trace, event);
    }
}

json_t *wfe_time_new(uint64_t us) {
    char text[CLOCK_TEXT_SIZE];
    clock_text(us, text);
    return json_string(text);
}

json_t *wfe_stored_new(const char *text) {
    return text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
}

struct request *request_new(struct wfe *wfe, struct httpd_exchange *exchange) {
    struct request *request = calloc(1, sizeof(*request));

    if (request != NULL) {
        request->wfe = wfe;
        request->exchange = exchange;
        request->operation = METER_OTHER;
        wfe_hold(wfe);
    }
    return request;
}

static void request_free(struct request *request) {
    for (unsigned i = 0; request->authzs != NULL && i < request->authz_count; i++) {
        authz_done(&request->authzs[i]);
    }
    free(request->authzs);
    authz_done(&request->authz);
    account_done(&request->account);
    order_done(&request->order);
    certificate_done(&request->certificate);
    gate_pass_done(&request->pass);
    json_decref(request->subproblems);
    free(request->text);
    free(request->instance);
    free(request->body);
    free(request->fault);
    free(request);
}

uint64_t request_now_us(const struct request *request) {
    return clock_now_us(request->wfe->options.clock);
}

const char *request_account(const struct request *request) { return request->pass.account.id; }

bool request_text(struct request *request, unsigned status, const char *type, char *body) {
    if (body == NULL) {
        return request_fail(request, ERR_NO_MEMORY, "no memory for the answer");
    }
    free(request->body);
    request->status = status;
    request->type = type;
    request->body = body;
    request->body_len = strlen(body);
    return true;
}

bool request_json(struct request *request, unsigned status, json_t *json) {
    AUTO(json_release) json_t *owned = json;
    return request_text(request, status, JSON_TYPE, json == NULL ? NULL : json_text(owned));
}

bool request_fail(struct request *request, enum err_kind kind, const char *detail) {
    (void)err_set(&request->err, kind, "%s", detail);
    return true;
}

__attribute__((format(printf, 4, 0))) static void
url_print(const struct request *request, char *text, size_t size, const char *fmt, va_list args) {
    size_t len = strlen(request->base);

    assert(len < size);
    memcpy(text, request->base, len);
    (void)vsnprintf(text + len, size - len, fmt, args);
}

void request_url(const struct request *request, char *text, size_t size, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    url_print(request, text, size, fmt, args);
    va_end(args);
}

json_t *request_url_new(const struct request *request, const char *fmt, ...) {
    char text[URL_MAX];
    va_list args;
    va_start(args, fmt);
    url_print(request, text, sizeof(text), fmt, args);
    va_end(args);
    return json_string(text);
}

void request_header_url(struct request *request, const char *name, const char *rel, const char *fmt,
                        ...) {
    char link[URL_MAX + 32] = "<";
    va_list args;
    va_start(args, fmt);
    url_print(request, link + 1, URL_MAX, fmt, args);
    va_end(args);
    if (rel != NULL) {
        size_t len = strlen(link);
        (void)snprintf(link + len, sizeof(link) - len, ">;rel=\"%s\"", rel);
    }
    httpd_header_add(request->exchange, name, rel == NULL ? link + 1 : link);
}

bool request_defer(struct request *request) {
    request->deferred = request->deferred || httpd_defer(request->exchange);
    return request->deferred
           || err_set(&request->err, ERR_OVERLOAD, "too many requests wait");
}

static void on_commit(void *ctx, const struct err *err) {
    struct request *request = ctx;
    request->err = *err;
    request->committed(request);
}

bool request_commit(struct request *request, void (*committed)(struct request *request)) {
    if (!request_defer(request)) {
        return true;
    }
    request->committed = committed;
    if (!store_submit(request->wfe->options.store, &request->tx, on_commit, request,
                      &request->err)) {
        request_finish(request);
    }
    return false;
}

/* A member more, or another, in a problem document; text and value are taken. */
static char *problem_amend(char *text, const char *name, json_t *value) {
    AUTO(json_release) json_t *problem = text == NULL ? NULL : json_loads(text, 0, NULL);
    free(text);
    if (problem == NULL) {
        json_decref(value);
        return NULL;
    }
    return json_object_set_new(problem, name, value) != 0 ? NULL : json_text(problem);
}

static void add_link(struct request *request, const char *url, const char *rel) {
    char link[URL_MAX + 64];

    (void)snprintf(link, sizeof(link), "<%s>;rel=\"%s\"", url, rel);
    httpd_header_add(request->exchange, "Link", link);
}

/* What single problems carry beside their document. */
static char *problem_details(struct request *request, char *text) {
    const char *help = request->wfe->options.limits_help;

    if (request->err.kind == ERR_RATE_LIMITED && help != NULL) { /* 6.6 */
        add_link(request, help, "help");
    }
    if (request->err.kind == ERR_USER_ACTION_REQUIRED && request->instance != NULL) { /* 7.3.3 */
        add_link(request, request->instance, "terms-of-service");
        text = problem_amend(text, "instance", json_string(request->instance));
    }
    if (request->deactivated || request->problem_status != 0) { /* 401 in 7.3.6, 403 in 7.4.1 */
        request->status = request->deactivated ? 401 : request->problem_status;
        text = problem_amend(text, "status", json_integer(request->status));
    }
    return text;
}

static void render_problem(struct request *request) {
    char seconds[16];
    char *text = problem_render_with(&request->err, request->subproblems);
    uint32_t retry_after_s = request->err.retry_after_s;

    free(request->body);
    request->status = problem_type(request->err.kind)->status;
    text = problem_details(request, text);
    request->type = ACME_PROBLEM_TYPE;
    request->body = text;
    request->body_len = text == NULL ? 0 : strlen(text);
    if (retry_after_s == 0 && request->err.kind == ERR_OVERLOAD) {
        retry_after_s = 1;
    }
    if (retry_after_s != 0 && (request->fault == NULL || request->fault->retry_after_s == 0)) {
        (void)snprintf(seconds, sizeof(seconds), "%u", retry_after_s);
        httpd_header_add(request->exchange, "Retry-After", seconds);
    }
}

static void trace_text(const struct trace_context *trace, char text[33]) {
    for (unsigned i = 0; i < 16; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", trace->trace_id[i]);
    }
}

static void write_span(const struct request *request, uint64_t start_us, uint64_t end_us) {
    char status[12];
    const struct trace_attribute attributes[] = {{"status", status},
                                                 {"order", request->order.id},
                                                 {"account", request_account(request)},
                                                 {"peer", "client"}};

    (void)snprintf(status, sizeof(status), "%u", request->status);
    trace_span(request->wfe->options.trace, &request->trace, request->parent,
               meter_operation_name(request->operation), TRACE_SERVER, start_us, end_us, attributes,
               COUNT(attributes));
}

/* The one line per request. */
static void write_log(const struct request *request, uint64_t took_us) {
    const struct err *err = &request->err;
    enum log_level level = request->status >= 500 ? LOG_ERROR : LOG_INFO;
    char cause[256], trace[33] = "";

    if (log_level_get() < level) {
        return;
    }
    if (request->trace.sampled) {
        trace_text(&request->trace, trace);
    }
    if (err->kind == ERR_NONE) {
        log_line(level, "wfe", "request",
                 "operation=%s status=%u account=%s order=%s us=%llu trace=%s",
                 meter_operation_name(request->operation), request->status,
                 request_account(request), request->order.id, (unsigned long long)took_us, trace);
        return;
    }
    const char *why = err->cause[0] != '\0' ? err->cause : err->detail;
    log_line(level, "wfe", "request",
             "operation=%s status=%u account=%s order=%s us=%llu trace=%s kind=%s cause=%s",
             meter_operation_name(request->operation), request->status, request_account(request),
             request->order.id, (unsigned long long)took_us, trace, err_name(err->kind),
             log_quote(why, cause, sizeof(cause)));
}

/* 6.1: clients may be web applications.  Those say where they come from; others are spared it. */
static void add_cors(struct request *request) {
    const bool directory = request->operation == METER_DIRECTORY;

    if (!directory && httpd_header(request->exchange, "Origin") == NULL) {
        return;
    }
    httpd_header_add(request->exchange, "Access-Control-Allow-Origin", "*");
    if (!directory) {
        httpd_header_add(request->exchange, "Access-Control-Expose-Headers",
                         "Link, Location, Replay-Nonce, Retry-After");
    }
}

static void add_headers(struct request *request) {
    char nonce[NONCE_SIZE];

    add_cors(request);

    if (request->nonce) { /* 6.5: with every answer to a POST, errors too */
        nonce_issue(request->wfe->options.gate.nonces, nonce);
        httpd_header_add(request->exchange, "Replay-Nonce", nonce);
    }
    if (request->operation != METER_DIRECTORY) { /* 7.1 */
        if (request->base[0] != '\0') {
            request_header_url(request, "Link", "index", "/directory");
        }
        bool keeps = request->operation == METER_RENEWAL_INFO && request->err.kind == ERR_NONE;
        httpd_header_add(request->exchange, "Cache-Control", keeps ? "max-age=60" : "no-store");
    } else {
        httpd_header_add(request->exchange, "Cache-Control", "no-cache");
    }
}

void request_finish(struct request *request) {
    struct wfe *wfe = request->wfe;
    uint64_t start_us = httpd_started_us(request->exchange);

    if (request->err.kind != ERR_NONE) {
        render_problem(request);
    }
    if (request->fault != NULL) {
        wfe_fault_dress(request);
    }
    add_headers(request);
    uint64_t end_us = clock_wall_us();
    if (request->err.kind != ERR_NONE && wfe->options.audit != NULL) {
        audit_refused(wfe->options.audit, request->operation, request_account(request),
                      httpd_peer_address(request->exchange), &request->err);
    }
    meter_request(wfe->options.meter, request->operation, request->err.kind, end_us - start_us);
    if (request->fault != NULL) {
        wfe_fault_send(request);
    } else {
        httpd_answer(request->exchange, request->status, request->type, TAKE(request->body),
                     request->body_len);
    }
    write_log(request, end_us - start_us);
    if (request->trace.sampled && wfe->options.trace != NULL) {
        write_span(request, start_us, end_us);
    }
    request_free(request);
    wfe_let_go(wfe);
}
