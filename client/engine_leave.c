/* What touches accounts beside their enrolments' own states: withdrawal (the NF is gone),
 * revocation, and the change of a key. */
#include "client/engine_inner.h"

#include <string.h>

#include "client/history.h"
#include "common/log.h"

/* What is under way with the ACME server is left: RFC 8555 knows no end of an order but its expiry.
 * Answers to challenges are taken back. */
void engine_withdraw(struct live *live) {
    live->leaving = true;
    if (live->saving || live->record.state == ENROLMENT_WITHDRAWN) {
        return;
    }
    request_cancel(live->request);
    live->request = NULL;
    upstream_unwait(live->ca->upstream, &live->waiter);
    loop_timer_unset(live->engine->options.loop, &live->timer);
    engine_provision_free(live);
    if (engine_turn(live, ENROLMENT_ON_WITHDRAWN)) {
        engine_save(live);
    }
}

static void withdrawn(void *ctx, const struct err *err) {
    struct call *call = ctx;
    struct enrolment *record = &call->asked;

    if (err != NULL && err->kind == ERR_CONFLICT) { /* another call was faster */
        enrolment_done(record);
        engine_call_by_id(call->engine, call);
    } else if (err != NULL) {
        answer_problem(call, err);
    } else {
        log_line(LOG_INFO, "engine", "transition", "nf=%s enrolment=%s from=%s to=%s", record->nf,
                 record->id, enrolment_state_name(record->state),
                 enrolment_state_name(ENROLMENT_WITHDRAWN));
        trace_event(call->trace,
                    &(struct trace_event){.event = "enrolment",
                                          .nf = record->nf,
                                          .enrolment = record->id,
                                          .from = enrolment_state_name(record->state),
                                          .to = enrolment_state_name(ENROLMENT_WITHDRAWN)});
        record->state = ENROLMENT_WITHDRAWN;
        answer_nothing(call, record);
    }
}

void engine_withdraw_found(struct call *call, struct enrolment *record) {
    struct engine *engine = call->engine;
    enum enrolment_state next = ENROLMENT_STATE__COUNT;
    struct err err = {0};

    call->asked = *record;
    *record = (struct enrolment){0};
    if (!history_add(&call->asked.history, clock_now_us(engine->options.clock),
                     enrolment_state_name(ENROLMENT_WITHDRAWN), NULL)) {
        (void)err_set(&err, ERR_NO_MEMORY, "out of memory");
        answer_problem(call, &err);
        return;
    }
    /* one that is live may not be on disk yet, and needs the account */
    if (!enrolment_next(call->asked.state, ENROLMENT_ON_WITHDRAWN, &next, &err)
        || !jobs_withdraw(engine->options.jobs, &call->asked, call->asked.state,
                          map_get(engine->by_nf, call->asked.nf) != NULL, withdrawn, call, &err)) {
        answer_problem(call, &err);
    }
}

static void revoke_found(void *ctx, struct store_found *found, const struct err *err) {
    struct call *call = ctx;
    const struct engine *engine = call->engine;
    const struct enrolment *record = &found->enrolment;
    struct err failure = err == NULL ? (struct err){0} : *err;

    if (err == NULL && !engine_meant(call, found)) {
        (void)err_set(&failure, ERR_NOT_FOUND, "no such enrolment");
    } else if (err == NULL && (record->state != ENROLMENT_ISSUED || record->chain == NULL)) {
        (void)err_set(&failure, ERR_CONFLICT,
                      "the enrolment is %s: only the certificate of an ISSUED one can be revoked",
                      enrolment_state_name(record->state));
    } else if (err == NULL && record->revoked_us != 0) {
        answer_nothing(call, record);
        return;
    } else if (err == NULL) {
        jobs_revoke(engine->options.jobs, call, record);
        return;
    }
    answer_problem(call, &failure);
}

void engine_call_revoke(struct engine *engine, struct call *call) {
    const struct live *live = map_get(engine->by_id, call->id);
    struct err err = {0};
    int64_t row = 0;

    if (live != NULL && engine_owns(call, &live->record)) {
        (void)err_set(&err, ERR_CONFLICT, "the enrolment is %s: there is no certificate to revoke",
                      enrolment_state_name(live->record.state));
    } else if (live != NULL || !enrolment_id_row(call->id, &row)) {
        (void)err_set(&err, ERR_NOT_FOUND, "no such enrolment");
    } else if (store_find(engine->options.store, row, revoke_found, call, &err)) {
        return;
    }
    answer_problem(call, &err);
}

struct use {
    const char *account, *directory;
    bool out, busy;
    EVP_PKEY *key;
    const char *thumbprint;
};

static bool uses(const struct live *live, const struct use *use) {
    const char *directory = live->record.directory;

    return strcmp(live->record.account, use->account) == 0
           && strcmp(directory == NULL ? "" : directory, use->directory) == 0;
}

static void busy_one(void *ctx, void *value) {
    struct use *use = ctx;
    const struct live *live = value;
    const enum enrolment_state state = live->record.state;

    if (uses(live, use)) {
        use->busy = use->busy
                    || (use->out ? request_out(live->request)
                                 : state > ENROLMENT_ACCOUNT && state < ENROLMENT_READY);
    }
}

static bool busy(void *ctx, const char *account, const char *directory, bool out) {
    const struct engine *engine = ctx;
    struct use use = {.account = account, .directory = directory, .out = out};

    map_each(engine->by_id, busy_one, &use);
    return use.busy;
}

static void rekey_one(void *ctx, void *value) {
    const struct use *use = ctx;
    struct live *live = value;

    if (uses(live, use) && EVP_PKEY_up_ref(use->key) == 1) {
        request_rekey(live->request, use->key);
        EVP_PKEY_free(live->key);
        live->key = use->key;
        memcpy(live->record.thumbprint, use->thumbprint, sizeof live->record.thumbprint);
    }
}

static void rekeyed(void *ctx, const char *account, const char *directory, EVP_PKEY *key,
                    const char *thumbprint) {
    struct engine *engine = ctx;
    struct use use = {
        .account = account, .directory = directory, .key = key, .thumbprint = thumbprint};

    map_each(engine->by_id, rekey_one, &use);
    engine_account_forget(ctx, account, directory);
}

static void ended(void *ctx, const char *account, const char *directory) {
    engine_account_forget(ctx, account, directory);
}

void engine_uses_accounts(struct engine *engine) {
    engine->users = (struct jobs_users){engine, busy, rekeyed, ended};
    jobs_users_set(engine->options.jobs, &engine->users);
}

void engine_account_aged(struct engine *engine, const struct store_account *account) {
    const struct directory *directory =
        upstream_directory(cas_of(engine->options.cas, account->directory)->upstream);
    const uint64_t life_us = engine->options.account_key_life_us;

    if (life_us != 0 && directory != NULL && directory->key_change != NULL && account->url != NULL
        && account->made_us + clock_real_delay_us(engine->options.clock, life_us)
               <= engine_now_us()) {
        jobs_rekey(engine->options.jobs, account);
    }
}
