/* The run bundle, docs/bundle.md: result.json, trace.otlp.json, events.jsonl, certs/, config/,
 * flow.svg and report.html in the run's folder. */
#pragma once

#include "common/err.h"
#include "nfsim/result.h"

/* Write everything into result->out (which exists, with logs/ of the programs in it).
 * ERR_CONFIG names the file that could not be written. */
MUST_CHECK bool bundle_write(const struct run_result *result, struct err *err);
