#include "nfsim/clerk.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "nfsim/inventory.h"

#define PURGE_EVERY_S 60

struct clerk {
    struct inventory *inventory;
    const struct token_authority *authority;
    const struct clock *clock;
    clerk_done *done;
    unsigned queue_max;
    int64_t purged_s;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    /* under lock */
    struct clerk_job *first, **last;
    unsigned queued;
    bool stopping;
};

void clerk_job_free(struct clerk_job *job) {
    token_request_done(&job->request);
    free(job);
}

/* Look the NF up and note its assertion, inside the batch's transaction. */
static bool enter(struct clerk *clerk, const struct clerk_job *job, struct fleet_nf *ret_nf,
                  struct err *err) {
    struct err why = {0};

    if (!inventory_find(clerk->inventory, job->request.tkvalue, ret_nf, &why)) {
        if (why.kind == ERR_NOT_FOUND) {
            return err_set_param(err, ERR_FORBIDDEN, "tkvalue", "no such NF in the inventory");
        }
        *err = why;
        return false;
    }
    return token_fits(&job->cca, ret_nf, err)
           && inventory_jti(clerk->inventory, job->cca.sub, job->cca.jti, job->request.fingerprint,
                            job->cca.exp_s, err);
}

static void purge(struct clerk *clerk, int64_t now_s) {
    struct err err = {0};

    if (now_s >= clerk->purged_s + PURGE_EVERY_S) {
        clerk->purged_s = now_s;
        /* an hour's grace: no clock of ours may call a purged assertion live */
        (void)!inventory_jti_purge(clerk->inventory, now_s - CCA_LIFETIME_MAX_S, &err);
    }
}

struct entry {
    struct clerk_job *job;
    struct fleet_nf nf;
    struct err err;
};

static unsigned enter_all(struct clerk *clerk, struct clerk_job *jobs, struct entry *entries) {
    struct err err = {0};
    const bool begun = inventory_begin(clerk->inventory, &err);
    unsigned count = 0;

    for (struct clerk_job *job = jobs; job != NULL; job = job->next) {
        struct entry *entry = &entries[count++];
        entry->job = job;
        entry->err = err;
        if (begun) {
            (void)!enter(clerk, job, &entry->nf, &entry->err);
        }
    }
    if (begun) {
        purge(clerk, clock_now_s(clerk->clock));
        if (!inventory_commit(clerk->inventory, &err)) {
            for (unsigned i = 0; i < count; i++) {
                entries[i].err = err;
            }
        }
    }
    return count;
}

static void serve(struct clerk *clerk, struct clerk_job *jobs) {
    static_assert(sizeof(struct entry) * CLERK_BATCH_MAX < 1 << 20, "a batch stays small");
    AUTO(free) struct entry *entries = calloc(CLERK_BATCH_MAX, sizeof *entries);
    const unsigned count = entries == NULL ? 0 : enter_all(clerk, jobs, entries);

    for (unsigned i = 0; i < count; i++) {
        struct entry *entry = &entries[i];
        char *token = NULL;
        if (entry->err.kind == ERR_NONE) {
            token = token_make(clerk->authority, &entry->nf, entry->job->request.fingerprint,
                               entry->job->cca.jkt, clock_now_s(clerk->clock), &entry->err);
        }
        clerk->done(entry->job, token, &entry->err);
    }
    while (entries == NULL && jobs != NULL) {
        struct clerk_job *job = jobs;
        struct err err = {0};
        jobs = job->next;
        (void)err_set(&err, ERR_NO_MEMORY, "no memory for a batch");
        clerk->done(job, NULL, &err);
    }
}

/* At most CLERK_BATCH_MAX jobs, oldest first; NULL: stop. */
static struct clerk_job *take(struct clerk *clerk) {
    struct clerk_job *jobs = NULL, **last = &jobs;

    (void)pthread_mutex_lock(&clerk->lock);
    while (clerk->first == NULL && !clerk->stopping) {
        (void)pthread_cond_wait(&clerk->work, &clerk->lock);
    }
    for (unsigned i = 0; i < CLERK_BATCH_MAX && clerk->first != NULL; i++) {
        *last = clerk->first;
        last = &clerk->first->next;
        clerk->first = clerk->first->next;
        clerk->queued--;
    }
    *last = NULL;
    if (clerk->first == NULL) {
        clerk->last = &clerk->first;
    }
    (void)pthread_mutex_unlock(&clerk->lock);
    return jobs;
}

static void *work(void *ctx) {
    struct clerk *clerk = ctx;
    struct clerk_job *jobs = NULL;

    while ((jobs = take(clerk)) != NULL) {
        serve(clerk, jobs);
    }
    return NULL;
}

struct clerk *clerk_start(const char *state, const struct token_authority *authority,
                          const struct clock *clock, unsigned queue_max, clerk_done *done,
                          struct err *err) {
    AUTO(inventory_close) struct inventory *inventory = inventory_open(state, false, err);

    if (inventory == NULL) {
        return NULL;
    }
    struct clerk *clerk = calloc(1, sizeof *clerk);
    if (clerk == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the clerk");
        return NULL;
    }
    *clerk = (struct clerk){.authority = authority,
                            .clock = clock,
                            .done = done,
                            .queue_max = queue_max,
                            .last = &clerk->first};
    (void)pthread_mutex_init(&clerk->lock, NULL);
    (void)pthread_cond_init(&clerk->work, NULL);
    clerk->inventory = inventory;
    if (pthread_create(&clerk->thread, NULL, work, clerk) != 0) {
        (void)err_set(err, ERR_NO_MEMORY, "could not start a thread");
        free(clerk);
        return NULL;
    }
    (void)TAKE(inventory);
    return clerk;
}

void clerk_stop(struct clerk *clerk) {
    (void)pthread_mutex_lock(&clerk->lock);
    clerk->stopping = true;
    (void)pthread_cond_signal(&clerk->work);
    (void)pthread_mutex_unlock(&clerk->lock);
    (void)pthread_join(clerk->thread, NULL);
}

void clerk_free(struct clerk *clerk) {
    (void)pthread_cond_destroy(&clerk->work);
    (void)pthread_mutex_destroy(&clerk->lock);
    inventory_close(clerk->inventory);
    free(clerk);
}

bool clerk_add(struct clerk *clerk, struct clerk_job *job, struct err *err) {
    (void)pthread_mutex_lock(&clerk->lock);
    const bool room = clerk->queued < clerk->queue_max && !clerk->stopping;
    if (room) {
        job->next = NULL;
        *clerk->last = job;
        clerk->last = &job->next;
        clerk->queued++;
        (void)pthread_cond_signal(&clerk->work);
    }
    (void)pthread_mutex_unlock(&clerk->lock);
    return room || err_set(err, ERR_OVERLOAD, "too many requests wait for the OAM's clerk");
}
