#include "nfsim/arrival.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define START_US 1000000000ull

START_TEST(due_times_are_absolute_however_late_we_are) {
    const struct scenario_phase phases[] = {{.rate_per_s = 100}};
    struct arrival arrival = arrival_new(phases, 1, 1000, START_US);

    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t due_us = 0;
        /* now is far behind or far ahead: no difference */
        ck_assert_int_eq(arrival_peek(&arrival, 0, START_US + i * 99999ull, &due_us), ARRIVAL_DUE);
        ck_assert_uint_eq(due_us, START_US + i * 10000ull);
        ck_assert_uint_eq(arrival_take(&arrival), i);
    }
    uint64_t due_us = 0;
    ck_assert_int_eq(arrival_peek(&arrival, 0, START_US, &due_us), ARRIVAL_END);
}
END_TEST

START_TEST(rounding_does_not_add_up) {
    const struct scenario_phase phases[] = {{.rate_per_s = 3}};
    struct arrival arrival = arrival_new(phases, 1, 300001, START_US);
    uint64_t due_us = 0;

    for (uint32_t i = 0; i < 300000; i++) {
        ck_assert_int_eq(arrival_peek(&arrival, 0, 0, &due_us), ARRIVAL_DUE);
        (void)arrival_take(&arrival);
    }
    ck_assert_int_eq(arrival_peek(&arrival, 0, 0, &due_us), ARRIVAL_DUE);
    ck_assert_uint_eq(due_us, START_US + 100000ull * 1000000);
}
END_TEST

START_TEST(a_phase_ends_by_time_or_by_count_and_the_next_begins_there) {
    const struct scenario_phase phases[] = {
        {.rate_per_s = 10, .for_us = 1000000}, {.rate_per_s = 100, .count = 5}, {.rate_per_s = 1}};
    struct arrival arrival = arrival_new(phases, 3, 17, START_US);
    uint64_t due_us[17];

    for (uint32_t i = 0; i < 17; i++) {
        ck_assert_int_eq(arrival_peek(&arrival, 0, 0, &due_us[i]), ARRIVAL_DUE);
        (void)arrival_take(&arrival);
    }
    ck_assert_uint_eq(due_us[9], START_US + 900000);
    ck_assert_uint_eq(due_us[10], START_US + 1000000);
    ck_assert_uint_eq(due_us[14], START_US + 1040000);
    ck_assert_uint_eq(due_us[15], START_US + 1050000);
    ck_assert_uint_eq(due_us[16], START_US + 2050000);
}
END_TEST

START_TEST(a_closed_loop_starts_as_others_end) {
    const struct scenario_phase phases[] = {{.arrival = SCENARIO_CLOSED, .concurrency = 2}};
    struct arrival arrival = arrival_new(phases, 1, 3, START_US);
    uint64_t due_us = 0;

    ck_assert_int_eq(arrival_peek(&arrival, 0, START_US + 5, &due_us), ARRIVAL_DUE);
    ck_assert_uint_eq(due_us, START_US + 5);
    (void)arrival_take(&arrival);
    ck_assert_int_eq(arrival_peek(&arrival, 1, START_US + 6, &due_us), ARRIVAL_DUE);
    (void)arrival_take(&arrival);
    ck_assert_int_eq(arrival_peek(&arrival, 2, START_US + 7, &due_us), ARRIVAL_FULL);
    ck_assert_int_eq(arrival_peek(&arrival, 1, START_US + 9, &due_us), ARRIVAL_DUE);
    ck_assert_uint_eq(due_us, START_US + 9);
    (void)arrival_take(&arrival);
    ck_assert_int_eq(arrival_peek(&arrival, 0, START_US + 10, &due_us), ARRIVAL_END);
}
END_TEST

START_TEST(a_closed_phase_ends_with_its_time) {
    const struct scenario_phase phases[] = {
        {.arrival = SCENARIO_CLOSED, .concurrency = 1, .for_us = 1000}};
    struct arrival arrival = arrival_new(phases, 1, 1000, START_US);
    uint64_t due_us = 0;

    ck_assert_int_eq(arrival_peek(&arrival, 0, START_US + 999, &due_us), ARRIVAL_DUE);
    (void)arrival_take(&arrival);
    ck_assert_int_eq(arrival_peek(&arrival, 0, START_US + 1000, &due_us), ARRIVAL_END);
}
END_TEST

START_TEST(the_arrival_reads_well) {
    const struct scenario_phase phases[] = {{.arrival = SCENARIO_CLOSED, .concurrency = 16},
                                            {.rate_per_s = 2.5}};
    char text[128];

    arrival_text(phases, 2, text, sizeof text);
    ck_assert_str_eq(text, "closed loop of 16, then constant 2.5/s");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("arrival");
    TCase *cases = tcase_create("arrival");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(cases, due_times_are_absolute_however_late_we_are);
    tcase_add_test(cases, rounding_does_not_add_up);
    tcase_add_test(cases, a_phase_ends_by_time_or_by_count_and_the_next_begins_there);
    tcase_add_test(cases, a_closed_loop_starts_as_others_end);
    tcase_add_test(cases, a_closed_phase_ends_with_its_time);
    tcase_add_test(cases, the_arrival_reads_well);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
