/* What NFs ask of the engine.  A call is answered when the state on disk settles it, or when it has
 * waited long enough; while a transition is being saved nothing is said about it. */
#include "client/engine_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ari.h"
#include "common/guard.h"
#include "common/jwk.h"
#include "common/key.h"
#include "common/ossl.h"

#define RETRY_AFTER_S 1      /* things are moving */
#define RETRY_AFTER_DOWN_S 5 /* the ACME server or the OAM is not to be reached */

static bool same_text(const char *one, const char *other) {
    return (one == NULL) == (other == NULL) && (one == NULL || strcmp(one, other) == 0);
}

/* A repeated POST must ask for what the enrolment is about. */
static bool same_identity(const struct enrolment *have, const struct enrolment *asked,
                          struct err *err) {
    if (!GUARD("same-type", strcmp(have->nf_type, asked->nf_type) == 0)) {
        return err_set_param(err, ERR_CONFLICT, "nfType",
                             "this NF has an enrolment with another nfType");
    }
    if (!GUARD("same-fqdn", same_text(have->fqdn, asked->fqdn))) {
        return err_set_param(err, ERR_CONFLICT, "fqdn",
                             "this NF has an enrolment with another fqdn");
    }
    return GUARD("same-profile", same_text(have->profile, asked->profile))
           || err_set_param(err, ERR_CONFLICT, "profile",
                            "this NF has an enrolment with another profile");
}

static bool settled(const struct call *call, enum enrolment_state state) {
    const bool over = !enrolment_live(state);

    switch (call->kind) {
    case CALL_ENROL:
    case CALL_RENEW:
        return over || state == ENROLMENT_READY || state == ENROLMENT_FINALIZING
               || state == ENROLMENT_AWAITING_TOKEN;
    case CALL_GET:
        return over || state == ENROLMENT_READY || state == ENROLMENT_AWAITING_TOKEN;
    case CALL_TOKEN:
        return over || state == ENROLMENT_READY;
    case CALL_CSR:
        return over || state == ENROLMENT_READY;
    case CALL_CERTIFICATE:
        return state != ENROLMENT_FINALIZING;
    case CALL_DELETE:
        return state == ENROLMENT_WITHDRAWN;
    case CALL_REVOKE:
    case CALL_RETRY:
    case CALL_OTHER:
        return true;
    }
    return true;
}

static void answer_withdrawn(struct call *call, const struct enrolment *record) {
    const struct err none = {.kind = ERR_NOT_FOUND, .detail = "the enrolment was withdrawn"};
    const struct err over = {.kind = ERR_CONFLICT, .detail = "the enrolment was withdrawn"};

    if (call->kind == CALL_DELETE) {
        answer_nothing(call, record);
    } else {
        answer_problem(call, call->kind == CALL_CERTIFICATE ? &none : &over);
    }
}

static unsigned done_status(const struct call *call, const struct enrolment *record, bool done) {
    if (!done || record->state == ENROLMENT_AWAITING_TOKEN) {
        return 202;
    }
    return call->kind == CALL_TOKEN ? 200 : 201;
}

/* Answer from a record whose state is on disk. */
static void answer_from(struct call *call, const struct enrolment *record, bool done,
                        const struct err *refusal, uint32_t retry_after_s) {
    const struct err none = {.kind = ERR_NOT_FOUND,
                             .detail = "there is no certificate: no CSR is under way"};
    const bool about_chain = call->kind == CALL_CERTIFICATE || call->kind == CALL_CSR;

    if (call->kind == CALL_GET) {
        answer_enrolment(call, 200, record, 0);
    } else if (record->state == ENROLMENT_WITHDRAWN) {
        answer_withdrawn(call, record);
    } else if (record->state == ENROLMENT_FAILED) {
        answer_failure(call, record);
    } else if (about_chain && record->chain != NULL) {
        answer_chain(call, record);
    } else if (about_chain && done && refusal != NULL) {
        answer_problem(call, refusal);
    } else if (call->kind == CALL_CERTIFICATE && done) {
        answer_problem(call, &none);
    } else {
        answer_enrolment(call, done_status(call, record, done), record, retry_after_s);
    }
}

static uint32_t retry_after(const struct live *live) {
    return request_waiting(live->request) || upstream_down(live->ca->upstream) ? RETRY_AFTER_DOWN_S
                                                                               : RETRY_AFTER_S;
}

/* Answer from what is known of a live one, while nothing is being saved. */
static void answer_live(struct live *live, struct call *call, bool done,
                        const struct err *refusal) {
    engine_waits(live);
    answer_from(call, &live->record, done, refusal, retry_after(live));
}

