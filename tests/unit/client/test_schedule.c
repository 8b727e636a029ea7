#include "client/schedule.h"

#include "tests/unit/common/suite.h"

#define DAY_US 86400000000ull

static const struct schedule_policy policy = {.fraction = 0.67, .poll_us = DAY_US / 4, .seed = 1};

START_TEST(without_the_ca_a_fraction_of_the_lifetime_decides_with_jitter) {
    const uint64_t begin_us = 1000 * DAY_US, end_us = begin_us + 90 * DAY_US;
    uint64_t least = UINT64_MAX, most = 0;

    for (int64_t row = 1; row <= 2000; row++) {
        const uint64_t at_us = schedule_planned_us(&policy, begin_us, end_us, row);
        least = at_us < least ? at_us : least;
        most = at_us > most ? at_us : most;
        ck_assert_uint_eq(at_us, schedule_planned_us(&policy, begin_us, end_us, row));
    }
    /* 0.62 to 0.67 of 90 days, and the whole of that span is used */
    ck_assert_uint_ge(least, begin_us + 55 * DAY_US);
    ck_assert_uint_le(least, begin_us + 57 * DAY_US);
    ck_assert_uint_ge(most, begin_us + 59 * DAY_US);
    ck_assert_uint_le(most, begin_us + 61 * DAY_US);
}
END_TEST

START_TEST(a_life_of_nothing_is_due_at_once) {
    ck_assert_uint_eq(schedule_planned_us(&policy, 5, 5, 1), 5);
    ck_assert_uint_eq(schedule_planned_us(&policy, 5, 4, 1), 5);
}
END_TEST

START_TEST(with_renewal_information_the_first_look_is_a_poll_interval_away) {
    const uint64_t begin_us = 1000 * DAY_US, end_us = begin_us + 90 * DAY_US;

    for (int64_t row = 1; row <= 100; row++) {
        const uint64_t at_us = schedule_first_us(&policy, true, begin_us, begin_us, end_us, row);
        ck_assert_uint_ge(at_us, begin_us + DAY_US / 8);
        ck_assert_uint_le(at_us, begin_us + DAY_US / 4);
        ck_assert_uint_eq(schedule_first_us(&policy, false, begin_us, begin_us, end_us, row),
                          schedule_planned_us(&policy, begin_us, end_us, row));
    }
}
END_TEST

START_TEST(a_short_life_is_planned_before_the_first_poll) {
    const uint64_t begin_us = 1000 * DAY_US, end_us = begin_us + DAY_US / 24;

    ck_assert_uint_lt(schedule_first_us(&policy, true, begin_us, begin_us, end_us, 1), end_us);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        without_the_ca_a_fraction_of_the_lifetime_decides_with_jitter,
        a_life_of_nothing_is_due_at_once,
        with_renewal_information_the_first_look_is_a_poll_interval_away,
        a_short_life_is_planned_before_the_first_poll,
    };

    return suite_run("client/schedule", tests, COUNT(tests));
}
