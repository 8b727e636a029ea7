/* Two kinds of threads: judges, which do instant types one after the other, and one event loop,
 * which has many fetches under way.  A slow fetch so never delays a token.  A task whose attempt
 * failed waits on the loop, with a timer, for the next one (RFC 8555 8.2). */
#include "server/va.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/loop.h"
#include "server/caa_search.h"
#include "server/va_dns01.h"
#include "server/va_http01.h"
#include "server/va_tkauth01.h"
#include "server/va_tlsalpn01.h"

#define DEFAULT_PARALLEL 256
#define DEFAULT_TIMEOUT_MS 5000
#define DEFAULT_RETRY_INTERVAL_US 5000000
#define JUDGES_MAX 8

struct job {
    struct job *next, *previous;
    struct va *va;
    struct va_task task; /* task.response is owned */
    va_done *done;
    void *ctx;
    struct caa_question caa; /* once the challenge is met */
    unsigned attempts;       /* that failed */
    uint64_t begun_us;       /* the last one, clock_wall_us */
    struct loop_timer timer; /* to the next one */
};

struct queue {
    struct job *first, *last;
};

struct va {
    const struct clock *clock;
    struct va_tkauth01 *tkauth01;
    struct va_targets *targets;
    struct va_http01 *http01;
    struct va_tlsalpn01 *tlsalpn01;
    struct resolver *records; /* for other records than addresses */
    struct va_dns01 *dns01;
    struct caa_search *caa; /* NULL: has no say */
    struct loop *loop;
    unsigned parallel_max, retries;
    uint64_t retry_interval_us;
    pthread_t fetcher, judges[JUDGES_MAX];
    bool fetcher_started;
    unsigned judges_started;
    atomic_uint queued;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t work;
    struct queue instant, slow;
    bool stopping;

    struct queue running; /* fetches; the loop's thread only */
    struct queue waiting; /* for their next attempt; likewise */
    unsigned running_count;
};

/* Calls complete(job, …) once, at once or later. */
typedef void validate(struct va *va, struct job *job);
static validate check_token, start_fetch, start_handshake, start_look_up;

/* clang-format off */
static const struct { bool instant; validate *validate; } methods[] = {
    [ACME_CHALLENGE_HTTP01]    = {false, start_fetch},
    [ACME_CHALLENGE_TKAUTH01]  = {true,  check_token},
    [ACME_CHALLENGE_TLSALPN01] = {false, start_handshake},
    [ACME_CHALLENGE_DNS01]     = {false, start_look_up},
};
/* clang-format on */
static_assert(COUNT(methods) == ACME_CHALLENGE__COUNT, "one row per challenge type");

bool va_instant(enum acme_challenge_type type) { return methods[type].instant; }

unsigned va_queued(const struct va *va) { return atomic_load(&va->queued); }

static void queue_add(struct queue *queue, struct job *job) {
    job->next = NULL;
    job->previous = queue->last;
    if (queue->last != NULL) {
        queue->last->next = job;
    } else {
        queue->first = job;
    }
    queue->last = job;
}

static void queue_remove(struct queue *queue, struct job *job) {
    *(job->previous != NULL ? &job->previous->next : &queue->first) = job->next;
    *(job->next != NULL ? &job->next->previous : &queue->last) = job->previous;
}

static struct job *queue_take(struct queue *queue) {
    struct job *job = queue->first;
    if (job != NULL) {
        queue_remove(queue, job);
    }
    return job;
}

static void job_free(struct job *job) {
    free((char *)(uintptr_t)job->task.response);
    free(job);
}

static void queue_done(struct queue *queue) {
    for (struct job *job = queue_take(queue); job != NULL; job = queue_take(queue)) {
        if (job->task.dropped != NULL) {
            job->task.dropped(job->ctx);
        }
        job_free(job);
    }
}

static void complete(struct job *job, const struct va_result *result) {
    (void)atomic_fetch_sub(&job->va->queued, 1);
    job->done(job->ctx, result);
    job_free(job);
}

/* ---- instant types, on the judges' threads ---- */

static void check_token(struct va *va, struct job *job) {
    struct va_result result;

    va_tkauth01_check(va->tkauth01, &job->task, clock_now_s(va->clock), &result);
    complete(job, &result);
}