/* Take a call off its enrolment's list. */
static void detach(struct live *live, struct call **place) {
    struct call *call = *place;

    *place = call->next;
    loop_timer_unset(live->engine->options.loop, &call->timer);
    metric_add(stats_count(STATS_NF_HELD), -1);
}

void engine_settle(struct live *live) {
    const struct err *refusal = live->refusal.kind == ERR_NONE ? NULL : &live->refusal;

    for (struct call **place = &live->calls; *place != NULL;) {
        struct call *call = *place;
        bool done = settled(call, live->record.state);
        if (!done && !call->due) {
            place = &call->next;
            continue;
        }
        detach(live, place);
        answer_live(live, call, done, refusal);
    }
    if (live->record.state == ENROLMENT_READY) {
        live->refusal = (struct err){0};
    }
}

void engine_settle_all(struct live *live, const struct err *err) {
    while (live->calls != NULL) {
        struct call *call = live->calls;
        detach(live, &live->calls);
        answer_problem(call, err);
    }
}

static void detach_one(struct call *call) {
    struct call **place = &call->live->calls;

    while (*place != call) {
        place = &(*place)->next;
    }
    detach(call->live, place);
}

/* The wait is over: answer what is known; 504 when the NF's own limit came first. */
static void waited(void *ctx) {
    struct call *call = ctx;
    struct live *live = call->live;
    const uint64_t passed_us = engine_now_us() - call->started_us;

    detach_one(call);
    if (call->max_rsp_us != 0 && passed_us >= call->max_rsp_us) {
        answer_problem(
            call, &(struct err){.kind = ERR_TIMEOUT, .detail = "3gpp-Sbi-Max-Rsp-Time has passed"});
    } else if (live->saving) {
        answer_problem(call, &(struct err){.kind = ERR_OVERLOAD,
                                           .retry_after_s = RETRY_AFTER_DOWN_S,
                                           .detail = "the store is slow"});
    } else {
        answer_live(live, call, false, NULL);
    }
}

void engine_attach(struct live *live, struct call *call) {
    uint64_t wait_us = call->wait_us;

    call->live = live;
    if (!live->saving
        && ((wait_us == 0 && call->kind != CALL_DELETE) || settled(call, live->record.state))) {
        answer_live(live, call, settled(call, live->record.state), NULL);
        return;
    }
    call->due = wait_us == 0 && call->kind != CALL_DELETE;
    wait_us = wait_us == 0 ? ENGINE_SAVE_PATIENCE_US : wait_us;
    if (call->max_rsp_us != 0 && call->max_rsp_us < wait_us) {
        wait_us = call->max_rsp_us;
    }
    call->next = live->calls;
    live->calls = call;
    metric_add(stats_count(STATS_NF_HELD), 1);
    loop_timer_set(live->engine->options.loop, &call->timer, call->started_us + wait_us, waited,
                   call);
}

/* A new enrolment of what the call asks for.  NULL: err says why. */
static struct live *create(struct engine *engine, struct call *call, struct store_found *found,
                           struct err *err) {
    struct live *live = NULL;

    if (map_count(engine->by_id) >= engine->options.live_max) {
        err->retry_after_s = RETRY_AFTER_DOWN_S;
        (void)err_set(err, ERR_OVERLOAD, "too many enrolments are under way");
        return NULL;
    }
    live = engine_live_new(engine, err);
    if (live == NULL || !enrolment_copy(&call->asked, &live->record, err)) {
        free(live);
        return NULL;
    }
    live->record.cca = TAKE(call->asked.cca);
    engine_account_name(engine->options.account_model, &live->record);
    live->ca = call->ca;
    free(live->record.directory);
    live->record.directory = strdup(call->ca->directory);
    if (call->asked.directory != NULL && strcmp(call->asked.directory, call->ca->directory) != 0) {
        free(live->record.replaces); /* a certificate of another CA */
        live->record.replaces = NULL;
    }
    live->record.row = store_row_next(engine->options.store);
    enrolment_id_make(live->record.row, live->record.id);
    engine_note_why(live, call);
    live->trace = call->self;
    live->priority = call->priority;
    bool good = engine_account_take(live, found, err);
    if (good && live->record.account_url != NULL) {
        good = enrolment_next(ENROLMENT_AUTHORISED, ENROLMENT_ON_ACCOUNT, &live->record.state, err);
    }
    if (!good || !engine_live_add(live)) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        engine_live_drop(live);
        return NULL;
    }
    return live;
}

