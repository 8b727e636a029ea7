#include "client/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/crash_point.h"
#include "common/acme.h"
#include "common/json.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "common/log.h"
#include "common/ossl.h"
#include "common/problem.h"

#define REQUEST_TIMEOUT_MS 65000 /* a server may hold the answer to a challenge for a while */
#define REQUEST_ANSWER_MAX (256 * 1024)
#define GATE_LOOK_US 50000

struct request {
    struct upstream *upstream;
    struct request_spec spec;
    struct upstream_waiter waiter;
    struct httpc_call *call;
    struct loop_timer timer;
    unsigned nonces, failures, lost; /* tries spent: badNonce, 5xx, no answer */
    bool gated;                      /* the gate said no */
    bool asked;                      /* the server named the time of the next try */
    bool holding;                    /* a nonce, and with it a place among those under way */
    bool slow;                       /* it takes long, and others go meanwhile */
    struct loop_timer patience;
    struct trace_context self;
    uint64_t start_us;
    char trouble[UPSTREAM_TROUBLE_SIZE]; /* what went wrong with the last try; "" = nothing yet */
};

static void request_go(void *ctx);

/* This try is over. */
static void request_spent(struct request *request) {
    if (request->holding) {
        request->holding = false;
        upstream_spent(request->upstream);
    }
    if (request->slow) {
        request->slow = false;
        upstream_slow_spent(request->upstream);
    }
    loop_timer_unset(upstream_loop(request->upstream), &request->patience);
}

/* The answer lets wait for itself: others need not. */
static void request_slow(void *ctx) {
    struct request *request = ctx;

    if (request->holding && upstream_slow(request->upstream)) {
        request->holding = false;
        request->slow = true;
    }
}

static void request_free(struct request *request) {
    request_spent(request);
    free(request->spec.payload);
    free(request);
}

/* Call back once, and be gone. */
static void request_end(struct request *request, const struct request_answer *answer,
                        const struct err *err) {
    request_done *done = request->spec.done;
    void *ctx = request->spec.ctx;

    request_free(request);
    done(ctx, answer, err);
}

static void request_later(struct request *request, uint64_t wait_us) {
    metric_add(stats_count(STATS_RETRIES), 1);
    loop_timer_set(upstream_loop(request->upstream), &request->timer, clock_wall_us() + wait_us,
                   request_go, request);
}

static const char *request_url(const struct request *request) {
    const struct directory *directory = upstream_directory(request->upstream);

    if (request->spec.url != NULL) {
        return request->spec.url;
    }
    return request->spec.op == STATS_NEW_ACCOUNT ? directory->new_account : directory->new_order;
}

static char *request_sign(const struct request *request, const char *url, const char *nonce,
                          struct err *err) {
    const char *payload = request->spec.payload;
    AUTO(json_release) json_t *header = json_pack("{s:s,s:s}", "nonce", nonce, "url", url);
    json_t *who = request->spec.kid == NULL ? jwk_write(request->spec.key, err)
                                            : json_string(request->spec.kid);

    if (json_object_set_new(header, request->spec.kid == NULL ? "jwk" : "kid", who) != 0) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    return jws_sign(request->spec.key, header, payload, payload == NULL ? 0 : strlen(payload), err);
}

/* 429 and 503 are not failures but a wish for another time. */
static bool request_busy(enum err_kind kind) {
    return kind == ERR_RATE_LIMITED || kind == ERR_OVERLOAD;
}

static uint64_t request_wait_us(struct request *request, const struct err *err, unsigned attempt) {
    uint32_t wait_s = err->retry_after_s < REQUEST_RETRY_AFTER_MAX_S ? err->retry_after_s
                                                                     : REQUEST_RETRY_AFTER_MAX_S;

    request->asked = wait_s > 0;
    if (wait_s == 0) {
        return upstream_backoff_us(request->upstream, attempt);
    }
    return upstream_jittered_us(
        request->upstream,
        clock_real_delay_us(upstream_clock(request->upstream), (uint64_t)wait_s * 1000000));
}

/* Said of one resource it is about that one; where all begin, 503 is about the whole CA, and 429 to
 * newAccount about everybody who has none yet. */
static void request_paused(struct request *request, const struct err *err) {
    const bool limited = err->kind == ERR_RATE_LIMITED;

    if (request->spec.url == NULL && err->retry_after_s > 0
        && (!limited || request->spec.op == STATS_NEW_ACCOUNT)) {
        upstream_pause(request->upstream, limited, request_wait_us(request, err, 0));
    }
}

