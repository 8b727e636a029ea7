#include "server/order.h"

#include <stdlib.h>

void order_done(struct order *order) {
    free(order->identifiers);
    free(order->authzs);
    free(order->error);
    *order = (struct order){0};
}

void order_done_auto(struct order *order) { order_done(order); }

/* One row per arrow of the figure in RFC 8555 7.1.6. */
/* clang-format off */
static const struct {
    enum order_status from;
    enum order_event on;
    enum order_status to;
} arrows[] = {
    {ORDER_PENDING,    ORDER_AUTHZ_ALL_VALID, ORDER_READY},
    {ORDER_READY,      ORDER_FINALIZE,        ORDER_PROCESSING},
    {ORDER_PROCESSING, ORDER_ISSUED,          ORDER_VALID},
    {ORDER_PENDING,    ORDER_FAILED,          ORDER_INVALID},
    {ORDER_READY,      ORDER_FAILED,          ORDER_INVALID},
    {ORDER_PROCESSING, ORDER_FAILED,          ORDER_INVALID},
};
/* clang-format on */

bool order_next(enum order_status status, enum order_event event, enum order_status *ret_next,
                struct err *err) {
    for (unsigned i = 0; i < COUNT(arrows); i++) {
        if (arrows[i].from == status && arrows[i].on == event) {
            *ret_next = arrows[i].to;
            return true;
        }
    }
    return err_set(err, ERR_CONFLICT, "the order is %s", order_status_name(status));
}

enum order_status order_status_at(const struct order *order, uint64_t now_us) {
    enum order_status status = order->status;
    struct err none = {0};

    if (now_us >= order->expires_us && order->status != ORDER_PROCESSING) {
        (void)!order_next(order->status, ORDER_FAILED, &status, &none);
    }
    return status;
}

const char *order_nf(const struct order *order) {
    for (unsigned i = 0; i < order->count; i++) {
        if (order->identifiers[i].type == ACME_ID_NF_INSTANCE) {
            return order->identifiers[i].value;
        }
    }
    return NULL;
}
