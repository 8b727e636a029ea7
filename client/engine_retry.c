/* An operator wants to see an enrolment tried again, now. */
#include "client/engine_inner.h"

#include <string.h>

#define US_PER_S 1000000u

/* The assertion for the OAM is forgotten when an enrolment ends. */
static bool can_ask_again(const struct engine *engine, const struct enrolment *old,
                          struct err *err) {
    const struct solvers *solvers = engine->options.solvers;

    if (old->state != ENROLMENT_FAILED) {
        return err_set(err, ERR_CONFLICT, "the enrolment is %s: there is nothing to try again",
                       enrolment_state_name(old->state));
    }
    if (map_get(engine->by_nf, old->nf) != NULL) {
        return err_set(err, ERR_CONFLICT, "the NF has another enrolment under way");
    }
    return !old->with_nf_instance || solvers->tkauth01 == NULL || solvers->nf_tokens
           || solvers->none
           || err_set(err, ERR_CONFLICT,
                      "the NF has to ask again itself: its order needs a new assertion");
}

/* The same ask once more, under the idempotency key it had: the NF that repeats its request finds
 * the new enrolment. */
static void ask_again(struct call *call, struct enrolment *old) {
    struct enrolment *asked = &call->asked;

    memcpy(asked->nf, old->nf, sizeof asked->nf);
    memcpy(asked->nf_type, old->nf_type, sizeof asked->nf_type);
    asked->fqdn = TAKE(old->fqdn);
    asked->profile = TAKE(old->profile);
    asked->idempotency = TAKE(old->idempotency);
    asked->notification_uri = TAKE(old->notification_uri);
    asked->renews = TAKE(old->renews);
    asked->replaces = TAKE(old->replaces);
    asked->with_nf_instance = old->with_nf_instance;
    asked->with_dns = old->with_dns;
    engine_enrol(call->engine, call);
}

static void found_it(void *ctx, struct store_found *found, const struct err *err) {
    struct call *call = ctx;
    struct err failure = err == NULL ? (struct err){0} : *err;

    if (err == NULL && (!found->found_enrolment || strcmp(found->enrolment.id, call->id) != 0)) {
        (void)err_set(&failure, ERR_NOT_FOUND, "no such enrolment");
    } else if (err == NULL && can_ask_again(call->engine, &found->enrolment, &failure)) {
        ask_again(call, &found->enrolment);
        return;
    }
    answer_problem(call, &failure);
}

/* Back-offs end now; what the server itself asked for by Retry-After stands. */
static void retry_live(struct live *live, struct call *call) {
    struct err err = {0};
    const uint64_t due_us = request_held_until_us(live->request);
    const uint64_t now_us = engine_now_us();

    if (due_us != 0) {
        err.retry_after_s = due_us > now_us ? (uint32_t)((due_us - now_us) / US_PER_S + 1) : 1;
        (void)err_set(&err, ERR_CONFLICT, "the ACME server asked to wait (Retry-After)");
        answer_problem(call, &err);
        return;
    }
    request_retry(live->request);
    upstream_retry(live->ca->upstream);
    engine_waits(live);
    answer_enrolment(call, 200, &live->record, 0);
}

void engine_call_retry(struct engine *engine, struct call *call) {
    struct live *live = map_get(engine->by_id, call->id);
    struct err err = {0};
    int64_t row = 0;

    if (live != NULL && live->saving) {
        (void)err_set(&err, ERR_CONFLICT, "the enrolment waits for the disk");
    } else if (live != NULL) {
        retry_live(live, call);
        return;
    } else if (!enrolment_id_row(call->id, &row)) {
        (void)err_set(&err, ERR_NOT_FOUND, "no such enrolment");
    } else if (store_find(engine->options.store, row, found_it, call, &err)) {
        return;
    }
    answer_problem(call, &err);
}
