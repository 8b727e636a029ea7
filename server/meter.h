/* The server's counters, one table; and the names of its operations for logs, spans and metrics. */
#pragma once

#include "common/err.h"
#include "common/metrics.h"

enum meter_operation {
    METER_DIRECTORY,
    METER_NEW_NONCE,
    METER_NEW_ACCOUNT,
    METER_ACCOUNT,
    METER_ORDERS,
    METER_NEW_ORDER,
    METER_NEW_AUTHZ,
    METER_AUTHZ,
    METER_CHALLENGE,
    METER_ORDER,
    METER_FINALIZE,
    METER_CERTIFICATE,
    METER_REVOKE_CERT,
    METER_RENEWAL_INFO,
    METER_KEY_CHANGE,
    METER_OTHER, /* no such resource */
    METER_OPERATION__COUNT
};
const char *meter_operation_name(enum meter_operation operation);

struct meter;

struct meter *meter_new(struct err *err);
void meter_free(struct meter *meter);
AUTO_DEFINE(struct meter, meter_free)

/* Count a request answered, well or with a problem.  Lock-free. */
void meter_request(struct meter *meter, enum meter_operation operation, bool problem);
/* Append the request counters. */
bool meter_render(struct meter *meter, struct buf *buf);