/* Join a live enrolment of the same NF. */
static void join(struct live *live, struct call *call) {
    struct err err = {0};

    if (live->leaving) {
        err.retry_after_s = RETRY_AFTER_S;
        (void)err_set(&err, ERR_OVERLOAD, "an enrolment of this NF is being withdrawn");
    }
    if (err.kind != ERR_NONE || !same_identity(&live->record, &call->asked, &err)) {
        answer_problem(call, &err);
        return;
    }
    live->priority = call->priority < live->priority ? call->priority : live->priority;
    if (!live->trace.sampled) {
        live->trace = call->self; /* resumed: nobody else traces it */
    }
    engine_attach(live, call);
}

static void enrol(struct engine *engine, struct call *call);

static void enrol_found(void *ctx, struct store_found *found, const struct err *err) {
    struct call *call = ctx;
    struct engine *engine = call->engine;
    struct live *live = map_get(engine->by_nf, call->asked.nf);
    struct err failure = err == NULL ? (struct err){0} : *err;

    if (live != NULL) { /* another call was faster */
        join(live, call);
        return;
    }
    if (err == NULL && (call->era == 0 || call->era != jobs_era(engine->options.jobs))) {
        enrol(engine, call); /* the account found may be on its way out */
        return;
    }
    if (err == NULL && found->found_enrolment) {
        if (same_identity(&found->enrolment, &call->asked, &failure)) {
            answer_from(call, &found->enrolment, true, NULL, 0);
            return;
        }
    } else if (err == NULL && (live = create(engine, call, found, &failure)) != NULL) {
        live->saving = true;
        engine_attach(live, call);
        engine_insert(live);
        return;
    }
    answer_problem(call, &failure);
}

/* What is asked for stands in call->asked: join what is under way, or look up what there is. */
static void enrol(struct engine *engine, struct call *call) {
    struct live *live = map_get(engine->by_nf, call->asked.nf);
    struct err err = {0};

    call->era = jobs_era(engine->options.jobs);
    engine_account_name(engine->options.account_model, &call->asked);
    call->ca = cas_choose(engine->options.cas, engine_now_us(), engine->options.failover_us);
    if (live != NULL) {
        join(live, call);
    } else if (!store_tenant(engine->options.store,
                             &(struct store_tenant){.nf = call->asked.nf,
                                                    .account = call->asked.account,
                                                    .directory = call->ca->directory,
                                                    .idempotency = call->kind == CALL_RETRY
                                                                       ? NULL
                                                                       : call->asked.idempotency},
                             enrol_found, call, &err)) {
        answer_problem(call, &err);
    }
}

void engine_enrol(struct engine *engine, struct call *call) { enrol(engine, call); }

/* A renewal asks for what the enrolment it renews was about. */
static bool renewal_of(const struct engine *engine, struct call *call, struct enrolment *old,
                       struct err *err) {
    struct enrolment *asked = &call->asked;

    if (old->state != ENROLMENT_ISSUED) {
        return err_set(err, ERR_CONFLICT, "the enrolment is %s: only an ISSUED one can be renewed",
                       enrolment_state_name(old->state));
    }
    if (old->with_nf_instance && engine->options.solvers->tkauth01 != NULL
        && !engine->options.solvers->nf_tokens && asked->cca == NULL) {
        return err_set_param(err, ERR_CCA, "3gpp-Sbi-Client-Credentials",
                             "the request needs a client credentials assertion for the OAM");
    }
    memcpy(asked->nf, old->nf, sizeof asked->nf);
    memcpy(asked->nf_type, old->nf_type, sizeof asked->nf_type);
    asked->fqdn = TAKE(old->fqdn);
    asked->profile = TAKE(old->profile);
    asked->notification_uri = TAKE(old->notification_uri);
    asked->directory = TAKE(old->directory);
    asked->with_nf_instance = old->with_nf_instance;
    asked->with_dns = old->with_dns;
    asked->renews = strdup(old->id);
    asked->replaces = ari_certid_chain(old->chain);
    return asked->renews != NULL || err_set(err, ERR_NO_MEMORY, "out of memory");
}

static void renew_found(void *ctx, struct store_found *found, const struct err *err) {
    struct call *call = ctx;
    struct engine *engine = call->engine;
    struct err failure = err == NULL ? (struct err){0} : *err;

    if (err == NULL && !engine_meant(call, found)) {
        (void)err_set(&failure, ERR_NOT_FOUND, "no such enrolment");
    } else if (err == NULL && renewal_of(engine, call, &found->enrolment, &failure)) {
        enrol(engine, call);
        return;
    }
    answer_problem(call, &failure);
}

