/* The engine: every live enrolment, driven through RFC 8555 by its state table on one loop thread.
 *
 * Save before act: a transition is committed before the next message leaves, and an NF is told of
 * nothing that is not on disk.  VALIDATING alone is not saved: it resumes as CHALLENGED, which asks
 * the server again.  When the client dies between sending newOrder and saving the order's URL, a
 * new order is made and the old one is left to expire. */
#pragma once

#include "client/answer.h"
#include "client/cas.h"
#include "client/eab_keys.h"
#include "client/engine_verify.h"
#include "client/solver.h"
#include "client/store.h"
#include "client/vault.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/trace.h"

/* Who has an ACME account of its own. */
enum account_model { ACCOUNT_PER_NF, ACCOUNT_PER_TYPE, ACCOUNT_SHARED };

struct engine;
struct jobs;
struct schedule_policy;

/* All borrowed for the engine's life. */
struct engine_options {
    struct loop *loop;
    struct store *store;
    struct vault *vault;
    const struct cas *cas;
    uint64_t failover_us; /* enrolments without an order leave a CA that is down so long */
    struct jobs *jobs;
    const struct solvers *solvers;
    const struct clock *clock;
    struct trace *trace;
    const struct schedule_policy *renewal; /* NULL: certificates are not scheduled */
    enum account_model account_model;
    const struct eab_keys *eab; /* NULL: no account is bound */
    /* common name of the issuer of a chain's last certificate; NULL = any */
    const char *preferred_chain;
    /* of the bed's clock: an account's key in use this long is changed; 0 = never */
    uint64_t account_key_life_us;
    unsigned live_max; /* live enrolments; beyond it 503 */
    uint64_t seed;
    /* judges what was issued: engine_verify, but for tests whose CA issues plain text */
    engine_verifier *verify;
};
struct engine *engine_new(const struct engine_options *options, struct err *err);
/* Load the live enrolments; they go on when the loop runs.  Before the loop runs. */
MUST_CHECK bool engine_resume(struct engine *engine, struct err *err);

/* Hand over a deferred call; from any thread. */
void engine_take(struct engine *engine, struct call *call);

/* On the loop's thread: other limits from now on. */
void engine_tune(struct engine *engine, uint64_t account_key_life_us, unsigned live_max);

/* On the loop's thread: where a live enrolment is, and what it waits for; false: it is not live. */
bool engine_glance(struct engine *engine, const char *id, enum enrolment_state *ret_state,
                   char waits_for[ENROLMENT_WAITS_SIZE]);

/* On the loop's thread: answer what is held with 503 and stop the loop.  What is on disk is resumed
 * at the next start.  ctx is the engine. */
void engine_stop(void *ctx);
/* After the loop has stopped. */
void engine_free(struct engine *engine);
AUTO_DEFINE(struct engine, engine_free)
