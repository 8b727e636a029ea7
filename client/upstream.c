#include "client/upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/ossl.h"
#include "common/problem.h"

#define UPSTREAM_TIMEOUT_MS 15000
#define UPSTREAM_SHIFT_MAX 8

struct upstream_queue {
    struct upstream_waiter *first, **last;
};

/* A place for one newNonce under way. */
struct head {
    struct upstream *upstream;
    struct httpc_call *call; /* NULL: free */
};

struct upstream {
    struct upstream_options options;
    struct rng rng;
    struct noncepool *pool;
    struct directory directory;
    bool known;                  /* the directory was fetched */
    struct httpc_call *fetching; /* the directory */
    struct head heads[UPSTREAM_HEADS_MAX];
    unsigned heads_count;
    unsigned failures; /* of directory and newNonce, in a row */
    char trouble[UPSTREAM_TROUBLE_SIZE];
    struct loop_timer timer;
    bool serving; /* a posted retry_serve is on its way */
    unsigned out; /* nonces taken whose request is not over */
    struct upstream_queue continuing, beginning;
};

static void upstream_supply(struct upstream *upstream);
static void serve(struct upstream *upstream);

struct upstream *upstream_new(const struct upstream_options *options, struct err *err) {
    AUTO(upstream_free) struct upstream *upstream = calloc(1, sizeof *upstream);

