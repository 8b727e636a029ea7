/* The figures a scenario's `expect` may bound, by name, and the judgement over a result. */
#pragma once

#include "common/err.h"
#include "nfsim/result.h"

/*
 * Counters: offered enrolled failed timeout shed in_flight retries clamped; shares and rates:
 * enrolled_share (of offered), rate_per_s, wall_s; latency: {total|service|<step name>}_
 * {mean|p50|p90|p99|p999|max}_ms; cost: {nfsim|client|server|oam}_{cpu_s|rss_kib|cpu_us_per_nf}.
 */
bool expect_known(const char *check);
/* The figure's value in a result; false when unknown. */
bool expect_value(const struct run_result *result, const char *check, double *ret);

/* Judge each of result->expect in place; true when all are met. */
bool expect_judge(struct run_result *result);
