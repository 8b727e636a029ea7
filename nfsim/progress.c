#include "nfsim/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

#define TERMINAL_US 200000
#define PLAIN_US 2000000

struct progress {
    struct loop *loop;
    const struct stats *stats;
    uint32_t total;
    bool rewrite;
    uint64_t start_us, last_us, last_enrolled;
    struct loop_timer timer;
};

static void show(struct progress *progress, bool last) {
    struct stats_now now;
    const uint64_t at_us = clock_wall_us();
    const uint64_t since_us = at_us - (last ? progress->start_us : progress->last_us);

    stats_now(progress->stats, &now);
    const uint64_t done = now.enrolled - (last ? 0 : progress->last_enrolled);
    const double rate = since_us == 0 ? 0 : (double)done * 1e6 / (double)since_us;
    (void)fprintf(stderr,
                  "%s%5.1f s  %llu/%u enrolled  %llu in flight  %llu waiting  %llu failed  "
                  "%llu timeout  %llu shed  %.1f/s  p50 %.1f ms  p99 %.1f ms%s",
                  progress->rewrite ? "\r" : "", (double)(at_us - progress->start_us) / 1e6,
                  (unsigned long long)now.enrolled, progress->total,
                  (unsigned long long)(now.in_flight - now.waiting),
                  (unsigned long long)now.waiting, (unsigned long long)now.failed,
                  (unsigned long long)now.timeout, (unsigned long long)now.shed, rate,
                  (double)now.total_p50_us / 1e3, (double)now.total_p99_us / 1e3,
                  progress->rewrite ? (last ? "\033[K\n" : "\033[K") : "\n");
    (void)fflush(stderr);
    progress->last_us = at_us;
    progress->last_enrolled = now.enrolled;
}

static void due(void *ctx) {
    struct progress *progress = ctx;

    show(progress, false);
    loop_timer_set(progress->loop, &progress->timer,
                   clock_wall_us() + (progress->rewrite ? TERMINAL_US : PLAIN_US), due, progress);
}

struct progress *progress_start(struct loop *loop, const struct stats *stats, uint32_t total,
                                bool plain) {
    struct progress *progress = calloc(1, sizeof *progress);

    if (progress == NULL) {
        return NULL;
    }
    progress->loop = loop;
    progress->stats = stats;
    progress->total = total;
    progress->rewrite = !plain && isatty(STDERR_FILENO) == 1;
    progress->start_us = progress->last_us = clock_wall_us();
    loop_timer_set(loop, &progress->timer,
                   progress->start_us + (progress->rewrite ? TERMINAL_US : PLAIN_US), due,
                   progress);
    return progress;
}

void progress_stop(struct progress *progress) {
    if (progress == NULL) {
        return;
    }
    loop_timer_unset(progress->loop, &progress->timer);
    show(progress, true);
    free(progress);
}
