/* What stands between a request and its handler beside the gate: rate throttle (RFC 8555
 * section 6.6) and terms of service that changed (7.3.3). */
#include <stdlib.h>
#include <string.h>

#include "server/wfe_request.h"

bool wfe_admit_address(struct request *request) {
    struct throttle *throttle = request->wfe->options.throttle;
    char address[THROTTLE_ADDRESS_SIZE];

    if (!throttle_on(throttle, THROTTLE_REQUESTS)) {
        return true;
    }
    throttle_address(httpd_peer_address(request->exchange), address);
    return throttle_take(throttle, THROTTLE_REQUESTS, (const char *const[]){address}, 1,
                         request_now_us(request), &request->err);
}

bool wfe_admit_account(struct request *request) {
    struct throttle *throttle = request->wfe->options.throttle;
    char address[THROTTLE_ADDRESS_SIZE];

    if (!throttle_on(throttle, THROTTLE_ACCOUNTS)) {
        return true;
    }
    throttle_address(httpd_peer_address(request->exchange), address);
    return throttle_take(throttle, THROTTLE_ACCOUNTS, (const char *const[]){address}, 1,
                         request_now_us(request), &request->err);
}

void wfe_dismiss_account(struct request *request) {
    struct throttle *throttle = request->wfe->options.throttle;
    char address[THROTTLE_ADDRESS_SIZE];

    if (throttle_on(throttle, THROTTLE_ACCOUNTS)) {
        throttle_address(httpd_peer_address(request->exchange), address);
        throttle_give_back(throttle, THROTTLE_ACCOUNTS, address);
    }
}

static bool admit_names(struct request *request, const char *const *values, unsigned count) {
    struct throttle *throttle = request->wfe->options.throttle;
    const char *account = request_account(request);
    uint64_t now_us = request_now_us(request);

    if (!throttle_take(throttle, THROTTLE_ORDERS, &account, 1, now_us, &request->err)) {
        return false;
    }
    if (!throttle_take(throttle, THROTTLE_IDENTIFIERS, values, count, now_us, &request->err)) {
        throttle_give_back(throttle, THROTTLE_ORDERS, account);
        return false;
    }
    return true;
}

bool wfe_admit_order(struct request *request) {
    const struct order *order = &request->order;
    const char *values[ORDER_IDENTIFIERS_MAX];

    for (unsigned i = 0; i < order->count && i < ORDER_IDENTIFIERS_MAX; i++) {
        values[i] = order->identifiers[i].value;
    }
    return admit_names(request, values, order->count);
}

bool wfe_admit_authz(struct request *request, const struct acme_identifier *identifier) {
    return admit_names(request, (const char *const[]){identifier->value}, 1);
}

bool wfe_demand_terms(struct request *request) {
    char url[TERMS_URL_SIZE];

    terms_get(request->wfe->options.terms, url);
    free(request->instance);
    request->instance = strdup(url);
    return !request_fail(request, ERR_USER_ACTION_REQUIRED,
                         "the terms of service must be agreed to: read them at the instance URL, "
                         "then send \"termsOfServiceAgreed\": true");
}

/* Reading, and what an account needs to leave or to agree, is never refused. */
bool wfe_admit_terms(struct request *request) {
    const struct wfe_options *options = &request->wfe->options;
    uint64_t mark = options->terms == NULL ? 0 : terms_mark(options->terms);

    if (mark == 0 || !request->pass.by_account || request->pass.account.terms == mark
        || request->pass.payload == NULL || request->operation == METER_ACCOUNT
        || request->operation == METER_KEY_CHANGE || request->operation == METER_REVOKE_CERT
        || request->operation == METER_AUTHZ) {
        return true;
    }
    return wfe_demand_terms(request);
}
