/* The client's counters: one static table, rendered by the admin listener. */
#pragma once

#include "client/enrolment.h"
#include "common/buf.h"
#include "common/metrics.h"

/* Operations of the client towards the ACME server, and the token request to the OAM. */
enum stats_op {
    STATS_DIRECTORY,
    STATS_NEW_NONCE,
    STATS_NEW_ACCOUNT,
    STATS_NEW_ORDER,
    STATS_AUTHZ,
    STATS_CHALLENGE,
    STATS_ORDER,
    STATS_FINALIZE,
    STATS_CERTIFICATE,
    STATS_RENEWAL_INFO,
    STATS_REVOKE,
    STATS_ACCOUNT, /* its deactivation */
    STATS_KEY_CHANGE,
    STATS_TOKEN,
    STATS_OP__COUNT
};

enum stats_count {
    STATS_BAD_NONCES,
    STATS_RETRIES,
    STATS_NF_REQUESTS,
    STATS_NF_REFUSED,
    STATS_NF_HELD,  /* gauge */
    STATS_ACCOUNTS, /* made */
    STATS_COMMITS,  /* gauge, copied from the store when rendered */
    STATS_RECORDS,  /* likewise */
    STATS_JOBS,     /* gauge: revocations, deactivations not done yet */
    STATS_RESUMED,  /* enrolments taken up again at start */
    STATS_REMOVED,  /* ended enrolments, by the housekeeper */
    STATS_COUNT__COUNT
};

const char *stats_op_name(enum stats_op op); /* "newOrder"; also the span's name */

struct metric *stats_requests(enum stats_op op); /* HTTP requests sent, retries included */
struct metric *stats_enrolments(enum enrolment_state state);
struct metric *stats_count(enum stats_count count);

/* Enrolments that FAILED, and problems the ACME server answered with, by kind. */
struct metric *stats_failed(enum err_kind kind);
struct metric *stats_problem(enum err_kind kind);

/* Everything in the text exposition format; false when buf is full. */
bool stats_render(struct buf *buf);
