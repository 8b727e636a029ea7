/* The ten instants of an enrolment, docs/bundle.md: reading the client's header, putting the
 * instants of two programs in order, and drawing them as spans. */
#pragma once

#include <stdbool.h>

#include "common/trace.h"
#include "nfsim/nf.h"

/* Read "t1=…,t2=…" into t_us[1..6] and t_us[8]; others and what is not a number are ignored. */
void nf_timeline_read(const char *header, uint64_t t_us[RESULT_INSTANTS]);

/*
 * Put a whole enrolment's instants in order: one that is missing or before its predecessor is moved
 * to it, one after t9 to t9.  t0 and t9 must be set and in order.
 * Returns how many that were set had to be moved.
 */
unsigned nf_timeline_order(uint64_t t_us[RESULT_INSTANTS]);

/* The step an unfinished enrolment is in: one more than the last instant reached. */
unsigned nf_timeline_step(const uint64_t t_us[RESULT_INSTANTS]);

/* The root span "enrolment" and, for an enrolled one, its nine children "1 request" … */
void nf_timeline_trace(struct trace *trace, const struct trace_context *root,
                       const struct fleet_nf *id, const struct nf_outcome *outcome);
