/* Arrivals are taken from the schedule when they are due and stand in line; the line is indices
 * [head, tail) of the fleet, so it needs no memory but each one's intended start. */
#include "nfsim/crowd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/log.h"
#include "common/rng.h"

#define TRACE_STREAM 0x2545f4914f6cdd1dull

struct crowd {
    struct crowd_options options;
    struct arrival arrival;
    uint32_t head, tail; /* who waits */
    uint32_t live;       /* who is under way */
    bool ending;
    uint64_t *due_us;  /* of each NF offered */
    struct nf **under; /* by index; NULL = not under way */
    struct loop_timer timer;
    struct rng rng;
    int signals;
};

bool crowd_sampled(uint32_t index, uint32_t nfs, uint32_t sample) {
    if (sample >= nfs) {
        return true;
    }
    return (uint64_t)(index + 1) * sample / nfs > (uint64_t)index * sample / nfs;
}

struct crowd *crowd_new(const struct crowd_options *options, struct err *err) {
    AUTO(crowd_free) struct crowd *crowd = calloc(1, sizeof *crowd);

    if (crowd != NULL) {
        crowd->options = *options;
        crowd->signals = -1;
        crowd->due_us = calloc(options->nfs, sizeof *crowd->due_us);
        crowd->under = calloc(options->nfs, sizeof(struct nf *));
    }
    if (crowd == NULL || crowd->due_us == NULL || crowd->under == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for %u NFs", options->nfs);
        return NULL;
    }
    crowd->rng = rng_seeded(options->scenario->fleet.seed ^ options->start_us ^ TRACE_STREAM);
    crowd->arrival = arrival_new(options->scenario->phases, options->scenario->phases_count,
                                 options->nfs, options->start_us);
    return TAKE(crowd);
}

void crowd_free(struct crowd *crowd) {
    loop_timer_unset(crowd->options.world->loop, &crowd->timer);
    for (uint32_t i = 0; crowd->under != NULL && i < crowd->options.nfs; i++) {
        if (crowd->under[i] != NULL) {
            nf_free(crowd->under[i]);
        }
    }
    if (crowd->signals >= 0) {
        (void)close(crowd->signals);
    }
    free(crowd->due_us);
    free(crowd->under);
    free(crowd);
}

static void tick(void *ctx);

static void keep_sample(struct crowd *crowd, uint32_t index, const struct trace_context *trace,
                        const struct nf_outcome *outcome, bool enrolled) {
    const struct fleet_nf *id = &crowd->options.ids[index].id;
    struct result_sample sample = {
        .index = index, .enrolled = enrolled, .started_us = outcome->started_us};

    memcpy(sample.nf, id->uuid, sizeof sample.nf);
    memcpy(sample.type, id->type, sizeof sample.type);
    memcpy(sample.fqdn, id->fqdn, sizeof sample.fqdn);
    memcpy(sample.enrolment, outcome->enrolment, sizeof sample.enrolment);
    memcpy(sample.serial, outcome->serial, sizeof sample.serial);
    memcpy(sample.failure, outcome->kind, sizeof sample.failure);
    memcpy(sample.t_us, outcome->t_us, sizeof sample.t_us);
    for (size_t i = 0; i < sizeof trace->trace_id; i++) {
        (void)snprintf(sample.trace_id + i * 2, 3, "%02x", trace->trace_id[i]);
    }
    sample.chain_pem = outcome->chain_pem == NULL ? NULL : strdup(outcome->chain_pem);
    if (!stats_sample(crowd->options.stats, &sample)) {
        free(sample.chain_pem);
    }
}

static uint32_t index_of(const struct crowd *crowd, const struct nf *nf) {
    return (uint32_t)(nf_id(nf) - crowd->options.ids);
}

static void ended(void *ctx, struct nf *nf, const struct nf_outcome *outcome) {
    struct crowd *crowd = ctx;
    const uint32_t index = index_of(crowd, nf);
    const bool enrolled = stats_ended(crowd->options.stats, outcome);
    const struct trace_context *trace = nf_trace(nf);

    if (trace->sampled) {
        keep_sample(crowd, index, trace, outcome, enrolled);
    }
    crowd->under[index] = NULL;
    crowd->live--;
    nf_free(nf);
    tick(crowd);
}

static void could_not_start(struct crowd *crowd, uint32_t index, const struct err *err) {
    struct nf_outcome outcome = {.end = NF_FAILED,
                                 .t_us = {crowd->due_us[index]},
                                 .started_us = clock_wall_us(),
                                 .ended_us = clock_wall_us(),
                                 .step = 1};

    (void)snprintf(outcome.kind, sizeof outcome.kind, "%s", err_name(err->kind));
    (void)snprintf(outcome.detail, sizeof outcome.detail, "%s", err->detail);
    (void)stats_ended(crowd->options.stats, &outcome);
}

