/* Authorizations: RFC 8555 sections 7.5 and 7.5.2. */
#include <stdio.h>
#include <string.h>

#include "common/problem.h"
#include "server/wfe_validation.h"

json_t *wfe_challenge_json(const struct request *request, const struct authz *authz,
                           const struct challenge *challenge) {
    const char *type = acme_challenge_name(challenge->type);
    json_t *object = json_object();

    (void)json_object_set_new(object, "type", json_string(type));
    (void)json_object_set_new(object, "url",
                              request_url_new(request, "/challenge/%s/%s", authz->id, type));
    (void)json_object_set_new(object, "status",
                              json_string(challenge_status_name(challenge->status)));
    (void)json_object_set_new(object, "token", json_string(challenge->token));
    if (challenge->type == ACME_CHALLENGE_TKAUTH01) { /* RFC 9447 section 3 */
        (void)json_object_set_new(object, "tkauth-type", json_string("atc"));
    }
    if (challenge->status == CHALLENGE_VALID) {
        (void)json_object_set_new(object, "validated", wfe_time_new(challenge->validated_us));
    }
    if (challenge->status != CHALLENGE_VALID && challenge->error != NULL) { /* 8.2, erratum 5732 */
        (void)json_object_set_new(object, "error", wfe_stored_new(challenge->error));
    }
    return object;
}

/* 7.1.4: a valid authorization shows the challenge that was met, an invalid one that which was not.
 */
static bool shows(enum authz_status status, const struct challenge *challenge) {
    if (status == AUTHZ_VALID) {
        return challenge->status == CHALLENGE_VALID;
    }
    return status != AUTHZ_INVALID || challenge->status == CHALLENGE_INVALID;
}

json_t *wfe_authz_json(const struct request *request, const struct authz *authz) {
    enum authz_status status = authz_status_at(authz, request_now_us(request));
    json_t *object = json_object(), *identifier = json_object(), *challenges = json_array();

    (void)json_object_set_new(identifier, "type",
                              json_string(acme_identifier_name(authz->identifier.type)));
    (void)json_object_set_new(identifier, "value", json_string(authz->identifier.value));
    for (unsigned i = 0; i < authz->count; i++) {
        if (shows(status, &authz->challenges[i])) {
            (void)json_array_append_new(challenges,
                                        wfe_challenge_json(request, authz, &authz->challenges[i]));
        }
    }
    (void)json_object_set_new(object, "status", json_string(authz_status_name(status)));
    (void)json_object_set_new(object, "expires", wfe_time_new(authz->expires_us));
    (void)json_object_set_new(object, "identifier", identifier);
    if ((authz->flags & AUTHZ_WILDCARD) != 0) { /* absent otherwise: erratum 6364 */
        (void)json_object_set_new(object, "wildcard", json_true());
    }
    if ((authz->flags & AUTHZ_SUBDOMAINS) != 0) { /* RFC 9444 4.1 */
        (void)json_object_set_new(object, "subdomainAuthAllowed", json_true());
    }
    (void)json_object_set_new(object, "challenges", challenges);
    return object;
}

static void authz_deactivated(struct request *request) {
    if (request->err.kind == ERR_NONE) {
        wfe_event(request->wfe, &(struct trace_event){.event = "authz",
                                                      .order = request->authz.order,
                                                      .to = "deactivated"});
    }
    request_finish(request);
}

/* 7.5.2, and 7.1.6: the order it was for cannot be fulfilled any more. */
static bool deactivate(struct request *request) {
    struct authz *authz = &request->authz;
    enum authz_status from = authz_status_at(authz, request_now_us(request));
    struct err why = {0};

    if (!authz_next(from, AUTHZ_DEACTIVATE, &authz->status, &request->err)) {
        return true;
    }
    (void)err_set(&why, ERR_UNAUTHORIZED, "the authorization for %s was deactivated",
                  authz->identifier.value);
    request->text = problem_render(&why);
    struct store_op *op = store_tx_add(&request->tx, STORE_AUTHZ_MOVE);
    op->account = authz->account;
    op->authz = authz->id;
    op->from = from;
    op->to = authz->status;
    op = store_tx_add(&request->tx, STORE_ORDER_FAIL);
    op->account = authz->account;
    op->order = authz->order;
    op->error = request->text;
    op = store_tx_add(&request->tx, STORE_ORDERS_FAIL);
    op->account = authz->account;
    op->authz = authz->id;
    op->error = request->text;
    (void)request_json(request, 200, wfe_authz_json(request, authz));
    return request_commit(request, authz_deactivated);
}

bool wfe_authz(struct request *request) {
    const json_t *status = json_object_get(request->pass.payload, "status");

    if (!store_authz_get(request->wfe->options.store, request_account(request),
                         request->params.value[0], &request->authz, &request->err)) {
        return true;
    }
    (void)snprintf(request->order.id, ID_SIZE, "%s", request->authz.order);
    if (request->pass.payload == NULL) {
        wfe_retry_after(request);
        return request_json(request, 200, wfe_authz_json(request, &request->authz));
    }
    if (!json_is_string(status) || strcmp(json_string_value(status), "deactivated") != 0) {
        return request_fail(request, ERR_MALFORMED,
                            "an authorization can only be given the status \"deactivated\"");
    }
    return deactivate(request);
}
