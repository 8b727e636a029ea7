/*
 * Challenges: RFC 8555 section 7.5.1, RFC 9447.
 *
 * An instant type is validated while its request waits: one transaction settles challenge,
 * authorization and order, and the answer shows the outcome.  The others are accepted first (one
 * transaction: processing, with the response), answered, and then validated; a second transaction
 * settles them.  Accepted ones are found again at the next start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/problem.h"
#include "server/finalizing.h"
#include "server/wfe_request.h"

#define US_PER_S 1000000
#define TKAUTH_MAX 16384

/* A validation under way; owns itself until it is settled. */
struct validation {
    struct wfe *wfe;
    struct request *request; /* instant: who waits; else NULL */
    struct authz authz;      /* a copy, as it will be */
    struct challenge *challenge;
    enum challenge_status from; /* in the store */
    struct va_result result;
    struct trace_context trace; /* the span of the validation */
    uint8_t parent[8];
    uint64_t start_us;
    char *error;
    struct store_tx tx;
};

static void validation_free(struct validation *validation) {
    struct wfe *wfe = validation->wfe;
    authz_done(&validation->authz);
    free(validation->error);
    free(validation);
    wfe_let_go(wfe);
}

/* Takes authz. */
static struct validation *validation_new(struct wfe *wfe, struct authz *authz,
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

static void note(const struct validation *validation, const char *event, const char *from,
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
    note(validation, "challenge", challenge_status_name(validation->from),
         challenge_status_name(validation->challenge->status));
    note(validation, "authz", "pending", authz_status_name(validation->authz.status));
    if (!valid) {
        order = order_status_name(ORDER_INVALID);
    }
    if (order != NULL) {
        note(validation, "order", "pending", order);
    }
}

/* Somebody else settled the challenge or the authorization first: what is there is the answer. */
static void answer_current(struct request *request, enum acme_challenge_type type) {
    struct authz authz = {0};
    struct err err = {0};

    if (!store_authz_get(request->wfe->options.store, request_account(request),
                         request->params.value[0], &authz, &err)) {
        request->err = err;
        return;
    }
    authz_done(&request->authz);
    request->authz = authz;
    (void)request_json(
        request, 200,
        wfe_challenge_json(request, &request->authz, authz_challenge(&request->authz, type)));
}

static void settle(struct validation *validation);

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
            answer_current(request, validation->challenge->type);
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
    challenge->validated_us = now_us;
    authz->types = result->nftypes;
    authz->token_exp_s = result->token_exp_s;
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

static void validated(void *ctx, const struct va_result *result) {
    struct validation *validation = ctx;

    validation->result = *result;
    if (validation->trace.sampled && validation->wfe->options.trace != NULL) {
        write_span(validation);
    }
    settle(validation);
}

/* Hand it to the VA; it ends in settled().  response is borrowed for the call. */
static void start(struct validation *validation, const char *thumbprint, const char *response) {
    struct va_task task = {.type = validation->challenge->type,
                           .identifier = validation->authz.identifier,
                           .response = response};
    struct err err = {0};

    (void)snprintf(task.token, sizeof(task.token), "%s", validation->challenge->token);
    (void)snprintf(task.account_thumbprint, sizeof(task.account_thumbprint), "%s", thumbprint);
    if (validation->trace.sampled) {
        trace_write(&validation->trace, task.traceparent);
    }
    validation->start_us = clock_wall_us();
    if (!va_submit(validation->wfe->options.va, &task, validated, validation, &err)) {
        validated(validation, &(struct va_result){.err = err});
    }
}

/* Validate while the request waits. */
static bool validate_now(struct request *request, struct challenge *challenge) {
    enum acme_challenge_type type = challenge->type;

    if (!request_defer(request)) {
        return true;
    }
    struct validation *validation =
        validation_new(request->wfe, &request->authz, type, &request->trace);
    if (validation == NULL) {
        (void)request_fail(request, ERR_NO_MEMORY, "no memory for a validation");
        request_finish(request);
        return false;
    }
    validation->request = request;
    validation->from = CHALLENGE_PENDING;
    start(validation, request->pass.account.thumbprint, request->text);
    return false;
}

/* Accepted and durable: answer, then validate. */
static void accepted(struct request *request) {
    enum acme_challenge_type type = ACME_CHALLENGE_HTTP01;
    struct validation *validation = NULL;
    char thumbprint[JWK_THUMBPRINT_SIZE];
    char *response = NULL;

    (void)acme_challenge_parse(request->params.value[1], &type);
    if (request->err.kind == ERR_CONFLICT) {
        request->err = (struct err){0};
        answer_current(request, type);
    } else if (request->err.kind == ERR_NONE) {
        response = TAKE(request->text);
        (void)snprintf(thumbprint, sizeof(thumbprint), "%s", request->pass.account.thumbprint);
        validation = validation_new(request->wfe, &request->authz, type, &request->trace);
    }
    request_finish(request);
    if (validation != NULL) {
        validation->from = CHALLENGE_PROCESSING;
        note(validation, "challenge", "pending", "processing");
        start(validation, thumbprint, response);
    }
    free(response);
}

static bool accept_response(struct request *request, struct challenge *challenge) {
    enum challenge_status from = challenge->status;

    if (va_queued(request->wfe->options.va) >= VA_QUEUE_MAX / 2) {
        return request_fail(request, ERR_OVERLOAD, "too many validations wait");
    }
    if (!challenge_next(from, CHALLENGE_RESPONSE, &challenge->status, &request->err)) {
        return true;
    }
    struct store_op *op = store_tx_add(&request->tx, STORE_CHALLENGE_MOVE);
    op->account = request->authz.account;
    op->authz = request->authz.id;
    op->from = from;
    op->to = challenge->status;
    op->challenge.type = challenge->type;
    op->challenge.response = request->text;
    (void)request_json(request, 200, wfe_challenge_json(request, &request->authz, challenge));
    return request_commit(request, accepted);
}

/* The response object as text; RFC 9447 wants the token in tkauth. */
static bool read_response(struct request *request, enum acme_challenge_type type, struct err *err) {
    const char *token = NULL;

    if (type == ACME_CHALLENGE_TKAUTH01
        && !json_get_text(request->pass.payload, "tkauth", JSON_REQUIRED, TKAUTH_MAX, &token,
                          err)) {
        return false;
    }
    request->text = json_text(request->pass.payload);
    if (request->text == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a response");
    }
    return strlen(request->text) <= VA_RESPONSE_MAX
           || err_set(err, ERR_MALFORMED, "the response is longer than %d octets", VA_RESPONSE_MAX);
}

bool wfe_challenge(struct request *request) {
    enum acme_challenge_type type = ACME_CHALLENGE_HTTP01;
    struct challenge *challenge = NULL;

    if (!acme_challenge_parse(request->params.value[1], &type)) {
        return request_fail(request, ERR_NOT_FOUND, "there is no such resource");
    }
    if (!store_authz_get(request->wfe->options.store, request_account(request),
                         request->params.value[0], &request->authz, &request->err)) {
        return true;
    }
    (void)snprintf(request->order.id, ID_SIZE, "%s", request->authz.order);
    challenge = authz_challenge(&request->authz, type);
    if (challenge == NULL) {
        return request_fail(request, ERR_NOT_FOUND, "there is no such resource");
    }
    request_header_url(request, "Link", "up", "/authz/%s", request->authz.id); /* 7.1 */
    /* POST-as-GET, or a response to what is decided or being decided: as it is */
    if (request->pass.payload == NULL || challenge->status != CHALLENGE_PENDING
        || authz_status_at(&request->authz, request_now_us(request)) != AUTHZ_PENDING) {
        return request_json(request, 200, wfe_challenge_json(request, &request->authz, challenge));
    }
    if (!read_response(request, type, &request->err)) {
        return true;
    }
    return va_instant(type) ? validate_now(request, challenge)
                            : accept_response(request, challenge);
}

/* ---- after a restart ---- */

struct resuming {
    struct {
        char account[ID_SIZE], authz[ID_SIZE];
        enum acme_challenge_type type;
    } * items;
    size_t count, size;
};

static bool add_processing(void *ctx, const char *account, const char *authz, unsigned type,
                           struct err *err) {
    struct resuming *resuming = ctx;

    if (resuming->count == resuming->size) {
        size_t size = resuming->size == 0 ? 64 : 2 * resuming->size;
        void *items = reallocarray(resuming->items, size, sizeof(*resuming->items));
        if (items == NULL) {
            return err_set(err, ERR_NO_MEMORY, "no memory for validations");
        }
        resuming->items = items;
        resuming->size = size;
    }
    (void)snprintf(resuming->items[resuming->count].account, ID_SIZE, "%s", account);
    (void)snprintf(resuming->items[resuming->count].authz, ID_SIZE, "%s", authz);
    resuming->items[resuming->count++].type = (enum acme_challenge_type)type;
    return true;
}

static bool resume(struct wfe *wfe, const char *account, const char *authz_id,
                   enum acme_challenge_type type, struct err *err) {
    AUTO(authz_done) struct authz authz = {0};
    struct keyring_entry entry = {0};

    if (!store_authz_get(wfe->options.store, account, authz_id, &authz, err)
        || !keyring_get(wfe->options.gate.keyring, account, &entry, err)) {
        return false;
    }
    struct validation *validation = validation_new(wfe, &authz, type, &(struct trace_context){0});
    if (validation == NULL) {
        keyring_entry_done(&entry);
        return err_set(err, ERR_NO_MEMORY, "no memory for validations");
    }
    AUTO(free) char *response = TAKE(validation->challenge->response);
    validation->from = CHALLENGE_PROCESSING;
    start(validation, entry.thumbprint, response == NULL ? "{}" : response);
    keyring_entry_done(&entry);
    return true;
}

bool wfe_resume(struct wfe *wfe, struct err *err) {
    struct resuming resuming = {0};
    bool done = store_processing_each(wfe->options.store, add_processing, &resuming, err);

    for (size_t i = 0; done && i < resuming.count; i++) {
        done = resume(wfe, resuming.items[i].account, resuming.items[i].authz,
                      resuming.items[i].type, err);
    }
    if (resuming.count > 0) {
        log_line(LOG_INFO, "wfe", "resumed", "validations=%zu", resuming.count);
    }
    free(resuming.items);
    return done && finalizing_resume(wfe->finalizing, err);
}
