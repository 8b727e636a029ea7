#include "common/histogram.h"

#include <math.h>
#include <stdbool.h>

/* Values below 2 * SUB have a bucket each; above, every power of two is split into SUB buckets, so
 * that a bucket is at most 1/128 of its values wide. */
#define SUB_BITS 7U
#define SUB (1U << SUB_BITS)
#define VALUE_BITS 40U
#define VALUE_MAX ((1ULL << VALUE_BITS) - 1)
#define BUCKETS (2 * SUB + (VALUE_BITS - SUB_BITS - 1) * SUB)

struct histogram {
    uint64_t count, sum_us, max_us;
    uint64_t bucket[BUCKETS];
};

static uint32_t bucket_of(uint64_t value) {
    if (value < 2 * SUB) {
        return (uint32_t)value;
    }
    uint32_t shift = 63U - (uint32_t)__builtin_clzll(value) - SUB_BITS;
    return shift * SUB + (uint32_t)(value >> shift);
}

/* The highest value that falls into the bucket. */
static uint64_t bucket_top(uint32_t index) {
    if (index < 2 * SUB) {
        return index;
    }
    uint32_t shift = index / SUB - 1;
    return ((uint64_t)(index % SUB + SUB + 1) << shift) - 1;
}

struct histogram *histogram_new(void) {
    return calloc(1, sizeof(struct histogram));
}

void histogram_free(struct histogram *histogram) { free(histogram); }

void histogram_add(struct histogram *histogram, uint64_t value_us) {
    uint64_t value = value_us > VALUE_MAX ? VALUE_MAX : value_us;

    histogram->bucket[bucket_of(value)]++;
    histogram->count++;
    histogram->sum_us += value;
    histogram->max_us = value > histogram->max_us ? value : histogram->max_us;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (uint32_t i = 0; i < BUCKETS; i++) {
        into->bucket[i] += from->bucket[i];
    }
    into->count += from->count;
    into->sum_us += from->sum_us;
    into->max_us = from->max_us > into->max_us ? from->max_us : into->max_us;
}

uint64_t histogram_count(const struct histogram *histogram) { return histogram->count; }
uint64_t histogram_sum_us(const struct histogram *histogram) { return histogram->sum_us; }
uint64_t histogram_max_us(const struct histogram *histogram) { return histogram->max_us; }

static uint64_t shown(const struct histogram *histogram, uint32_t index) {
    uint64_t top = bucket_top(index);
    return top > histogram->max_us ? histogram->max_us : top;
}

uint64_t histogram_at_us(const struct histogram *histogram, double share) {
    /* the small number keeps 0.99 * 100 from becoming the hundredth value */
    double wanted = ceil(share * (double)histogram->count - 1e-6);
    uint64_t rank = wanted < 1 ? 1 : (uint64_t)wanted;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < BUCKETS; i++) {
        seen += histogram->bucket[i];
        if (seen >= rank) {
            return shown(histogram, i);
        }
    }
    return histogram->max_us;
}

int histogram_next(const struct histogram *histogram, uint32_t *cursor, uint64_t *ret_value_us,
                   uint64_t *ret_count) {
    while (*cursor < BUCKETS && histogram->bucket[*cursor] == 0) {
        (*cursor)++;
    }
    if (*cursor >= BUCKETS) {
        return false;
    }
    *ret_value_us = shown(histogram, *cursor);
    *ret_count = histogram->bucket[*cursor];
    (*cursor)++;
    return true;
}
