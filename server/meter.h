/* Counters and latencies of requests and validations, lock-free; and the names of the server's
 * operations for logs, spans and metrics. */
#pragma once

#include "common/acme.h"
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

/* Count a request answered: its problem's kind, or ERR_NONE, and the time since its request line.
 * Lock-free, without memory. */
void meter_request(struct meter *meter, enum meter_operation operation, enum err_kind kind,
                   uint64_t us);
/* Count a challenge decided and stored: why it is invalid, or ERR_NONE, and the time since the
 * response to it. */
void meter_validation(struct meter *meter, enum acme_challenge_type type, enum err_kind kind,
                      uint64_t us);
/* Count a failed attempt that another one follows. */
void meter_validation_again(struct meter *meter, enum acme_challenge_type type);
/* Append it all. */
bool meter_render(const struct meter *meter, struct buf *buf);
