#include "common/later.h"

#include <pthread.h>

#include "common/clock.h"
#include "common/loop.h"

struct entry {
    struct loop_timer timer;
    struct later *later;
    uint64_t due_us;
    later_call *fn;
    void *ctx;
    struct entry *next, *previous;
};

struct later {
    pthread_mutex_t lock;
    struct loop *loop; /* NULL until the first call */
    pthread_t thread;
    bool stopping;
    struct entry *first;
    unsigned count;
};

struct later *later_new(struct err *err) {
    struct later *later = calloc(1, sizeof(*later));

    if (later == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for timers");
        return NULL;
    }
    (void)pthread_mutex_init(&later->lock, NULL);
    return later;
}

static void *run(void *ctx) {
    struct later *later = ctx;
    loop_run(later->loop);
    return NULL;
}

/* Under the lock. */
static bool start(struct later *later) {
    struct err ignored = {0};

    if (later->loop != NULL) {
        return true;
    }
    later->loop = loop_new(&ignored);
    if (later->loop != NULL && pthread_create(&later->thread, NULL, run, later) != 0) {
        loop_free(later->loop);
        later->loop = NULL;
    }
    return later->loop != NULL;
}

/* Under the lock. */
static void unlink_entry(struct later *later, struct entry *entry) {
    *(entry->previous != NULL ? &entry->previous->next : &later->first) = entry->next;
    if (entry->next != NULL) {
        entry->next->previous = entry->previous;
    }
    later->count--;
}

static void fire(void *ctx) {
    struct entry *entry = ctx;
    struct later *later = entry->later;

    (void)pthread_mutex_lock(&later->lock);
    unlink_entry(later, entry);
    (void)pthread_mutex_unlock(&later->lock);
    entry->fn(entry->ctx, false);
    free(entry);
}

static void arm(void *ctx) {
    struct entry *entry = ctx;
    loop_timer_set(entry->later->loop, &entry->timer, entry->due_us, fire, entry);
}

bool later_add(struct later *later, uint64_t after_us, later_call *fn, void *ctx) {
    struct entry *entry = calloc(1, sizeof(*entry));

    if (entry == NULL) {
        return false;
    }
    *entry =
        (struct entry){.later = later, .due_us = clock_wall_us() + after_us, .fn = fn, .ctx = ctx};
    (void)pthread_mutex_lock(&later->lock);
    bool taken = !later->stopping && later->count < LATER_MAX && start(later);
    if (taken) {
        entry->next = later->first;
        if (later->first != NULL) {
            later->first->previous = entry;
        }
        later->first = entry;
        later->count++;
        loop_post(later->loop, arm, entry);
    }
    (void)pthread_mutex_unlock(&later->lock);
    if (!taken) {
        free(entry);
    }
    return taken;
}

void later_stop(struct later *later) {
    (void)pthread_mutex_lock(&later->lock);
    bool running = !later->stopping && later->loop != NULL;
    later->stopping = true;
    (void)pthread_mutex_unlock(&later->lock);
    if (running) {
        loop_stop(later->loop);
        (void)pthread_join(later->thread, NULL);
        loop_free(later->loop); /* before the timers it still knows */
        later->loop = NULL;
    }
    /* nothing is added any more and nothing fires: the list is ours */
    while (later->first != NULL) {
        struct entry *entry = later->first;
        unlink_entry(later, entry);
        entry->fn(entry->ctx, true);
        free(entry);
    }
}

void later_free(struct later *later) {
    if (later == NULL) {
        return;
    }
    later_stop(later);
    (void)pthread_mutex_destroy(&later->lock);
    free(later);
}

unsigned later_count(struct later *later) {
    (void)pthread_mutex_lock(&later->lock);
    unsigned count = later->count;
    (void)pthread_mutex_unlock(&later->lock);
    return count;
}
