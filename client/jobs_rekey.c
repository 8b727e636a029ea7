/* A new key for an account, RFC 8555 7.3.5.
 *
 * The new key is saved beside the old one before the server is asked, and takes its place when the
 * server has answered.  A client that dies between the two asks again with the old key, is refused,
 * and finds out by newAccount (onlyReturnExisting, 7.3.1) that the server knows the new one. */
#include <stdlib.h>
#include <string.h>

#include "client/jobs_inner.h"
#include "common/json.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "common/key.h"
#include "common/log.h"
#include "common/ossl.h"

#define LOOK_US 50000

void jobs_users_set(struct jobs *jobs, const struct jobs_users *users) { jobs->users = users; }

bool jobs_gate(void *ctx, const struct request_spec *spec) {
    const struct jobs *jobs = ctx;

    for (const struct job *job = jobs->holding == 0 ? NULL : jobs->first; job != NULL;
         job = job->next) {
        if (job->hold != JOB_FREE && spec->kid != NULL && strcmp(spec->kid, job->account_url) == 0
            && (job->hold == JOB_HOLDS || spec->op == STATS_NEW_ORDER)) {
            return false;
        }
    }
    return true;
}

void job_release(struct job *job) {
    job->jobs->holding -= job->hold != JOB_FREE ? 1 : 0;
    job->hold = JOB_FREE;
}

static bool busy(const struct job *job, bool out) {
    const struct jobs_users *users = job->jobs->users;

    return users != NULL && users->busy(users->ctx, job->account, job->directory, out);
}

static void drain(struct job *job) {
    job->hold = JOB_DRAINS;
    job->jobs->holding++;
    job->done_us = clock_wall_us() + JOBS_DRAIN_US;
}

bool job_drained(struct job *job) {
    const uint64_t now_us = clock_wall_us();

    if (job->hold == JOB_FREE) { /* a new life */
        drain(job);
    }
    if (!busy(job, false)) {
        job->hold = JOB_HOLDS;
    }
    if (job->hold == JOB_HOLDS && !busy(job, true)) {
        return true;
    }
    if (now_us > job->done_us) {
        job_outcome(job, &(struct err){.kind = ERR_TIMEOUT, .detail = "the account is in use"});
    } else {
        loop_timer_set(job->jobs->options.loop, &job->timer, now_us + LOOK_US, job_send, job);
    }
    return false;
}

char *job_key_change_payload(const struct job *job) {
    struct err err = {0};
    json_t *jwk = jwk_write(job->next_key, &err), *old = jwk_write(job->key, &err);
    AUTO(json_release) json_t *header = json_pack("{s:o,s:s}", "jwk", jwk, "url", job->url);
    AUTO(json_release)
    json_t *payload = json_pack("{s:s,s:o}", "account", job->account_url, "oldKey", old);
    AUTO(free) char *text = payload == NULL ? NULL : json_text(payload);

    return header == NULL || text == NULL
               ? NULL
               : jws_sign(job->next_key, header, text, strlen(text), &err);
}

static void probed(void *ctx, const struct request_answer *answer, const struct err *err) {
    struct job *job = ctx;
    const bool known = answer != NULL && answer->location != NULL
                       && strcmp(answer->location, job->account_url) == 0;

    job->request = NULL;
    job_outcome(job, known ? NULL : err == NULL ? &job->refusal : err);
}

bool job_probe(struct job *job) {
    struct err err = {0};

    if (job->probing) {
        return false;
    }
    const struct request_spec spec = {.op = STATS_NEW_ACCOUNT,
                                      .key = job->next_key,
                                      .payload = strdup("{\"onlyReturnExisting\":true}"),
                                      .done = probed,
                                      .ctx = job};
    job->probing = true;
    (void)err_set(&job->refusal, ERR_UPSTREAM, "the new key is another account's");
    job->request = spec.payload == NULL ? NULL : request_start(job_upstream(job), &spec, &err);
    return job->request != NULL;
}

bool job_key_change_end(struct store_sql *sql, struct job *job, struct err *err) {
    static const char changed[] =
        "UPDATE account SET sealed=next_sealed, thumbprint=?, next_sealed=NULL, made=?"
        " WHERE name=? AND directory=?";
    static const char kept[] =
        "UPDATE account SET next_sealed=NULL, made=? WHERE name=? AND directory=?";

    if (!job->refused && !jwk_thumbprint(job->next_key, job->thumbprint, err)) {
        return false;
    }
    const struct store_value values[] = {STORE_TEXT(job->thumbprint), STORE_INT(clock_wall_us()),
                                         STORE_TEXT(job->account), STORE_TEXT(job->directory)};
    return job->refused ? store_sql_do(sql, kept, &values[1], COUNT(values) - 1, err)
                        : store_sql_do(sql, changed, values, COUNT(values), err);
}

void job_tell_users(const struct job *job) {
    const struct jobs_users *users = job->jobs->users;

    if (!job->refused && users != NULL) {
        users->rekeyed(users->ctx, job->account, job->directory, job->next_key, job->thumbprint);
    }
}

static bool insert(struct store_sql *sql, void *ctx, struct err *err) {
    static const char next[] = "UPDATE account SET next_sealed=? WHERE name=? AND directory=?";
    struct job *job = ctx;
    const struct store_value values[] = {STORE_BLOB(job->next_sealed, job->next_sealed_len),
                                         STORE_TEXT(job->account), STORE_TEXT(job->directory)};

    return store_sql_do(sql, next, values, COUNT(values), err)
           && job_insert(sql, job, &job->new_row, err);
}

static void saved(void *ctx, const struct err *err) {
    struct job *job = ctx;

    if (err != NULL) {
        log_line(LOG_ERROR, "jobs", "unsaved", "job=key-change account=%s kind=%s", job->account,
                 err_name(err->kind));
        job_drop(job);
        return;
    }
    job->row = job->new_row;
    jobs_go(job->jobs);
}

void jobs_rekey(struct jobs *jobs, const struct store_account *account) {
    struct job *job = jobs->first;
    struct err err = {0};

    while (job != NULL
           && (job->kind != JOB_KEY_CHANGE || strcmp(job->account, account->name) != 0)) {
        job = job->next;
    }
    if (job != NULL || (job = job_new(jobs, JOB_KEY_CHANGE, &err)) == NULL) {
        return;
    }
    memcpy(job->account, account->name, sizeof account->name);
    job->directory = strdup(account->directory == NULL ? "" : account->directory);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    job->account_url = strdup(account->url);
    if (key == NULL || job->directory == NULL || job->account_url == NULL
        || !vault_seal(jobs->options.vault, account->name, key, &job->next_sealed,
                       &job->next_sealed_len, &err)) {
        job_free(job);
        return;
    }
    drain(job);
    job_add(job);
    if (!store_write(jobs->options.store, insert, saved, job, &err)) {
        saved(job, &err);
    }
}
