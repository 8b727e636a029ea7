/* Order records and the arrows of RFC 8555 section 7.1.6's order figure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/acme.h"
#include "common/err.h"
#include "common/x509.h"
#include "server/id.h"

#define ORDER_IDENTIFIERS_MAX 100
#define ORDER_PROFILE_SIZE 32

/* A copy, owned by who asked for it: order_done. */
struct order {
    char id[ID_SIZE];
    char account[ID_SIZE];
    enum order_status status;
    uint64_t created_us, expires_us;
    int64_t not_before_s, not_after_s; /* as asked for; 0 = not */
    char profile[ORDER_PROFILE_SIZE];
    unsigned count; /* of both arrays, 1 to ORDER_IDENTIFIERS_MAX; they never change */
    struct acme_identifier *identifiers; /* each type and value once */
    char (*authzs)[ID_SIZE];             /* the authorization for each */
    char serial[X509_SERIAL_SIZE];       /* of its certificate once valid; else "" */
    char *error;                         /* problem document, JSON text; or NULL */
    char replaces[X509_SERIAL_SIZE];     /* serial of what it is to replace, RFC 9773 5; or "" */
};
void order_done(struct order *order);
void order_done_auto(struct order *order);

enum order_event {
    ORDER_AUTHZ_ALL_VALID,
    ORDER_FINALIZE,
    ORDER_ISSUED,
    ORDER_FAILED, /* an error, an authorization lost, or out of time */
    ORDER_EVENT__COUNT
};

/* The state an event leads to.  ERR_CONFLICT: the figure has no such arrow.  Pure. */
MUST_CHECK bool order_next(enum order_status status, enum order_event event,
                           enum order_status *ret_next, struct err *err);

/* What the order is at now_us: one out of time is invalid unless it was finalized. */
enum order_status order_status_at(const struct order *order, uint64_t now_us);

/* The NfInstanceId the order names, or NULL; borrowed. */
const char *order_nf(const struct order *order);
