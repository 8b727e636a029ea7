/* What all requests to the ACME server share: connections, the directory, nonces, back-off and
 * spans.  One loop thread.
 *
 * The directory is fetched at start and again when the server has moved its resources; until it is
 * there requests wait.  Those who wait take turns by tenant and priority (fairqueue), within the
 * budget of the CA, and while it has not asked to be left alone.  A nonce comes from the pool; only
 * when that is empty newNonce is asked, once for each request that waits, at most
 * UPSTREAM_HEADS_MAX at a time. */
#pragma once

#include "client/directory.h"
#include "client/fairqueue.h"
#include "client/noncepool.h"
#include "client/stats.h"
#include "common/clock.h"
#include "common/httpc.h"
#include "common/loop.h"
#include "common/rng.h"
#include "common/trace.h"

#define PRIORITY_DEFAULT 24  /* of a 3gpp-Sbi-Message-Priority that is absent, TS 29.500 6.8.4 */
#define UPSTREAM_HEADS_MAX 4 /* newNonce requests at a time */
#define UPSTREAM_SLOW_US 2000000 /* a request under way this long makes room for another */
#define UPSTREAM_SLOW_FACTOR 4   /* of them per connection, at most */
#define UPSTREAM_BACKOFF_FIRST_US 500000
#define UPSTREAM_BACKOFF_MAX_US 60000000

struct upstream;

struct upstream_options {
    struct loop *loop;
    struct httpc *httpc;       /* borrowed for the life */
    const struct clock *clock; /* likewise */
    struct trace *trace;       /* likewise */
    uint64_t seed;             /* of the jitter */
    const char *directory_url; /* borrowed */
    unsigned connections_max;  /* requests under way at a time; 0 = 1 */
    double rate;               /* requests a second, all tenants together; 0 = no limit */
};
struct upstream *upstream_new(const struct upstream_options *options, struct err *err);
void upstream_free(struct upstream *upstream); /* nobody may be waiting */
AUTO_DEFINE(struct upstream, upstream_free)

struct loop *upstream_loop(const struct upstream *upstream);
struct httpc *upstream_httpc(const struct upstream *upstream);
const struct clock *upstream_clock(const struct upstream *upstream);
struct trace *upstream_trace(const struct upstream *upstream);

/* Fetch the directory now, unless a fetch is under way. */
void upstream_refresh(struct upstream *upstream);
/* End a back-off of directory or nonces now. */
void upstream_retry(struct upstream *upstream);
/* NULL until it was fetched; borrowed until the next turn of the loop. */
const struct directory *upstream_directory(const struct upstream *upstream);
/* Neither directory nor nonces can be had at present: the server is down. */
bool upstream_down(const struct upstream *upstream);
/* Since when; 0: it is not. */
uint64_t upstream_down_since_us(const struct upstream *upstream);
/* It is down: look whether it still is, unless that was tried lately. */
void upstream_probe(struct upstream *upstream);
/* A request found nobody: what it kept is in doubt, and newNonce is asked next. */
void upstream_doubt(struct upstream *upstream);
#define UPSTREAM_TROUBLE_SIZE 160
/* Why directory or nonces are not to be had: what was asked for and what went wrong, or that there
 * is no answer yet; borrowed until the next turn of the loop; NULL when they are. */
const char *upstream_trouble(const struct upstream *upstream);
/* The same for a request that failed. */
void upstream_describe(const char *what, const struct err *err, char text[UPSTREAM_TROUBLE_SIZE]);
/* May this URL, which the server handed out, be asked? */
bool upstream_allows(const struct upstream *upstream, const char *url);

/* Whose turn is asked for. */
struct upstream_turn {
    bool begins; /* an enrolment: after those that continue one */
    const char *tenant;
    unsigned priority; /* 3gpp-Sbi-Message-Priority, 0 to 31 */
};

/* A place in the queue for a nonce; in the caller's memory, {0} when not waiting. */
struct upstream_waiter {
    struct fairqueue_item item; /* first */
    bool waiting, begins;
    loop_call *fn;
    void *ctx;
};
/*
 * True: directory and nonce are there, nonce moved out, and upstream_spent must follow when the
 * request is over.  False: fn(ctx) is called once, later, when it is worth trying again; until then
 * upstream_unwait may take the place back.
 */
MUST_CHECK bool upstream_nonce(struct upstream *upstream, struct upstream_waiter *waiter,
                               const struct upstream_turn *turn, loop_call *fn, void *ctx,
                               char nonce[NONCEPOOL_TEXT_SIZE]);
/* It takes long: another may go meanwhile, and upstream_slow_spent must follow instead.  False: too
 * many take long already. */
MUST_CHECK bool upstream_slow(struct upstream *upstream);
void upstream_slow_spent(struct upstream *upstream);
/* The request that took a nonce is over: another may go. */
void upstream_spent(struct upstream *upstream);
/* Only wait: fn(ctx) is called once, later, when directory and a nonce are there. */
void upstream_wait(struct upstream *upstream, struct upstream_waiter *waiter,
                   const struct upstream_turn *turn, loop_call *fn, void *ctx);
void upstream_unwait(struct upstream *upstream, struct upstream_waiter *waiter);

/* Keep the answer's Replay-Nonce. */
void upstream_harvest(struct upstream *upstream, const struct httpc_answer *answer);
/* The server refused a nonce: forget those kept. */
void upstream_flush(struct upstream *upstream);

/* The server wants to be left alone as a whole (beginnings: by those that begin an enrolment). */
void upstream_pause(struct upstream *upstream, bool beginnings, uint64_t wait_us);
/* May one request be sent now that needs no turn?  Counted against the budget; else later. */
MUST_CHECK bool upstream_may_ask(struct upstream *upstream);
/* A little more than was asked for, so that those told the same do not come back as one. */
uint64_t upstream_jittered_us(struct upstream *upstream, uint64_t wait_us);

/* Jittered exponential back-off: between half and all of min(60 s, 0.5 s doubled attempt times). */
uint64_t upstream_backoff_us(struct upstream *upstream, unsigned attempt);

/* Count a request and record its CLIENT span under parent (unsampled: nothing).
 * status 0: no answer. */
void upstream_span(struct upstream *upstream, const struct trace_context *self,
                   const struct trace_context *parent, enum stats_op op, const char *peer,
                   uint64_t start_us, unsigned status);
/* "traceparent: …" for a header list. */
#define UPSTREAM_TRACE_SIZE (TRACE_PARENT_SIZE + 16)
void upstream_trace_header(const struct trace_context *self, char text[UPSTREAM_TRACE_SIZE]);
