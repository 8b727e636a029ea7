#include "nfsim/stats.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"

#define START_US 5000000ull

static struct nf_outcome enrolled(uint32_t number, uint64_t due_us, struct rng *rng) {
    struct nf_outcome outcome = {.end = NF_ENROLLED, .started_us = due_us + 3};

    outcome.t_us[0] = due_us;
    for (unsigned i = 1; i < RESULT_INSTANTS; i++) {
        outcome.t_us[i] = outcome.t_us[i - 1] + rng_below(rng, 9000);
    }
    outcome.ended_us = outcome.t_us[RESULT_INSTANTS - 1] + 50;
    memcpy(outcome.sha256, &number, sizeof number);
    return outcome;
}

static struct nf_outcome failed(const char *kind, unsigned step, uint64_t at_us) {
    struct nf_outcome outcome = {.end = NF_FAILED, .step = step, .ended_us = at_us};

    (void)snprintf(outcome.kind, sizeof outcome.kind, "%s", kind);
    return outcome;
}

START_TEST(the_nine_spans_sum_to_the_total_exactly) {
    struct err err = {0};
    AUTO(stats_free) struct stats *stats = stats_new(START_US, 1000, &err);
    AUTO(run_result_done) struct run_result result = {0};
    struct rng rng = rng_seeded(3);
    uint64_t spans_us = 0;

    for (uint32_t i = 0; i < 1000; i++) {
        const uint64_t due_us = START_US + i * 1000ull;
        const struct nf_outcome outcome = enrolled(i + 1, due_us, &rng);
        stats_offered(stats, due_us);
        stats_started(stats, due_us + 3);
        ck_assert(stats_ended(stats, &outcome));
    }
    ck_assert_msg(stats_finish(stats, START_US + 3000000, &result, &err), "%s", err.detail);
    for (unsigned i = 0; i < RESULT_STEPS; i++) {
        ck_assert_uint_eq(result.steps[i].count, 1000);
        spans_us += result.steps[i].sum_us;
    }
    ck_assert_uint_eq(spans_us, result.total.sum_us);
    ck_assert_uint_eq(result.service.sum_us, result.total.sum_us - 3000);
    ck_assert_uint_eq(result.offered, 1000);
    ck_assert_uint_eq(result.enrolled, 1000);
    ck_assert_uint_eq(result.in_flight, 0);
    ck_assert_uint_eq(result.seconds_count, 4);
    ck_assert(result.rate_per_s > 900 && result.rate_per_s < 1001);
}
END_TEST

START_TEST(what_is_offered_is_found_again) {
    struct err err = {0};
    AUTO(stats_free) struct stats *stats = stats_new(START_US, 10, &err);
    AUTO(run_result_done) struct run_result result = {0};
    struct rng rng = rng_seeded(4);
    struct nf_outcome timeout = failed("timeout", 3, START_US + 90);
    const struct nf_outcome refusal = failed("CCA_VERIFICATION_FAILURE", 4, START_US + 80);
    const struct nf_outcome good = enrolled(1, START_US, &rng);

    timeout.end = NF_TIMEOUT;
    for (unsigned i = 0; i < 6; i++) {
        stats_offered(stats, START_US + i);
    }
    for (unsigned i = 0; i < 5; i++) {
        stats_started(stats, START_US + i);
    }
    ck_assert(stats_ended(stats, &good));
    ck_assert(!stats_ended(stats, &refusal));
    ck_assert(!stats_ended(stats, &refusal));
    ck_assert(!stats_ended(stats, &timeout));
    stats_shed(stats, START_US + 99);
    ck_assert_msg(stats_finish(stats, START_US + 1000, &result, &err), "%s", err.detail);
    ck_assert_uint_eq(result.enrolled, 1);
    ck_assert_uint_eq(result.failed, 2);
    ck_assert_uint_eq(result.timeout, 1);
    ck_assert_uint_eq(result.shed, 1);
    ck_assert_uint_eq(result.in_flight, 1);
    ck_assert_uint_eq(result.offered, result.enrolled + result.failed + result.timeout + result.shed
                                          + result.in_flight);
    ck_assert_uint_eq(result.failures_count, 2);
    ck_assert_str_eq(result.failures[0].kind, "CCA_VERIFICATION_FAILURE");
    ck_assert_uint_eq(result.failures[0].count, 2);
    ck_assert_uint_eq(result.failures[0].step, 4);
}
END_TEST

