/* Withdrawals: the enrolment's end and, when nobody else uses it, the account's. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/crash_point.h"
#include "client/history.h"
#include "client/jobs_inner.h"

struct withdrawal {
    struct jobs *jobs;
    struct withdrawal *next;
    struct job *job; /* the deactivation, if it comes to that */
    int64_t enrolment;
    char nf[37];
    enum enrolment_state from;
    bool account_kept, leaves;
    char *history;
    store_saved *saved;
    void *ctx;
};

static void withdrawal_free(struct withdrawal *withdrawal) {
    if (withdrawal->job != NULL) {
        job_free(withdrawal->job);
    }
    free(withdrawal->history);
    free(withdrawal);
}

void jobs_withdraw_free(struct jobs *jobs) {
    for (struct withdrawal *at = jobs->withdrawals, *next = NULL; at != NULL; at = next) {
        next = at->next;
        withdrawal_free(at);
    }
}

static void unlist(struct withdrawal *withdrawal) {
    struct withdrawal **place = &withdrawal->jobs->withdrawals;

    while (*place != withdrawal) {
        place = &(*place)->next;
    }
    *place = withdrawal->next;
}

static bool found(void *ctx, const struct store_row *row, struct err *err) {
    (void)row;
    (void)err;
    *(bool *)ctx = true;
    return true;
}

/* Does another enrolment use the account?  By the NF's index when the account is the NF's own. */
static bool used(struct store_sql *sql, const struct withdrawal *withdrawal, bool *ret,
                 struct err *err) {
    static const char by_nf[] =
        "SELECT 1 FROM enrolment e JOIN progress p ON p.row=e.row WHERE e.account=? AND"
        " e.directory=? AND e.row<>? AND e.nf=? AND p.state NOT IN ('FAILED','WITHDRAWN') LIMIT 1";
    static const char by_account[] =
        "SELECT 1 FROM enrolment e JOIN progress p ON p.row=e.row WHERE e.account=? AND"
        " e.directory=? AND e.row<>? AND p.state NOT IN ('FAILED','WITHDRAWN') LIMIT 1";
    const struct job *job = withdrawal->job;
    const bool own = strcmp(job->account, withdrawal->nf) == 0;
    const struct store_value values[] = {STORE_TEXT(job->account), STORE_TEXT(job->directory),
                                         STORE_INT(withdrawal->enrolment),
                                         STORE_TEXT(withdrawal->nf)};

    *ret = false;
    return store_sql_each(sql, own ? by_nf : by_account, values, own ? 4 : 3, found, ret, err);
}

/* The account takes another name, so that the NF may have a new one at once. */
static bool leave(struct store_sql *sql, struct withdrawal *withdrawal, struct err *err) {
    static const char account[] = "UPDATE account SET name=? WHERE name=? AND directory=?";
    static const char renamed[] = "UPDATE job SET account=? WHERE row=?";
    struct job *job = withdrawal->job;
    char name[JOB_ACCOUNT_SIZE];

    if (!job_insert(sql, job, &job->new_row, err)) {
        return false;
    }
    (void)snprintf(name, sizeof name, "%.*s#%" PRId64, ENROLMENT_ACCOUNT_SIZE - 1, job->account,
                   job->new_row);
    const struct store_value moved[] = {STORE_TEXT(name), STORE_TEXT(job->account),
                                        STORE_TEXT(job->directory)};
    const struct store_value told[] = {STORE_TEXT(name), STORE_INT(job->new_row)};
    if (!store_sql_do(sql, account, moved, COUNT(moved), err)
        || !store_sql_do(sql, renamed, told, COUNT(told), err)) {
        return false;
    }
    memcpy(job->account, name, sizeof name);
    withdrawal->leaves = true;
    return true;
}

/* The commit follows. */
static bool crash_before(const struct withdrawal *withdrawal) {
    (void)withdrawal;
    CRASH_POINT_MOVE("before", enrolment_state_name(withdrawal->from), "WITHDRAWN");
    return true;
}

