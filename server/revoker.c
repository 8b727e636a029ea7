#include "server/revoker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct revoker {
    struct crl *crl;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct revoker_wait *first;
    bool stopping;
    bool started;
    pthread_t thread;
};

/* All who wait now; NULL: stop. */
static struct revoker_wait *take(struct revoker *revoker) {
    (void)pthread_mutex_lock(&revoker->lock);
    while (revoker->first == NULL && !revoker->stopping) {
        (void)pthread_cond_wait(&revoker->wake, &revoker->lock);
    }
    struct revoker_wait *first = revoker->first;
    revoker->first = NULL;
    (void)pthread_mutex_unlock(&revoker->lock);
    return first;
}

static void *serve(void *ctx) {
    struct revoker *revoker = ctx;

    for (struct revoker_wait *wait; (wait = take(revoker)) != NULL;) {
        struct err err = {0};
        if (revoker->crl != NULL) {
            (void)!crl_refresh(revoker->crl, &err);
        }
        while (wait != NULL) {
            struct revoker_wait *next = wait->next; /* done may free it */
            wait->done(wait->ctx, &err);
            wait = next;
        }
    }
    return NULL;
}

struct revoker *revoker_new(struct crl *crl, struct err *err) {
    AUTO(revoker_free) struct revoker *revoker = calloc(1, sizeof(*revoker));

    if (revoker == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for revocations");
        return NULL;
    }
    revoker->crl = crl;
    (void)pthread_mutex_init(&revoker->lock, NULL);
    (void)pthread_cond_init(&revoker->wake, NULL);
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
