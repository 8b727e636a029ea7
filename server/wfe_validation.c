/* Validations: handing them to the VA, and storing what comes of them. */
#include "server/wfe_validation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/problem.h"
#include "server/wfe_fault_va.h"

#define US_PER_S 1000000

static void validation_free(struct validation *validation) {
    struct wfe *wfe = validation->wfe;
    authz_done(&validation->authz);
    free(validation->error);
    free(validation->response);
    if (!validation->idle) {
        wfe_let_go(wfe);
    }
    free(validation);
}

struct validation *wfe_validation_new(struct wfe *wfe, struct authz *authz,
                                      enum acme_challenge_type type,
                                      const struct trace_context *trace) {
    struct validation *validation = calloc(1, sizeof(*validation));

    if (validation != NULL) {
        wfe_hold(wfe);
        validation->wfe = wfe;
        validation->authz = *authz;
        *authz = (struct authz){0};
        validation->challenge = authz_challenge(&validation->authz, type);
        if (trace->sampled) {
            memcpy(validation->parent, trace->span_id, sizeof(validation->parent));
            validation->trace = trace_child(trace);
        }
    }
    return validation;
}

void wfe_validation_note(const struct validation *validation, const char *event, const char *from,
                         const char *to) {
    const struct acme_identifier *identifier = &validation->authz.identifier;
    bool nf = identifier->type == ACME_ID_NF_INSTANCE;

    wfe_event(validation->wfe,
              &(struct trace_event){
                  .event = event,
                  .order = validation->authz.order,
                  .nf = nf ? identifier->value : NULL,
                  .from = from,
                  .to = to,
                  .detail = validation->result.valid ? NULL : validation->result.err.detail});
}

static void note_all(const struct validation *validation) {
    bool valid = validation->result.valid;
    const char *order = NULL;

    for (unsigned i = 0; i < validation->tx.count; i++) {
        const struct store_op *op = &validation->tx.ops[i];
        if (op->kind == STORE_ORDER_AUTHORISED && op->authorised.ret_ready) {
            order = order_status_name(ORDER_READY);
        }
    }
    wfe_validation_note(validation, "challenge", challenge_status_name(validation->from),
                        challenge_status_name(validation->challenge->status));
    wfe_validation_note(validation, "authz", "pending",
                        authz_status_name(validation->authz.status));
    if (!valid) {
        order = order_status_name(ORDER_INVALID);
    }
    if (order != NULL) {
        wfe_validation_note(validation, "order", "pending", order);
    }
}

static void settle(struct validation *validation);

static void count(const struct validation *validation) {
    const struct va_result *result = &validation->result;

    meter_validation(validation->wfe->options.meter, validation->challenge->type,
                     result->valid ? ERR_NONE : result->err.kind,
                     clock_wall_us() - validation->start_us);
}

static void settled(void *ctx, const struct err *err) {
    struct validation *validation = ctx;
    struct request *request = validation->request;

    if (err->kind == ERR_UNAUTHORIZED && validation->result.valid) {
        /* the token belongs to another account or identifier: the challenge is not met */
        validation->result = (struct va_result){.err = *err};
        settle(validation);
        return;
    }
    if (err->kind == ERR_NONE) {
        count(validation);
        note_all(validation);
    } else if (request == NULL && err->kind != ERR_CONFLICT) {
        log_line(LOG_ERROR, "wfe", "unsettled", "authz=%s kind=%s", validation->authz.id,
                 err_name(err->kind));
    }
    if (request != NULL) {
        if (err->kind == ERR_NONE) {
            (void)request_json(
                request, 200,
                wfe_challenge_json(request, &validation->authz, validation->challenge));
        } else if (err->kind == ERR_CONFLICT) {
            wfe_challenge_current(request, validation->challenge->type);
        } else {
            request->err = *err;
        }
        request_finish(request);
    }
    validation_free(validation);
}