/* On the writer's thread. */
static bool work(struct store_sql *sql, void *ctx, struct err *err) {
    static const char withdrawn[] =
        "UPDATE progress SET state='WITHDRAWN', history=?, ended=? WHERE row=? AND state=?";
    static const char unscheduled[] = "DELETE FROM renewal WHERE row=?";
    static const char unasserted[] = "UPDATE enrolment SET cca=NULL WHERE row=?";
    struct withdrawal *withdrawal = ctx;
    const struct store_value row = STORE_INT(withdrawal->enrolment);
    const struct store_value values[] = {STORE_TEXT(withdrawal->history),
                                         STORE_INT(history_last_us(withdrawal->history)), row,
                                         STORE_TEXT(enrolment_state_name(withdrawal->from))};
    bool in_use = withdrawal->account_kept;

    if (!store_sql_do(sql, withdrawn, values, COUNT(values), err)) {
        return false;
    }
    if (store_sql_changes(sql) != 1) {
        return err_set(err, ERR_CONFLICT, "the enrolment was not in state %s",
                       enrolment_state_name(withdrawal->from));
    }
    return store_sql_do(sql, unscheduled, &row, 1, err)
           && store_sql_do(sql, unasserted, &row, 1, err)
           && (in_use || used(sql, withdrawal, &in_use, err))
           && (in_use || leave(sql, withdrawal, err)) && crash_before(withdrawal);
}

static void done(void *ctx, const struct err *err) {
    struct withdrawal *withdrawal = ctx;
    struct jobs *jobs = withdrawal->jobs;

    CRASH_POINT_MOVE("after", enrolment_state_name(withdrawal->from), "WITHDRAWN");
    unlist(withdrawal);
    jobs->era++;
    if (err == NULL && withdrawal->leaves) {
        struct job *job = withdrawal->job;
        withdrawal->job = NULL;
        job->row = job->new_row;
        if (jobs->users != NULL) {
            jobs->users->ended(jobs->users->ctx, job->payload, job->directory);
        }
        job_add(job);
        jobs_go(jobs);
    }
    withdrawal->saved(withdrawal->ctx, err);
    withdrawal_free(withdrawal);
}

bool jobs_withdraw(struct jobs *jobs, const struct enrolment *enrolment, enum enrolment_state from,
                   bool account_kept, store_saved *saved, void *ctx, struct err *err) {
    struct withdrawal *withdrawal = calloc(1, sizeof *withdrawal);
    struct job *job = withdrawal == NULL ? NULL : job_new(jobs, JOB_DEACTIVATE, err);

    if (job == NULL) {
        free(withdrawal);
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    *withdrawal = (struct withdrawal){.jobs = jobs,
                                      .job = job,
                                      .enrolment = enrolment->row,
                                      .from = from,
                                      .account_kept = account_kept,
                                      .saved = saved,
                                      .ctx = ctx};
    memcpy(withdrawal->nf, enrolment->nf, sizeof withdrawal->nf);
    memcpy(job->account, enrolment->account, sizeof enrolment->account);
    job->enrolment = enrolment->row;
    job->directory = strdup(enrolment->directory == NULL ? "" : enrolment->directory);
    job->payload = strdup(enrolment->account);
    withdrawal->history = enrolment->history == NULL ? NULL : strdup(enrolment->history);
    if (job->directory == NULL || job->payload == NULL
        || !store_write(jobs->options.store, work, done, withdrawal, err)) {
        withdrawal_free(withdrawal);
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    withdrawal->next = jobs->withdrawals;
    jobs->withdrawals = withdrawal;
    return true;
}

uint64_t jobs_era(const struct jobs *jobs) {
    return jobs->withdrawals != NULL || jobs->rekeying > 0 ? 0 : jobs->era;
}
