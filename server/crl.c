/* Signing is shared: `begun` counts readings of the source, `in_list` is the last one that reached
 * a signed list.  A caller needs a reading that began after its call; whoever finds nobody at work
 * does it for all who wait. */
#include "server/crl.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/file.h"
#include "common/log.h"
#include "common/ossl.h"
#include "server/crl_make.h"

#define DAY_S ((int64_t)86400)
#define LEASE_US 3600000000ULL /* CRL numbers that may be used before the file is written again */
#define STATE_SIZE 64
#define LOOK_MAX_US 3600000000ULL /* the renewing thread looks at the clock at least hourly */
#define LOOK_MIN_US 1000000ULL    /* and after a failure not before a second has passed */

struct crl {
    struct crl_options options;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool stopping, busy;
    uint64_t begun, in_list;
    unsigned char *der; /* malloc */
    size_t der_len;
    uint64_t number;
    int64_t this_update_s, renew_at_s;
    uint64_t made, failed;

    /* of whoever is busy; what the state file says */
    uint64_t leased;     /* no number beyond it was used */
    int64_t scheduled_s; /* thisUpdate of the last list on schedule; 0: not known */
};

/* "LEASED SCHEDULED": a file that is not there, or says nothing, is a first start. */
static void state_read(struct crl *crl) {
    const char *path = crl->options.state_file;
    unsigned long long leased = 0;
    long long scheduled_s = 0;
    struct err err = {0};
    size_t len = 0;
    AUTO(free) char *text = path == NULL ? NULL : file_read(path, &len, &err);

    if (text != NULL && sscanf(text, "%20llu %20lld", &leased, &scheduled_s) == 2) {
        crl->leased = leased;
        crl->number = leased;
        crl->scheduled_s = (int64_t)scheduled_s;
    }
}

static bool state_write(struct crl *crl, uint64_t leased, int64_t scheduled_s, struct err *err) {
    char text[STATE_SIZE];

    (void)snprintf(text, sizeof text, "%llu %lld\n", (unsigned long long)leased,
                   (long long)scheduled_s);
    if (crl->options.state_file != NULL
        && !file_write(crl->options.state_file, 0600, text, strlen(text), err)) {
        return false;
    }
    crl->leased = leased;
    crl->scheduled_s = scheduled_s;
    return true;
}

/* Microseconds since the epoch grow faster than lists can be signed; should the clock stand behind
 * (another time scale, a clock put back), numbers go on from the last.  A number is used only after
 * the file says that it may have been. */
static bool number_next(struct crl *crl, uint64_t now_us, uint64_t *ret, struct err *err) {
    uint64_t number = now_us > crl->number ? now_us : crl->number + 1;

    if (number > crl->leased && !state_write(crl, number + LEASE_US, crl->scheduled_s, err)) {
        return false;
    }
    *ret = number;
    return true;
}

/* One reading and signing; called with the lock held and busy set, which stays with the caller. */
static bool renew_locked(struct crl *crl, struct err *err) {
    uint64_t reading = ++crl->begun, now_us = clock_now_us(crl->options.clock);
    int64_t now_s = (int64_t)(now_us / 1000000);
    bool on_schedule = now_s >= crl->renew_at_s;
    AUTO(ossl_free) unsigned char *der = NULL;
    struct crl_spec spec = {
        .issuer = ca_issuer(crl->options.ca),
        .key = ca_issuer_key(crl->options.ca),
        .this_update_s = now_s,
        .next_update_s = now_s + crl->options.lifetime_s,
        .source = crl->options.source,
        .ctx = crl->options.ctx,
        /* RFC 5280 3.3: what expired stays until one list on schedule after that had it */
        .expiring_after_s = crl->scheduled_s,
    };
    size_t len = 0;

    (void)pthread_mutex_unlock(&crl->lock);
    bool made = number_next(crl, now_us, &spec.number, err) && crl_make(&spec, &der, &len, err)
                && (!on_schedule || state_write(crl, crl->leased, now_s, err));
    unsigned char *copy = made ? malloc(len) : NULL;
    (void)pthread_mutex_lock(&crl->lock);
    if (copy == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the revocation list");
    }
    memcpy(copy, der, len);
    free(crl->der);
    crl->der = copy;
    crl->der_len = len;
    crl->number = spec.number;
    crl->in_list = reading;
    crl->this_update_s = now_s;
    crl->renew_at_s = now_s + crl->options.lifetime_s / 2;
    return true;
}

