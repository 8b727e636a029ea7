#include "server/revoker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/log.h"

struct revoker {
    struct crl *crl;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct revoker_wait *first;
    bool stopping;
    bool started;
    pthread_t thread;
};

/* Takes all who wait now, perhaps nobody when a list is owed.  false: stop. */
static bool take(struct revoker *revoker, bool owed, struct revoker_wait **ret_first) {
    struct timespec again;
    bool late = false;

    (void)clock_gettime(CLOCK_MONOTONIC, &again);
    again.tv_sec += REVOKER_AGAIN_S;
    (void)pthread_mutex_lock(&revoker->lock);
    while (revoker->first == NULL && !revoker->stopping && !late) {
        if (owed) {
            late = pthread_cond_timedwait(&revoker->wake, &revoker->lock, &again) == ETIMEDOUT;
        } else {
            (void)pthread_cond_wait(&revoker->wake, &revoker->lock);
        }
    }
    *ret_first = revoker->first;
    revoker->first = NULL;
    bool going_on = *ret_first != NULL || !revoker->stopping;
    (void)pthread_mutex_unlock(&revoker->lock);
    return going_on;
}

/* false: it is owed. */
static bool make_list(struct revoker *revoker) {
    struct err err = {0};
    char quoted[300];

    if (revoker->crl == NULL || crl_refresh(revoker->crl, &err)) {
        return true;
    }
    log_line(LOG_ERROR, "revoker", "unlisted", "again_s=%d cause=%s", REVOKER_AGAIN_S,
             log_quote(err.detail, quoted, sizeof(quoted)));
    return false;
}

static void *serve(void *ctx) {
    struct revoker *revoker = ctx;
    struct revoker_wait *wait = NULL;
    bool owed = false;

    while (take(revoker, owed, &wait)) {
        owed = !make_list(revoker);
        while (wait != NULL) {
            struct revoker_wait *next = wait->next; /* done may free it */
            wait->done(wait->ctx);
            wait = next;
        }
    }
    return NULL;
}

struct revoker *revoker_new(struct crl *crl, struct err *err) {
    AUTO(revoker_free) struct revoker *revoker = calloc(1, sizeof(*revoker));
    pthread_condattr_t monotonic;

    if (revoker == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for revocations");
        return NULL;
    }
    revoker->crl = crl;
    (void)pthread_mutex_init(&revoker->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&revoker->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    revoker->started = pthread_create(&revoker->thread, NULL, serve, revoker) == 0;
    if (!revoker->started) {
        (void)err_set(err, ERR_NO_MEMORY, "could not start the revocation thread");
        return NULL;
    }
    return TAKE(revoker);
}

void revoker_free(struct revoker *revoker) {
    if (revoker == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&revoker->lock);
    revoker->stopping = true;
    (void)pthread_cond_signal(&revoker->wake);
    (void)pthread_mutex_unlock(&revoker->lock);
    if (revoker->started) {
        (void)pthread_join(revoker->thread, NULL);
    }
    (void)pthread_cond_destroy(&revoker->wake);
    (void)pthread_mutex_destroy(&revoker->lock);
    free(revoker);
}

void revoker_submit(struct revoker *revoker, struct revoker_wait *wait) {
    (void)pthread_mutex_lock(&revoker->lock);
    wait->next = revoker->first;
    revoker->first = wait;
    (void)pthread_cond_signal(&revoker->wake);
    (void)pthread_mutex_unlock(&revoker->lock);
}

struct sinking {
    crl_sink *sink;
    void *ctx;
};

static bool pass_on(void *ctx, const char *serial, int64_t revoked_at_s, int reason,
                    struct err *err) {
    const struct sinking *sinking = ctx;
    struct crl_entry entry = {.revoked_at_s = revoked_at_s,
                              .reason = reason < 0 ? CRL_REASON_NONE : reason};

    (void)snprintf(entry.serial, sizeof(entry.serial), "%s", serial);
    return sinking->sink(sinking->ctx, &entry, err);
}

bool revoker_source(void *ctx, int64_t expiring_after_s, crl_sink *sink, void *sink_ctx,
                    struct err *err) {
    return store_revoked_each(ctx, expiring_after_s, pass_on, &(struct sinking){sink, sink_ctx},
                              err);
}