/* What the result makes of the records: the arrows of 7.1.6. */
static bool apply(struct validation *validation, struct err *err) {
    const struct va_result *result = &validation->result;
    struct challenge *challenge = validation->challenge;
    struct authz *authz = &validation->authz;
    uint64_t now_us = clock_now_us(validation->wfe->options.clock);
    uint64_t token_us = (uint64_t)result->token_exp_s * US_PER_S;

    challenge->status = CHALLENGE_PROCESSING;
    authz->status = AUTHZ_PENDING;
    if (!challenge_next(challenge->status, result->valid ? CHALLENGE_SUCCEEDED : CHALLENGE_FAILED,
                        &challenge->status, err)
        || !authz_next(authz->status,
                       result->valid ? AUTHZ_CHALLENGE_VALID : AUTHZ_CHALLENGE_FAILED,
                       &authz->status, err)) {
        return false;
    }
    if (!result->valid) {
        free(challenge->error);
        free(validation->error);
        challenge->error = problem_render(&result->err);
        validation->error = problem_render(&result->err);
        return true;
    }
    free(challenge->error); /* of an attempt before */
    challenge->error = NULL;
    challenge->validated_us = now_us;
    authz->types = result->nftypes;
    authz->token_exp_s = result->token_exp_s;
    memcpy(authz->jkt, result->jkt, sizeof authz->jkt);
    authz->expires_us = now_us + validation->wfe->options.authz_lifetime_us;
    if (token_us != 0 && token_us < authz->expires_us) { /* no later than the token */
        authz->expires_us = token_us;
    }
    return true;
}

static void settle(struct validation *validation) {
    const struct va_result *result = &validation->result;
    struct authz *authz = &validation->authz;
    struct store_tx *tx = &validation->tx;
    struct err err = {0};

    if (!apply(validation, &err)) {
        settled(validation, &err);
        return;
    }
    *tx = (struct store_tx){.promised = true};
    if (result->valid && result->jti[0] != '\0') {
        struct store_op *use = store_tx_add(tx, STORE_TOKEN_USE);
        use->account = authz->account;
        use->token.jti = result->jti;
        use->token.identifier = &authz->identifier;
        use->token.exp_s = result->token_exp_s;
    }
    struct store_op *op = store_tx_add(tx, STORE_CHALLENGE_MOVE);
    op->from = validation->from;
    op->to = validation->challenge->status;
    op->challenge.type = validation->challenge->type;
    op->challenge.validated_us = validation->challenge->validated_us;
    op->challenge.error = validation->challenge->error;
    op = store_tx_add(tx, STORE_AUTHZ_MOVE);
    op->from = AUTHZ_PENDING;
    op->to = authz->status;
    if (result->valid) {
        op->granted.expires_us = authz->expires_us;
        op->granted.types = &authz->types;
        op->granted.token_exp_s = authz->token_exp_s;
        op->granted.jkt = authz->jkt;
    }
    op = store_tx_add(tx, result->valid ? STORE_ORDER_AUTHORISED : STORE_ORDER_FAIL);
    if (result->valid) {
        op->authorised.expires_us = authz->expires_us;
    } else {
        op->error = validation->error;
    }
    for (unsigned i = 0; i < tx->count; i++) {
        tx->ops[i].account = authz->account;
        tx->ops[i].order = authz->order;
        tx->ops[i].authz = authz->id;
    }
    if (!store_submit(validation->wfe->options.store, tx, settled, validation, &err)) {
        settled(validation, &err);
    }
}

static void write_span(const struct validation *validation) {
    const char *type = acme_challenge_name(validation->challenge->type);
    const struct trace_attribute attributes[] = {
        {"order", validation->authz.order},
        {"status", validation->result.valid ? "valid" : "invalid"},
        {"peer", "client"}};
    bool instant = va_instant(validation->challenge->type);
    char name[32];

    (void)snprintf(name, sizeof(name), "validate %s", type);
    trace_span(validation->wfe->options.trace, &validation->trace, validation->parent, name,
               instant ? TRACE_INTERNAL : TRACE_CLIENT, validation->start_us, clock_wall_us(),
               attributes, instant ? 2 : 3);
}

/* ---- attempts that are repeated, RFC 8555 8.2 ---- */

/* What an attempt left behind, on its way into the store. */
struct attempt {
    struct wfe *wfe;
    char account[ID_SIZE], authz[ID_SIZE];
    char *error, *response;
    struct store_tx tx;
};

static void attempt_free(struct attempt *attempt) {
    wfe_let_go(attempt->wfe);
    free(attempt->error);
    free(attempt->response);
    free(attempt);
}

/* In the meantime the authorization may have ended: then there is nothing to tell. */
static void attempt_noted(void *ctx, const struct err *err) {
    struct attempt *attempt = ctx;

    if (err->kind != ERR_NONE && err->kind != ERR_CONFLICT) {
        log_line(LOG_ERROR, "wfe", "unnoted", "authz=%s kind=%s", attempt->authz,
                 err_name(err->kind));
    }
    attempt_free(attempt);
}

