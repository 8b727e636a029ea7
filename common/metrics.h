/* Prometheus text metrics: a program declares one static table; counting is lock-free. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "common/buf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
    enum metric_kind kind;
    const char *name;   /* nfacme_server_requests_total */
    const char *labels; /* operation="newOrder",outcome="ok"; or NULL */
    const char *help;   /* printed with the first of a name; rows of one name stand together */
    _Atomic int64_t value;
};

static inline void metric_add(struct metric *metric, int64_t by) {
    atomic_fetch_add_explicit(&metric->value, by, memory_order_relaxed);
}
static inline void metric_set(struct metric *metric, int64_t value) {
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}
static inline int64_t metric_get(struct metric *metric) {
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

/* Append # HELP and # TYPE of a family whose rows the caller writes itself.  kind: "counter",
 * "gauge" or "histogram". */
bool metrics_head(const char *name, const char *kind, const char *help, struct buf *buf);
/* Append the table in the text exposition format; false when buf is full. */
bool metrics_render(struct metric *table, unsigned count, struct buf *buf);
/* process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, build info. */
bool metrics_render_process(const char *program, struct buf *buf);
