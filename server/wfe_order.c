/* newOrder and order: RFC 8555 section 7.4. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/problem.h"
#include "server/cover.h"
#include "server/policy.h"
#include "server/wfe_request.h"

#define US_PER_S 1000000

static json_t *identifiers_json(const struct order *order) {
    json_t *list = json_array();

    for (unsigned i = 0; i < order->count; i++) {
        json_t *entry = json_object();
        (void)json_object_set_new(entry, "type",
                                  json_string(acme_identifier_name(order->identifiers[i].type)));
        (void)json_object_set_new(entry, "value", json_string(order->identifiers[i].value));
        (void)json_array_append_new(list, entry);
    }
    return list;
}

/* One authorization may be for several names: it is listed once. */
static bool listed(const struct order *order, unsigned i) {
    for (unsigned j = 0; j < i; j++) {
        if (strcmp(order->authzs[j], order->authzs[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* An order that ended by the clock has no error of its own. */
static json_t *error_json(const struct order *order, enum order_status status) {
    struct err why = {0};
    char ended[CLOCK_TEXT_SIZE];

    if (order->error != NULL || status != ORDER_INVALID) {
        return wfe_stored_new(order->error);
    }
    clock_text(order->expires_us, ended);
    (void)err_set(&why, ERR_UNAUTHORIZED, "the order or one of its authorizations expired at %s",
                  ended);
    AUTO(free) char *text = problem_render(&why);
    return wfe_stored_new(text);
}

json_t *wfe_order_json(const struct request *request, const struct order *order) {
    enum order_status status = order_status_at(order, request_now_us(request));
    json_t *object = json_object(), *authzs = json_array();

    if (status == ORDER_VALID
        && faults_stuck(request->wfe->options.faults, order->id, request_now_us(request))) {
        status = ORDER_PROCESSING;
        httpd_header_add(request->exchange, "Retry-After", "1"); /* 7.4 */
    }
    for (unsigned i = 0; i < order->count; i++) {
        if (!listed(order, i)) {
            (void)json_array_append_new(authzs,
                                        request_url_new(request, "/authz/%s", order->authzs[i]));
        }
    }
    (void)json_object_set_new(object, "status", json_string(order_status_name(status)));
    (void)json_object_set_new(object, "expires", wfe_time_new(order->expires_us));
    (void)json_object_set_new(object, "identifiers", identifiers_json(order));
    if (order->not_before_s != 0) {
        (void)json_object_set_new(object, "notBefore",
                                  wfe_time_new((uint64_t)order->not_before_s * US_PER_S));
    }
    if (order->not_after_s != 0) {
        (void)json_object_set_new(object, "notAfter",
                                  wfe_time_new((uint64_t)order->not_after_s * US_PER_S));
    }
    if (!profile_offer_silent(request->wfe->options.profiles)) {
        (void)json_object_set_new(object, "profile", json_string(order->profile));
    }
    wfe_replaces_show(request, order, object);
    (void)json_object_set_new(object, "authorizations", authzs);
    (void)json_object_set_new(object, "finalize",
                              request_url_new(request, "/order/%s/finalize", order->id));
    if (status == ORDER_INVALID) {
        (void)json_object_set_new(object, "error", error_json(order, status));
    }
    if (status == ORDER_VALID) {
        (void)json_object_set_new(object, "certificate",
                                  request_url_new(request, "/cert/%s", order->serial));
    }
    return object;
}

static bool read_new_order(struct request *request, struct err *err) {
    const json_t *payload = request->pass.payload;
    struct order *order = &request->order;
    const json_t *identifiers = NULL;
    const struct profile_offer *offer = request->wfe->options.profiles;
    const char *name = NULL;

    if (!json_get_array(payload, "identifiers", JSON_REQUIRED, SIZE_MAX, &identifiers, err)
        || (!profile_offer_silent(offer) /* else 7.4: a member that is not known is ignored */
            && !json_get_text(payload, "profile", JSON_OPTIONAL, ORDER_PROFILE_SIZE * 2, &name,
                              err))
        || !policy_identifiers(identifiers, order, &request->subproblems, err)) {
        return false;
    }
    const struct profile *profile = profile_choose(name, order->identifiers, order->count, err);
    if (profile == NULL || !profile_offer_check(offer, profile, err)) {
        return false;
    }
    (void)snprintf(order->profile, sizeof(order->profile), "%s", profile->name);
    order->created_us = request_now_us(request);
    return policy_validity(payload, profile, (int64_t)(order->created_us / US_PER_S), order, err)
           && wfe_replaces_read(request, err);
}

/* The authorization for name i: one the account has, one the order has already, or a new one. */
static bool authorise(struct request *request, const struct cover_need *needs, unsigned i,
                      struct err *err) {
    struct order *order = &request->order;
    AUTO(authz_done) struct authz found = {0};
    bool reuse = false;

    for (unsigned j = 0; j < i; j++) {
        if (cover_same(&needs[j], &needs[i])) {
            memcpy(order->authzs[i], order->authzs[j], ID_SIZE);
            return true;
        }
    }
    if (!wfe_reusable(request, &order->identifiers[i], &found, &reuse, err)) {
        return false;
    }
    struct authz *authz = reuse ? &found : &request->authzs[request->authz_count++];
    if (!reuse) {
        if (authz_offers(needs[i].identifier.type, needs[i].flags) == 0) {
            return err_set(err, ERR_REJECTED_IDENTIFIER, "%.100s cannot be proved to this server",
                           order->identifiers[i].value);
        }
        authz_init(authz, &needs[i].identifier, needs[i].flags, order->account, order->id,
                   order->created_us, order->created_us + request->wfe->options.order_lifetime_us);
    }
    (void)snprintf(order->authzs[i], ID_SIZE, "%s", authz->id);
    if (authz->expires_us < order->expires_us) { /* it ends with the first of them */
        order->expires_us = authz->expires_us;
    }
    return true;
}

/* Ids, authorizations and their challenges for the names read. */
static bool make_order(struct request *request, struct err *err) {
    struct order *order = &request->order;
    AUTO(free) struct cover_need *needs = calloc(order->count, sizeof(*needs));

    request->authzs = calloc(order->count, sizeof(*request->authzs));
    if (request->authzs == NULL || needs == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for an order");
    }
    if (!cover_needs(json_object_get(request->pass.payload, "identifiers"), order,
                     wfe_subdomains(request->wfe), needs, err)) {
        return false;
    }
    id_new(order->created_us, order->id);
    (void)snprintf(order->account, ID_SIZE, "%s", request_account(request));
    order->expires_us = order->created_us + request->wfe->options.order_lifetime_us;
    for (unsigned i = 0; i < order->count; i++) {
        if (!authorise(request, needs, i, err)) {
            return false;
        }
    }
    order->status = ORDER_PENDING;
    return request->authz_count > 0
           || order_next(ORDER_PENDING, ORDER_AUTHZ_ALL_VALID, &order->status, err);
}

static void order_inserted(struct request *request) {
    if (request->err.kind == ERR_NONE) {
        wfe_event(request->wfe,
                  &(struct trace_event){.event = "order",
                                        .order = request->order.id,
                                        .nf = order_nf(&request->order),
                                        .to = order_status_name(request->order.status)});
    }
    request_finish(request);
}

bool wfe_new_order(struct request *request) {
    if (!read_new_order(request, &request->err) || !wfe_admit_order(request)
        || !make_order(request, &request->err)) {
        return true;
    }
    request_header_url(request, "Location", NULL, "/order/%s", request->order.id);
    (void)request_json(request, 201, wfe_order_json(request, &request->order));
    struct store_op *op = store_tx_add(&request->tx, STORE_ORDER_INSERT);
    op->new_order.order = &request->order;
    op->new_order.authzs = request->authzs;
    op->new_order.authz_count = request->authz_count;
    wfe_replaces_claim(request);
    return request_commit(request, order_inserted);
}

bool wfe_order(struct request *request) {
    if (!store_order_get(request->wfe->options.store, request_account(request),
                         request->params.value[0], &request->order, &request->err)) {
        return true;
    }
    if (request->order.status == ORDER_PROCESSING) { /* 7.4 */
        httpd_header_add(request->exchange, "Retry-After", "1");
    }
    return request_json(request, 200, wfe_order_json(request, &request->order));
}
