#include "nfsim/nf_life.h"

#include <check.h>
#include <stdlib.h>

#define NO NF_STATE__COUNT

/* Transcribed from the nine steps, not from the table: rows are states, columns the events START,
 * PENDING, READY, VERIFIED, DONE, FAILED, DEADLINE. */
/* clang-format off */
static const enum nf_state wanted[NF_STATE__COUNT][NF_EVENT__COUNT] = {
    [NF_ASLEEP]     = {NF_ASKING, NO,            NO,            NO,       NO,          NF_FAILED, NO},
    [NF_ASKING]     = {NO,        NF_WAITING,    NF_SUBMITTING, NO,       NO,          NF_FAILED, NF_TIMEOUT},
    [NF_WAITING]    = {NO,        NF_WAITING,    NF_SUBMITTING, NO,       NO,          NF_FAILED, NF_TIMEOUT},
    [NF_SUBMITTING] = {NO,        NF_COLLECTING, NO,            NF_USING, NF_ENROLLED, NF_FAILED, NF_TIMEOUT},
    [NF_COLLECTING] = {NO,        NF_COLLECTING, NO,            NF_USING, NF_ENROLLED, NF_FAILED, NF_TIMEOUT},
    [NF_USING]      = {NO,        NO,            NO,            NO,       NF_ENROLLED, NF_FAILED, NF_TIMEOUT},
    [NF_ENROLLED]   = {NO,        NO,            NO,            NO,       NO,          NO,        NO},
    [NF_FAILED]     = {NO,        NO,            NO,            NO,       NO,          NO,        NO},
    [NF_TIMEOUT]    = {NO,        NO,            NO,            NO,       NO,          NO,        NO},
};
/* clang-format on */

START_TEST(every_state_meets_every_event) {
    for (int state = 0; state < NF_STATE__COUNT; state++) {
        for (int event = 0; event < NF_EVENT__COUNT; event++) {
            enum nf_state next = NO;
            struct err err = {0};
            const bool moved = nf_next((enum nf_state)state, (enum nf_event)event, &next, &err);
            ck_assert_msg(next == wanted[state][event], "%s on %d goes to %d",
                          nf_state_name((enum nf_state)state), event, next);
            ck_assert_int_eq(moved, next != NO);
            ck_assert_int_eq(err.kind, moved ? ERR_NONE : ERR_CONFLICT);
        }
    }
}
END_TEST

START_TEST(nothing_leaves_a_final_state) {
    for (int state = 0; state < NF_STATE__COUNT; state++) {
        bool leaves = false;
        for (int event = 0; event < NF_EVENT__COUNT; event++) {
            leaves = leaves || wanted[state][event] != NO;
        }
        ck_assert_int_eq(nf_state_final((enum nf_state)state), !leaves);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nf_life");
    TCase *cases = tcase_create("nf_life");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(cases, every_state_meets_every_event);
    tcase_add_test(cases, nothing_leaves_a_final_state);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
