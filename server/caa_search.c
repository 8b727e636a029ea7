#include "server/caa_search.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/va_query.h"

#define DEFAULT_TIMEOUT_MS 5000

struct climb {
    struct climb *next, *previous;
    struct caa_search *owner;
    const struct caa_question *question;
    const char *at; /* in question->name */
    uint64_t begun_us, asked_us;
    caa_done *done;
    void *ctx;
};

struct batch {
    struct batch *next, *previous; /* in all */
    struct batch *next_new;
    struct caa_search *owner;
    struct caa_batch what; /* its questions are owned */
    unsigned at;
};

struct caa_search {
    struct caa_policy policy;
    struct loop *loop;
    struct resolver *resolver;
    struct va_observer observer;
    const struct clock *clock;
    uint64_t timeout_us;
    struct climb *climbs;

    pthread_mutex_t lock; /* of what follows */
    struct batch *all, *fresh;
    unsigned count;
};

struct caa_search *caa_search_new(const struct va_options *options, struct loop *loop,
                                  struct resolver *resolver, struct err *err) {
    struct caa_search *search = calloc(1, sizeof *search);

    if (search == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for CAA");
        return NULL;
    }
    (void)pthread_mutex_init(&search->lock, NULL);
    search->policy = (struct caa_policy){options->caa_identities, options->names};
    search->loop = loop;
    search->resolver = resolver;
    search->observer = options->observer;
    search->clock = options->clock;
    search->timeout_us =
        (uint64_t)(options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS) * 1000;
    return search;
}

/* ---- one question ---- */

static void climb_free(struct climb *climb) {
    *(climb->previous != NULL ? &climb->previous->next : &climb->owner->climbs) = climb->next;
    if (climb->next != NULL) {
        climb->next->previous = climb->previous;
    }
    free(climb);
}

static void climb_end(struct climb *climb, const struct err *err) {
    caa_done *done = climb->done;
    void *ctx = climb->ctx;

    climb_free(climb);
    done(ctx, err);
}

/* The records for an observer: tag and value, a line each. */
static size_t texts(const struct dns_answer *answer, char seen[VA_ANSWER_SEEN]) {
    size_t len = 0;

    for (unsigned i = 0; answer != NULL && i < answer->count; i++) {
        struct dns_caa caa;
        if (dns_caa(&answer->record[i], &caa) && len < VA_ANSWER_SEEN) {
            int more = snprintf(seen + len, VA_ANSWER_SEEN - len, "%s%u %.*s \"%.*s\"",
                                len > 0 ? "\n" : "", caa.flags, (int)caa.tag_len, caa.tag,
                                (int)caa.value_len, caa.value);
            len += more > 0 ? (size_t)more : 0;
        }
    }
    return len < VA_ANSWER_SEEN ? len : VA_ANSWER_SEEN - 1;
}

static void observe(const struct climb *climb, const struct dns_answer *answer, unsigned rcode,
                    const struct err *err) {
    const struct caa_search *owner = climb->owner;
    struct acme_identifier identifier = {.type = ACME_ID_DNS};
    char asked[DNS_NAME_SIZE + 8], seen[VA_ANSWER_SEEN];

    if (owner->observer.query == NULL) {
        return;
    }
    memcpy(identifier.value, climb->question->name, sizeof identifier.value);
    (void)snprintf(asked, sizeof asked, "CAA %s", climb->at);
    va_query_tell(&owner->observer,
                  &(struct va_query){.type = climb->question->method,
                                     .identifier = &identifier,
                                     .asked = asked,
                                     .tried = resolver_server(owner->resolver),
                                     .status = rcode,
                                     .connected = answer != NULL,
                                     .answer = seen,
                                     .answer_len = texts(answer, seen),
                                     .err = err},
                  &(struct resolver_answer){0}, 0, 0, climb->asked_us, owner->clock);
}

static void climb_ask(struct climb *climb);

static void on_answer(void *ctx, const struct dns_answer *answer, unsigned rcode,
                      const struct err *cause) {
    struct climb *climb = ctx;
    struct err err = *cause;

    if (answer != NULL && answer->count > 0) {
        (void)!caa_permits(&climb->owner->policy, climb->question, climb->at, answer->record,
                           answer->count, &err);
    }
    observe(climb, answer, rcode, &err);
    const char *parent = strchr(climb->at, '.');
    if (answer == NULL || answer->count > 0 || parent == NULL) {
        climb_end(climb, &err);
    } else if (clock_wall_us() > climb->begun_us + climb->owner->timeout_us) {
        (void)err_set(&err, ERR_DNS, "CAA records of %.100s could not be looked up in time",
                      climb->question->name);
        climb_end(climb, &err);
    } else {
        climb->at = parent + 1;
        climb_ask(climb);
    }
}

