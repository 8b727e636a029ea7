/* What the job rooms share; nobody else includes this. */
#pragma once

#include "client/jobs.h"
#include "client/request.h"
#include "client/store_sql.h"

#define JOB_ACCOUNT_SIZE (ENROLMENT_ACCOUNT_SIZE + 24) /* an account that goes: "NAME#ROW" */

enum job_kind { JOB_REVOKE, JOB_DEACTIVATE, JOB_KIND__COUNT };

struct job {
    struct jobs *jobs;
    struct job *next;
    enum job_kind kind;
    int64_t row;     /* 0: not saved yet */
    int64_t new_row; /* the writer's, until it is saved */
    int64_t enrolment;
    char account[JOB_ACCOUNT_SIZE];
    char *directory;
    char *payload; /* of the request; JOB_DEACTIVATE: the name the account's key is sealed under */
    bool running, refused;
    struct err refusal;
    uint64_t done_us;
    EVP_PKEY *key;
    char *account_url, *url; /* of the account, of the request */
    struct request *request;
    struct upstream_waiter waiter;
    struct loop_timer timer;
    struct call *calls;     /* held */
    struct enrolment shown; /* for those who wait in vain */
};

/* One row for each kind. */
struct job_row {
    const char *name; /* in the store and the log */
    enum stats_op op;
    /* NULL: the server does not offer it. */
    const char *(*url)(const struct job *job, const struct directory *directory);
    char *(*payload)(const struct job *job); /* caller owns */
    const char *(*sealed_under)(const struct job *job);
    bool (*done_already)(enum err_kind kind); /* a refusal that means it is done */
    store_work *end; /* on the writer's thread, ctx the job: what its end means, and the end */
};
extern const struct job_row job_rows[JOB_KIND__COUNT];

struct withdrawal;

struct jobs {
    struct jobs_options options;
    struct job *first, **last;
    unsigned count, running;
    struct withdrawal *withdrawals; /* being saved */
    uint64_t era;
    bool stopping;
};

/* jobs.c */
struct job *job_new(struct jobs *jobs, enum job_kind kind, struct err *err);
void job_free(struct job *job);
void job_add(struct job *job);
/* Out of the list and gone; another may begin. */
void job_drop(struct job *job);
/* Begin what may begin. */
void jobs_go(struct jobs *jobs);
/* On the writer's thread: a new one. */
MUST_CHECK bool job_insert(struct store_sql *sql, const struct job *job, int64_t *ret_row,
                           struct err *err);

/* jobs_withdraw.c: free what was being saved. */
void jobs_withdraw_free(struct jobs *jobs);

/* jobs_revoke.c: answer those who wait; err NULL: it is done. */
void jobs_settle(struct job *job, const struct err *err);
