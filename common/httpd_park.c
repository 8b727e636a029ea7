/*
 * A connection that waits is suspended in libmicrohttpd and watched on a loop of its own.  Whoever
 * is suspended stays in memory until resumed, so the loop may use it until then, and not after.
 */
#include "common/httpd_park.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/httpd_pulse.h"

struct httpd_park {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock; /* between the last to come and the end */
    bool running, stopping;
    struct httpd_connection *first; /* the loop's */
};

static void *run(void *ctx) {
    struct httpd_park *park = ctx;
    loop_run(park->loop);
    return NULL;
}

struct httpd_park *httpd_park_start(struct err *err) {
    AUTO(httpd_park_free) struct httpd_park *park = calloc(1, sizeof(*park));

    if (park == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for handshakes");
        return NULL;
    }
    (void)pthread_mutex_init(&park->lock, NULL);
    park->loop = loop_new(err);
    if (park->loop == NULL) {
        return NULL;
    }
    park->running = pthread_create(&park->thread, NULL, run, park) == 0;
    if (!park->running) {
        (void)err_set(err, ERR_NO_MEMORY, "could not start the thread of the handshakes");
        return NULL;
    }
    return TAKE(park);
}

/* ---- on the loop's thread ---- */

static void leave(struct httpd_connection *waiting) {
    struct httpd_park *park = waiting->park;
    struct err err = {0};

    bool forgotten = loop_watch(park->loop, waiting->fd, 0, NULL, NULL, &err);
    (void)forgotten;
    loop_timer_unset(park->loop, &waiting->timer);
    *(waiting->previous == NULL ? &park->first : &waiting->previous->next) = waiting->next;
    if (waiting->next != NULL) {
        waiting->next->previous = waiting->previous;
    }
    waiting->previous = waiting->next = NULL;
    MHD_resume_connection(waiting->connection);
}

static void on_ready(void *ctx, uint32_t events) {
    (void)events;
    leave(ctx);
}

static void on_late(void *ctx) {
    struct httpd_connection *waiting = ctx;

    (void)shutdown(waiting->fd, SHUT_RDWR); /* libmicrohttpd reads the end and closes */
    leave(waiting);
}

static void on_beat(void *ctx) { leave(ctx); }

static void enter(void *ctx) {
    struct httpd_connection *waiting = ctx;
    struct httpd_park *park = waiting->park;
    struct err err = {0};

    waiting->next = park->first;
    waiting->previous = NULL;
    if (park->first != NULL) {
        park->first->previous = waiting;
    }
    park->first = waiting;
    if (waiting->pulse) {
        loop_timer_set(park->loop, &waiting->timer, clock_wall_us() + HTTPD_PULSE_US, on_beat,
                       waiting);
        return;
    }
    if (waiting->due_us == 0) {
        waiting->due_us = clock_wall_us() + HTTPD_HANDSHAKE_S * 1000000ULL;
    }
    if (!loop_watch(park->loop, waiting->fd, EPOLLIN, on_ready, waiting, &err)) {
        on_late(waiting);
        return;
    }
    loop_timer_set(park->loop, &waiting->timer, waiting->due_us, on_late, waiting);
}

static void end(void *ctx) {
    struct httpd_park *park = ctx;

    while (park->first != NULL) {
        on_late(park->first);
    }
    loop_stop(park->loop);
}

/* ---- from outside ---- */

void httpd_park_wait(struct httpd_connection *waiting) {
    struct httpd_park *park = waiting->park;

    (void)pthread_mutex_lock(&park->lock);
    if (!park->stopping) {
        MHD_suspend_connection(waiting->connection);
        loop_post(park->loop, enter, waiting);
    }
    (void)pthread_mutex_unlock(&park->lock);
}

void httpd_park_stop(struct httpd_park *park) {
    if (park != NULL && park->running) {
        (void)pthread_mutex_lock(&park->lock);
        park->stopping = true;
        (void)pthread_mutex_unlock(&park->lock);
        loop_post(park->loop, end, park); /* after those that came */
        (void)pthread_join(park->thread, NULL);
        park->running = false;
    }
}

void httpd_park_free(struct httpd_park *park) {
    if (park != NULL) {
        httpd_park_stop(park);
        loop_free(park->loop);
        (void)pthread_mutex_destroy(&park->lock);
        free(park);
    }
}
