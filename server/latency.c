#include "server/latency.h"

#include <assert.h>
#include <inttypes.h>

#define US_PER_S 1000000

/* From what memory answers to a validation that is tried again; the text is the label `le`. */
/* clang-format off */
static const struct { uint64_t us; const char *text; } bounds[] = {
    {    100, "0.0001"}, {    250, "0.00025"}, {    500, "0.0005"},
    {   1000, "0.001"},  {   2500, "0.0025"},  {   5000, "0.005"},
    {  10000, "0.01"},   {  25000, "0.025"},   {  50000, "0.05"},
    { 100000, "0.1"},    { 250000, "0.25"},    { 500000, "0.5"},
    {1000000, "1"},      {2500000, "2.5"},     {5000000, "5"},
    {10000000, "10"},    {30000000, "30"},
};
/* clang-format on */
static_assert(COUNT(bounds) == LATENCY_BOUNDS, "every bound has a bucket");

void latency_add(struct latency *latency, uint64_t us) {
    unsigned at = 0;

    while (at < LATENCY_BOUNDS && us > bounds[at].us) {
        at++;
    }
    atomic_fetch_add_explicit(&latency->counts[at], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&latency->sum_us, us, memory_order_relaxed);
}

bool latency_render(const struct latency *latency, const char *name, const char *labels,
                    struct buf *buf) {
    uint64_t sum_us = atomic_load_explicit(&latency->sum_us, memory_order_relaxed);
    uint64_t count = 0;

    for (unsigned i = 0; i <= LATENCY_BOUNDS; i++) {
        count += atomic_load_explicit(&latency->counts[i], memory_order_relaxed);
        (void)buf_printf(buf, "%s_bucket{%s,le=\"%s\"} %" PRIu64 "\n", name, labels,
                         i < LATENCY_BOUNDS ? bounds[i].text : "+Inf", count);
    }
    return buf_printf(buf, "%s_sum{%s} %" PRIu64 ".%06u\n%s_count{%s} %" PRIu64 "\n", name, labels,
                      sum_us / US_PER_S, (unsigned)(sum_us % US_PER_S), name, labels, count);
}
