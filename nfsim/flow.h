/* flow.svg: the observed message sequence of one enrolment, drawn from its trace. */
#pragma once

#include "common/err.h"

/*
 * Draw FOLDER/flow.svg from FOLDER/trace.otlp.json and FOLDER/timeline.json.
 *
 * trace_id   32 lower-case hex digits; NULL picks the sampled enrolment with the median total (of
 *            those enrolled; when none is, the first sample).
 * With no such trace the picture says so; that is not a failure.
 * err        ERR_CONFIG names the file that could not be read or written.
 * Cost       the trace file is read line by line; at most FLOW_SPANS_MAX spans are held.
 */
#define FLOW_SPANS_MAX 256
MUST_CHECK bool flow_write(const char *folder, const char *trace_id, struct err *err);
