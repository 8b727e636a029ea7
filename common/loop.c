#include "common/loop.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

#define LOOP_EVENTS_MAX 256  /* descriptors served per turn */
#define LOOP_FDS_MAX 4194304 /* no descriptor number is larger */

struct posted {
    loop_call *fn;
    void *ctx;
};

struct posted_list {
    struct posted *calls;
    uint32_t count;
    uint32_t size;
};

struct watch {
    loop_ready *fn;
    void *ctx;
    uint32_t events;     /* 0 = not watched */
    uint32_t generation; /* tells an event of an earlier watch of the same number */
};

struct loop {
    int epoll_fd;
    int wake_fd;
    uint64_t now_us;
    bool coarse; /* the kernel lacks epoll_pwait2 */

    struct watch *watches; /* by descriptor */
    uint32_t watches_size;

    struct loop_timer **heap; /* 1-based, heap[1] is due first */
    uint32_t timers;
    uint32_t heap_size;

    pthread_mutex_t lock; /* of what follows */
    struct posted_list posted;
    struct posted_list running; /* only the loop's thread */
    bool sleeping;              /* a post must wake the loop */
    bool stopped;
};

struct loop *loop_new(struct err *err) {
    AUTO(loop_free) struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for an event loop");
        return NULL;
    }
    (void)pthread_mutex_init(&loop->lock, NULL);
    loop->now_us = clock_wall_us();
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    if (loop->epoll_fd < 0 || loop->wake_fd < 0
        || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not make an event loop");
        (void)err_cause(err, "%s", strerror(errno));
        return NULL;
    }
    return TAKE(loop);
}

void loop_free(struct loop *loop) {
    if (loop == NULL) {
        return;
    }
    for (uint32_t i = 1; i <= loop->timers; i++) {
        loop->heap[i]->place = 0;
    }
    if (loop->epoll_fd >= 0) {
        (void)close(loop->epoll_fd);
    }
    if (loop->wake_fd >= 0) {
        (void)close(loop->wake_fd);
    }
    (void)pthread_mutex_destroy(&loop->lock);
    free(loop->watches);
    free(loop->heap);
    free(loop->posted.calls);
    free(loop->running.calls);
    free(loop);
}

uint64_t loop_now_us(const struct loop *loop) { return loop->now_us; }

/* ---- calls from other threads ---- */

/* Under the lock. */
static void wake(struct loop *loop) {
    if (loop->sleeping) {
        loop->sleeping = false;
        (void)eventfd_write(loop->wake_fd, 1);
    }
}

void loop_stop(struct loop *loop) {
    (void)pthread_mutex_lock(&loop->lock);
    loop->stopped = true;
    wake(loop);
    (void)pthread_mutex_unlock(&loop->lock);
}

void loop_post(struct loop *loop, loop_call *fn, void *ctx) {
    (void)pthread_mutex_lock(&loop->lock);
    struct posted_list *list = &loop->posted;
    if (list->count == list->size) {
        uint32_t size = list->size == 0 ? 64 : list->size * 2;
        struct posted *calls = reallocarray(list->calls, size, sizeof(*calls));
        if (calls == NULL) {
            abort(); /* a lost call would hang its owner for ever */
        }
        list->calls = calls;
        list->size = size;
    }
    list->calls[list->count++] = (struct posted){fn, ctx};
    wake(loop);
    (void)pthread_mutex_unlock(&loop->lock);
}

static void run_posted(struct loop *loop) {
    (void)pthread_mutex_lock(&loop->lock);
    loop->sleeping = false;
    struct posted_list taken = loop->posted;
    loop->posted = loop->running;
    loop->running = taken;
    (void)pthread_mutex_unlock(&loop->lock);
    for (uint32_t i = 0; i < taken.count; i++) {
        taken.calls[i].fn(taken.calls[i].ctx);
    }
    loop->running.count = 0;
}

/* ---- timers ---- */

static void place(struct loop *loop, uint32_t at, struct loop_timer *timer) {
    loop->heap[at] = timer;
    timer->place = at;
}

static void sift_up(struct loop *loop, uint32_t at, struct loop_timer *timer) {
    while (at > 1 && loop->heap[at / 2]->due_us > timer->due_us) {
        place(loop, at, loop->heap[at / 2]);
        at /= 2;
    }
    place(loop, at, timer);
}

static void sift_down(struct loop *loop, uint32_t at, struct loop_timer *timer) {
    for (uint32_t child = at * 2; child <= loop->timers; child = at * 2) {
        if (child < loop->timers && loop->heap[child + 1]->due_us < loop->heap[child]->due_us) {
            child++;
        }
        if (loop->heap[child]->due_us >= timer->due_us) {
            break;
        }
        place(loop, at, loop->heap[child]);
        at = child;
    }
    place(loop, at, timer);
}

static void settle(struct loop *loop, uint32_t at, struct loop_timer *timer) {
    if (at > 1 && loop->heap[at / 2]->due_us > timer->due_us) {
        sift_up(loop, at, timer);
    } else {
        sift_down(loop, at, timer);
    }
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due_us, loop_call *fn,
                    void *ctx) {
    timer->due_us = due_us;
    timer->fn = fn;
    timer->ctx = ctx;
    if (timer->place != 0) {
        settle(loop, timer->place, timer);
        return;
    }
    if (loop->timers + 1 >= loop->heap_size) {
        uint32_t size = loop->heap_size == 0 ? 64 : loop->heap_size * 2;
        struct loop_timer **heap = reallocarray(loop->heap, size, sizeof(*heap));
        if (heap == NULL) {
            abort(); /* as loop_post */
        }
        loop->heap = heap;
        loop->heap_size = size;
    }
    loop->timers++;
    sift_up(loop, loop->timers, timer);
}

