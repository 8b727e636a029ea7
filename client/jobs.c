#include "client/jobs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/jobs_inner.h"
#include "common/json.h"
#include "common/log.h"
#include "common/ossl.h"

#define SAVE_RETRY_US 1000000

struct jobs *jobs_new(const struct jobs_options *options, struct err *err) {
    struct jobs *jobs = calloc(1, sizeof *jobs);

    if (jobs == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    jobs->options = *options;
    jobs->last = &jobs->first;
    jobs->era = 1;
    return jobs;
}

void jobs_free(struct jobs *jobs) {
    if (jobs == NULL) {
        return;
    }
    for (struct job *job = jobs->first, *next = NULL; job != NULL; job = next) {
        next = job->next;
        job_free(job);
    }
    jobs_withdraw_free(jobs);
    free(jobs);
}

struct job *job_new(struct jobs *jobs, enum job_kind kind, struct err *err) {
    struct job *job = jobs->count < JOBS_MAX ? calloc(1, sizeof *job) : NULL;

    if (job == NULL) {
        err->retry_after_s = 1;
        (void)err_set(err, jobs->count < JOBS_MAX ? ERR_NO_MEMORY : ERR_OVERLOAD,
                      "too many jobs are under way");
        return NULL;
    }
    job->jobs = jobs;
    job->kind = kind;
    return job;
}

struct upstream *job_upstream(const struct job *job) {
    return cas_of(job->jobs->options.cas, job->directory)->upstream;
}

void job_free(struct job *job) {
    request_cancel(job->request);
    upstream_unwait(job_upstream(job), &job->waiter);
    loop_timer_unset(job->jobs->options.loop, &job->timer);
    job_release(job);
    EVP_PKEY_free(job->key);
    EVP_PKEY_free(job->next_key);
    free(job->next_sealed);
    free(job->account_url);
    free(job->url);
    free(job->directory);
    free(job->payload);
    enrolment_done(&job->shown);
    free(job);
}

void job_add(struct job *job) {
    struct jobs *jobs = job->jobs;

    job->next = NULL;
    *jobs->last = job;
    jobs->last = &job->next;
    jobs->count++;
    metric_add(stats_count(STATS_JOBS), 1);
}

void job_drop(struct job *job) {
    struct jobs *jobs = job->jobs;
    struct job **place = &jobs->first;

    while (*place != job) {
        place = &(*place)->next;
    }
    *place = job->next;
    jobs->last = job->next == NULL ? place : jobs->last;
    jobs->count--;
    metric_add(stats_count(STATS_JOBS), -1);
    jobs->running -= job->running ? 1 : 0;
    job_free(job);
    jobs_go(jobs);
}

static void end(void *ctx);

static void ended(void *ctx, const struct err *err) {
    struct job *job = ctx;

    if (err != NULL) {
        log_line(LOG_ERROR, "jobs", "unsaved", "job=%s row=%" PRId64 " kind=%s",
                 job_rows[job->kind].name, job->row, err_name(err->kind));
        loop_timer_set(job->jobs->options.loop, &job->timer, clock_wall_us() + SAVE_RETRY_US, end,
                       job);
        return;
    }
    jobs_settle(job, job->refused ? &job->refusal : NULL);
    if (job->kind == JOB_KEY_CHANGE) {
        job->jobs->era++;
        job->jobs->rekeying--;
        job_tell_users(job);
    }
    job_drop(job);
}

static void end(void *ctx) {
    struct job *job = ctx;
    struct err err = {0};

    job->jobs->rekeying += job->kind == JOB_KEY_CHANGE && !job->ending ? 1 : 0;
    job->ending = true;
    if (!store_write(job->jobs->options.store, job_rows[job->kind].end, ended, job, &err)) {
        ended(job, &err);
    }
}

/* err NULL: the server has done it. */
void job_outcome(struct job *job, const struct err *err) {
    const struct job_row *row = &job_rows[job->kind];

    job->refused = err != NULL && !row->done_already(err->kind);
    job->done_us = clock_now_us(job->jobs->options.clock);
    job->shown.revoked_us = job->refused ? 0 : job->done_us;
    log_line(job->refused ? LOG_WARNING : LOG_INFO, "jobs", job->refused ? "refused" : "done",
             "job=%s account=%s enrolment=%s kind=%s", row->name, job->account, job->shown.id,
             err == NULL ? "" : err_name(err->kind));
    if (job->refused) {
        job->refusal = *err;
    }
    end(job);
}

static void answered(void *ctx, const struct request_answer *answer, const struct err *err) {
    struct job *job = ctx;

    (void)answer;
    job->request = NULL;
    if (err == NULL || job->kind != JOB_KEY_CHANGE || !job_probe(job)) {
        job_outcome(job, err);
    }
}

void job_send(void *ctx) {
    struct job *job = ctx;
    struct upstream *upstream = job_upstream(job);
    const struct directory *directory = upstream_directory(upstream);
    const struct job_row *row = &job_rows[job->kind];
    struct err err = {0};

    if (directory == NULL) {
        upstream_wait(upstream, &job->waiter,
                      &(struct upstream_turn){false, job->account, PRIORITY_DEFAULT}, job_send,
                      job);
        return;
    }
    if (job->kind == JOB_KEY_CHANGE && directory->key_change != NULL && !job_drained(job)) {
        return;
    }
    const char *url = row->url(job, directory);
    if (url == NULL) {
        (void)err_set(&err, ERR_NOT_IMPLEMENTED, "the ACME server does not offer to %s", row->name);
        job_outcome(job, &err);
        return;
    }
    free(job->url);
    job->url = strdup(url);
    char *payload = row->payload(job);
    const struct request_spec spec = {.op = row->op,
                                      .url = job->url,
                                      .key = job->key,
                                      .kid = job->account_url,
                                      .tenant = job->account,
                                      .priority = PRIORITY_DEFAULT,
                                      .payload = payload,
                                      .done = answered,
                                      .ctx = job};
    job->request =
        payload == NULL || job->url == NULL ? NULL : request_start(upstream, &spec, &err);
    if (job->request == NULL) {
        (void)err_set(&err, ERR_NO_MEMORY, "out of memory");
        job_outcome(job, &err);
    }
}

static void account_found(void *ctx, struct store_found *found, const struct err *err) {
    struct job *job = ctx;
    struct err failure = err == NULL ? (struct err){0} : *err;
    const char *name = job_rows[job->kind].sealed_under(job);

    if (err == NULL && found->found_account && found->account.url != NULL) {
        free(job->account_url);
        job->account_url = TAKE(found->account.url);
        job->key = vault_open_key(job->jobs->options.vault, name, found->account.sealed,
                                  found->account.sealed_len, &failure);
        job->next_key =
            found->account.next_sealed == NULL
                ? NULL
                : vault_open_key(job->jobs->options.vault, name, found->account.next_sealed,
                                 found->account.next_sealed_len, &failure);
    }
    if (job->key == NULL || (job->kind == JOB_KEY_CHANGE && job->next_key == NULL)) {
        (void)err_set(&failure, ERR_ACCOUNT_DOES_NOT_EXIST, "there is no such ACME account");
        job_outcome(job, &failure);
        return;
    }
    job_send(job);
}

void jobs_go(struct jobs *jobs) {
    for (struct job *job = jobs->first;
         job != NULL && jobs->running < JOBS_RUNNING_MAX && !jobs->stopping; job = job->next) {
        struct err err = {0};
        if (job->running || job->row == 0) {
            continue;
        }
        const struct store_tenant tenant = {
            .nf = "-", .account = job->account, .directory = job->directory};
        if (!store_tenant(jobs->options.store, &tenant, account_found, job, &err)) {
            return; /* the look-ups are full: with the next job's end */
        }
        job->running = true;
        jobs->running++;
    }
}

static bool read_row(void *ctx, const struct store_row *row, struct err *err) {
    (void)err;
    *(int64_t *)ctx = store_row_int(row, 0);
    return true;
}

bool job_insert(struct store_sql *sql, const struct job *job, int64_t *ret_row, struct err *err) {
    static const char insert[] = "INSERT INTO job(kind, account, directory, enrolment, payload,"
                                 " due, created) VALUES(?,?,?,?,?,?,?) RETURNING row";
    const uint64_t now_us = clock_wall_us();
    const struct store_value values[] = {STORE_TEXT(job_rows[job->kind].name),
                                         STORE_TEXT(job->account),
                                         STORE_TEXT(job->directory),
                                         STORE_INT(job->enrolment),
                                         STORE_TEXT(job->payload),
                                         STORE_INT(now_us),
                                         STORE_INT(now_us)};

    return store_sql_each(sql, insert, values, COUNT(values), read_row, ret_row, err);
}

static char *copy(const char *text) { return text == NULL ? NULL : strdup(text); }

/* A stored job; of the enrolment what the log and a repeated request want. */
static bool load(void *ctx, const struct store_row *row, struct err *err) {
    struct jobs *jobs = ctx;
    const char *name = store_row_text(row, 1), *account = store_row_text(row, 2);
    enum job_kind kind = 0;

    while (kind < JOB_KIND__COUNT && strcmp(job_rows[kind].name, name) != 0) {
        kind++;
    }
    if (kind == JOB_KIND__COUNT || account == NULL || strlen(account) >= JOB_ACCOUNT_SIZE) {
        return err_set(err, ERR_STORE, "a stored job is of no known kind");
    }
    struct job *job = job_new(jobs, kind, err);
    if (job == NULL) {
        return err->kind == ERR_OVERLOAD; /* the others when there is room: at the next start */
    }
    job->row = store_row_int(row, 0);
    job->enrolment = store_row_int(row, 4);
    memcpy(job->account, account, strlen(account) + 1);
    job->directory = copy(store_row_text(row, 3));
    job->payload = copy(store_row_text(row, 5));
    job_add(job);
    AUTO(json_release)
    json_t *payload = job->payload == NULL ? NULL : json_loads(job->payload, 0, NULL);
    job->shown.revocation_reason = (int)json_integer_value(json_object_get(payload, "reason"));
    return true;
}

static bool load_all(struct store_sql *sql, void *ctx, struct err *err) {
    static const char all[] =
        "SELECT row, kind, account, directory, enrolment, payload FROM job ORDER BY row";

    return store_sql_each(sql, all, NULL, 0, load, ctx, err);
}

static void begin(void *ctx) { jobs_go(ctx); }

bool jobs_resume(struct jobs *jobs, struct err *err) {
    if (!store_read_now(jobs->options.store, load_all, jobs, err)) {
        return false;
    }
    loop_post(jobs->options.loop, begin, jobs);
    return true;
}

void jobs_stop(struct jobs *jobs) {
    const struct err err = {
        .kind = ERR_OVERLOAD, .retry_after_s = 1, .detail = "the client is stopping"};

    jobs->stopping = true;
    for (struct job *job = jobs->first; job != NULL; job = job->next) {
        jobs_settle(job, &err);
    }
}
