#include <check.h>

#include "common/pace.h"

static const struct {
    uint64_t started_us, now_us, rest_us;
} times[] = {
    {0, 1700000000000000, 0},                   /* the first of all */
    {1000000, 1000000, PACE_APART_US},          /* one began this moment */
    {1000000, 1003000, PACE_APART_US - 3000},   /* in a crowd */
    {1000000, 1000000 + PACE_APART_US - 1, 1},  /* nearly */
    {1000000, 1000000 + PACE_APART_US, 0},      /* alone */
    {1000000, 1000000 + 60 * PACE_APART_US, 0}, /* long alone, or after a slow commit */
    {1000000, 999999, 0},                       /* the clock was set back */
};

START_TEST(a_commit_rests_until_the_last_began_long_enough_ago) {
    ck_assert_uint_eq(pace_rest_us(times[_i].started_us, times[_i].now_us), times[_i].rest_us);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pace");
    TCase *tcase = tcase_create("pace");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, a_commit_rests_until_the_last_began_long_enough_ago, 0,
                        (int)(sizeof(times) / sizeof(times[0])));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
