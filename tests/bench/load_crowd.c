#include "tests/bench/load_crowd.h"

#include <stdlib.h>

#include "common/clock.h"

#define FAILED_PAUSE_US 100000 /* a server that refuses everything is not asked all the time */
#define WATCH_US 1000000

struct crowd {
    const struct crowd_options *options;
    struct flow *flows;
    struct load_account *own;    /* one per flow */
    struct load_account *shared; /* options->shared of them and the busy one */
    unsigned shared_count;
    unsigned running; /* flows that are not over */
    unsigned waiting; /* accounts yet to be made */
    uint64_t begun;   /* flows */
    uint64_t end_us;
    struct loop_timer watch;
    struct rng rng;
    bool stuck, failed;
};

static bool crowd_goes_on(const struct crowd *crowd) {
    return crowd->options->certificates > 0 ? crowd->begun < crowd->options->certificates
                                            : clock_wall_us() < crowd->end_us;
}

static bool has_own(const struct crowd *crowd, unsigned slot) {
    const struct crowd_options *options = crowd->options;

    return slot >= options->orders_at_once
           && (options->accounts == CROWD_PER_FLOW
               || (options->accounts == CROWD_MIX && slot % 2 == 0));
}

static struct load_account *account_of(struct crowd *crowd, unsigned slot) {
    if (slot < crowd->options->orders_at_once) {
        return &crowd->shared[crowd->options->shared];
    }
    return has_own(crowd, slot) ? &crowd->own[slot] : &crowd->shared[slot % crowd->options->shared];
}

static void crowd_over(struct crowd *crowd) {
    if (crowd->running == 0) {
        loop_timer_unset(crowd->options->bed.loop, &crowd->watch);
        loop_stop(crowd->options->bed.loop);
    }
}

static void flow_next(void *ctx) {
    struct flow *flow = ctx;
    struct crowd *crowd = flow->ctx;
    unsigned slot = (unsigned)(flow - crowd->flows);
    const struct crowd_options *options = crowd->options;
    struct err err = {0};

    if (!crowd_goes_on(crowd)) {
        crowd->running--;
        crowd_over(crowd);
        return;
    }
    flow->account = account_of(crowd, slot);
    if (has_own(crowd, slot)) {
        load_account_done(flow->account);
        if (!load_account_init(flow->account, &err)) {
            abort();
        }
    }
    load_names_make(&flow->names, options->kinds[crowd->begun++ % options->kind_count],
                    options->names, &crowd->rng);
    flow_start(flow);
}

static void flow_over(void *ctx, struct flow *flow, bool good) {
    struct crowd *crowd = ctx;

    loop_timer_set(crowd->options->bed.loop, &flow->timer,
                   good ? 0 : clock_wall_us() + FAILED_PAUSE_US, flow_next, flow);
}

static void flows_begin(struct crowd *crowd) {
    load_stats_begin(crowd->options->bed.stats, crowd->options->pid);
    crowd->end_us = clock_wall_us() + (uint64_t)crowd->options->seconds * 1000000;
    crowd->running = crowd->options->flows;
    for (unsigned i = 0; i < crowd->options->flows; i++) {
        crowd->flows[i] =
            (struct flow){.bed = &crowd->options->bed, .done = flow_over, .ctx = crowd};
        loop_timer_set(crowd->options->bed.loop, &crowd->flows[i].timer, 0, flow_next,
                       &crowd->flows[i]);
    }
}

static void account_over(void *ctx, struct flow *flow, bool good) {
    struct crowd *crowd = ctx;

    (void)flow;
    crowd->failed = crowd->failed || !good;
    if (--crowd->waiting > 0) {
        return;
    }
    if (crowd->failed) {
        crowd->running = 0;
        crowd_over(crowd);
    } else {
        flows_begin(crowd);
    }
}

