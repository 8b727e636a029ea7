#include "nfsim/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US 1000000
#define SEEN_LOAD 2 /* slots of the certificate set per NF */

struct stats {
    uint64_t start_us;
    uint64_t offered, started, enrolled, failed, timeout, shed;
    uint64_t clamped, retries;
    uint64_t first_start_us, last_end_us;
    struct histogram *steps[RESULT_STEPS], *total, *service;
    uint64_t steps_sum_us, total_sum_us; /* of enrolled ones: must be equal */
    struct result_failure *failures;
    size_t failures_count;
    struct result_second *seconds;
    size_t seconds_count, seconds_size;
    struct histogram *second_totals; /* of seconds[second_at] */
    size_t second_at;
    struct result_sample *samples;
    size_t samples_count, samples_size;
    uint64_t *seen; /* first octets of certificates' SHA-256; 0 = free */
    size_t seen_size;
};

void stats_free(struct stats *stats) {
    for (unsigned i = 0; i < RESULT_STEPS; i++) {
        histogram_free(stats->steps[i]);
    }
    histogram_free(stats->total);
    histogram_free(stats->service);
    histogram_free(stats->second_totals);
    for (size_t i = 0; i < stats->samples_count; i++) {
        free(stats->samples[i].chain_pem);
    }
    free(stats->failures);
    free(stats->seconds);
    free(stats->samples);
    free(stats->seen);
    free(stats);
}

struct stats *stats_new(uint64_t start_us, uint32_t nfs, struct err *err) {
    AUTO(stats_free) struct stats *stats = calloc(1, sizeof *stats);
    bool whole = stats != NULL;

    if (whole) {
        stats->start_us = start_us;
        stats->seen_size = (size_t)nfs * SEEN_LOAD + 16;
        stats->seen = calloc(stats->seen_size, sizeof *stats->seen);
        stats->failures = calloc(STATS_FAILURES_MAX, sizeof *stats->failures);
        stats->total = histogram_new();
        stats->service = histogram_new();
        stats->second_totals = histogram_new();
        whole = stats->seen != NULL && stats->failures != NULL && stats->total != NULL
                && stats->service != NULL && stats->second_totals != NULL;
    }
    for (unsigned i = 0; whole && i < RESULT_STEPS; i++) {
        stats->steps[i] = histogram_new();
        whole = stats->steps[i] != NULL;
    }
    if (!whole) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the statistics");
        return NULL;
    }
    return TAKE(stats);
}

static uint64_t in_flight(const struct stats *stats) {
    return stats->offered - stats->enrolled - stats->failed - stats->timeout - stats->shed;
}

/* The figures of the newest second go into its line. */
static void close_second(struct stats *stats) {
    if (stats->second_at < stats->seconds_count && histogram_count(stats->second_totals) > 0) {
        struct result_second *second = &stats->seconds[stats->second_at];
        second->total_p50_us = histogram_at_us(stats->second_totals, 0.5);
        second->total_p99_us = histogram_at_us(stats->second_totals, 0.99);
        second->total_max_us = histogram_max_us(stats->second_totals);
    }
}

/* The line of the second at_us is in; earlier than the newest counts to that one.  NULL: no
 * memory. */
static struct result_second *second_of(struct stats *stats, uint64_t at_us) {
    size_t at = at_us < stats->start_us ? 0 : (size_t)((at_us - stats->start_us) / SECOND_US);

