/* What each kind of job asks of the server, and what its end means for the store. */
#include <stdlib.h>
#include <string.h>

#include "client/jobs_inner.h"
#include "common/json.h"

static bool forget(struct store_sql *sql, const struct job *job, struct err *err) {
    static const char done[] = "DELETE FROM job WHERE row=?";
    const struct store_value row = STORE_INT(job->row);

    return store_sql_do(sql, done, &row, 1, err);
}

static const char *revoke_url(const struct job *job, const struct directory *directory) {
    (void)job;
    return directory->revoke_cert;
}

static char *revoke_payload(const struct job *job) { return strdup(job->payload); }

static const char *own_name(const struct job *job) { return job->account; }

static bool revoked_already(enum err_kind kind) { return kind == ERR_ALREADY_REVOKED; }

static bool revoke_end(struct store_sql *sql, void *ctx, struct err *err) {
    static const char revoked[] =
        "UPDATE certificate SET revoked=?, revocation_reason=? WHERE row=?";
    static const char unscheduled[] = "DELETE FROM renewal WHERE row=?";
    const struct job *job = ctx;
    const struct store_value values[] = {STORE_INT(job->done_us),
                                         STORE_INT(job->shown.revocation_reason),
                                         STORE_INT(job->enrolment)};

    return (job->refused
            || (store_sql_do(sql, revoked, values, COUNT(values), err)
                && store_sql_do(sql, unscheduled, &values[2], 1, err)))
           && forget(sql, job, err);
}

static const char *deactivate_url(const struct job *job, const struct directory *directory) {
    (void)directory;
    return job->account_url;
}

static char *deactivate_payload(const struct job *job) {
    (void)job;
    return strdup("{\"status\":\"deactivated\"}");
}

static const char *former_name(const struct job *job) { return job->payload; }

static bool deactivated_already(enum err_kind kind) {
    return kind == ERR_ACCOUNT_DOES_NOT_EXIST || kind == ERR_UNAUTHORIZED;
}

/* Refused or not: the key is of no more use. */
static bool deactivate_end(struct store_sql *sql, void *ctx, struct err *err) {
    static const char gone[] = "DELETE FROM account WHERE name=? AND directory=?";
    const struct job *job = ctx;
    const struct store_value values[] = {STORE_TEXT(job->account), STORE_TEXT(job->directory)};

    return store_sql_do(sql, gone, values, COUNT(values), err) && forget(sql, job, err);
}

static const char *key_change_url(const struct job *job, const struct directory *directory) {
    (void)job;
    return directory->key_change;
}

static bool never(enum err_kind kind) {
    (void)kind;
    return false;
}

static bool key_change_end(struct store_sql *sql, void *ctx, struct err *err) {
    return job_key_change_end(sql, ctx, err) && forget(sql, ctx, err);
}

const struct job_row job_rows[JOB_KIND__COUNT] = {
    [JOB_REVOKE] = {"revoke", STATS_REVOKE, revoke_url, revoke_payload, own_name, revoked_already,
                    revoke_end},
    [JOB_DEACTIVATE] = {"deactivate", STATS_ACCOUNT, deactivate_url, deactivate_payload,
                        former_name, deactivated_already, deactivate_end},
    [JOB_KEY_CHANGE] = {"key-change", STATS_KEY_CHANGE, key_change_url, job_key_change_payload,
                        own_name, never, key_change_end},
};
