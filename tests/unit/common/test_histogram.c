#include "common/histogram.h"

#include "common/rng.h"
#include "suite.h"

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(an_empty_histogram_is_all_zero) {
    AUTO(histogram_free) struct histogram *histogram = histogram_new();
    uint32_t cursor = 0;
    uint64_t value;
    uint64_t count;
    ck_assert_uint_eq(histogram_count(histogram), 0);
    ck_assert_uint_eq(histogram_at_us(histogram, 0.5), 0);
    ck_assert_uint_eq(histogram_max_us(histogram), 0);
    ck_assert(!histogram_next(histogram, &cursor, &value, &count));
}
END_TEST

START_TEST(small_values_are_exact) {
    AUTO(histogram_free) struct histogram *histogram = histogram_new();
    for (uint64_t value = 1; value <= 100; value++) {
        histogram_add(histogram, value);
    }
    ck_assert_uint_eq(histogram_at_us(histogram, 0), 1);
    ck_assert_uint_eq(histogram_at_us(histogram, 0.5), 50);
    ck_assert_uint_eq(histogram_at_us(histogram, 0.9), 90);
    ck_assert_uint_eq(histogram_at_us(histogram, 0.99), 99);
    ck_assert_uint_eq(histogram_at_us(histogram, 0.999), 100);
    ck_assert_uint_eq(histogram_at_us(histogram, 1), 100);
    ck_assert_uint_eq(histogram_sum_us(histogram), 5050);
}
END_TEST

START_TEST(every_value_is_known_within_one_per_cent) {
    uint64_t top = (1ULL << 40) - 1;
    for (uint64_t value = 1; value < top; value += value / 37 + 1) {
        AUTO(histogram_free) struct histogram *histogram = histogram_new();
        histogram_add(histogram, value);
        histogram_add(histogram, top);
        uint64_t shown = histogram_at_us(histogram, 0.5);
        ck_assert_uint_ge(shown, value);
        ck_assert_msg((double)(shown - value) <= 0.01 * (double)value, "%lu", (unsigned long)value);
        ck_assert_msg(value >= 256 || shown == value, "%lu", (unsigned long)value);
    }
}
END_TEST

START_TEST(percentiles_agree_with_sorting) {
    enum { MANY = 20000 };
    AUTO(histogram_free) struct histogram *histogram = histogram_new();
    AUTO(free) uint64_t *values = calloc(MANY, sizeof(*values));
    static const double shares[] = {0.01, 0.5, 0.9, 0.99, 0.999, 1};
    struct rng rng = rng_seeded(5);
    uint64_t sum = 0;
    for (unsigned i = 0; i < MANY; i++) {
        values[i] = rng_below(&rng, 1ULL << (1 + rng_below(&rng, 36)));
        sum += values[i];
        histogram_add(histogram, values[i]);
    }
    qsort(values, MANY, sizeof(*values), by_value);
    for (unsigned i = 0; i < COUNT(shares); i++) {
        uint64_t exact = values[(unsigned)(shares[i] * MANY + 0.5) - 1];
        uint64_t shown = histogram_at_us(histogram, shares[i]);
        ck_assert_msg(shown >= exact && (double)(shown - exact) <= 0.01 * (double)exact, "%g",
                      shares[i]);
    }
    ck_assert_uint_eq(histogram_sum_us(histogram), sum);
    ck_assert_uint_eq(histogram_max_us(histogram), values[MANY - 1]);
    ck_assert_uint_eq(histogram_at_us(histogram, 1), values[MANY - 1]);
}
END_TEST

START_TEST(what_is_too_large_counts_as_the_maximum) {
    AUTO(histogram_free) struct histogram *histogram = histogram_new();
    histogram_add(histogram, UINT64_MAX);
    ck_assert_uint_eq(histogram_max_us(histogram), (1ULL << 40) - 1);
    ck_assert_uint_eq(histogram_at_us(histogram, 1), (1ULL << 40) - 1);
}
END_TEST

START_TEST(merging_is_adding_all) {
    AUTO(histogram_free) struct histogram *one = histogram_new();
    AUTO(histogram_free) struct histogram *two = histogram_new();
    AUTO(histogram_free) struct histogram *all = histogram_new();
    struct rng rng = rng_seeded(6);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t value = rng_below(&rng, 1000000);
        histogram_add(i % 3 == 0 ? one : two, value);
        histogram_add(all, value);
    }
    histogram_merge(one, two);
    uint32_t a = 0;
    uint32_t b = 0;
    uint64_t value[2];
    uint64_t count[2];
    uint64_t seen = 0;
    uint64_t before = 0;
    while (histogram_next(all, &a, &value[0], &count[0])) {
        ck_assert(histogram_next(one, &b, &value[1], &count[1]));
        ck_assert_uint_eq(value[0], value[1]);
        ck_assert_uint_eq(count[0], count[1]);
        ck_assert(seen == 0 || value[0] > before);
        before = value[0];
        seen += count[0];
    }
    ck_assert(!histogram_next(one, &b, &value[1], &count[1]));
    ck_assert_uint_eq(seen, 1000);
    ck_assert_uint_eq(histogram_count(one), 1000);
    ck_assert_uint_eq(histogram_sum_us(one), histogram_sum_us(all));
    ck_assert_uint_eq(histogram_max_us(one), histogram_max_us(all));
}
END_TEST

int main(void) {
    const TTest *tests[] = {
        an_empty_histogram_is_all_zero,           small_values_are_exact,
        every_value_is_known_within_one_per_cent, percentiles_agree_with_sorting,
        what_is_too_large_counts_as_the_maximum,  merging_is_adding_all};
    return suite_run("histogram", tests, COUNT(tests));
}