void loop_timer_unset(struct loop *loop, struct loop_timer *timer) {
    uint32_t at = timer->place;

    if (at == 0) {
        return;
    }
    timer->place = 0;
    struct loop_timer *last = loop->heap[loop->timers--];
    if (last != timer) {
        settle(loop, at, last);
    }
}

/* At most as many as are set now, so that a timer that sets itself anew cannot hold the loop. */
static void run_timers(struct loop *loop) {
    for (uint32_t left = loop->timers; left > 0 && loop->timers > 0; left--) {
        struct loop_timer *timer = loop->heap[1];
        if (timer->due_us > loop->now_us) {
            return;
        }
        loop_timer_unset(loop, timer);
        timer->fn(timer->ctx);
    }
}

/* ---- descriptors ---- */

static bool watches_grow(struct loop *loop, int fd, struct err *err) {
    if (fd < 0 || fd >= LOOP_FDS_MAX) {
        return err_set(err, ERR_SERVER_INTERNAL, "not a descriptor: %d", fd);
    }
    if ((uint32_t)fd < loop->watches_size) {
        return true;
    }
    uint32_t size = loop->watches_size == 0 ? 64 : loop->watches_size;
    while (size <= (uint32_t)fd) {
        size *= 2;
    }
    struct watch *watches = reallocarray(loop->watches, size, sizeof(*watches));
    if (watches == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory to watch a descriptor");
    }
    memset(watches + loop->watches_size, 0, (size - loop->watches_size) * sizeof(*watches));
    loop->watches = watches;
    loop->watches_size = size;
    return true;
}

/* A descriptor closed while watched has left the epoll set by itself, and its number may be in
 * use again: then it is added anew. */
static bool epoll_set(struct loop *loop, int fd, bool watched, uint32_t events,
                      uint32_t generation) {
    struct epoll_event event = {.events = events,
                                .data.u64 = (uint64_t)generation << 32 | (uint32_t)fd};

    if (watched && epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0) {
        return true;
    }
    return (!watched || errno == ENOENT)
           && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool loop_watch(struct loop *loop, int fd, uint32_t events, loop_ready *fn, void *ctx,
                struct err *err) {
    if (!watches_grow(loop, fd, err)) {
        return false;
    }
    struct watch *watch = &loop->watches[fd];
    if (events == 0) {
        if (watch->events != 0) {
            (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        }
        *watch = (struct watch){.generation = watch->generation + 1};
        return true;
    }
    const bool watched = watch->events != 0;
    uint32_t generation = watched ? watch->generation : watch->generation + 1;
    if (!epoll_set(loop, fd, watched, events, generation)) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not watch a descriptor");
        return err_cause(err, "%s", strerror(errno));
    }
    *watch = (struct watch){fn, ctx, events, generation};
    return true;
}

static void run_event(struct loop *loop, const struct epoll_event *event) {
    uint32_t fd = (uint32_t)event->data.u64;
    uint32_t generation = (uint32_t)(event->data.u64 >> 32);

    if (event->data.u64 == UINT64_MAX) {
        eventfd_t ignored;
        (void)eventfd_read(loop->wake_fd, &ignored);
        return;
    }
    /* an earlier call of this turn may have ended the watch */
    const struct watch *watch = &loop->watches[fd];
    if (watch->events != 0 && watch->generation == generation) {
        watch->fn(watch->ctx, event->events);
    }
}

/* ---- turning ---- */

static int wait_events(struct loop *loop, struct epoll_event *events, bool idle) {
    int64_t wait_us = idle ? -1 : 0;

    if (idle && loop->timers > 0) {
        uint64_t now = clock_wall_us();
        uint64_t due = loop->heap[1]->due_us;
        wait_us = due > now ? (int64_t)(due - now) : 0;
    }
    if (!loop->coarse) {
        struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
        int count =
            epoll_pwait2(loop->epoll_fd, events, LOOP_EVENTS_MAX, wait_us < 0 ? NULL : &wait, NULL);
        if (count >= 0 || errno != ENOSYS) {
            return count;
        }
        loop->coarse = true;
    }
    int64_t wait_ms = wait_us < 0 ? -1 : (wait_us + 999) / 1000;
    return epoll_wait(loop->epoll_fd, events, LOOP_EVENTS_MAX,
                      wait_ms > 60000 ? 60000 : (int)wait_ms);
}

/* false: stopped.  *ret_idle: nothing was posted, so the loop may sleep. */
static bool turn_begin(struct loop *loop, bool *ret_idle) {
    (void)pthread_mutex_lock(&loop->lock);
    bool stopped = loop->stopped;
    loop->stopped = false; /* a stop before the run counts, and the loop may run again */
    *ret_idle = loop->posted.count == 0;
    loop->sleeping = !stopped && *ret_idle;
    (void)pthread_mutex_unlock(&loop->lock);
    return !stopped;
}

void loop_run(struct loop *loop) {
    struct epoll_event events[LOOP_EVENTS_MAX];
    bool idle;

    while (turn_begin(loop, &idle)) {
        int count = wait_events(loop, events, idle);
        loop->now_us = clock_wall_us();
        for (int i = 0; i < count; i++) {
            run_event(loop, &events[i]);
        }
        run_posted(loop);
        run_timers(loop);
    }
}
