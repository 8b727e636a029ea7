/* What decides about a run: its expectations, its verdict, how many may be under way, who is
 * sampled, and what was asked of the server. */
#include "nfsim/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nfsim/crowd.h"
#include "nfsim/expect.h"
#include "nfsim/process.h"
#include "nfsim/scrape.h"

static struct run_result some(void) {
    struct run_result result = {.offered = 200, .enrolled = 190, .failed = 7, .rate_per_s = 48.5};

    result.total.p99_us = 123456;
    result.steps[2].mean_us = 2500;
    result.steps[7].max_us = 9000;
    result.service.p50_us = 1500;
    result.cpu_s.server = 1.9;
    result.rss_kib.oam = 4096;
    return result;
}

START_TEST(figures_have_names) {
    static const struct {
        const char *check;
        double value;
    } rows[] = {{"offered", 200},
                {"enrolled", 190},
                {"failed", 7},
                {"shed", 0},
                {"enrolled_share", 0.95},
                {"rate_per_s", 48.5},
                {"total_p99_ms", 123.456},
                {"order_mean_ms", 2.5},
                {"csr_max_ms", 9},
                {"service_p50_ms", 1.5},
                {"server_cpu_us_per_nf", 10000},
                {"oam_rss_kib", 4096},
                {"server_cpu_s", 1.9}};
    static const char *const unknown[] = {"",       "total",          "total_p98_ms", "order",
                                          "orders", "nobody_cpu_s",   "total_p99",    "_max_ms",
                                          "server", "client_cpu_s_x", "enrolled_"};
    const struct run_result result = some();

    for (size_t i = 0; i < COUNT(rows); i++) {
        double value = -1;
        ck_assert_msg(expect_value(&result, rows[i].check, &value), "%s", rows[i].check);
        ck_assert_msg(value > rows[i].value - 1e-9 && value < rows[i].value + 1e-9, "%s is %g",
                      rows[i].check, value);
    }
    for (size_t i = 0; i < COUNT(unknown); i++) {
        ck_assert_msg(!expect_known(unknown[i]), "%s", unknown[i]);
    }
}
END_TEST

START_TEST(expectations_decide_the_exit_status) {
    static const struct {
        const char *check;
        bool has_min, has_max;
        double min, max;
        bool ok;
    } rows[] = {{"enrolled", true, false, 190, 0, true},  {"enrolled", true, false, 191, 0, false},
                {"failed", false, true, 0, 7, true},      {"failed", false, true, 0, 6, false},
                {"rate_per_s", true, true, 48, 49, true}, {"rate_per_s", true, true, 49, 50, false},
                {"rate_per_s", true, true, 40, 48, false}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct result_expect expect = {.has_min = rows[i].has_min,
                                       .has_max = rows[i].has_max,
                                       .min = rows[i].min,
                                       .max = rows[i].max};
        struct run_result result = some();
        (void)snprintf(expect.check, sizeof expect.check, "%s", rows[i].check);
        result.expect = &expect;
        result.expect_count = 1;
        ck_assert_msg(expect_judge(&result) == rows[i].ok, "row %zu", i);
        ck_assert_int_eq(runner_verdict(&result), rows[i].ok ? 0 : 1);
    }
}
END_TEST

START_TEST(a_run_of_nothing_and_a_run_cut_off_are_no_success) {
    struct run_result result = {0};

    ck_assert_int_eq(runner_verdict(&result), 3);
    result.offered = 2;
    ck_assert_int_eq(runner_verdict(&result), 0);
    result.in_flight = 1;
    ck_assert_int_eq(runner_verdict(&result), 1);
}
END_TEST

START_TEST(open_files_bound_how_many_are_under_way) {
    ck_assert_uint_eq(runner_max_in_flight(0, 20000), (20000 - 128) / 8);
    ck_assert_uint_eq(runner_max_in_flight(50, 20000), 50);
    ck_assert_uint_eq(runner_max_in_flight(100000, 1024), (1024 - 128) / 8);
    ck_assert_uint_eq(runner_max_in_flight(0, 4), 1);
}
END_TEST

START_TEST(samples_are_spread_evenly) {
    uint32_t count = 0, gap = 0, widest = 0;

    for (uint32_t i = 0; i < 2000; i++) {
        gap++;
        if (crowd_sampled(i, 2000, 100)) {
            count++;
            widest = gap > widest ? gap : widest;
            gap = 0;
        }
        ck_assert(crowd_sampled(i % 50, 50, 100));
        ck_assert(!crowd_sampled(i, 2000, 0));
    }
    ck_assert_uint_eq(count, 100);
    ck_assert_uint_eq(widest, 20);
}
END_TEST

START_TEST(requests_are_counted_by_operation) {
    static const char client[] = "# HELP nfacme_client_acme_requests_total x\n"
                                 "nfacme_client_acme_requests_total{operation=\"newOrder\"} 12\n"
                                 "nfacme_client_acme_requests_total{operation=\"order\"} 3\n"
                                 "nfacme_client_enrolments{state=\"READY\"} 9\n";
    static const char later[] = "nfacme_client_acme_requests_total{operation=\"newOrder\"} 20\n"
                                "nfacme_client_acme_requests_total{operation=\"order\"} 3\n"
                                "nfacme_client_acme_requests_total{operation=\"finalize\"} 1\n";
    static const char server[] =
        "nfacme_server_requests_total{operation=\"newOrder\",outcome=\"ok\"} 5\n"
        "nfacme_server_requests_total{operation=\"newOrder\",outcome=\"badNonce\"} 2\n"
        "nfacme_server_requests_total{operation=\"newNonce\",outcome=\"ok\"} x\n";
    struct scrape before, after;
    size_t count = 0;

    scrape_read(client, &before);
    ck_assert_uint_eq(before.count, 2);
    scrape_read(later, &after);
    AUTO(free) struct result_count *counts = scrape_difference(&before, &after, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(counts[0].name, "newOrder");
    ck_assert_uint_eq(counts[0].count, 8);
    ck_assert_str_eq(counts[1].name, "finalize");
    ck_assert_uint_eq(counts[1].count, 1);
    /* a program that was started anew counts from zero */
    free(counts);
    counts = scrape_difference(&after, &before, &count);
    ck_assert_uint_eq(counts[0].count, 12);
    scrape_read(server, &after);
    ck_assert_uint_eq(after.count, 1);
    ck_assert_uint_eq(after.operations[0].count, 7);
}
END_TEST

START_TEST(this_process_has_a_cost) {
    struct process_usage usage = {0};

    ck_assert(process_usage(0, &usage));
    ck_assert(usage.rss_peak_kib > 100);
    ck_assert(usage.cpu_s >= 0 && usage.cpu_s < 100);
    ck_assert(!process_usage(4194304, &usage));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runner");
    TCase *cases = tcase_create("runner");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(cases, figures_have_names);
    tcase_add_test(cases, expectations_decide_the_exit_status);
    tcase_add_test(cases, a_run_of_nothing_and_a_run_cut_off_are_no_success);
    tcase_add_test(cases, open_files_bound_how_many_are_under_way);
    tcase_add_test(cases, samples_are_spread_evenly);
    tcase_add_test(cases, requests_are_counted_by_operation);
    tcase_add_test(cases, this_process_has_a_cost);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
