#include "client/upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/budget.h"
#include "common/json.h"
#include "common/log.h"
#include "common/ossl.h"
#include "common/problem.h"

#define UPSTREAM_TIMEOUT_MS 15000
#define UPSTREAM_SHIFT_MAX 8
#define JITTER_MAX_US 5000000
#define RETRY_AFTER_MAX_US 3600000000ULL

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
    uint64_t down_us;  /* the first of them */
    char trouble[UPSTREAM_TROUBLE_SIZE];
    struct loop_timer timer;
    bool serving_one; /* whose turn it is asks now */
    bool serving;     /* a posted retry_serve is on its way */
    unsigned out;     /* nonces taken whose request is not over */
    unsigned slow;    /* of those that take long, not counted there */
    struct fairqueue *continuing, *beginning;
    struct budget budget;
    uint64_t paused_us, beginnings_paused_us; /* until then */
    struct loop_timer turn;                   /* when the budget or a pause lets somebody go */
};

static void upstream_supply(struct upstream *upstream);
static void serve(struct upstream *upstream);
static void serve_turn(void *ctx);

struct upstream *upstream_new(const struct upstream_options *options, struct err *err) {
    AUTO(upstream_free) struct upstream *upstream = calloc(1, sizeof *upstream);

    if (upstream == NULL || (upstream->pool = noncepool_new()) == NULL
        || (upstream->continuing = fairqueue_new(options->seed)) == NULL
        || (upstream->beginning = fairqueue_new(options->seed)) == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    upstream->options = *options;
    upstream->rng = rng_seeded(options->seed);
    upstream->options.connections_max += options->connections_max == 0 ? 1 : 0;
    upstream->budget = budget_of(options->rate, options->rate, clock_wall_us());
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
        loop_timer_unset(upstream->options.loop, &upstream->turn);
    }
    fairqueue_free(upstream->continuing);
    fairqueue_free(upstream->beginning);
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

uint64_t upstream_down_since_us(const struct upstream *upstream) {
    return upstream->failures > 0 ? upstream->down_us : 0;
}

void upstream_doubt(struct upstream *upstream) { noncepool_flush(upstream->pool); }

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

uint64_t upstream_jittered_us(struct upstream *upstream, uint64_t wait_us) {
    const uint64_t most_us = wait_us / 8 < JITTER_MAX_US ? wait_us / 8 : JITTER_MAX_US;

    return wait_us + rng_below(&upstream->rng, most_us + 1);
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
    upstream->down_us = upstream->failures == 0 ? clock_wall_us() : upstream->down_us;
    uint64_t wait_us = upstream_backoff_us(upstream, upstream->failures++);
    char detail[160];

    if (err->retry_after_s > 0) {
        const uint64_t asked_us = (uint64_t)err->retry_after_s * 1000000;
        wait_us = upstream_jittered_us(
            upstream,
            clock_real_delay_us(upstream->options.clock,
                                asked_us < RETRY_AFTER_MAX_US ? asked_us : RETRY_AFTER_MAX_US));
        upstream_pause(upstream, false, wait_us);
    }
    upstream_describe(what, err, upstream->trouble);
    log_line(LOG_WARNING, "upstream", what, "kind=%s detail=%s retry_us=%llu", err_name(err->kind),
             log_quote(err->detail, detail, sizeof detail), (unsigned long long)wait_us);
    loop_timer_set(upstream->options.loop, &upstream->timer, clock_wall_us() + wait_us,
                   retry_supply, upstream);
}

static unsigned waiting_count(const struct upstream *upstream) {
    return fairqueue_count(upstream->continuing) + fairqueue_count(upstream->beginning);
}

/* Is there anybody who may go, but for nonces? */
static struct fairqueue *queue_next(const struct upstream *upstream, uint64_t now_us) {
    if (fairqueue_count(upstream->continuing) > 0) {
        return upstream->continuing;
    }
    return fairqueue_count(upstream->beginning) > 0 && now_us >= upstream->beginnings_paused_us
               ? upstream->beginning
               : NULL;
}

static void look_again(struct upstream *upstream, uint64_t when_us) {
    if (upstream->turn.place == 0 || upstream->turn.due_us > when_us) {
        loop_timer_set(upstream->options.loop, &upstream->turn, when_us, serve_turn, upstream);
    }
}

/* Pause and budget; when they say no, they are asked again at the right time. */
static bool may_ask(struct upstream *upstream, uint64_t now_us) {
    uint64_t wait_us = 0;

    if (now_us < upstream->paused_us) {
        look_again(upstream, upstream->paused_us);
        return false;
    }
    if (!budget_has(&upstream->budget, now_us, &wait_us)) {
        look_again(upstream, now_us + wait_us);
        return false;
    }
    return true;
}

bool upstream_may_ask(struct upstream *upstream) {
    const uint64_t now_us = clock_wall_us();
    uint64_t wait_us = 0;

    return may_ask(upstream, now_us) && budget_take(&upstream->budget, now_us, &wait_us);
}

void upstream_pause(struct upstream *upstream, bool beginnings, uint64_t wait_us) {
    uint64_t *until_us = beginnings ? &upstream->beginnings_paused_us : &upstream->paused_us;
    const uint64_t then_us = clock_wall_us() + wait_us;

    if (then_us > *until_us) {
        *until_us = then_us;
        log_line(LOG_WARNING, "upstream", "pause", "beginnings=%d us=%llu", beginnings ? 1 : 0,
                 (unsigned long long)wait_us);
        look_again(upstream, then_us);
    }
}

static bool may_go(struct upstream *upstream) {
    return upstream->known && upstream->out < upstream->options.connections_max
           && noncepool_count(upstream->pool) > 0 && may_ask(upstream, clock_wall_us());
}

/* Call those who can be served; each takes its nonce itself, or did not want one. */
static void serve(struct upstream *upstream) {
    struct fairqueue *queue = NULL;

    while ((queue = queue_next(upstream, clock_wall_us())) != NULL && may_go(upstream)) {
        struct upstream_waiter *waiter = (struct upstream_waiter *)fairqueue_next(queue);
        waiter->waiting = false;
        upstream->serving_one = true;
        waiter->fn(waiter->ctx);
        upstream->serving_one = false;
    }
    upstream_supply(upstream);
}

static void serve_turn(void *ctx) { serve(ctx); }

static bool directory_take(struct upstream *upstream, const struct httpc_answer *answer,
                           struct err *err) {
    if (answer->status != 200) {
        problem_read(err, answer->status, answer->body, answer->body_len,
                     httpc_retry_after_s(answer, clock_now_s(upstream->options.clock)));
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
    uint64_t ignored_us = 0;

    if (upstream->fetching != NULL) {
        return;
    }
    (void)budget_take(&upstream->budget, clock_wall_us(), &ignored_us);
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

void upstream_probe(struct upstream *upstream) {
    if (upstream->failures > 0 && upstream->timer.place == 0 && upstream->heads_count == 0) {
        upstream_refresh(upstream);
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
    if (answer != NULL && answer->status >= 400) {
        failure.retry_after_s = httpc_retry_after_s(answer, clock_now_s(upstream->options.clock));
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
    unsigned waiting = waiting_count(upstream);

    if (waiting == 0 || upstream->timer.place != 0
        || queue_next(upstream, clock_wall_us()) == NULL) {
        return;
    }
    if (!upstream->known) {
        if (upstream->fetching == NULL && may_ask(upstream, clock_wall_us())) {
            upstream_refresh(upstream);
        }
        return;
    }
    for (; waiting > 0 && round < upstream->options.connections_max
           && upstream->heads_count < UPSTREAM_HEADS_MAX;
         waiting--, round++) {
        if (!upstream_may_ask(upstream) || !head_start(upstream)) {
            return;
        }
    }
}

bool upstream_nonce(struct upstream *upstream, struct upstream_waiter *waiter,
                    const struct upstream_turn *turn, loop_call *fn, void *ctx,
                    char nonce[NONCEPOOL_TEXT_SIZE]) {
    uint64_t wait_us = 0;

    /* nobody overtakes those who wait, but those who continue overtake those who begin */
    const bool first = turn->begins ? queue_next(upstream, clock_wall_us()) == NULL
                                    : fairqueue_count(upstream->continuing) == 0;
    if ((upstream->serving_one || first) && may_go(upstream)
        && (!turn->begins || clock_wall_us() >= upstream->beginnings_paused_us)
        && noncepool_take(upstream->pool, nonce)) {
        upstream->serving_one = false;
        (void)budget_take(&upstream->budget, clock_wall_us(), &wait_us);
        upstream->out++;
        return true;
    }
    upstream_wait(upstream, waiter, turn, fn, ctx);
    return false;
}

bool upstream_slow(struct upstream *upstream) {
    if (upstream->slow >= upstream->options.connections_max * UPSTREAM_SLOW_FACTOR) {
        return false;
    }
    upstream->slow++;
    upstream_spent(upstream);
    return true;
}

void upstream_slow_spent(struct upstream *upstream) { upstream->slow--; }

static void retry_serve(void *ctx) {
    struct upstream *upstream = ctx;

    upstream->serving = false;
    serve(upstream);
}

void upstream_spent(struct upstream *upstream) {
    upstream->out--;
    /* not at once: the caller is still at work on its answer */
    if (waiting_count(upstream) > 0 && !upstream->serving) {
        upstream->serving = true;
        loop_post(upstream->options.loop, retry_serve, upstream);
    }
}

void upstream_wait(struct upstream *upstream, struct upstream_waiter *waiter,
                   const struct upstream_turn *turn, loop_call *fn, void *ctx) {
    *waiter = (struct upstream_waiter){.begins = turn->begins, .fn = fn, .ctx = ctx};
    waiter->waiting =
        fairqueue_add(turn->begins ? upstream->beginning : upstream->continuing, &waiter->item,
                      turn->tenant == NULL ? "" : turn->tenant, fairqueue_class(turn->priority));
    if (!waiter->waiting) { /* no memory: without a turn, later */
        loop_post(upstream->options.loop, fn, ctx);
        return;
    }
    upstream_supply(upstream);
}

void upstream_unwait(struct upstream *upstream, struct upstream_waiter *waiter) {
    if (waiter->waiting) {
        waiter->waiting = false;
        fairqueue_remove(waiter->begins ? upstream->beginning : upstream->continuing,
                         &waiter->item);
    }
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
