/* What the job rooms share; nobody else includes this. */
#pragma once

#include "client/jobs.h"
#include "client/request.h"
#include "client/store_sql.h"

#define JOB_ACCOUNT_SIZE (ENROLMENT_ACCOUNT_SIZE + 24) /* an account that goes: "NAME#ROW" */

enum job_kind { JOB_REVOKE, JOB_DEACTIVATE, JOB_KEY_CHANGE, JOB_KIND__COUNT };

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
    bool running, refused, ending;
    struct err refusal;
    uint64_t done_us;
    EVP_PKEY *key, *next_key;             /* JOB_KEY_CHANGE has both */
    char thumbprint[JWK_THUMBPRINT_SIZE]; /* of next_key */
    unsigned char *next_sealed;
    size_t next_sealed_len;
    enum { JOB_FREE, JOB_DRAINS, JOB_HOLDS } hold; /* of the account's requests */
    bool probing;                                  /* does the server know next_key? */
    char *account_url, *url;                       /* of the account, of the request */
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
    unsigned count, running, holding, rekeying;
    const struct jobs_users *users;
    struct withdrawal *withdrawals; /* being saved */
    uint64_t era;
    bool stopping;
};

/* jobs_rekey.c */
/* May the change go on?  False: asks again in a while. */
bool job_drained(struct job *job);
void job_release(struct job *job);
/* It was refused: has it been done all the same, before a crash?  True: asking. */
bool job_probe(struct job *job);
void job_tell_users(const struct job *job);
char *job_key_change_payload(const struct job *job);
MUST_CHECK bool job_key_change_end(struct store_sql *sql, struct job *job, struct err *err);

/* jobs.c */
/* Ask the server; ctx the job. */
void job_send(void *ctx);
/* It has had its say; err NULL: it is done. */
void job_outcome(struct job *job, const struct err *err);
struct job *job_new(struct jobs *jobs, enum job_kind kind, struct err *err);
struct upstream *job_upstream(const struct job *job);
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