/* 8.2: the challenge has the error of each failed attempt, and stays processing. */
static void note_attempt(const struct validation *validation, const struct err *why) {
    const struct authz *authz = &validation->authz;
    struct attempt *attempt = calloc(1, sizeof(*attempt));
    struct err err = {0};

    if (attempt == NULL) {
        return;
    }
    wfe_hold(validation->wfe);
    attempt->wfe = validation->wfe;
    attempt->error = problem_render(why);
    attempt->response = validation->response == NULL ? NULL : strdup(validation->response);
    (void)snprintf(attempt->account, ID_SIZE, "%s", authz->account);
    (void)snprintf(attempt->authz, ID_SIZE, "%s", authz->id);
    attempt->tx.promised = true;
    struct store_op *op = store_tx_add(&attempt->tx, STORE_CHALLENGE_MOVE);
    op->account = attempt->account;
    op->authz = attempt->authz;
    op->from = CHALLENGE_PROCESSING;
    op->to = CHALLENGE_PROCESSING;
    op->challenge.type = validation->challenge->type;
    op->challenge.error = attempt->error;
    op->challenge.response = attempt->response;
    if (!store_submit(validation->wfe->options.store, &attempt->tx, attempt_noted, attempt, &err)) {
        attempt_noted(attempt, &err);
    }
}

/* Between two attempts nothing is under way that a drain would wait for. */
static void set_idle(struct validation *validation, bool idle) {
    if (idle && !validation->idle) {
        validation->idle = true;
        wfe_let_go(validation->wfe);
    } else if (!idle && validation->idle) {
        wfe_hold(validation->wfe);
        validation->idle = false;
    }
}

static void key_of(const struct authz *authz, enum acme_challenge_type type,
                   char key[VA_KEY_SIZE]) {
    (void)snprintf(key, VA_KEY_SIZE, "%s/%u", authz->id, (unsigned)type);
}

void wfe_validation_hasten(const struct wfe *wfe, const struct authz *authz,
                           enum acme_challenge_type type) {
    char key[VA_KEY_SIZE];

    key_of(authz, type, key);
    va_hasten(wfe->options.va, key);
}

unsigned wfe_validation_retry_s(const struct wfe *wfe, const struct authz *authz) {
    for (unsigned i = 0; i < authz->count; i++) {
        const struct challenge *challenge = &authz->challenges[i];
        if (challenge->status == CHALLENGE_PROCESSING && challenge->error != NULL) {
            uint64_t us = va_retry_interval_us(wfe->options.va);
            return (unsigned)((us + US_PER_S - 1) / US_PER_S);
        }
    }
    return 0;
}

/* ---- to the VA and back ---- */

/* The server stops: who was answered finds it again after the next start, who waits is told. */
static void dropped(void *ctx) {
    struct validation *validation = ctx;

    if (validation->request != NULL) {
        (void)request_fail(validation->request, ERR_OVERLOAD, "the server is stopping");
        request_finish(validation->request);
    }
    validation_free(validation);
}

static void validated(void *ctx, const struct va_result *result) {
    struct validation *validation = ctx;

    set_idle(validation, false);
    validation->result = *result;
    if (result->again) {
        meter_validation_again(validation->wfe->options.meter, validation->challenge->type);
        note_attempt(validation, &result->err);
        set_idle(validation, true);
        return;
    }
    if (validation->trace.sampled && validation->wfe->options.trace != NULL) {
        write_span(validation);
    }
    settle(validation);
}

/* It ends in settled(). */
void wfe_validation_start(struct validation *validation, const char *thumbprint,
                          const char *response) {
    struct va_task task = {.type = validation->challenge->type,
                           .identifier = validation->authz.identifier,
                           .wildcard = (validation->authz.flags & AUTHZ_WILDCARD) != 0,
                           .response = response};
    struct err err = {0};

    (void)snprintf(task.account, sizeof(task.account), "%s", validation->authz.account);
    task.dropped = dropped;
    if (va_retries(validation->wfe->options.va)) {
        key_of(&validation->authz, task.type, task.key);
        validation->response = strdup(response);
    }
    (void)snprintf(task.token, sizeof(task.token), "%s", validation->challenge->token);
    (void)snprintf(task.account_thumbprint, sizeof(task.account_thumbprint), "%s", thumbprint);
    if (validation->trace.sampled) {
        trace_write(&validation->trace, task.traceparent);
    }
    validation->start_us = clock_wall_us();
    const struct fault_held held = {.wfe = validation->wfe,
                                    .account = validation->authz.account,
                                    .task = &task,
                                    .hold_us = validation->hold_us,
                                    .done = validated,
                                    .drop = dropped,
                                    .ctx = validation};
    if (!wfe_fault_submit(&held, &err)) {
        validated(validation, &(struct va_result){.err = err});
    }
}
