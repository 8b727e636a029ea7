#include "server/housekeeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/log.h"

#define US_PER_S 1000000
#define REST_US 5000 /* between bites: a round of a million records takes seconds of little work   \
                      */
#define WAIT_MIN_US 100000

struct housekeeper {
    struct housekeeper_options options;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t stop;
    struct housekeeper_counts counts;
    bool stopping;
    bool started;
    pthread_t thread;
};

/* Wait so long in real time; false: stop. */
static bool rest(struct housekeeper *housekeeper, uint64_t us) {
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const uint64_t ns = (uint64_t)until.tv_nsec + us % US_PER_S * 1000;
    until.tv_sec += (time_t)(us / US_PER_S + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_mutex_lock(&housekeeper->lock);
    while (!housekeeper->stopping
           && pthread_cond_timedwait(&housekeeper->stop, &housekeeper->lock, &until) == 0) {
    }
    bool on = !housekeeper->stopping;
    (void)pthread_mutex_unlock(&housekeeper->lock);
    return on;
}

static bool bite(struct housekeeper *housekeeper, enum store_kind kind, int64_t before_s,
                 const struct store_chunk *chunk, struct err *err) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_SWEEP);

    op->sweep.kind = kind;
    op->sweep.chunk = chunk;
    op->sweep.before_s = before_s;
    if (!store_write(housekeeper->options.store, &tx, err)) {
        return false;
    }
    (void)pthread_mutex_lock(&housekeeper->lock);
    housekeeper->counts.removed[kind] += op->sweep.ret_removed;
    (void)pthread_mutex_unlock(&housekeeper->lock);
    return true;
}

/* One table from its beginning to its end; *ret_on false: stop. */
static bool sweep(struct housekeeper *housekeeper, enum store_kind kind, int64_t before_s,
                  bool *ret_on, struct err *err) {
    struct store_place after = {0};
    struct store_chunk chunk;

    do {
        if (!store_stale_look(housekeeper->options.store, kind, before_s, &after, &chunk, err)
            || (chunk.stale > 0 && !bite(housekeeper, kind, before_s, &chunk, err))) {
            return false;
        }
        after = chunk.upto;
        *ret_on = rest(housekeeper, REST_US);
    } while (*ret_on && chunk.rows == STORE_CHUNK_MAX);
    return true;
}

/* false: stop. */
static bool round_run(struct housekeeper *housekeeper) {
    const struct housekeeper_options *options = &housekeeper->options;
    struct err err = {0};
    bool on = true;

    for (unsigned kind = 0; on && kind < STORE_KIND__COUNT; kind++) {
        const int64_t now_s = clock_now_s(options->clock);
        const int64_t keep_s = kind == STORE_KIND_CERTIFICATE ? options->certificate_keep_s
                               : kind == STORE_KIND_TOKEN     ? 0
                                                              : options->keep_s;
        if (!sweep(housekeeper, (enum store_kind)kind, now_s - keep_s, &on, &err)) {
            log_line(LOG_ERROR, "housekeeper", "round", "kind=%s", err_name(err.kind));
            return on;
        }
    }
    (void)pthread_mutex_lock(&housekeeper->lock);
    const struct housekeeper_counts counts = housekeeper->counts;
    housekeeper->counts.rounds++;
    (void)pthread_mutex_unlock(&housekeeper->lock);
    log_line(LOG_DEBUG, "housekeeper", "round",
             "orders=%llu authorizations=%llu certificates=%llu tokens=%llu",
             (unsigned long long)counts.removed[STORE_KIND_ORDER],
             (unsigned long long)counts.removed[STORE_KIND_AUTHZ],
             (unsigned long long)counts.removed[STORE_KIND_CERTIFICATE],
             (unsigned long long)counts.removed[STORE_KIND_TOKEN]);
    return on;
}

static void *keep_house(void *ctx) {
    struct housekeeper *housekeeper = ctx;
    const struct housekeeper_options *options = &housekeeper->options;
    uint64_t wait_us = clock_real_delay_us(options->clock, options->interval_us);

    wait_us = wait_us < WAIT_MIN_US ? WAIT_MIN_US : wait_us;
    while (rest(housekeeper, wait_us) && round_run(housekeeper)) {
    }
    return NULL;
}

struct housekeeper *housekeeper_start(const struct housekeeper_options *options, struct err *err) {
    AUTO(housekeeper_stop) struct housekeeper *housekeeper = calloc(1, sizeof(*housekeeper));
    pthread_condattr_t attr;

    if (housekeeper == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for housekeeping");
        return NULL;
    }
    housekeeper->options = *options;
    (void)pthread_mutex_init(&housekeeper->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&housekeeper->stop, &attr);
    (void)pthread_condattr_destroy(&attr);
    housekeeper->started =
        options->interval_us != 0
        && pthread_create(&housekeeper->thread, NULL, keep_house, housekeeper) == 0;
    if (options->interval_us != 0 && !housekeeper->started) {
        (void)err_set(err, ERR_NO_MEMORY, "could not start the housekeeping thread");
        return NULL;
    }
    return TAKE(housekeeper);
}

void housekeeper_stop(struct housekeeper *housekeeper) {
    if (housekeeper == NULL) {
        return;
    }
    if (housekeeper->started) {
        (void)pthread_mutex_lock(&housekeeper->lock);
        housekeeper->stopping = true;
        (void)pthread_cond_signal(&housekeeper->stop);
        (void)pthread_mutex_unlock(&housekeeper->lock);
        (void)pthread_join(housekeeper->thread, NULL);
    }
    (void)pthread_cond_destroy(&housekeeper->stop);
    (void)pthread_mutex_destroy(&housekeeper->lock);
    free(housekeeper);
}

struct housekeeper_counts housekeeper_counts(struct housekeeper *housekeeper) {
    (void)pthread_mutex_lock(&housekeeper->lock);
    const struct housekeeper_counts counts = housekeeper->counts;
    (void)pthread_mutex_unlock(&housekeeper->lock);
    return counts;
}
