/* Finalize: RFC 8555 section 7.4.  Ordinarily the certificate is issued before the answer; with
 * finalize.delay the order is answered as processing and issued later (finalizing.c). */
#include <stdio.h>
#include <string.h>

#include "common/problem.h"
#include "server/finalizing.h"
#include "server/issue.h"
#include "server/wfe_request.h"

#define US_PER_S 1000000

/* Another finalize or a deactivation came first: false, and the answer says so. */
static bool still_ready(struct request *request) {
    if (request->err.kind == ERR_CONFLICT) {
        request->err = (struct err){0};
        return !request_fail(request, ERR_ORDER_NOT_READY, "the order is no longer ready");
    }
    return request->err.kind == ERR_NONE;
}

static void note_order(const struct request *request, enum order_status to) {
    wfe_event(request->wfe, &(struct trace_event){.event = "order",
                                                  .order = request->order.id,
                                                  .nf = order_nf(&request->order),
                                                  .from = order_status_name(ORDER_READY),
                                                  .to = order_status_name(to)});
}

static void finalized(struct request *request) {
    const struct order *order = &request->order;

    if (still_ready(request)) {
        note_order(request, ORDER_VALID);
        wfe_event(request->wfe, &(struct trace_event){.event = "certificate",
                                                      .order = order->id,
                                                      .nf = order_nf(order),
                                                      .serial = order->serial,
                                                      .to = "issued"});
    }
    request_finish(request);
}

static void add_move(struct request *request, enum order_status to) {
    struct store_op *op = store_tx_add(&request->tx, STORE_ORDER_MOVE);

    op->account = request->order.account;
    op->order = request->order.id;
    op->from = ORDER_READY;
    op->to = to;
    op->serial = request->order.serial;
}

static void answer_order(struct request *request) {
    request_header_url(request, "Location", NULL, "/order/%s", request->order.id);
    (void)request_json(request, 200, wfe_order_json(request, &request->order));
}

/* Issued and committed before the answer, so nobody sees the order processing. */
static bool finalize_now(struct request *request, const struct ca_request *wanted) {
    struct order *order = &request->order;

    if (!order_next(order->status, ORDER_ISSUED, &order->status, &request->err)
        || !issue(&request->wfe->options, order, wanted, &request->certificate, &request->err)) {
        return true;
    }
    add_move(request, order->status);
    store_tx_add(&request->tx, STORE_CERTIFICATE_INSERT)->certificate = &request->certificate;
    wfe_replaces_done(request);
    answer_order(request);
    return request_commit(request, finalized);
}

static uint64_t due_us(const struct request *request) {
    return request_now_us(request) + request->wfe->options.finalize_delay_us;
}

static void accepted(struct request *request) {
    if (still_ready(request)) {
        note_order(request, ORDER_PROCESSING);
        finalizing_add(request->wfe->finalizing, request->order.account, request->order.id,
                       due_us(request));
    }
    request_finish(request);
}

/* What can be refused is refused now; the rest happens in the order. */
static bool finalize_later(struct request *request, const char *csr,
                           const struct ca_request *wanted) {
    struct order *order = &request->order;
    uint64_t delay_s = (request->wfe->options.finalize_delay_us + US_PER_S - 1) / US_PER_S;
    char seconds[24];

    if (!ca_csr_fits(wanted, &request->err)) {
        return true;
    }
    if (!finalizing_room(request->wfe->finalizing)) {
        return request_fail(request, ERR_OVERLOAD, "too many orders are processing");
    }
    add_move(request, order->status);
    struct store_op *op = store_tx_add(&request->tx, STORE_FINALIZING_INSERT);
    op->account = order->account;
    op->order = order->id;
    op->finalizing.due_us = due_us(request);
    op->finalizing.csr = csr;
    (void)snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)delay_s);
    httpd_header_add(request->exchange, "Retry-After", seconds);
    answer_order(request);
    return request_commit(request, accepted);
}

static void caa_known(struct request *request);

static bool finalize(struct request *request) {
    struct order *order = &request->order;
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    struct ca_request wanted;
    const char *text = NULL;

    if (!json_get_text(request->pass.payload, "csr", JSON_REQUIRED, ISSUE_CSR_TEXT_MAX, &text,
                       &request->err)
        || !issue_csr_read(text, &csr, &request->err)
        || !issue_check(&request->wfe->options, order, &csr, &wanted, &request->err)) {
        return true;
    }
    if (!wfe_caa(request, caa_known)) {
        return false;
    }
    if (request->err.kind != ERR_NONE
        || !order_next(order->status, ORDER_FINALIZE, &order->status, &request->err)) {
        return true;
    }
    return request->wfe->options.finalize_delay_us == 0 ? finalize_now(request, &wanted)
                                                        : finalize_later(request, text, &wanted);
}

static void finalize_on(void *ctx, bool stopped) {
    struct request *request = ctx;

    if (stopped) {
        (void)request_fail(request, ERR_OVERLOAD, "the server is going down");
    }
    if (stopped || finalize(request)) {
        request_finish(request);
    }
}

/* The thread that asks DNS has better to do than to sign. */
static void caa_known(struct request *request) {
    if (request->err.kind == ERR_NONE) {
        if (finalizing_post(request->wfe->finalizing, finalize_on, request)) {
            return;
        }
        (void)request_fail(request, ERR_OVERLOAD, "too many orders are processing");
    }
    request_finish(request);
}

/* One subproblem for each name whose authorization is in the way, 6.7.1. */
static bool add_unproved(struct request *request, unsigned i) {
    const struct acme_identifier *name = &request->order.identifiers[i];
    AUTO(authz_done) struct authz authz = {0};
    struct err why = {0};

    if (!store_authz_get(request->wfe->options.store, request->order.account,
                         request->order.authzs[i], &authz, &why)) {
        return false;
    }
    enum authz_status status = authz_status_at(&authz, request_now_us(request));
    if (status == AUTHZ_VALID) {
        return true;
    }
    (void)err_set(&why, ERR_UNAUTHORIZED, "the authorization for it is %s",
                  authz_status_name(status));
    if (request->subproblems == NULL) {
        request->subproblems = json_array();
    }
    return json_array_append_new(
               request->subproblems,
               problem_sub_new(&why, acme_identifier_name(name->type), name->value))
           == 0;
}

/* 7.4: also when it is valid already. */
static bool refuse(struct request *request, enum order_status status) {
    bool going_on = status == ORDER_PENDING || status == ORDER_INVALID;

    for (unsigned i = 0; going_on && i < request->order.count; i++) {
        going_on = add_unproved(request, i);
    }
    (void)err_set(&request->err, ERR_ORDER_NOT_READY, "the order is %s", order_status_name(status));
    return true;
}

bool wfe_finalize(struct request *request) {
    struct order *order = &request->order;

    if (!store_order_get(request->wfe->options.store, request_account(request),
                         request->params.value[0], order, &request->err)) {
        return true;
    }
    enum order_status status = order_status_at(order, request_now_us(request));
    return status == ORDER_READY ? finalize(request) : refuse(request, status);
}