static void climb_ask(struct climb *climb) {
    climb->asked_us = clock_wall_us();
    resolver_ask(climb->owner->resolver, climb->at, DNS_TYPE_CAA, on_answer, climb);
}

void caa_search_start(struct caa_search *search, const struct caa_question *question,
                      caa_done *done, void *ctx) {
    struct climb *climb = calloc(1, sizeof *climb);

    if (climb == NULL) {
        struct err err = {0};
        (void)err_set(&err, ERR_NO_MEMORY, "no memory for CAA");
        done(ctx, &err);
        return;
    }
    *climb = (struct climb){.next = search->climbs,
                            .owner = search,
                            .question = question,
                            .at = question->name,
                            .begun_us = clock_wall_us(),
                            .done = done,
                            .ctx = ctx};
    if (climb->next != NULL) {
        climb->next->previous = climb;
    }
    search->climbs = climb;
    climb_ask(climb);
}

/* ---- several ---- */

static void batch_free(struct batch *batch) {
    free((struct caa_question *)(uintptr_t)batch->what.questions);
    free(batch);
}

static void batch_remove(struct batch *batch) {
    struct caa_search *search = batch->owner;

    (void)pthread_mutex_lock(&search->lock);
    *(batch->previous != NULL ? &batch->previous->next : &search->all) = batch->next;
    if (batch->next != NULL) {
        batch->next->previous = batch->previous;
    }
    search->count--;
    (void)pthread_mutex_unlock(&search->lock);
}

static void on_question(void *ctx, const struct err *err) {
    struct batch *batch = ctx;
    const struct caa_question *question = &batch->what.questions[batch->at];

    if (err->kind == ERR_NONE && ++batch->at < batch->what.count) {
        caa_search_start(batch->owner, question + 1, on_question, batch);
        return;
    }
    batch_remove(batch);
    batch->what.done(batch->what.ctx, err->kind == ERR_NONE ? NULL : question, err);
    batch_free(batch);
}

/* Begin what was posted. */
static void begin(void *ctx) {
    struct caa_search *search = ctx;

    (void)pthread_mutex_lock(&search->lock);
    struct batch *fresh = search->fresh;
    search->fresh = NULL;
    (void)pthread_mutex_unlock(&search->lock);
    while (fresh != NULL) {
        struct batch *batch = fresh;
        fresh = batch->next_new;
        caa_search_start(search, batch->what.questions, on_question, batch);
    }
}

bool caa_search_post(struct caa_search *search, const struct caa_batch *what, struct err *err) {
    struct batch *batch = calloc(1, sizeof *batch);
    struct caa_question *questions = calloc(what->count, sizeof *questions);

    if (batch == NULL || questions == NULL) {
        free(batch);
        free(questions);
        return err_set(err, ERR_NO_MEMORY, "no memory for CAA");
    }
    memcpy(questions, what->questions, what->count * sizeof *questions);
    *batch = (struct batch){.owner = search, .what = *what};
    batch->what.questions = questions;
    (void)pthread_mutex_lock(&search->lock);
    bool room = search->count < CAA_BATCHES_MAX;
    if (room) {
        batch->next = search->all;
        if (batch->next != NULL) {
            batch->next->previous = batch;
        }
        search->all = batch;
        batch->next_new = search->fresh;
        search->fresh = batch;
        search->count++;
    }
    (void)pthread_mutex_unlock(&search->lock);
    if (!room) {
        batch_free(batch);
        return err_set(err, ERR_OVERLOAD, "too many CAA look-ups are under way");
    }
    loop_post(search->loop, begin, search);
    return true;
}

void caa_search_free(struct caa_search *search) {
    if (search == NULL) {
        return;
    }
    while (search->climbs != NULL) {
        climb_free(search->climbs);
    }
    while (search->all != NULL) {
        struct batch *batch = search->all;
        batch_remove(batch);
        batch->what.dropped(batch->what.ctx);
        batch_free(batch);
    }
    (void)pthread_mutex_destroy(&search->lock);
    free(search);
}
