#include "client/stats.h"

#include <assert.h>
#include <inttypes.h>

#define OP_ROW(op, label)                                                                          \
    [op] = {METRIC_COUNTER, "nfacme_client_acme_requests_total", "operation=\"" label "\"",        \
            "Requests sent upstream, by operation (token: to the OAM).", 0}
#define STATE_ROW(state, label)                                                                    \
    [STATS_OP__COUNT + state] = {METRIC_GAUGE, "nfacme_client_enrolments", "state=\"" label "\"",  \
                                 "Enrolments seen since start, by state.", 0}
#define COUNT_ROW(count, kind, name, help)                                                         \
    [STATS_OP__COUNT + ENROLMENT_STATE__COUNT +                                                    \
        count] = {kind, "nfacme_client_" name, NULL, help, 0}

/* clang-format off */
static struct metric table[] = {
    OP_ROW(STATS_DIRECTORY,   "directory"),
    OP_ROW(STATS_NEW_NONCE,   "newNonce"),
    OP_ROW(STATS_NEW_ACCOUNT, "newAccount"),
    OP_ROW(STATS_NEW_ORDER,   "newOrder"),
    OP_ROW(STATS_AUTHZ,       "authz"),
    OP_ROW(STATS_CHALLENGE,   "challenge"),
    OP_ROW(STATS_ORDER,       "order"),
    OP_ROW(STATS_FINALIZE,    "finalize"),
    OP_ROW(STATS_CERTIFICATE, "certificate"),
    OP_ROW(STATS_RENEWAL_INFO, "renewalInfo"),
    OP_ROW(STATS_REVOKE,      "revokeCert"),
    OP_ROW(STATS_ACCOUNT,     "account"),
    OP_ROW(STATS_KEY_CHANGE,  "keyChange"),
    OP_ROW(STATS_TOKEN,       "token"),
    STATE_ROW(ENROLMENT_AUTHORISED,     "AUTHORISED"),
    STATE_ROW(ENROLMENT_ACCOUNT,        "ACCOUNT"),
    STATE_ROW(ENROLMENT_ORDERED,        "ORDERED"),
    STATE_ROW(ENROLMENT_AWAITING_TOKEN, "AWAITING_TOKEN"),
    STATE_ROW(ENROLMENT_CHALLENGED,     "CHALLENGED"),
    STATE_ROW(ENROLMENT_VALIDATING,     "VALIDATING"),
    STATE_ROW(ENROLMENT_READY,          "READY"),
    STATE_ROW(ENROLMENT_FINALIZING,     "FINALIZING"),
    STATE_ROW(ENROLMENT_ISSUED,         "ISSUED"),
    STATE_ROW(ENROLMENT_FAILED,         "FAILED"),
    STATE_ROW(ENROLMENT_WITHDRAWN,      "WITHDRAWN"),
    COUNT_ROW(STATS_BAD_NONCES,  METRIC_COUNTER, "bad_nonces_total", "badNonce answers."),
    COUNT_ROW(STATS_RETRIES,     METRIC_COUNTER, "retries_total", "Upstream requests repeated."),
    COUNT_ROW(STATS_NF_REQUESTS, METRIC_COUNTER, "nf_requests_total", "Requests of NFs."),
    COUNT_ROW(STATS_NF_REFUSED,  METRIC_COUNTER, "nf_refused_total", "Requests of NFs answered 4xx or 5xx."),
    COUNT_ROW(STATS_NF_HELD,     METRIC_GAUGE,   "nf_held", "Requests of NFs held open."),
    COUNT_ROW(STATS_ACCOUNTS,    METRIC_COUNTER, "accounts_total", "ACME accounts made."),
    COUNT_ROW(STATS_COMMITS,     METRIC_COUNTER, "commits_total", "Transactions committed."),
    COUNT_ROW(STATS_RECORDS,     METRIC_COUNTER, "commit_records_total", "Changes in them."),
    COUNT_ROW(STATS_JOBS,        METRIC_GAUGE,   "jobs", "Revocations and deactivations not done yet."),
    COUNT_ROW(STATS_RESUMED,     METRIC_COUNTER, "resumed_total", "Enrolments resumed at start."),
    COUNT_ROW(STATS_REMOVED,     METRIC_COUNTER, "removed_total", "Ended enrolments removed by housekeeping."),
};

static const char *const op_names[] = {
    [STATS_DIRECTORY]   = "directory",
    [STATS_NEW_NONCE]   = "newNonce",
    [STATS_NEW_ACCOUNT] = "newAccount",
    [STATS_NEW_ORDER]   = "newOrder",
    [STATS_AUTHZ]       = "authz",
    [STATS_CHALLENGE]   = "challenge",
    [STATS_ORDER]       = "order",
    [STATS_FINALIZE]    = "finalize",
    [STATS_CERTIFICATE] = "certificate",
    [STATS_RENEWAL_INFO] = "renewalInfo",
    [STATS_REVOKE]      = "revokeCert",
    [STATS_ACCOUNT]     = "account",
    [STATS_KEY_CHANGE]  = "keyChange",
    [STATS_TOKEN]       = "token",
};
/* clang-format on */
static_assert(COUNT(table) == STATS_OP__COUNT + ENROLMENT_STATE__COUNT + STATS_COUNT__COUNT,
              "a counter has no row");
static_assert(COUNT(op_names) == STATS_OP__COUNT, "an operation has no name");

const char *stats_op_name(enum stats_op op) { return op_names[op]; }

struct metric *stats_requests(enum stats_op op) {
    return &table[op];
}

struct metric *stats_enrolments(enum enrolment_state state) {
    return &table[STATS_OP__COUNT + state];
}

struct metric *stats_count(enum stats_count count) {
    return &table[STATS_OP__COUNT + ENROLMENT_STATE__COUNT + count];
}

/* By kind of error; a row is there from its first time on. */
static struct metric failed[ERR__COUNT], problems[ERR__COUNT];

struct metric *stats_failed(enum err_kind kind) { return &failed[kind]; }

struct metric *stats_problem(enum err_kind kind) { return &problems[kind]; }

static bool render_kinds(struct metric kinds[ERR__COUNT], const char *name, const char *label,
                         const char *help, struct buf *buf) {
    bool good = metrics_head(name, "counter", help, buf);

    for (unsigned kind = 0; good && kind < ERR__COUNT; kind++) {
        const int64_t count = metric_get(&kinds[kind]);
        good = count == 0
               || buf_printf(buf, "%s{%s=\"%s\"} %" PRId64 "\n", name, label,
                             err_name((enum err_kind)kind), count);
    }
    return good;
}

bool stats_render(struct buf *buf) {
    return metrics_render(table, COUNT(table), buf)
           && render_kinds(failed, "nfacme_client_enrolments_failed_total", "cause",
                           "Enrolments that FAILED since start, by cause.", buf)
           && render_kinds(problems, "nfacme_client_acme_problems_total", "type",
                           "Problems the ACME server answered with, by type.", buf);
}
