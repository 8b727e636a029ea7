#include "nfsim/nf_timeline.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(the_clients_instants_are_read_and_others_are_not) {
    static const struct {
        const char *name, *header;
        uint64_t t1, t6, t8;
    } rows[] = {{"whole", "t1=11,t2=12,t3=13,t4=14,t5=15,t6=16,t8=18", 11, 16, 18},
                {"spaces", "t1=11, t6=16", 11, 16, 0},
                {"ours are not taken from it", "t0=1,t7=2,t9=3,t1=4", 4, 0, 0},
                {"not numbers", "t1=x,t6=,t8", 0, 0, 0},
                {"empty", "", 0, 0, 0},
                {"foreign", "a=1,t1=5,b", 5, 0, 0}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t t_us[RESULT_INSTANTS] = {0};
        nf_timeline_read(rows[i].header, t_us);
        ck_assert_msg(t_us[1] == rows[i].t1 && t_us[6] == rows[i].t6 && t_us[8] == rows[i].t8
                          && t_us[0] == 0 && t_us[7] == 0 && t_us[9] == 0,
                      "%s", rows[i].name);
    }
}
END_TEST

START_TEST(instants_in_order_are_left_alone) {
    uint64_t t_us[RESULT_INSTANTS] = {10, 20, 20, 30, 40, 50, 60, 70, 80, 90};

    ck_assert_uint_eq(nf_timeline_order(t_us), 0);
    ck_assert_uint_eq(t_us[2], 20);
    ck_assert_uint_eq(t_us[8], 80);
}
END_TEST

START_TEST(instants_out_of_order_are_moved_and_counted) {
    uint64_t t_us[RESULT_INSTANTS] = {10, 5, 20, 0, 40, 35, 60, 70, 95, 90};
    static const uint64_t wanted[RESULT_INSTANTS] = {10, 10, 20, 20, 40, 40, 60, 70, 90, 90};

    /* t3 was never set: it is filled in, not moved */
    ck_assert_uint_eq(nf_timeline_order(t_us), 3);
    for (unsigned i = 0; i < RESULT_INSTANTS; i++) {
        ck_assert_uint_eq(t_us[i], wanted[i]);
    }
}
END_TEST

START_TEST(an_unfinished_enrolment_is_in_the_step_after_its_last_instant) {
    const uint64_t fresh[RESULT_INSTANTS] = {10};
    const uint64_t ordered[RESULT_INSTANTS] = {10, 11, 11, 12};
    const uint64_t sent[RESULT_INSTANTS] = {10, 11, 11, 12, 12, 12, 13, 14, 15};

    ck_assert_uint_eq(nf_timeline_step(fresh), 1);
    ck_assert_uint_eq(nf_timeline_step(ordered), 4);
    ck_assert_uint_eq(nf_timeline_step(sent), 9);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nf_timeline");
    TCase *cases = tcase_create("nf_timeline");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(cases, the_clients_instants_are_read_and_others_are_not);
    tcase_add_test(cases, instants_in_order_are_left_alone);
    tcase_add_test(cases, instants_out_of_order_are_moved_and_counted);
    tcase_add_test(cases, an_unfinished_enrolment_is_in_the_step_after_its_last_instant);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