/* Accounts that are shared are there before the first order. */
static void accounts_begin(void *ctx) {
    struct crowd *crowd = ctx;

    crowd->waiting = crowd->shared_count;
    if (crowd->waiting == 0) {
        flows_begin(crowd);
    }
    for (unsigned i = 0; i < crowd->shared_count; i++) {
        crowd->flows[i] = (struct flow){.bed = &crowd->options->bed,
                                        .account = &crowd->shared[i],
                                        .account_only = true,
                                        .done = account_over,
                                        .ctx = crowd};
        flow_start(&crowd->flows[i]);
    }
}

static void watch(void *ctx) {
    struct crowd *crowd = ctx;
    uint64_t now_us = clock_wall_us();

    if (now_us > wire_heard_us(crowd->options->bed.wire) + CROWD_STUCK_S * 1000000ULL) {
        crowd->stuck = true;
        loop_stop(crowd->options->bed.loop);
        return;
    }
    loop_timer_set(crowd->options->bed.loop, &crowd->watch, now_us + WATCH_US, watch, crowd);
}

static void directory_read(void *ctx, const struct wire_answer *answer, const struct err *err) {
    struct crowd *crowd = ctx;

    if (answer == NULL) {
        load_stats_error(crowd->options->bed.stats, LOAD_DIRECTORY, err);
        crowd->failed = true;
        crowd_over(crowd);
        return;
    }
    accounts_begin(crowd);
}

static bool crowd_prepare(struct crowd *crowd, struct err *err) {
    const struct crowd_options *options = crowd->options;
    unsigned slots = 0;

    if (options->accounts != CROWD_PER_FLOW || options->orders_at_once > 0) {
        crowd->shared_count = options->shared + (options->orders_at_once > 0 ? 1 : 0);
    }
    slots = options->flows > crowd->shared_count ? options->flows : crowd->shared_count;
    crowd->flows = calloc(slots, sizeof(*crowd->flows));
    crowd->own = calloc(slots, sizeof(*crowd->own));
    crowd->shared = calloc(crowd->shared_count + 1, sizeof(*crowd->shared));
    if (crowd->flows == NULL || crowd->own == NULL || crowd->shared == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for flows");
    }
    for (unsigned i = 0; i < crowd->shared_count; i++) {
        if (!load_account_init(&crowd->shared[i], err)) {
            return false;
        }
    }
    return true;
}

static void crowd_clear(struct crowd *crowd) {
    const unsigned flows = crowd->options->flows;

    loop_timer_unset(crowd->options->bed.loop, &crowd->watch);
    for (unsigned i = 0; crowd->flows != NULL && i < flows; i++) {
        if (crowd->flows[i].bed != NULL) {
            loop_timer_unset(crowd->options->bed.loop, &crowd->flows[i].timer);
            flow_clear(&crowd->flows[i]);
        }
    }
    for (unsigned i = 0; crowd->own != NULL && i < flows; i++) {
        load_account_done(&crowd->own[i]);
    }
    for (unsigned i = 0; crowd->shared != NULL && i < crowd->shared_count; i++) {
        load_account_done(&crowd->shared[i]);
    }
    free(crowd->flows);
    free(crowd->own);
    free(crowd->shared);
}

bool crowd_run(const struct crowd_options *options, struct err *err) {
    struct crowd crowd = {.options = options, .rng = rng_seeded(options->seed)};
    bool good = crowd_prepare(&crowd, err);

    if (good) {
        loop_timer_set(options->bed.loop, &crowd.watch,
                       clock_wall_us() + CROWD_STUCK_S * 1000000ULL, watch, &crowd);
        wire_open(options->bed.wire, directory_read, &crowd);
        loop_run(options->bed.loop);
        if (crowd.stuck) {
            good = err_set(err, ERR_TIMEOUT, "stuck: %u flows under way and no answer for %d s",
                           crowd.running, CROWD_STUCK_S);
        } else if (crowd.failed) {
            good = err_set(err, ERR_UPSTREAM, "no directory or no accounts: nothing was run");
        }
    }
    crowd_clear(&crowd);
    return good;
}