static void *judge(void *ctx) {
    struct va *va = ctx;

    (void)pthread_mutex_lock(&va->lock);
    while (!va->stopping) {
        struct job *job = queue_take(&va->instant);
        if (job == NULL) {
            (void)pthread_cond_wait(&va->work, &va->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&va->lock);
        methods[job->task.type].validate(va, job);
        (void)pthread_mutex_lock(&va->lock);
    }
    (void)pthread_mutex_unlock(&va->lock);
    return NULL;
}

/* ---- types that need the network, on the loop's thread ---- */

static void pump(void *ctx);

/* The next attempt: behind what waits already. */
static void on_due(void *ctx) {
    struct job *job = ctx;
    struct va *va = job->va;

    queue_remove(&va->waiting, job);
    (void)pthread_mutex_lock(&va->lock);
    queue_add(&va->slow, job);
    (void)pthread_mutex_unlock(&va->lock);
    pump(va);
}

/* What an operator excludes stays excluded. */
static bool tries_again(const struct job *job, const struct va_result *result) {
    return !result->valid && job->attempts < job->va->retries
           && result->err.kind != ERR_REJECTED_IDENTIFIER;
}

static void wait_again(struct job *job, const struct va_result *result) {
    struct va *va = job->va;
    struct va_result so_far = *result;

    job->attempts++;
    so_far.again = true;
    queue_add(&va->waiting, job);
    loop_timer_set(va->loop, &job->timer, clock_wall_us() + va->retry_interval_us, on_due, job);
    job->done(job->ctx, &so_far);
}

static void attempt_end(struct job *job, const struct va_result *result) {
    struct va *va = job->va;

    queue_remove(&va->running, job);
    va->running_count--;
    if (tries_again(job, result)) {
        wait_again(job, result);
    } else {
        complete(job, result);
    }
    loop_post(va->loop, pump, va);
}

static void on_caa(void *ctx, const struct err *err) {
    attempt_end(ctx, &(struct va_result){.valid = err->kind == ERR_NONE, .err = *err});
}

/* The challenge's outcome; met, RFC 8659 has a word. */
static void on_fetched(void *ctx, const struct va_result *result) {
    struct job *job = ctx;
    const struct va_task *task = &job->task;

    if (!result->valid || job->va->caa == NULL || task->identifier.type != ACME_ID_DNS) {
        attempt_end(job, result);
        return;
    }
    job->caa = (struct caa_question){.wildcard = task->wildcard, .method = task->type};
    memcpy(job->caa.name, task->identifier.value, sizeof job->caa.name);
    memcpy(job->caa.account, task->account, sizeof job->caa.account);
    caa_search_start(job->va->caa, &job->caa, on_caa, job);
}

bool va_caa_asked(const struct va *va) { return va->caa != NULL; }

bool va_caa(struct va *va, const struct caa_batch *batch, struct err *err) {
    return caa_search_post(va->caa, batch, err);
}

struct hurry {
    struct va *va;
    char key[VA_KEY_SIZE];
};

static void on_hurry(void *ctx) {
    AUTO(free) struct hurry *hurry = ctx;
    struct va *va = hurry->va;

    for (struct job *job = va->waiting.first; job != NULL; job = job->next) {
        uint64_t due_us = job->begun_us + VA_HASTEN_US;
        if (strcmp(job->task.key, hurry->key) == 0) {
            if (due_us < job->timer.due_us) {
                loop_timer_set(va->loop, &job->timer, due_us, on_due, job);
            }
            return;
        }
    }
}

void va_hasten(struct va *va, const char *key) {
    struct hurry *hurry = va->retries == 0 ? NULL : calloc(1, sizeof *hurry);

    if (hurry != NULL) { /* without memory it is due when it is due */
        hurry->va = va;
        (void)snprintf(hurry->key, sizeof hurry->key, "%s", key);
        loop_post(va->loop, on_hurry, hurry);
    }
}

bool va_retries(const struct va *va) { return va->retries > 0; }

uint64_t va_retry_interval_us(const struct va *va) { return va->retry_interval_us; }

static void start_fetch(struct va *va, struct job *job) {
    va_http01_start(va->http01, &job->task, on_fetched, job);
}

static void start_handshake(struct va *va, struct job *job) {
    va_tlsalpn01_start(va->tlsalpn01, &job->task, on_fetched, job);
}

static void start_look_up(struct va *va, struct job *job) {
    va_dns01_start(va->dns01, &job->task, on_fetched, job);
}

/* Start what may run. */
static void pump(void *ctx) {
    struct va *va = ctx;

    while (va->running_count < va->parallel_max) {
        (void)pthread_mutex_lock(&va->lock);
        struct job *job = queue_take(&va->slow);
        (void)pthread_mutex_unlock(&va->lock);
        if (job == NULL) {
            return;
        }
        queue_add(&va->running, job);
        va->running_count++;
        job->begun_us = clock_wall_us();
        methods[job->task.type].validate(va, job);
    }
}

static void *fetch(void *ctx) {
    struct va *va = ctx;
    loop_run(va->loop);
    return NULL;
}

/* ---- life ---- */

static bool threads_start(struct va *va, struct err *err) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned judges = processors < 4                ? 1
                      : processors / 4 > JUDGES_MAX ? JUDGES_MAX
                                                    : (unsigned)processors / 4;

    va->fetcher_started = pthread_create(&va->fetcher, NULL, fetch, va) == 0;
    while (va->judges_started < judges
           && pthread_create(&va->judges[va->judges_started], NULL, judge, va) == 0) {
        va->judges_started++;
    }
    if (!va->fetcher_started || va->judges_started == 0) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not start the validation threads");
    }
    return true;
}

