/* The rest of the bundle: timeline.json (what the charts are drawn from), config/ and certs/. */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "nfsim/result.h"

#define BUNDLE_CERTS_MAX 32 /* chains in certs/: one per NF type, then the first ones */

struct bundle_dropped {
    uint64_t spans, events; /* lines of the logs that could not be merged */
    unsigned form;          /* enum merge_form of the events */
};

/* timeline.json: seconds, distributions, sampled enrolments and what describes the run. */
MUST_CHECK bool bundle_timeline(const struct run_result *result,
                                const struct bundle_dropped *dropped, struct err *err);

/* config/: scenario.yaml, command.txt, machine.json.  A scenario that is no longer there is an
 * error, since nothing could repeat the run. */
MUST_CHECK bool bundle_config(const struct run_result *result, struct err *err);

/* certs/: root.pem and a sample of the chains the NFs received, <type>-<nfInstanceId>.pem. */
MUST_CHECK bool bundle_certs(const struct run_result *result, struct err *err);
