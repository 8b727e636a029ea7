#include "client/engine_inner.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/crash_point.h"
#include "common/log.h"
#include "common/ossl.h"

struct engine *engine_new(const struct engine_options *options, struct err *err) {
    AUTO(engine_free) struct engine *engine = calloc(1, sizeof *engine);

    if (engine == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    engine->options = *options;
    engine->by_id = map_new(options->seed);
    engine->by_nf = map_new(options->seed + 1);
    engine->accounts = map_new(options->seed + 2);
    if (engine->by_id == NULL || engine->by_nf == NULL || engine->accounts == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    engine_uses_accounts(engine);
    engine_failover_begin(engine);
    return TAKE(engine);
}

uint64_t engine_now_us(void) { return clock_wall_us(); }

struct live *engine_live_new(struct engine *engine, struct err *err) {
    struct live *live = calloc(1, sizeof *live);

    if (live == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    live->engine = engine;
    live->priority = PRIORITY_DEFAULT;
    live->ca = &engine->options.cas->list[0];
    return live;
}

bool engine_live_add(struct live *live) {
    struct engine *engine = live->engine;

    if (!map_put(engine->by_id, live->record.id, live)) {
        return false;
    }
    if (!map_put(engine->by_nf, live->record.nf, live)) {
        (void)map_take(engine->by_id, live->record.id);
        return false;
    }
    metric_add(stats_enrolments(live->record.state), 1);
    return true;
}

/* Everything it owns; private key material is cleansed by EVP_PKEY_free. */
static void live_free(struct live *live) {
    engine_account_left(live);
    request_cancel(live->request);
    upstream_unwait(live->ca->upstream, &live->waiter);
    loop_timer_unset(live->engine->options.loop, &live->timer);
    engine_provision_free(live);
    for (unsigned i = 0; i < live->authz_count; i++) {
        free(live->authz[i]);
    }
    free(live->certificate_url);
    for (unsigned i = 0; i < live->alternates_count; i++) {
        free(live->alternates[i]);
    }
    EVP_PKEY_free(live->key);
    store_account_done(&live->account);
    enrolment_done(&live->record);
    free(live);
}

void engine_live_drop(struct live *live) {
    struct engine *engine = live->engine;

    if (map_get(engine->by_id, live->record.id) == live) {
        (void)map_take(engine->by_id, live->record.id);
    }
    if (map_get(engine->by_nf, live->record.nf) == live) {
        (void)map_take(engine->by_nf, live->record.nf);
    }
    live_free(live);
}

static const char *order_id(const struct enrolment *record) {
    const char *slash = record->order_url == NULL ? NULL : strrchr(record->order_url, '/');

    return slash == NULL ? NULL : slash + 1;
}

/* The log line and the event of a transition, from the state last told. */
static void tell(struct live *live) {
    const struct enrolment *record = &live->record;
    const char *from = live->told ? enrolment_state_name(live->told_state) : NULL;
    const char *to = enrolment_state_name(record->state);
    const bool failed = record->state == ENROLMENT_FAILED;
    char reason[220] = "";

    if (failed) {
        metric_add(stats_failed(record->reason_kind), 1);
        (void)log_quote(record->reason == NULL ? "" : record->reason, reason, sizeof reason);
    }
    log_line(failed ? LOG_WARNING : LOG_INFO, "engine", "transition",
             "nf=%s enrolment=%s order=%s from=%s to=%s%s%s%s%s", record->nf, record->id,
             order_id(record) == NULL ? "" : order_id(record), from == NULL ? "" : from, to,
             failed ? " kind=" : "", failed ? err_name(record->reason_kind) : "",
             failed ? " reason=" : "", reason);
    trace_event(live->engine->options.trace,
                &(struct trace_event){.event = "enrolment",
                                      .nf = record->nf,
                                      .enrolment = record->id,
                                      .order = order_id(record),
                                      .from = from,
                                      .to = to,
                                      .detail = failed ? record->reason : NULL});
    if (record->state == ENROLMENT_ACCOUNT && live->inserted) {
        trace_event(live->engine->options.trace, &(struct trace_event){.event = "account",
                                                                       .nf = record->nf,
                                                                       .enrolment = record->id,
                                                                       .to = "valid"});
    }
    live->told = true;
    live->told_state = record->state;
}

/* The instants of design section 2 that mean "is saved": noted before, for the disk, and again
 * when it has happened. */
static void stamp(struct live *live) {
    uint64_t *t_us = live->record.t_us;
    const uint64_t now_us = engine_now_us();
    const unsigned state = live->record.state;

    if (state == ENROLMENT_AUTHORISED && !live->account_lost) {
        t_us[1] = now_us;
    } else if (state == ENROLMENT_ACCOUNT) {
        t_us[2] = now_us;
    } else if (state == ENROLMENT_ORDERED) {
        t_us[3] = now_us;
    }
}

static void saved(void *ctx, const struct err *err);

static void save(void *ctx) {
    struct live *live = ctx;
    struct store *store = live->engine->options.store;
    struct err err = {0};
    const struct store_account *account = live->account.sealed == NULL ? NULL : &live->account;

    if (live->record.state == ENROLMENT_WITHDRAWN) {
        if (!jobs_withdraw(live->engine->options.jobs, &live->record, live->stored, false, saved,
                           live, &err)) {
            saved(live, &err);
        }
        return;
    }
    bool queued = live->inserted ? store_move_with(store, &live->record, live->stored, account,
                                                   saved, live, &err)
                                 : store_insert(store, &live->record, account, saved, live, &err);
    if (!queued) {
        saved(live, &err);
    }
}

static void gone_on(struct live *live) {
    stamp(live);
    if (!live->inserted && live->record.state == ENROLMENT_ACCOUNT) {
        live->record.t_us[1] = live->record.t_us[2]; /* the account existed: t2 = t1 */
    }
    tell(live);
    live->inserted = true;
    live->stored = live->record.state;
    live->saving = false;
    store_account_done(&live->account);
    if (live->record.state == ENROLMENT_ACCOUNT) {
        engine_account_known(live);
    } else if (live->record.state != ENROLMENT_AUTHORISED) {
        engine_account_left(live);
    }
    engine_settle(live);
    if (live->leaving && live->record.state != ENROLMENT_WITHDRAWN) {
        engine_withdraw(live);
    } else {
        engine_step(live);
    }
}

static void saved(void *ctx, const struct err *err) {
    struct live *live = ctx;
    char cause[160];

    if (err == NULL) {
        gone_on(live);
        return;
    }
    log_line(LOG_ERROR, "engine", "unsaved", "nf=%s enrolment=%s kind=%s cause=%s", live->record.nf,
             live->record.id, err_name(err->kind),
             log_quote(err->cause[0] == '\0' ? err->detail : err->cause, cause, sizeof cause));
    if (err->kind == ERR_CONFLICT || !live->inserted) {
        /* not ours any more, or never acknowledged: nobody was told of it */
        engine_settle_all(live, err);
        metric_add(stats_enrolments(live->record.state), -1);
        engine_live_drop(live);
        return;
    }
    loop_timer_set(live->engine->options.loop, &live->timer, engine_now_us() + ENGINE_SAVE_RETRY_US,
                   save, live);
}

void engine_insert(struct live *live) {
    live->saving = true;
    engine_note(live, live->why);
    stamp(live);
    if (live->record.t_us[1] == 0) {
        live->record.t_us[1] = engine_now_us();
    }
    save(live);
}

bool engine_turn(struct live *live, enum enrolment_event event) {
    enum enrolment_state next = ENROLMENT_STATE__COUNT;
    struct err err = {0};

    if (!enrolment_next(live->record.state, event, &next, &err)) {
        log_line(LOG_ERROR, "engine", "forbidden", "nf=%s enrolment=%s state=%s on=%d",
                 live->record.nf, live->record.id, enrolment_state_name(live->record.state),
                 (int)event);
        return false;
    }
    metric_add(stats_enrolments(live->record.state), -1);
    metric_add(stats_enrolments(next), 1);
    live->record.state = next;
    engine_note_turn(live);
    return true;
}

void engine_save(struct live *live) {
    live->saving = true;
    stamp(live);
    save(live);
}

void engine_move(struct live *live, enum enrolment_event event) {
    if (engine_turn(live, event)) {
        engine_save(live);
    }
}

void engine_move_unsaved(struct live *live, enum enrolment_event event) {
    CRASH_POINT_MOVE("before", enrolment_state_name(live->record.state), "unsaved");
    if (engine_turn(live, event)) {
        CRASH_POINT_MOVE("after", enrolment_state_name(live->stored), "unsaved");
        tell(live);
        engine_step(live);
    }
}

void engine_fail(struct live *live, const struct err *err) {
    free(live->record.reason);
    live->record.reason = strdup(err->detail);
    live->record.reason_kind = err->kind;
    engine_provision_free(live);
    engine_move(live, ENROLMENT_ON_FAILED);
}

static void expired(void *ctx) {
    engine_fail(
        ctx, &(struct err){.kind = ERR_TIMEOUT, .detail = "the order expired before a CSR came"});
}

/* READY waits for the NF, and no longer than its order lives. */
static void wait_for_csr(struct live *live) {
    const struct clock *clock = live->engine->options.clock;
    const uint64_t now_us = clock_now_us(clock);
    const uint64_t expires_us = live->record.expires_us;

    engine_provision_free(live);
    live->polls = 0;
    if (expires_us != 0) {
        uint64_t left_us = expires_us > now_us ? expires_us - now_us : 0;
        loop_timer_set(live->engine->options.loop, &live->timer,
                       engine_now_us() + clock_real_delay_us(clock, left_us), expired, live);
    }
}

void engine_step(struct live *live) {
    switch (live->record.state) {
    case ENROLMENT_AUTHORISED:
        engine_step_account(live);
        return;
    case ENROLMENT_ACCOUNT:
        engine_step_order(live);
        return;
    case ENROLMENT_ORDERED:
        engine_step_authz(live);
        return;
    case ENROLMENT_CHALLENGED:
        engine_step_respond(live);
        return;
    case ENROLMENT_VALIDATING:
        engine_order_poll(live);
        return;
    case ENROLMENT_READY:
        wait_for_csr(live);
        return;
    case ENROLMENT_FINALIZING:
        engine_step_finalize(live);
        return;
    case ENROLMENT_ISSUED:
    case ENROLMENT_FAILED:
    case ENROLMENT_WITHDRAWN:
        engine_live_drop(live);
        return;
    case ENROLMENT_AWAITING_TOKEN:
        engine_step_token(live);
        return;
    case ENROLMENT_STATE__COUNT:
        return;
    }
}

static void resume_step(void *ctx) { engine_step(ctx); }

static void resume_one(void *ctx, struct store_found *found, const struct err *err) {
    struct engine *engine = ctx;
    struct err failure = {0};
    struct live *live = engine_live_new(engine, &failure);

    (void)err;
    if (live == NULL) {
        return;
    }
    live->record = found->enrolment;
    found->enrolment = (struct enrolment){0};
    live->ca = cas_of(engine->options.cas, live->record.directory);
    live->inserted = live->resumed = true;
    live->stored = live->told_state = live->record.state;
    live->told = true;
    live->finalize_tries = live->record.state == ENROLMENT_FINALIZING ? 1 : 0;
    live->key = vault_open_key(engine->options.vault, live->record.account, found->account.sealed,
                               found->account.sealed_len, &failure);
    if (!engine_live_add(live) || live->key == NULL) {
        log_line(LOG_ERROR, "engine", "lost", "nf=%s enrolment=%s kind=%s", live->record.nf,
                 live->record.id, err_name(failure.kind));
        engine_live_drop(live);
        return;
    }
    metric_add(stats_count(STATS_RESUMED), 1);
    log_line(LOG_INFO, "engine", "resumed", "nf=%s enrolment=%s state=%s", live->record.nf,
             live->record.id, enrolment_state_name(live->record.state));
    loop_post(engine->options.loop, resume_step, live);
}

bool engine_resume(struct engine *engine, struct err *err) {
    return store_resume(engine->options.store, resume_one, engine, err);
}

static void take(void *ctx) {
    struct call *call = ctx;
    struct engine *engine = call->engine;

    if (engine->stopping) {
        answer_problem(call, &(struct err){.kind = ERR_OVERLOAD,
                                           .retry_after_s = 1,
                                           .detail = "the client is stopping"});
        return;
    }
    engine_call(engine, call);
}

void engine_take(struct engine *engine, struct call *call) {
    call->engine = engine;
    loop_post(engine->options.loop, take, call);
}

void engine_tune(struct engine *engine, uint64_t account_key_life_us, unsigned live_max) {
    engine->options.account_key_life_us = account_key_life_us;
    engine->options.live_max = live_max;
}

static void stop_one(void *ctx, void *value) { engine_settle_all(value, ctx); }

void engine_stop(void *ctx) {
    struct engine *engine = ctx;
    struct err err = {.kind = ERR_OVERLOAD, .retry_after_s = 1, .detail = "the client is stopping"};

    engine->stopping = true;
    map_each(engine->by_id, stop_one, &err);
    jobs_stop(engine->options.jobs);
    loop_stop(engine->options.loop);
}

static void free_one(void *ctx, void *value) {
    (void)ctx;
    live_free(value);
}

void engine_free(struct engine *engine) {
    if (engine == NULL) {
        return;
    }
    engine->stopping = true;
    loop_timer_unset(engine->options.loop, &engine->failover);
    if (engine->by_id != NULL) {
        map_each(engine->by_id, free_one, NULL);
    }
    engine_issuers_done(&engine->issuers);
    map_free(engine->by_id);
    map_free(engine->by_nf);
    engine_accounts_free(engine);
    free(engine);
}