    at = at >= STATS_SECONDS_MAX ? STATS_SECONDS_MAX - 1 : at;
    at = at < stats->second_at ? stats->second_at : at;
    if (at >= stats->seconds_size) {
        const size_t size = at * 2 + 64;
        struct result_second *grown = realloc(stats->seconds, size * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        memset(grown + stats->seconds_size, 0, (size - stats->seconds_size) * sizeof *grown);
        stats->seconds = grown;
        stats->seconds_size = size;
    }
    while (stats->seconds_count <= at) {
        /* seconds in which nothing happened end with what was in flight before */
        stats->seconds[stats->seconds_count++].in_flight = (uint32_t)in_flight(stats);
    }
    if (at != stats->second_at) {
        struct histogram *next = histogram_new();
        close_second(stats);
        if (next != NULL) {
            histogram_free(stats->second_totals);
            stats->second_totals = next;
        }
        stats->second_at = at;
    }
    return &stats->seconds[at];
}

static void settle(struct stats *stats, struct result_second *second) {
    if (second != NULL) {
        second->in_flight = (uint32_t)in_flight(stats);
    }
}

void stats_offered(struct stats *stats, uint64_t at_us) {
    struct result_second *second = second_of(stats, at_us);

    stats->offered++;
    if (second != NULL) {
        second->offered++;
    }
    settle(stats, second);
}

void stats_started(struct stats *stats, uint64_t at_us) {
    struct result_second *second = second_of(stats, at_us);

    stats->started++;
    if (stats->first_start_us == 0) {
        stats->first_start_us = at_us;
    }
    if (second != NULL) {
        second->started++;
    }
    settle(stats, second);
}

void stats_shed(struct stats *stats, uint64_t at_us) {
    struct result_second *second = second_of(stats, at_us);

    stats->shed++;
    if (second != NULL) {
        second->shed++;
    }
    settle(stats, second);
}

/* True the first time a certificate is seen. */
static bool first_seen(struct stats *stats, const unsigned char sha256[32]) {
    uint64_t key = 0;

    memcpy(&key, sha256, sizeof key);
    key += key == 0;
    for (size_t at = key % stats->seen_size, tries = 0; tries < stats->seen_size; tries++) {
        if (stats->seen[at] == key) {
            return false;
        }
        if (stats->seen[at] == 0) {
            stats->seen[at] = key;
            return true;
        }
        at = at + 1 == stats->seen_size ? 0 : at + 1;
    }
    return true; /* more certificates than NFs were announced */
}

static void note_failure(struct stats *stats, const char *kind, unsigned step, const char *detail) {
    struct result_failure *failure = stats->failures;

    for (; failure < stats->failures + stats->failures_count; failure++) {
        if (failure->step == step && strcmp(failure->kind, kind) == 0) {
            failure->count++;
            return;
        }
    }
    if (stats->failures_count == STATS_FAILURES_MAX) {
        stats->failures[STATS_FAILURES_MAX - 1].count++;
        return;
    }
    const bool last = stats->failures_count == STATS_FAILURES_MAX - 1;
    stats->failures_count++;
    *failure = (struct result_failure){.step = step, .count = 1};
    (void)snprintf(failure->kind, sizeof failure->kind, "%s", last ? "other" : kind);
    (void)snprintf(failure->detail, sizeof failure->detail, "%s", detail);
}

static void note_times(struct stats *stats, const struct nf_outcome *outcome) {
    const uint64_t *t_us = outcome->t_us;
    const uint64_t total_us = t_us[RESULT_INSTANTS - 1] - t_us[0];

    for (unsigned i = 0; i < RESULT_STEPS; i++) {
        histogram_add(stats->steps[i], t_us[i + 1] - t_us[i]);
        stats->steps_sum_us += t_us[i + 1] - t_us[i];
    }
    histogram_add(stats->total, total_us);
    histogram_add(stats->second_totals, total_us);
    stats->total_sum_us += total_us;
    histogram_add(stats->service, t_us[RESULT_INSTANTS - 1] - outcome->started_us);
}

static bool ended_enrolled(struct stats *stats, const struct nf_outcome *outcome,
                           struct result_second *second) {
    if (!first_seen(stats, outcome->sha256)) {
        stats->failed++;
        note_failure(stats, "duplicateCertificate", 9, "another NF has the same certificate");
        if (second != NULL) {
            second->failed++;
        }
        return false;
    }
    stats->enrolled++;
    note_times(stats, outcome);
    if (second != NULL) {
        second->enrolled++;
    }
    return true;
}

bool stats_ended(struct stats *stats, const struct nf_outcome *outcome) {
    struct result_second *second = second_of(stats, outcome->ended_us);
    bool enrolled = false;

    stats->clamped += outcome->clamped;
    stats->retries += outcome->retries;
    if (outcome->ended_us > stats->last_end_us) {
        stats->last_end_us = outcome->ended_us;
    }
    if (outcome->end == NF_ENROLLED) {
        enrolled = ended_enrolled(stats, outcome, second);
    } else {
        const bool timeout = outcome->end == NF_TIMEOUT;
        stats->timeout += timeout;
        stats->failed += !timeout;
        if (second != NULL) {
            second->timeout += timeout;
            second->failed += !timeout;
        }
        note_failure(stats, outcome->kind, outcome->step, outcome->detail);
    }
    settle(stats, second);
    return enrolled;
}

bool stats_sample(struct stats *stats, const struct result_sample *sample) {
    if (stats->samples_count == stats->samples_size) {
        const size_t size = stats->samples_size * 2 + 64;
        struct result_sample *grown = realloc(stats->samples, size * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        stats->samples = grown;
        stats->samples_size = size;
    }
    stats->samples[stats->samples_count++] = *sample;
    return true;
}

void stats_now(const struct stats *stats, struct stats_now *ret) {
    *ret = (struct stats_now){.offered = stats->offered,
                              .started = stats->started,
                              .enrolled = stats->enrolled,
                              .failed = stats->failed,
                              .timeout = stats->timeout,
                              .shed = stats->shed,
                              .in_flight = in_flight(stats),
                              .waiting = stats->offered - stats->started - stats->shed,
                              .total_p50_us = histogram_at_us(stats->total, 0.5),
                              .total_p99_us = histogram_at_us(stats->total, 0.99)};
}

static struct result_figures figures_of(const struct histogram *histogram) {
    const uint64_t count = histogram_count(histogram), sum_us = histogram_sum_us(histogram);

    return (struct result_figures){.count = count,
                                   .sum_us = sum_us,
                                   .mean_us = count == 0 ? 0 : (sum_us + count / 2) / count,
                                   .p50_us = histogram_at_us(histogram, 0.5),
                                   .p90_us = histogram_at_us(histogram, 0.9),
                                   .p99_us = histogram_at_us(histogram, 0.99),
                                   .p999_us = histogram_at_us(histogram, 0.999),
                                   .max_us = histogram_max_us(histogram)};
}

static int by_index(const void *a, const void *b) {
    const struct result_sample *left = a, *right = b;

    return (left->index > right->index) - (left->index < right->index);
}

static void hand_over(struct stats *stats, struct run_result *ret) {
    for (unsigned i = 0; i < RESULT_STEPS; i++) {
        ret->steps[i] = figures_of(stats->steps[i]);
        ret->step_histogram[i] = stats->steps[i];
    }
    ret->total = figures_of(stats->total);
    ret->total_histogram = stats->total;
    ret->service = figures_of(stats->service);
    ret->service_histogram = stats->service;
    if (stats->samples_count > 0) {
        qsort(stats->samples, stats->samples_count, sizeof *stats->samples, by_index);
    }
    ret->failures = TAKE(stats->failures);
    ret->failures_count = stats->failures_count;
    ret->seconds = TAKE(stats->seconds);
    ret->seconds_count = stats->seconds_count;
    ret->samples = TAKE(stats->samples);
    ret->samples_count = stats->samples_count;
    stats->samples_count = 0;
}

bool stats_finish(struct stats *stats, uint64_t end_us, struct run_result *ret, struct err *err) {
    (void)second_of(stats, end_us);
    close_second(stats);
    ret->offered = stats->offered;
    ret->enrolled = stats->enrolled;
    ret->failed = stats->failed;
    ret->timeout = stats->timeout;
    ret->shed = stats->shed;
    ret->in_flight = in_flight(stats);
    ret->clamped = stats->clamped;
    ret->retries = stats->retries;
    ret->started_us = stats->start_us;
    ret->ended_us = end_us;
    ret->wall_s = (double)(end_us - stats->start_us) / 1e6;
    if (stats->last_end_us > stats->first_start_us) {
        ret->rate_per_s =
            (double)stats->enrolled * 1e6 / (double)(stats->last_end_us - stats->first_start_us);
    }
    hand_over(stats, ret);
    /* counted apart, they must agree: nothing may end that never started */
    if (stats->started + stats->shed > stats->offered
        || stats->enrolled + stats->failed + stats->timeout > stats->started) {
        return err_set(err, ERR_SERVER_INTERNAL, "the run's counters do not add up");
    }
    return stats->steps_sum_us == stats->total_sum_us
           || err_set(err, ERR_SERVER_INTERNAL, "the nine spans do not sum to the total");
}
