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
#include "server/finalizing.h"
#include "server/wfe_validation.h"

#define TKAUTH_MAX 16384

void wfe_challenge_current(struct request *request, enum acme_challenge_type type) {
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

void wfe_retry_after(struct request *request) {
    unsigned seconds = wfe_validation_retry_s(request->wfe, &request->authz);
    char text[16];

    if (seconds > 0) {
        (void)snprintf(text, sizeof(text), "%u", seconds);
        httpd_header_add(request->exchange, "Retry-After", text);
    }
}

/* Validate while the request waits. */
static bool validate_now(struct request *request, struct challenge *challenge) {
    enum acme_challenge_type type = challenge->type;

    if (!request_defer(request)) {
        return true;
    }
    struct validation *validation =
        wfe_validation_new(request->wfe, &request->authz, type, &request->trace);
    if (validation == NULL) {
        (void)request_fail(request, ERR_NO_MEMORY, "no memory for a validation");
        request_finish(request);
        return false;
    }
    validation->request = request;
    validation->from = CHALLENGE_PENDING;
    wfe_validation_start(validation, request->pass.account.thumbprint, request->text);
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
        wfe_challenge_current(request, type);
    } else if (request->err.kind == ERR_NONE) {
        response = TAKE(request->text);
        (void)snprintf(thumbprint, sizeof(thumbprint), "%s", request->pass.account.thumbprint);
        validation = wfe_validation_new(request->wfe, &request->authz, type, &request->trace);
    }
    if (validation != NULL && request->fault != NULL) {
        validation->hold_us = request->fault->processing_us;
    }
    request_finish(request);
    if (validation != NULL) {
        validation->from = CHALLENGE_PROCESSING;
        wfe_validation_note(validation, "challenge", "pending", "processing");
        wfe_validation_start(validation, thumbprint, response);
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
        wfe_retry_after(request);
        if (request->pass.payload != NULL && challenge->status == CHALLENGE_PROCESSING
            && challenge->error != NULL) { /* 8.2: the client asks for another attempt */
            wfe_validation_hasten(request->wfe, &request->authz, type);
        }
        return request_json(request, 200, wfe_challenge_json(request, &request->authz, challenge));
    }
    if (!read_response(request, type, &request->err)) {
        return true;
    }
    bool held = request->fault != NULL && request->fault->processing_us != 0;
    return va_instant(type) && !held ? validate_now(request, challenge)
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
    struct validation *validation =
        wfe_validation_new(wfe, &authz, type, &(struct trace_context){0});
    if (validation == NULL) {
        keyring_entry_done(&entry);
        return err_set(err, ERR_NO_MEMORY, "no memory for validations");
    }
    AUTO(free) char *response = TAKE(validation->challenge->response);
    validation->from = CHALLENGE_PROCESSING;
    wfe_validation_start(validation, entry.thumbprint, response == NULL ? "{}" : response);
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