START_TEST(an_end_without_a_start_is_our_bug) {
    struct err err = {0};
    AUTO(stats_free) struct stats *stats = stats_new(START_US, 10, &err);
    AUTO(run_result_done) struct run_result result = {0};
    const struct nf_outcome refusal = failed("x", 1, START_US);

    stats_offered(stats, START_US);
    (void)stats_ended(stats, &refusal);
    ck_assert(!stats_finish(stats, START_US + 1, &result, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
}
END_TEST

START_TEST(two_nfs_with_one_certificate_are_not_both_enrolled) {
    struct err err = {0};
    AUTO(stats_free) struct stats *stats = stats_new(START_US, 10, &err);
    struct rng rng = rng_seeded(5);
    const struct nf_outcome first = enrolled(9, START_US, &rng);
    const struct nf_outcome second = enrolled(9, START_US, &rng);
    struct stats_now now;

    stats_offered(stats, START_US);
    stats_offered(stats, START_US);
    stats_started(stats, START_US);
    stats_started(stats, START_US);
    ck_assert(stats_ended(stats, &first));
    ck_assert(!stats_ended(stats, &second));
    stats_now(stats, &now);
    ck_assert_uint_eq(now.enrolled, 1);
    ck_assert_uint_eq(now.failed, 1);
    ck_assert_uint_eq(now.in_flight, 0);
}
END_TEST

START_TEST(seconds_tell_what_happened_when) {
    struct err err = {0};
    AUTO(stats_free) struct stats *stats = stats_new(START_US, 10, &err);
    AUTO(run_result_done) struct run_result result = {0};
    const struct nf_outcome late = failed("x", 1, START_US + 3500000);

    stats_offered(stats, START_US + 100);
    stats_started(stats, START_US + 100);
    stats_offered(stats, START_US + 1200000);
    stats_started(stats, START_US + 1200000);
    (void)stats_ended(stats, &late);
    ck_assert(stats_finish(stats, START_US + 4000001, &result, &err));
    ck_assert_uint_eq(result.seconds_count, 5);
    ck_assert_uint_eq(result.seconds[0].offered, 1);
    ck_assert_uint_eq(result.seconds[0].in_flight, 1);
    ck_assert_uint_eq(result.seconds[1].in_flight, 2);
    ck_assert_uint_eq(result.seconds[2].in_flight, 2);
    ck_assert_uint_eq(result.seconds[3].failed, 1);
    ck_assert_uint_eq(result.seconds[3].in_flight, 1);
    ck_assert_uint_eq(result.seconds[4].in_flight, 1);
}
END_TEST

START_TEST(samples_come_in_the_order_of_the_schedule) {
    struct err err = {0};
    AUTO(stats_free) struct stats *stats = stats_new(START_US, 200, &err);
    AUTO(run_result_done) struct run_result result = {0};

    for (uint32_t i = 0; i < 200; i++) {
        const struct result_sample sample = {.index = (i * 77) % 200, .chain_pem = strdup("x")};
        ck_assert(stats_sample(stats, &sample));
    }
    ck_assert(stats_finish(stats, START_US + 1, &result, &err));
    ck_assert_uint_eq(result.samples_count, 200);
    for (uint32_t i = 0; i < 200; i++) {
        ck_assert_uint_eq(result.samples[i].index, i);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stats");
    TCase *cases = tcase_create("stats");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(cases, the_nine_spans_sum_to_the_total_exactly);
    tcase_add_test(cases, what_is_offered_is_found_again);
    tcase_add_test(cases, an_end_without_a_start_is_our_bug);
    tcase_add_test(cases, two_nfs_with_one_certificate_are_not_both_enrolled);
    tcase_add_test(cases, seconds_tell_what_happened_when);
    tcase_add_test(cases, samples_come_in_the_order_of_the_schedule);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
