/* An NF that brings its authority token itself (RFC 9447), between ORDERED and ORDERED. */
#include "client/engine_inner.h"

#include <string.h>

#include "common/ossl.h"

static void expired(void *ctx) {
    engine_fail(
        ctx, &(struct err){.kind = ERR_TIMEOUT, .detail = "the order expired before a token came"});
}

void engine_step_token(struct live *live) {
    const struct clock *clock = live->engine->options.clock;
    const uint64_t now_us = clock_now_us(clock), expires_us = live->record.expires_us;

    if (expires_us != 0) {
        const uint64_t left_us = expires_us > now_us ? expires_us - now_us : 0;
        loop_timer_set(live->engine->options.loop, &live->timer,
                       engine_now_us() + clock_real_delay_us(clock, left_us), expired, live);
    }
}

void engine_call_token(struct live *live, struct call *call) {
    struct enrolment *record = &live->record;

    if (record->state == ENROLMENT_AWAITING_TOKEN && !live->saving && !live->leaving) {
        record->token = TAKE(call->asked.token);
        live->trace = call->self;
        loop_timer_unset(live->engine->options.loop, &live->timer);
        live->saving = true;
        engine_attach(live, call);
        engine_move(live, ENROLMENT_ON_TOKEN);
    } else if (record->token != NULL && strcmp(record->token, call->asked.token) == 0) {
        engine_attach(live, call); /* once more the same */
    } else {
        struct err err = {0};
        (void)err_set(&err, ERR_CONFLICT, "the enrolment is %s and waits for no token",
                      enrolment_state_name(record->state));
        answer_problem(call, &err);
    }
}
