/* How long things took, as a Prometheus histogram: fixed buckets; adding is lock-free. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "common/buf.h"

#define LATENCY_BOUNDS 17

struct latency {                                 /* {0} = nothing yet */
    _Atomic uint64_t counts[LATENCY_BOUNDS + 1]; /* each above the bound before; the last: above
                                                    all of them */
    _Atomic uint64_t sum_us;
};

void latency_add(struct latency *latency, uint64_t us);
/* Append the series of one label set: buckets in seconds, sum and count.  labels: as in struct
 * metric.  false when buf is full. */
bool latency_render(const struct latency *latency, const char *name, const char *labels,
                    struct buf *buf);