bool crl_refresh(struct crl *crl, struct err *err) {
    bool good = true;

    (void)pthread_mutex_lock(&crl->lock);
    uint64_t wanted = crl->begun + 1;
    while (good && crl->in_list < wanted) {
        if (crl->busy) {
            (void)pthread_cond_wait(&crl->changed, &crl->lock);
            continue;
        }
        crl->busy = true;
        good = renew_locked(crl, err);
        crl->made += good;
        crl->failed += !good;
        crl->busy = false;
        (void)pthread_cond_broadcast(&crl->changed);
    }
    (void)pthread_mutex_unlock(&crl->lock);
    return good;
}

/* Real microseconds until the list is due, held between the two limits. */
static uint64_t until_due_us(const struct crl *crl) {
    int64_t left_s = crl->renew_at_s - clock_now_s(crl->options.clock);
    uint64_t wait_us = LOOK_MIN_US;

    if (left_s > 0) {
        wait_us = clock_real_delay_us(crl->options.clock, (uint64_t)left_s * 1000000);
    }
    return wait_us < LOOK_MIN_US ? LOOK_MIN_US : wait_us > LOOK_MAX_US ? LOOK_MAX_US : wait_us;
}

static void *renew_on_time(void *ctx) {
    struct crl *crl = ctx;

    (void)pthread_mutex_lock(&crl->lock);
    while (!crl->stopping) {
        struct timespec until;
        uint64_t wait_us = until_due_us(crl);

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t until_us =
            (uint64_t)until.tv_sec * 1000000 + (uint64_t)until.tv_nsec / 1000 + wait_us;
        until.tv_sec = (time_t)(until_us / 1000000);
        until.tv_nsec = (long)(until_us % 1000000) * 1000;
        (void)pthread_cond_timedwait(&crl->changed, &crl->lock, &until);
        if (crl->stopping || clock_now_s(crl->options.clock) < crl->renew_at_s) {
            continue;
        }
        (void)pthread_mutex_unlock(&crl->lock);
        struct err err = {0};
        if (!crl_refresh(crl, &err)) {
            log_line(LOG_ERROR, "crl", "renew", "kind=%s", err_name(err.kind));
        }
        (void)pthread_mutex_lock(&crl->lock);
    }
    (void)pthread_mutex_unlock(&crl->lock);
    return NULL;
}

struct crl *crl_new(const struct crl_options *options, struct err *err) {
    AUTO(crl_free) struct crl *crl = calloc(1, sizeof *crl);
    pthread_condattr_t attr;

    if (crl == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the revocation list");
        return NULL;
    }
    crl->options = *options;
    if (crl->options.lifetime_s == 0) {
        crl->options.lifetime_s = DAY_S;
    }
    (void)pthread_mutex_init(&crl->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&crl->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    state_read(crl);
    if (!crl_refresh(crl, err)) {
        return NULL;
    }
    if (pthread_create(&crl->thread, NULL, renew_on_time, crl) != 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not start a thread");
        return NULL;
    }
    crl->started = true;
    return TAKE(crl);
}

void crl_free(struct crl *crl) {
    if (crl == NULL) {
        return;
    }
    if (crl->started) {
        (void)pthread_mutex_lock(&crl->lock);
        crl->stopping = true;
        (void)pthread_cond_broadcast(&crl->changed);
        (void)pthread_mutex_unlock(&crl->lock);
        (void)pthread_join(crl->thread, NULL);
    }
    (void)pthread_cond_destroy(&crl->changed);
    (void)pthread_mutex_destroy(&crl->lock);
    free(crl->der);
    free(crl);
}

unsigned char *crl_der(struct crl *crl, size_t *ret_len, int64_t *ret_this_update_s) {
    (void)pthread_mutex_lock(&crl->lock);
    unsigned char *copy = malloc(crl->der_len);
    if (copy != NULL) {
        memcpy(copy, crl->der, crl->der_len);
        *ret_len = crl->der_len;
        if (ret_this_update_s != NULL) {
            *ret_this_update_s = crl->this_update_s;
        }
    }
    (void)pthread_mutex_unlock(&crl->lock);
    return copy;
}

uint64_t crl_number(struct crl *crl) {
    (void)pthread_mutex_lock(&crl->lock);
    uint64_t number = crl->number;
    (void)pthread_mutex_unlock(&crl->lock);
    return number;
}

struct crl_counts crl_counts(struct crl *crl) {
    (void)pthread_mutex_lock(&crl->lock);
    struct crl_counts counts = {.made = crl->made,
                                .failed = crl->failed,
                                .octets = crl->der_len,
                                .this_update_s = crl->this_update_s};
    (void)pthread_mutex_unlock(&crl->lock);
    return counts;
}
