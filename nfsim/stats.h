/* What is counted during a run: ten instants per enrolment into nine spans that lie end to end,
 * counters of every end, a line per second, samples, and the proof that nothing is missing. */
#pragma once

#include "common/err.h"
#include "nfsim/nf.h"
#include "nfsim/result.h"

#define STATS_SECONDS_MAX 86400 /* later seconds are counted in the last one */
#define STATS_FAILURES_MAX 256  /* kinds of failure kept apart; others go to "other" */

struct stats;

/* start_us   second 0.   nfs   how many may be offered: bounds the set of certificates seen. */
struct stats *stats_new(uint64_t start_us, uint32_t nfs, struct err *err);
void stats_free(struct stats *stats);
AUTO_DEFINE(struct stats, stats_free)

/* An arrival was due; it started; it was given up before it started. */
void stats_offered(struct stats *stats, uint64_t at_us);
void stats_started(struct stats *stats, uint64_t at_us);
void stats_shed(struct stats *stats, uint64_t at_us);

/* An NF came to its end.  An enrolled one whose certificate another one has, too, is counted as
 * failed ("duplicateCertificate").   Returns whether it is counted as enrolled. */
bool stats_ended(struct stats *stats, const struct nf_outcome *outcome);

/* Keep a sample; false: no memory. */
MUST_CHECK bool stats_sample(struct stats *stats, const struct result_sample *sample);

struct stats_now {
    uint64_t offered, started, enrolled, failed, timeout, shed, in_flight, waiting;
    uint64_t total_p50_us, total_p99_us;
};
void stats_now(const struct stats *stats, struct stats_now *ret);

/* Fill the counters, figures, failures, seconds and samples of a result, which takes what is owned
 * and borrows the histograms.  ERR_SERVER_INTERNAL: offered is not the sum of the other five, or
 * the spans do not sum to the total. */
MUST_CHECK bool stats_finish(struct stats *stats, uint64_t end_us, struct run_result *ret,
                             struct err *err);
