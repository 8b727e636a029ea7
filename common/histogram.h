/* Log-linear histogram of microseconds: at most 1 % error, 3 significant digits at the small end,
 * mergeable, fixed size, no allocation after birth. */
#pragma once

#include <stdint.h>

#include "common/cleanup.h"

struct histogram; /* counts of values in [0, 2^40) microseconds; larger ones count as the maximum */

struct histogram *histogram_new(void); /* NULL: no memory */
void histogram_free(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value_us);
void histogram_merge(struct histogram *into, const struct histogram *from);
uint64_t histogram_count(const struct histogram *histogram);
uint64_t histogram_sum_us(const struct histogram *histogram); /* exact */
uint64_t histogram_max_us(const struct histogram *histogram); /* exact */
/* The smallest recorded value that at least that share of the values do not exceed (highest
 * equivalent value of its bucket, never above the maximum); share in [0, 1]; 0 when empty. */
uint64_t histogram_at_us(const struct histogram *histogram, double share);
/* Walk the non-empty buckets in ascending order: start *cursor at 0; false at the end. */
int histogram_next(const struct histogram *histogram, uint32_t *cursor, uint64_t *ret_value_us,
                   uint64_t *ret_count);
AUTO_DEFINE(struct histogram, histogram_free)
