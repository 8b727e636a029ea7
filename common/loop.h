/* One event loop per thread: descriptors by epoll, timers, and calls posted from other threads. */
#pragma once

#include <stdint.h>

#include "common/err.h"

struct loop;

typedef void loop_call(void *ctx);
typedef void loop_ready(void *ctx, uint32_t epoll_events);

struct loop *loop_new(struct err *err);
void loop_free(struct loop *loop); /* not running; unset timers and watches are forgotten */
AUTO_DEFINE(struct loop, loop_free)

/* Run until loop_stop; both from any thread (loop_run from one). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Run fn(ctx) on the loop's thread, in posting order.  From any thread, wakes the loop once per
 * burst.  Aborts only when memory is out. */
void loop_post(struct loop *loop, loop_call *fn, void *ctx);

/* Timers live in the caller's memory ({0} = unset) and fire once, on the loop's thread.
 * due_us  clock_wall_us.  Setting a set timer moves it. */
struct loop_timer {
    uint64_t due_us;
    loop_call *fn;
    void *ctx;
    uint32_t place; /* in the heap, 1-based; 0 = not set */
};
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due_us, loop_call *fn,
                    void *ctx);
void loop_timer_unset(struct loop *loop, struct loop_timer *timer);

/* Watch a descriptor (EPOLLIN | EPOLLOUT…; 0 stops watching).  One watch per descriptor. */
MUST_CHECK bool loop_watch(struct loop *loop, int fd, uint32_t events, loop_ready *fn, void *ctx,
                           struct err *err);
/* The loop's idea of now, taken once per turn: cheap. */
uint64_t loop_now_us(const struct loop *loop);
