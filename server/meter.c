#include "server/meter.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/metrics.h"
#include "common/problem.h"
#include "server/latency.h"

#define LABELS_SIZE 48

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

/* What was answered or decided, and after what time; kinds stay apart here, outcomes are made of
 * them when somebody looks. */
struct tally {
    _Atomic uint64_t kinds[ERR__COUNT];
    struct latency latency;
};

struct meter {
    struct tally requests[METER_OPERATION__COUNT];
    struct tally validations[ACME_CHALLENGE__COUNT];
    _Atomic uint64_t again[ACME_CHALLENGE__COUNT];
};

const char *meter_operation_name(enum meter_operation operation) { return names[operation]; }

struct meter *meter_new(struct err *err) {
    struct meter *meter = calloc(1, sizeof(*meter));

    if (meter == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for counters");
    }
    return meter;
}

void meter_free(struct meter *meter) { free(meter); }

static void count(_Atomic uint64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint64_t counted(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void meter_request(struct meter *meter, enum meter_operation operation, enum err_kind kind,
                   uint64_t us) {
    count(&meter->requests[operation].kinds[kind]);
    latency_add(&meter->requests[operation].latency, us);
}

void meter_validation(struct meter *meter, enum acme_challenge_type type, enum err_kind kind,
                      uint64_t us) {
    count(&meter->validations[type].kinds[kind]);
    latency_add(&meter->validations[type].latency, us);
}

void meter_validation_again(struct meter *meter, enum acme_challenge_type type) {
    count(&meter->again[type]);
}

/* ---- rendering ---- */

/* What a peer is told: several kinds share a type. */
static const char *outcome_name(enum err_kind kind) {
    const char *name = problem_type(kind)->name;
    return name == NULL ? "serverInternal" : name;
}

/* One row per outcome: the good one always, a problem from its first time on. */
static bool render_outcomes(const struct tally *tally, const char *family, const char *labels,
                            const char *good, struct buf *buf) {
    bool told[ERR__COUNT] = {false};

    (void)buf_printf(buf, "%s{%s,outcome=\"%s\"} %" PRIu64 "\n", family, labels, good,
                     counted(&tally->kinds[ERR_NONE]));
    for (int kind = ERR_NONE + 1; kind < ERR__COUNT; kind++) {
        const char *name = outcome_name((enum err_kind)kind);
        uint64_t total = 0;
        for (int other = kind; other < ERR__COUNT && !told[kind]; other++) {
            if (strcmp(outcome_name((enum err_kind)other), name) == 0) {
                total += counted(&tally->kinds[other]);
                told[other] = other != kind;
            }
        }
        if (total != 0) {
            (void)buf_printf(buf, "%s{%s,outcome=\"%s\"} %" PRIu64 "\n", family, labels, name,
                             total);
        }
    }
    return !buf->failed;
}

/* Two families of the same label: counts by outcome, and latencies. */
struct pair {
    const char *counts, *counts_help, *good;
    const char *latencies, *latencies_help;
    const char *label;
    const char *(*name)(unsigned i);
};

static bool render_pair(const struct pair *pair, const struct tally *tallies, unsigned total,
                        struct buf *buf) {
    char labels[LABELS_SIZE];

    (void)metrics_head(pair->counts, "counter", pair->counts_help, buf);
    for (unsigned i = 0; i < total; i++) {
        (void)snprintf(labels, sizeof(labels), "%s=\"%s\"", pair->label, pair->name(i));
        (void)render_outcomes(&tallies[i], pair->counts, labels, pair->good, buf);
    }
    (void)metrics_head(pair->latencies, "histogram", pair->latencies_help, buf);
    for (unsigned i = 0; i < total; i++) {
        (void)snprintf(labels, sizeof(labels), "%s=\"%s\"", pair->label, pair->name(i));
        (void)latency_render(&tallies[i].latency, pair->latencies, labels, buf);
    }
    return !buf->failed;
}

static const char *request_name(unsigned i) { return names[i]; }
static const char *challenge_name(unsigned i) {
    return acme_challenge_name((enum acme_challenge_type)i);
}

/* clang-format off */
static const struct pair requests = {
    "nfacme_server_requests_total", "ACME requests answered, by operation and problem type", "ok",
    "nfacme_server_request_seconds", "From the request line read to the answer",
    "operation", request_name,
};
static const struct pair validations = {
    "nfacme_server_validations_total", "Challenges decided, by type and problem type", "valid",
    "nfacme_server_validation_seconds", "From the response to a challenge to its decision stored",
    "type", challenge_name,
};
/* clang-format on */

bool meter_render(const struct meter *meter, struct buf *buf) {
    (void)render_pair(&requests, meter->requests, METER_OPERATION__COUNT, buf);
    (void)render_pair(&validations, meter->validations, ACME_CHALLENGE__COUNT, buf);
    (void)metrics_head("nfacme_server_validation_retries_total", "counter",
                       "Attempts that failed and were followed by another", buf);
    for (unsigned i = 0; i < ACME_CHALLENGE__COUNT; i++) {
        (void)buf_printf(buf, "nfacme_server_validation_retries_total{type=\"%s\"} %" PRIu64 "\n",
                         challenge_name(i), counted(&meter->again[i]));
    }
    return !buf->failed;
}