/* The server answered with a problem: repeat, or give up. */
static void request_problem(struct request *request, unsigned status, const struct err *err) {
    upstream_describe("last time", err, request->trouble);
    if (err->kind == ERR_BAD_NONCE && request->nonces < REQUEST_NONCE_TRIES) {
        if (request->nonces++ < REQUEST_NONCE_QUICK) {
            metric_add(stats_count(STATS_RETRIES), 1);
            request_go(request);
        } else {
            request_later(request, upstream_backoff_us(request->upstream, 0));
        }
    } else if (request_busy(err->kind)) {
        request_paused(request, err);
        request_later(request, request_wait_us(request, err, request->lost++));
    } else if (status == 404 && request->spec.url == NULL && request->failures == 0) {
        request->failures++; /* the directory may have changed */
        upstream_refresh(request->upstream);
        request_later(request, request_wait_us(request, err, 0));
    } else if (status >= 500 && request->failures + 1 < REQUEST_FAILURE_TRIES) {
        request_later(request, request_wait_us(request, err, request->failures++));
    } else {
        request_end(request, NULL, err);
    }
}

static bool request_type(const struct httpc_answer *answer, const char *wanted) {
    const char *type = httpc_header(answer, "Content-Type");
    size_t len = strlen(wanted);

    return type != NULL && strncasecmp(type, wanted, len) == 0
           && (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

/* RFC 8555 7.6 gives the answer to revokeCert no body; those to a deactivation and to keyChange
 * are of no use. */
static bool request_bodyless(enum stats_op op) {
    return op == STATS_REVOKE || op == STATS_ACCOUNT || op == STATS_KEY_CHANGE;
}

/* A 2xx: does it hold what this operation must? */
static void request_success(struct request *request, const struct httpc_answer *from) {
    AUTO(json_release) json_t *json = NULL;
    struct err err = {0};
    const bool chain = request->spec.op == STATS_CERTIFICATE;
    const char *location = httpc_header(from, "Location");
    const int64_t now_s = clock_now_s(upstream_clock(request->upstream));

    if (request_bodyless(request->spec.op)) {
        /* 200 says it all */
    } else if (!request_type(from, chain ? ACME_CHAIN_TYPE : "application/json")) {
        (void)err_set(&err, ERR_UPSTREAM, "%s was answered with another content type than %s",
                      stats_op_name(request->spec.op),
                      chain ? ACME_CHAIN_TYPE : "application/json");
    } else if (!chain && (json = json_read_object(from->body, from->body_len, &err)) == NULL) {
        err.kind = ERR_UPSTREAM;
    } else if (request->spec.url == NULL && (location == NULL || !directory_url(location))) {
        (void)err_set(&err, ERR_UPSTREAM, "%s was answered without a Location",
                      stats_op_name(request->spec.op)); /* 7.3, 7.4 */
    }
    struct request_answer answer = {
        .status = from->status,
        .json = json,
        .body = from->body,
        .body_len = from->body_len,
        .location = location != NULL && directory_url(location) ? location : NULL,
        .retry_after_s = httpc_retry_after_s(from, now_s),
        .http = from,
        .sent_us = from->times.sent_us,
    };
    bool good = err.kind == ERR_NONE;
    request_end(request, good ? &answer : NULL, good ? NULL : &err);
}

static void request_answered(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct request *request = ctx;

    CRASH_POINT("sent", stats_op_name(request->spec.op));
    request->call = NULL;
    request_spent(request);
    upstream_span(request->upstream, &request->self, &request->spec.parent, request->spec.op,
                  "server", request->start_us, answer == NULL ? 0 : answer->status);
    if (answer == NULL && err->kind == ERR_TOO_LARGE) {
        request_end(request, NULL,
                    &(struct err){.kind = ERR_UPSTREAM, .detail = "the answer was too large"});
        return;
    }
    if (answer == NULL) {
        upstream_describe("last time", err, request->trouble);
        request->asked = false;
        log_line(LOG_WARNING, "request", "lost", "operation=%s kind=%s try=%u",
                 stats_op_name(request->spec.op), err_name(err->kind), request->lost);
        if (err->kind == ERR_UNREACHABLE) {
            upstream_doubt(request->upstream);
        }
        request_later(request, upstream_backoff_us(request->upstream, request->lost++));
        return;
    }
    if (answer->status >= 200 && answer->status < 300) {
        upstream_harvest(request->upstream, answer);
        request_success(request, answer);
        return;
    }
    const int64_t now_s = clock_now_s(upstream_clock(request->upstream));
    struct err problem = {0};
    problem_read(&problem, answer->status, answer->body, answer->body_len,
                 httpc_retry_after_s(answer, now_s));
    if (problem.kind == ERR_BAD_NONCE) {
        metric_add(stats_count(STATS_BAD_NONCES), 1);
        upstream_flush(request->upstream); /* those kept are likely as old: 6.5 */
    }
    upstream_harvest(request->upstream, answer);
    metric_add(stats_problem(problem.kind), 1);
    if (request->spec.problem != NULL && problem.kind != ERR_BAD_NONCE) {
        request->spec.problem(request->spec.ctx, answer->status, answer->body, answer->body_len);
    }
    request_problem(request, answer->status, &problem);
}

static bool request_send(struct request *request, const char *url, const char *body,
                         struct err *err) {
    char trace[UPSTREAM_TRACE_SIZE];
    const char *headers[] = {"Content-Type: " ACME_JOSE_TYPE, NULL, NULL};

    request->self = trace_child(&request->spec.parent);
    if (request->self.sampled) {
        upstream_trace_header(&request->self, trace);
        headers[1] = trace;
    }
    const struct httpc_request http = {.method = "POST",
                                       .url = url,
                                       .headers = headers,
                                       .body = body,
                                       .body_len = strlen(body),
                                       .timeout_ms = REQUEST_TIMEOUT_MS,
                                       .answer_max = REQUEST_ANSWER_MAX};
    metric_add(stats_requests(request->spec.op), 1);
    request->start_us = clock_wall_us();
    request->call =
        httpc_start(upstream_httpc(request->upstream), &http, request_answered, request, err);
    loop_timer_set(upstream_loop(request->upstream), &request->patience,
                   request->start_us + UPSTREAM_SLOW_US, request_slow, request);
    return request->call != NULL;
}

/* Take a nonce, sign, send; wait when there is none. */
static void request_go(void *ctx) {
    struct request *request = ctx;
    char nonce[NONCEPOOL_TEXT_SIZE];
    struct err err = {0};

    request->asked = false;
    request->gated =
        request->spec.gate != NULL && !request->spec.gate(request->spec.gate_ctx, &request->spec);
    if (request->gated) {
        loop_timer_set(upstream_loop(request->upstream), &request->timer,
                       clock_wall_us() + GATE_LOOK_US, request_go, request);
        return;
    }
    const struct upstream_turn turn = {.begins = request->spec.op == STATS_NEW_ACCOUNT,
                                       .tenant = request->spec.tenant,
                                       .priority = request->spec.priority};
    if (!upstream_nonce(request->upstream, &request->waiter, &turn, request_go, request, nonce)) {
        return;
    }
    request->holding = true;
    const char *url = request_url(request);
    AUTO(free) char *body = request_sign(request, url, nonce, &err);
    if (body == NULL || !request_send(request, url, body, &err)) {
        log_line(LOG_ERROR, "request", "unsent", "operation=%s kind=%s",
                 stats_op_name(request->spec.op), err_name(err.kind));
        request_spent(request);
        request_later(request, upstream_backoff_us(request->upstream, request->lost++));
    }
}

struct request *request_start(struct upstream *upstream, const struct request_spec *spec,
                              struct err *err) {
    struct request *request = calloc(1, sizeof *request);

    if (request == NULL || (spec->url != NULL && !upstream_allows(upstream, spec->url))) {
        free(spec->payload);
        (void)err_set(err, request == NULL ? ERR_NO_MEMORY : ERR_UPSTREAM, "%s",
                      request == NULL ? "out of memory"
                                      : "the ACME server names a URL without TLS");
        free(request);
        return NULL;
    }
    request->upstream = upstream;
    request->spec = *spec;
    request_go(request);
    return request;
}

void request_cancel(struct request *request) {
    if (request == NULL) {
        return;
    }
    upstream_unwait(request->upstream, &request->waiter);
    loop_timer_unset(upstream_loop(request->upstream), &request->timer);
    if (request->call != NULL) {
        httpc_cancel(request->call);
    }
    request_free(request);
}

void request_rekey(struct request *request, EVP_PKEY *key) {
    if (request != NULL) {
        request->spec.key = key;
    }
}

bool request_out(const struct request *request) { return request != NULL && request->call != NULL; }

bool request_waiting(const struct request *request) {
    return request != NULL && (request->timer.place != 0 || request->waiter.waiting);
}

uint64_t request_held_until_us(const struct request *request) {
    return request != NULL && request->asked && request->timer.place != 0 ? request->timer.due_us
                                                                          : 0;
}

void request_retry(struct request *request) {
    if (request != NULL && request->timer.place != 0 && request_held_until_us(request) == 0) {
        loop_timer_unset(upstream_loop(request->upstream), &request->timer);
        request_go(request);
    }
}

void request_waits(const struct request *request, char text[REQUEST_WAITS_SIZE]) {
    const char *name = stats_op_name(request->spec.op);
    const char *down = upstream_trouble(request->upstream);

    if (request->gated) {
        (void)snprintf(text, REQUEST_WAITS_SIZE, "the change of its account's key");
    } else if (request->timer.place != 0) {
        (void)snprintf(text, REQUEST_WAITS_SIZE, "to repeat %s; %.140s", name, request->trouble);
    } else if (request->call != NULL) {
        (void)snprintf(text, REQUEST_WAITS_SIZE, "the answer to %s%s%.140s", name,
                       request->trouble[0] == '\0' ? "" : "; ", request->trouble);
    } else {
        (void)snprintf(text, REQUEST_WAITS_SIZE, "its turn for %s%s%.140s", name,
                       down == NULL ? "" : ": ", down == NULL ? "" : down);
    }
}
