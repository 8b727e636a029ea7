#include "client/budget.h"

#include "tests/unit/common/suite.h"

#define S 1000000

START_TEST(no_rate_is_no_limit) {
    struct budget budget = budget_of(0, 0, 0);
    uint64_t wait_us = 7;

    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(budget_take(&budget, 1, &wait_us));
    }
    ck_assert_uint_eq(wait_us, 7);
}
END_TEST

START_TEST(a_burst_then_the_rate) {
    struct budget budget = budget_of(10, 5, 100 * S);
    uint64_t wait_us = 0, now_us = 100 * S;
    unsigned taken = 0;

    while (budget_take(&budget, now_us, &wait_us)) {
        taken++;
    }
    ck_assert_uint_eq(taken, 5);
    ck_assert_uint_le(wait_us, S / 10 + 1);
    ck_assert(!budget_take(&budget, now_us + wait_us / 2, &wait_us));
    for (; now_us < 110 * S; now_us += 10000) {
        taken += budget_take(&budget, now_us, &wait_us) ? 1 : 0;
    }
    ck_assert_uint_ge(taken, 5 + 99);
    ck_assert_uint_le(taken, 5 + 101);
}
END_TEST

START_TEST(a_rest_saves_no_more_than_the_burst_and_a_clock_that_goes_back_gives_nothing) {
    struct budget budget = budget_of(10, 5, 100 * S);
    uint64_t wait_us = 0;
    unsigned taken = 0;

    while (budget_take(&budget, 100 * S, &wait_us)) {
        taken++;
    }
    ck_assert(!budget_take(&budget, 50 * S, &wait_us));
    while (budget_take(&budget, 900 * (uint64_t)S, &wait_us)) {
        taken++;
    }
    ck_assert_uint_eq(taken, 10);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        no_rate_is_no_limit,
        a_burst_then_the_rate,
        a_rest_saves_no_more_than_the_burst_and_a_clock_that_goes_back_gives_nothing,
    };

    return suite_run("client/budget", tests, COUNT(tests));
}
