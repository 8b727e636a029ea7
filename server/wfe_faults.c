#include "server/wfe_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/problem.h"

#define US_PER_S 1000000

/* ---- whom the request is about ---- */

/* The names a newOrder or newAuthz asks for, as they were written. */
static void read_names(const json_t *payload, struct order *ret) {
    const json_t *list = json_object_get(payload, "identifiers");
    const json_t *alone = json_object_get(payload, "identifier");
    size_t count = json_is_array(list) ? json_array_size(list) : alone != NULL;

    count = count > ORDER_IDENTIFIERS_MAX ? ORDER_IDENTIFIERS_MAX : count;
    ret->identifiers = count == 0 ? NULL : calloc(count, sizeof(*ret->identifiers));
    for (size_t i = 0; ret->identifiers != NULL && i < count; i++) {
        const json_t *entry = json_is_array(list) ? json_array_get(list, i) : alone;
        const char *type = json_string_value(json_object_get(entry, "type"));
        const char *value = json_string_value(json_object_get(entry, "value"));
        struct acme_identifier *identifier = &ret->identifiers[ret->count];
        if (type != NULL && value != NULL && acme_identifier_parse(type, &identifier->type)) {
            (void)snprintf(identifier->value, sizeof(identifier->value), "%s", value);
            ret->count++;
        }
    }
}

/* The identifiers behind the request, as one order; nothing is found: none. */
static void find_names(const struct request *request, struct order *ret) {
    struct store *store = request->wfe->options.store;
    const char *account = request_account(request), *id = request->params.value[0];
    struct err ignored = {0};
    AUTO(order_done) struct order order = {0};
    AUTO(certificate_done) struct certificate certificate = {0};
    bool found = false;

    if (request->operation == METER_ORDER || request->operation == METER_FINALIZE) {
        found = store_order_get(store, account, id, &order, &ignored);
    } else if (request->operation == METER_CERTIFICATE) {
        found = store_certificate_get(store, id, &certificate, &ignored)
                && store_order_get(store, certificate.account, certificate.order, &order, &ignored);
    } else {
        read_names(request->pass.payload, ret);
    }
    if (found) {
        *ret = order;
        order = (struct order){0};
    }
}

static bool find_authz(const struct request *request, struct acme_identifier *ret) {
    AUTO(authz_done) struct authz authz = {0};
    struct err ignored = {0};

    if ((request->operation != METER_AUTHZ && request->operation != METER_CHALLENGE)
        || !store_authz_get(request->wfe->options.store, request_account(request),
                            request->params.value[0], &authz, &ignored)) {
        return false;
    }
    *ret = authz.identifier;
    return true;
}

/* ---- before the handler ---- */

static bool stop_here(struct request *request, const struct fault_action *action) {
    if (action->close == FAULT_CLOSE_BEFORE_COMMIT) {
        return request_fail(request, ERR_UNREACHABLE, "closed on purpose");
    }
    if (action->problem[0] != '\0') {
        return request_fail(request, action->kind,
                            action->detail[0] != '\0' ? action->detail : "a fault on purpose");
    }
    return false;
}

bool wfe_fault_before(struct request *request) {
    struct faults *faults = request->wfe->options.faults;
    AUTO(order_done) struct order order = {0};
    struct acme_identifier identifier;
    enum acme_challenge_type type = ACME_CHALLENGE_HTTP01;
    struct fault_event event = {.operation = request->operation,
                                .account = request_account(request),
                                .challenge = FAULT_ANY_CHALLENGE};

    if (faults_ask_names(faults, request->operation)) {
        if (find_authz(request, &identifier)) {
            event.identifiers = &identifier;
            event.count = 1;
        } else {
            find_names(request, &order);
            event.identifiers = order.identifiers;
            event.count = order.count;
        }
    }
    if (request->operation == METER_CHALLENGE
        && acme_challenge_parse(request->params.value[1], &type)) {
        event.challenge = (int)type;
    }
    struct fault_action action;
    if (!faults_hit(faults, &event, &action)) {
        return false;
    }
    request->fault = malloc(sizeof(action));
    if (request->fault == NULL) {
        return request_fail(request, ERR_NO_MEMORY, "no memory for a fault");
    }
    *request->fault = action;
    log_line(LOG_INFO, "faults", "hit", "operation=%s account=%s",
             meter_operation_name(request->operation), request_account(request));
    if (action.processing_us != 0 && request->operation != METER_CHALLENGE) {
        faults_stick(faults, request->params.value[0],
                     action.processing_us == FAULT_FOREVER
                         ? FAULT_FOREVER
                         : request_now_us(request) + action.processing_us);
    }
    return stop_here(request, &action);
}

/* ---- the answer ---- */

/* The problem's type and status as the rule has them. */
static void rewrite_problem(struct request *request, const struct fault_action *action) {
    AUTO(json_release)
    json_t *problem = request->body == NULL ? NULL : json_loads(request->body, 0, NULL);
    bool uri = strchr(action->problem, ':') != NULL;

    request->status = action->status != 0 ? action->status : request->status;
    (void)json_object_set_new(problem, "type",
                              json_sprintf("%s%s", uri ? "" : ACME_ERROR_URN, action->problem));
    (void)json_object_set_new(problem, "status", json_integer(request->status));
    (void)json_object_set_new(problem, "detail", json_string(request->err.detail));
    free(request->body);
    request->body = problem == NULL ? NULL : json_text(problem);
    request->body_len = request->body == NULL ? 0 : strlen(request->body);
}

static void add_retry_after(struct request *request, const struct fault_action *action) {
    char text[64];

    if (action->retry_date) { /* RFC 9110 10.2.3 */
        time_t at = (time_t)(request_now_us(request) / US_PER_S) + (time_t)action->retry_after_s;
        struct tm tm = {0};
        (void)gmtime_r(&at, &tm);
        (void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    } else {
        (void)snprintf(text, sizeof(text), "%u", action->retry_after_s);
    }
    httpd_header_add(request->exchange, "Retry-After", text);
}

void wfe_fault_dress(struct request *request) {
    const struct fault_action *action = request->fault;

    if (action->problem[0] != '\0' && request->err.kind == action->kind) {
        rewrite_problem(request, action);
    }
    if (action->retry_after_s != 0) {
        add_retry_after(request, action);
    }
    if (action->no_nonce) {
        request->nonce = false;
    }
    if (action->malformed) {
        request->body_len /= 2;
    }
    if (action->content_type[0] != '\0') {
        request->type = action->content_type;
    }
    if (action->empty) {
        free(request->body);
        request->body = NULL;
        request->body_len = 0;
        request->status = 200;
        request->type = NULL;
    }
}

void wfe_fault_send(struct request *request) {
    const struct fault_action *action = request->fault;
    const struct httpd_pace pace = {
        .delay_us = clock_real_delay_us(request->wfe->options.clock, action->delay_us),
        .octets_per_s = action->octets_per_s,
    };

    if (action->close != FAULT_CLOSE_NEVER) {
        httpd_abort(request->exchange);
        return;
    }
    httpd_answer_paced(request->exchange, request->status, request->type, TAKE(request->body),
                       request->body_len, &pace);
}