static void start(struct crowd *crowd, uint32_t index, uint64_t now_us) {
    const bool sampled =
        crowd_sampled(index, crowd->options.nfs, crowd->options.scenario->trace_sample);
    const uint64_t high = rng_next(&crowd->rng), low = rng_next(&crowd->rng);
    const struct nf_identity *identities = crowd->options.identities;
    const struct nf_order order = {.id = &crowd->options.ids[index],
                                   .identity = identities == NULL ? NULL : &identities[index],
                                   .due_us = crowd->due_us[index],
                                   .trace = trace_root(high, low, sampled),
                                   .keep = sampled,
                                   .done = ended,
                                   .ctx = crowd};
    struct err err = {0};

    stats_started(crowd->options.stats, now_us);
    crowd->under[index] = nf_start(crowd->options.world, &order, &err);
    if (crowd->under[index] == NULL) {
        could_not_start(crowd, index, &err);
    } else {
        crowd->live++;
    }
}

/* Take who is due; returns when the next one is (UINT64_MAX: unknown or never). */
static uint64_t take_due(struct crowd *crowd, uint64_t now_us, bool *ret_more) {
    uint64_t due_us = UINT64_MAX;
    enum arrival_next next = ARRIVAL_END;

    for (;;) {
        const uint32_t busy = crowd->tail - crowd->head + crowd->live;
        next = arrival_peek(&crowd->arrival, busy, now_us, &due_us);
        if (next != ARRIVAL_DUE || due_us > now_us) {
            break;
        }
        crowd->due_us[arrival_take(&crowd->arrival)] = due_us;
        crowd->tail++;
        stats_offered(crowd->options.stats, due_us);
    }
    *ret_more = next != ARRIVAL_END;
    return next == ARRIVAL_DUE ? due_us : UINT64_MAX;
}

/* Start who may, shed who waited too long; returns when the next one is to be shed. */
static uint64_t serve_line(struct crowd *crowd, uint64_t now_us) {
    const uint64_t patience_us = crowd->options.scenario->start_timeout_us;

    while (crowd->head < crowd->tail) {
        const uint64_t end_us = crowd->due_us[crowd->head] + patience_us;
        if (crowd->live < crowd->options.max_in_flight) {
            start(crowd, crowd->head++, now_us);
        } else if (end_us <= now_us) {
            stats_shed(crowd->options.stats, now_us);
            crowd->head++;
        } else {
            return end_us;
        }
    }
    return UINT64_MAX;
}

static void tick(void *ctx) {
    struct crowd *crowd = ctx;
    struct loop *loop = crowd->options.world->loop;
    const uint64_t now_us = clock_wall_us();
    bool more = false;

    if (crowd->ending) {
        return;
    }
    const uint64_t due_us = take_due(crowd, now_us, &more);
    const uint64_t shed_us = serve_line(crowd, now_us);
    if (!more && crowd->head == crowd->tail && crowd->live == 0) {
        crowd->ending = true;
        loop_stop(loop);
        return;
    }
    uint64_t next_us = due_us < shed_us ? due_us : shed_us;
    if (crowd->live == 0 && next_us == UINT64_MAX) {
        next_us = now_us; /* a closed loop whose NFs could not even start: nobody's end wakes us */
    }
    if (next_us != UINT64_MAX) {
        loop_timer_set(loop, &crowd->timer, next_us, tick, crowd);
    }
}

static void signalled(void *ctx, uint32_t events) {
    struct crowd *crowd = ctx;
    struct signalfd_siginfo info;

    (void)events;
    if (read(crowd->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        log_line(LOG_WARNING, "crowd", "signal", "signal=%u in_flight=%u", info.ssi_signo,
                 crowd->live);
        crowd->ending = true;
        loop_stop(crowd->options.world->loop);
    }
}

bool crowd_run(struct crowd *crowd, struct err *err) {
    struct loop *loop = crowd->options.world->loop;
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    crowd->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (crowd->signals < 0 || !loop_watch(loop, crowd->signals, EPOLLIN, signalled, crowd, err)) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not watch for signals");
    }
    loop_timer_set(loop, &crowd->timer, crowd->options.start_us, tick, crowd);
    loop_run(loop);
    return loop_watch(loop, crowd->signals, 0, NULL, NULL, err);
}