/* What asks for more than addresses: by the resolver even where names have one known address. */
static bool look_ups_new(struct va *va, const struct va_options *options, struct err *err) {
    unsigned timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;

    va->records = resolver_new(va->loop, options->resolver, timeout_ms, err);
    va->dns01 = va->records == NULL ? NULL : va_dns01_new(options, va->records, err);
    if (va->dns01 == NULL || options->caa_identities == NULL) {
        return va->dns01 != NULL;
    }
    va->caa = caa_search_new(options, va->loop, va->records, err);
    return va->caa != NULL;
}

static bool validators_new(struct va *va, const struct va_options *options, struct err *err) {
    va->tkauth01 = va_tkauth01_new(options->token_authority, options->key_binding, err);
    va->loop = va->tkauth01 == NULL ? NULL : loop_new(err);
    va->targets = va->loop == NULL ? NULL : va_targets_new(options, va->loop, err);
    va->http01 = va->targets == NULL ? NULL : va_http01_new(options, va->loop, va->targets, err);
    va->tlsalpn01 =
        va->http01 == NULL ? NULL : va_tlsalpn01_new(options, va->loop, va->targets, err);
    return va->tlsalpn01 != NULL && look_ups_new(va, options, err);
}

struct va *va_new(const struct va_options *options, struct err *err) {
    AUTO(va_free) struct va *va = calloc(1, sizeof *va);

    if (va == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for validation");
        return NULL;
    }
    (void)pthread_mutex_init(&va->lock, NULL);
    (void)pthread_cond_init(&va->work, NULL);
    atomic_init(&va->queued, 0);
    va->clock = options->clock;
    va->parallel_max = options->parallel_max != 0 ? options->parallel_max : DEFAULT_PARALLEL;
    va->retries = options->retries;
    va->retry_interval_us =
        options->retry_interval_us != 0 ? options->retry_interval_us : DEFAULT_RETRY_INTERVAL_US;
    if (!validators_new(va, options, err) || !threads_start(va, err)) {
        return NULL;
    }
    return TAKE(va);
}

void va_free(struct va *va) {
    if (va == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&va->lock);
    va->stopping = true;
    (void)pthread_cond_broadcast(&va->work);
    (void)pthread_mutex_unlock(&va->lock);
    if (va->fetcher_started) {
        loop_stop(va->loop);
        (void)pthread_join(va->fetcher, NULL);
    }
    while (va->judges_started > 0) {
        (void)pthread_join(va->judges[--va->judges_started], NULL);
    }
    va_http01_free(va->http01);
    va_tlsalpn01_free(va->tlsalpn01);
    va_dns01_free(va->dns01);
    caa_search_free(va->caa);
    resolver_free(va->records);
    va_targets_free(va->targets);
    loop_free(va->loop);
    va_tkauth01_free(va->tkauth01);
    queue_done(&va->instant);
    queue_done(&va->slow);
    queue_done(&va->running);
    queue_done(&va->waiting);
    (void)pthread_cond_destroy(&va->work);
    (void)pthread_mutex_destroy(&va->lock);
    free(va);
}

static struct job *job_new(struct va *va, const struct va_task *task, va_done *done, void *ctx) {
    struct job *job = calloc(1, sizeof *job);
    char *response = strdup(task->response == NULL ? "" : task->response);

    if (job == NULL || response == NULL) {
        free(job);
        free(response);
        return NULL;
    }
    *job = (struct job){.va = va, .task = *task, .done = done, .ctx = ctx};
    job->task.response = response;
    return job;
}

bool va_submit(struct va *va, const struct va_task *task, va_done *done, void *ctx,
               struct err *err) {
    if (task->response != NULL && strlen(task->response) > VA_RESPONSE_MAX) {
        return err_set(err, ERR_MALFORMED, "the challenge response is longer than %d octets",
                       VA_RESPONSE_MAX);
    }
    if (atomic_fetch_add(&va->queued, 1) >= VA_QUEUE_MAX) {
        (void)atomic_fetch_sub(&va->queued, 1);
        return err_set(err, ERR_OVERLOAD, "too many validations are waiting");
    }
    struct job *job = job_new(va, task, done, ctx);
    if (job == NULL) {
        (void)atomic_fetch_sub(&va->queued, 1);
        return err_set(err, ERR_NO_MEMORY, "no memory for a validation");
    }
    bool instant = va_instant(task->type);
    (void)pthread_mutex_lock(&va->lock);
    queue_add(instant ? &va->instant : &va->slow, job);
    if (instant) {
        (void)pthread_cond_signal(&va->work);
    }
    (void)pthread_mutex_unlock(&va->lock);
    if (!instant) {
        loop_post(va->loop, pump, va);
    }
    return true;
}