    if (upstream == NULL || (upstream->pool = noncepool_new()) == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    upstream->options = *options;
    upstream->rng = rng_seeded(options->seed);
    upstream->options.connections_max += options->connections_max == 0 ? 1 : 0;
    upstream->continuing.last = &upstream->continuing.first;
    upstream->beginning.last = &upstream->beginning.first;
    return TAKE(upstream);
}

void upstream_free(struct upstream *upstream) {
    if (upstream == NULL) {
        return;
    }
    if (upstream->fetching != NULL) {
        httpc_cancel(upstream->fetching);
    }
    for (unsigned i = 0; i < UPSTREAM_HEADS_MAX; i++) {
        if (upstream->heads[i].call != NULL) {
            httpc_cancel(upstream->heads[i].call);
        }
    }
    if (upstream->options.loop != NULL) {
        loop_timer_unset(upstream->options.loop, &upstream->timer);
    }
    noncepool_free(upstream->pool);
    directory_done(&upstream->directory);
    free(upstream);
}

struct loop *upstream_loop(const struct upstream *upstream) {
    return upstream->options.loop;
}
struct httpc *upstream_httpc(const struct upstream *upstream) {
    return upstream->options.httpc;
}
const struct clock *upstream_clock(const struct upstream *upstream) {
    return upstream->options.clock;
}
struct trace *upstream_trace(const struct upstream *upstream) {
    return upstream->options.trace;
}

const struct directory *upstream_directory(const struct upstream *upstream) {
    return upstream->known ? &upstream->directory : NULL;
}

bool upstream_down(const struct upstream *upstream) { return upstream->failures > 0; }

const char *upstream_trouble(const struct upstream *upstream) {
    if (upstream->failures > 0) {
        return upstream->trouble;
    }
    if (!upstream->known) {
        return "directory: no answer yet";
    }
    return upstream->heads_count > 0 && noncepool_count(upstream->pool) == 0
               ? "newNonce: no answer yet"
               : NULL;
}

uint64_t upstream_backoff_us(struct upstream *upstream, unsigned attempt) {
    unsigned shift = attempt < UPSTREAM_SHIFT_MAX ? attempt : UPSTREAM_SHIFT_MAX;
    uint64_t most = (uint64_t)UPSTREAM_BACKOFF_FIRST_US << shift;

    most = most < UPSTREAM_BACKOFF_MAX_US ? most : UPSTREAM_BACKOFF_MAX_US;
    return most / 2 + rng_below(&upstream->rng, most / 2 + 1);
}

static void retry_supply(void *ctx) { serve(ctx); }

/* What a TLS library found wrong with a certificate is no secret, and helps. */
void upstream_describe(const char *what, const struct err *err, char text[UPSTREAM_TROUBLE_SIZE]) {
    const bool tls = err->kind == ERR_TLS && err->cause[0] != '\0';

    (void)snprintf(text, UPSTREAM_TROUBLE_SIZE, "%.20s: %.20s: %.110s", what, err_name(err->kind),
                   tls ? err->cause : err->detail);
}

/* Try again after a back-off; meanwhile everybody waits. */
static void supply_failed(struct upstream *upstream, const char *what, const struct err *err) {
    uint64_t wait_us = upstream_backoff_us(upstream, upstream->failures++);
    char detail[160];

    upstream_describe(what, err, upstream->trouble);
    log_line(LOG_WARNING, "upstream", what, "kind=%s detail=%s retry_us=%llu", err_name(err->kind),
             log_quote(err->detail, detail, sizeof detail), (unsigned long long)wait_us);
    loop_timer_set(upstream->options.loop, &upstream->timer, clock_wall_us() + wait_us,
                   retry_supply, upstream);
}

static struct upstream_waiter *waiting_first(const struct upstream *upstream) {
    return upstream->continuing.first != NULL ? upstream->continuing.first
                                              : upstream->beginning.first;
}

static bool may_go(const struct upstream *upstream) {
    return upstream->known && upstream->out < upstream->options.connections_max
           && noncepool_count(upstream->pool) > 0;
}

/* Call those who can be served; each takes its nonce itself, or did not want one. */
static void serve(struct upstream *upstream) {
    struct upstream_waiter *waiter = NULL;

    while (may_go(upstream) && (waiter = waiting_first(upstream)) != NULL) {
        upstream_unwait(upstream, waiter);
        waiter->fn(waiter->ctx);
    }
    upstream_supply(upstream);
}

static bool directory_take(struct upstream *upstream, const struct httpc_answer *answer,
                           struct err *err) {
    if (answer->status != 200) {
        problem_read(err, answer->status, answer->body, answer->body_len, 0);
        return false;
    }
    AUTO(json_release) json_t *json = json_read_object(answer->body, answer->body_len, err);
    AUTO(directory_done) struct directory directory = {0};
    if (json == NULL || !directory_parse(json, &directory, err)
        || !directory_fits(&directory, upstream->options.directory_url, err)) {
        return false;
    }
    directory_done(&upstream->directory);
    upstream->directory = directory;
    directory = (struct directory){0};
    return true;
}

static void directory_fetched(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct upstream *upstream = ctx;
    struct err failure = err == NULL ? (struct err){0} : *err;

    upstream->fetching = NULL;
    if (answer == NULL || !directory_take(upstream, answer, &failure)) {
        supply_failed(upstream, "directory", &failure);
        return;
    }
    upstream->known = true;
    upstream->failures = 0;
    log_line(LOG_INFO, "upstream", "directory", "profiles=%d",
             upstream->directory.profiles ? 1 : 0);
    serve(upstream);
}

bool upstream_allows(const struct upstream *upstream, const char *url) {
    return directory_keeps(upstream->options.directory_url, url);
}

void upstream_refresh(struct upstream *upstream) {
    const struct httpc_request request = {
        .method = "GET", .url = upstream->options.directory_url, .timeout_ms = UPSTREAM_TIMEOUT_MS};
    struct err err = {0};

    if (upstream->fetching != NULL) {
        return;
    }
    metric_add(stats_requests(STATS_DIRECTORY), 1);
    upstream->fetching =
        httpc_start(upstream->options.httpc, &request, directory_fetched, upstream, &err);
    if (upstream->fetching == NULL) {
        supply_failed(upstream, "directory", &err);
    }
}

void upstream_retry(struct upstream *upstream) {
    if (upstream->timer.place != 0) {
        loop_timer_unset(upstream->options.loop, &upstream->timer);
        serve(upstream);
    }
}

static void head_done(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct head *head = ctx;
    struct upstream *upstream = head->upstream;
    struct err failure = err == NULL ? (struct err){0} : *err;

    head->call = NULL;
    upstream->heads_count--;
    if (answer != NULL && noncepool_put(upstream->pool, httpc_header(answer, "Replay-Nonce"))) {
        upstream->failures = 0;
        serve(upstream);
        return;
    }
    if (answer != NULL && answer->status == 404) {
        upstream->known = false; /* the server moved its resources */
    }
    (void)err_set(&failure, ERR_UPSTREAM, "newNonce gave no nonce");
    if (upstream->timer.place == 0) {
        supply_failed(upstream, "newNonce", &failure);
    }
}

static bool head_start(struct upstream *upstream) {
    const struct httpc_request request = {
        .method = "HEAD", .url = upstream->directory.new_nonce, .timeout_ms = UPSTREAM_TIMEOUT_MS};
    struct err err = {0};
    struct head *head = upstream->heads;

    while (head->call != NULL) {
        head++;
    }
    head->upstream = upstream;
    metric_add(stats_requests(STATS_NEW_NONCE), 1);
    head->call = httpc_start(upstream->options.httpc, &request, head_done, head, &err);
    if (head->call == NULL) {
        supply_failed(upstream, "newNonce", &err);
        return false;
    }
    upstream->heads_count++;
    return true;
}

/* See to it that somebody waiting will be served: as many nonces as connections go round. */
static void upstream_supply(struct upstream *upstream) {
    unsigned round = upstream->out + upstream->heads_count + noncepool_count(upstream->pool);
    const struct upstream_waiter *waiter = waiting_first(upstream);

    if (waiter == NULL || upstream->timer.place != 0) {
        return;
    }
    if (!upstream->known) {
        upstream_refresh(upstream);
        return;
    }
    for (; waiter != NULL && round < upstream->options.connections_max
           && upstream->heads_count < UPSTREAM_HEADS_MAX;
         waiter = waiter->next, round++) {
        if (!head_start(upstream)) {
            return;
        }
    }
}

bool upstream_nonce(struct upstream *upstream, struct upstream_waiter *waiter, bool begins,
                    loop_call *fn, void *ctx, char nonce[NONCEPOOL_TEXT_SIZE]) {
    if (may_go(upstream) && noncepool_take(upstream->pool, nonce)) {
        upstream->out++;
        return true;
    }
    upstream_wait(upstream, waiter, begins, fn, ctx);
    return false;
}

static void retry_serve(void *ctx) {
    struct upstream *upstream = ctx;

    upstream->serving = false;
    serve(upstream);
}

void upstream_spent(struct upstream *upstream) {
    upstream->out--;
    /* not at once: the caller is still at work on its answer */
    if (waiting_first(upstream) != NULL && !upstream->serving) {
        upstream->serving = true;
        loop_post(upstream->options.loop, retry_serve, upstream);
    }
}

void upstream_wait(struct upstream *upstream, struct upstream_waiter *waiter, bool begins,
                   loop_call *fn, void *ctx) {
    struct upstream_queue *queue = begins ? &upstream->beginning : &upstream->continuing;

    *waiter =
        (struct upstream_waiter){.place = queue->last, .begins = begins, .fn = fn, .ctx = ctx};
    *queue->last = waiter;
    queue->last = &waiter->next;
    upstream_supply(upstream);
}

void upstream_unwait(struct upstream *upstream, struct upstream_waiter *waiter) {
    struct upstream_queue *queue = waiter->begins ? &upstream->beginning : &upstream->continuing;

    if (waiter->place == NULL) {
        return;
    }
    *waiter->place = waiter->next;
    if (waiter->next != NULL) {
        waiter->next->place = waiter->place;
    } else {
        queue->last = waiter->place;
    }
    waiter->next = NULL;
    waiter->place = NULL;
}

void upstream_harvest(struct upstream *upstream, const struct httpc_answer *answer) {
    if (noncepool_put(upstream->pool, httpc_header(answer, "Replay-Nonce"))) {
        upstream->failures = 0;
    }
}

void upstream_flush(struct upstream *upstream) { noncepool_flush(upstream->pool); }

void upstream_span(struct upstream *upstream, const struct trace_context *self,
                   const struct trace_context *parent, enum stats_op op, const char *peer,
                   uint64_t start_us, unsigned status) {
    char text[12];
    const struct trace_attribute attributes[] = {{"peer", peer}, {"status", text}};

    if (!self->sampled) {
        return;
    }
    (void)snprintf(text, sizeof text, "%u", status);
    trace_span(upstream->options.trace, self, parent->span_id, stats_op_name(op), TRACE_CLIENT,
               start_us, clock_wall_us(), attributes, COUNT(attributes));
}

void upstream_trace_header(const struct trace_context *self, char text[UPSTREAM_TRACE_SIZE]) {
    char value[TRACE_PARENT_SIZE];

    trace_write(self, value);
    (void)snprintf(text, UPSTREAM_TRACE_SIZE, "traceparent: %s", value);
}
