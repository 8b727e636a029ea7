/* An NF that brings its authority token itself (RFC 9447), between ORDERED and ORDERED. */
#include "client/engine_inner.h"

#include <string.h>
#include <strings.h>

#include "client/solver_tkauth01.h"
#include "common/guard.h"
#include "common/json.h"
#include "common/jwt.h"
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

/* The ACME server will judge the token; one for another NF or another account is not even tried: it
 * would cost the NF its order. */
static bool token_fits(const struct enrolment *record, const char *token, struct err *err) {
    AUTO(json_release) json_t *claims = jwt_claims(token);
    const json_t *atc = json_object_get(claims, "atc");
    const char *value = json_string_value(json_object_get(atc, "tkvalue"));
    const char *fingerprint = json_string_value(json_object_get(atc, "fingerprint"));
    char wanted[SOLVER_FINGERPRINT_SIZE];

    if (value == NULL || !GUARD("token-subject", strcasecmp(value, record->nf) == 0)) {
        return err_set_param(err, ERR_FORBIDDEN, "body", "the token is not about this NF");
    }
    return (fingerprint != NULL && solver_tkauth01_fingerprint(record->thumbprint, wanted)
            && GUARD("token-account", strcasecmp(fingerprint, wanted) == 0
                                          || strcmp(fingerprint, record->thumbprint) == 0))
           || err_set_param(err, ERR_FORBIDDEN, "body", "the token is for another ACME account");
}

void engine_call_token(struct live *live, struct call *call) {
    struct enrolment *record = &live->record;
    struct err err = {0};

    if (record->state == ENROLMENT_AWAITING_TOKEN && !live->saving && !live->leaving) {
        if (!token_fits(record, call->asked.token, &err)) {
            answer_problem(call, &err);
            return;
        }
        record->token = TAKE(call->asked.token);
        live->trace = call->self;
        loop_timer_unset(live->engine->options.loop, &live->timer);
        live->saving = true;
        engine_attach(live, call);
        engine_move(live, ENROLMENT_ON_TOKEN);
    } else if (record->token != NULL && strcmp(record->token, call->asked.token) == 0) {
        engine_attach(live, call); /* once more the same */
    } else {
        (void)err_set(&err, ERR_CONFLICT, "the enrolment is %s and waits for no token",
                      enrolment_state_name(record->state));
        answer_problem(call, &err);
    }
}