static void call_renew(struct engine *engine, struct call *call) {
    const struct live *live = map_get(engine->by_id, call->id);
    struct err err = {0};
    int64_t row = 0;

    if (live != NULL && engine_owns(call, &live->record)) {
        (void)err_set(&err, ERR_CONFLICT, "the enrolment is %s: only an ISSUED one can be renewed",
                      enrolment_state_name(live->record.state));
    } else if (live != NULL || !enrolment_id_row(call->id, &row)) {
        (void)err_set(&err, ERR_NOT_FOUND, "no such enrolment");
    } else if (store_find(engine->options.store, row, renew_found, call, &err)) {
        return;
    }
    answer_problem(call, &err);
}

static bool same_csr(const struct enrolment *record, const struct call *call) {
    return record->csr != NULL && record->csr_len == call->csr_len
           && memcmp(record->csr, call->csr, call->csr_len) == 0;
}

/* May this CSR be answered from the record?  Else why not. */
static bool csr_fits(const struct enrolment *record, const struct call *call, struct err *err) {
    if (record->state == ENROLMENT_WITHDRAWN) {
        return err_set(err, ERR_CONFLICT, "the enrolment was withdrawn");
    }
    if (record->state < ENROLMENT_READY) {
        return err_set(err, ERR_CONFLICT, "the enrolment is %s and not READY for a CSR",
                       enrolment_state_name(record->state));
    }
    return record->state == ENROLMENT_FAILED || same_csr(record, call)
           || err_set(err, ERR_CONFLICT, "another CSR was accepted already");
}

static void call_csr(struct live *live, struct call *call) {
    struct enrolment *record = &live->record;
    struct err err = {0};

    if (record->state == ENROLMENT_READY && !live->saving && !live->leaving) {
        free(record->csr);
        record->csr = TAKE(call->csr);
        record->csr_len = call->csr_len;
        record->t_us[8] = engine_now_us(); /* known better once finalize was sent */
        record->reason_kind = ERR_NONE;
        live->trace = call->self;
        live->finalize_tries = 0;
        loop_timer_unset(live->engine->options.loop, &live->timer);
        live->saving = true;
        engine_attach(live, call);
        engine_move(live, ENROLMENT_ON_CSR);
    } else if (!csr_fits(record, call, &err)) {
        answer_problem(call, &err);
    } else {
        engine_attach(live, call);
    }
}

/* An enrolment that is no longer in memory; others' are not there at all. */
static void find_found(void *ctx, struct store_found *found, const struct err *err) {
    struct call *call = ctx;
    struct err failure = err == NULL ? (struct err){0} : *err;
    const struct enrolment *record = &found->enrolment;

    if (err == NULL && !engine_meant(call, found)) {
        (void)err_set(&failure, ERR_NOT_FOUND, "no such enrolment");
    } else if (err == NULL && call->kind == CALL_DELETE && record->state != ENROLMENT_WITHDRAWN) {
        engine_withdraw_found(call, &found->enrolment);
        return;
    } else if (err == NULL && call->kind == CALL_TOKEN) {
        (void)err_set(&failure, ERR_CONFLICT, "the enrolment is %s and waits for no token",
                      enrolment_state_name(record->state));
    } else if (err == NULL && (call->kind != CALL_CSR || csr_fits(record, call, &failure))) {
        answer_from(call, record, true, NULL, 0);
        return;
    }
    answer_problem(call, &failure);
}

void engine_call_by_id(struct engine *engine, struct call *call) {
    struct live *live = map_get(engine->by_id, call->id);
    struct err err = {0};
    int64_t row = 0;

    if (live != NULL && engine_owns(call, &live->record)) {
        if (call->kind == CALL_CSR) {
            call_csr(live, call);
        } else if (call->kind == CALL_TOKEN) {
            engine_call_token(live, call);
        } else if (call->kind == CALL_DELETE) {
            engine_attach(live, call);
            engine_withdraw(live);
        } else {
            engine_attach(live, call);
        }
        return;
    }
    if (live != NULL || !enrolment_id_row(call->id, &row)) {
        (void)err_set(&err, ERR_NOT_FOUND, "no such enrolment");
    } else if (store_find(engine->options.store, row, find_found, call, &err)) {
        return;
    }
    answer_problem(call, &err);
}

void engine_call(struct engine *engine, struct call *call) {
    if (call->kind == CALL_ENROL) {
        enrol(engine, call);
    } else if (call->kind == CALL_RENEW) {
        call_renew(engine, call);
    } else if (call->kind == CALL_RETRY) {
        engine_call_retry(engine, call);
    } else if (call->kind == CALL_REVOKE) {
        engine_call_revoke(engine, call);
    } else {
        engine_call_by_id(engine, call);
    }
}
