#include "server/meter.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define LABELS_SIZE 64

/* clang-format off */
static const char *const names[] = {
    [METER_DIRECTORY]   = "directory",   [METER_NEW_NONCE]   = "newNonce",
    [METER_NEW_ACCOUNT] = "newAccount",  [METER_ACCOUNT]     = "account",
    [METER_ORDERS]      = "orders",      [METER_NEW_ORDER]   = "newOrder",
    [METER_NEW_AUTHZ]   = "newAuthz",
    [METER_AUTHZ]       = "authz",       [METER_CHALLENGE]   = "challenge",
    [METER_ORDER]       = "order",       [METER_FINALIZE]    = "finalize",
    [METER_CERTIFICATE] = "certificate", [METER_REVOKE_CERT] = "revokeCert",
    [METER_RENEWAL_INFO] = "renewalInfo",
    [METER_KEY_CHANGE]  = "keyChange",
    [METER_OTHER]       = "other",
};
/* clang-format on */
static_assert(COUNT(names) == METER_OPERATION__COUNT, "every operation has a name");

struct meter {
    struct metric requests[METER_OPERATION__COUNT * 2];
    char labels[METER_OPERATION__COUNT * 2][LABELS_SIZE];
};

const char *meter_operation_name(enum meter_operation operation) { return names[operation]; }

struct meter *meter_new(struct err *err) {
    struct meter *meter = calloc(1, sizeof(*meter));

    if (meter == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for counters");
        return NULL;
    }
    for (unsigned i = 0; i < COUNT(meter->requests); i++) {
        (void)snprintf(meter->labels[i], LABELS_SIZE, "operation=\"%s\",outcome=\"%s\"",
                       names[i / 2], i % 2 == 0 ? "ok" : "problem");
        meter->requests[i].kind = METRIC_COUNTER;
        meter->requests[i].name = "nfacme_server_requests_total";
        meter->requests[i].labels = meter->labels[i];
        meter->requests[i].help = "ACME requests answered";
    }
    return meter;
}

void meter_free(struct meter *meter) { free(meter); }

void meter_request(struct meter *meter, enum meter_operation operation, bool problem) {
    metric_add(&meter->requests[operation * 2 + problem], 1);
}

bool meter_render(struct meter *meter, struct buf *buf) {
    return metrics_render(meter->requests, COUNT(meter->requests), buf);
}
