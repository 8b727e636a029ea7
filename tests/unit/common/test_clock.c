#include "common/clock.h"

#include <time.h>

#include "suite.h"

START_TEST(the_manual_clock_stands_still_until_turned) {
    struct clock clock = clock_real();

    clock.manual_us = 5000000;
    ck_assert_uint_eq(clock_now_us(&clock), 5000000);
    ck_assert_int_eq(clock_now_s(&clock), 5);
    clock.manual_us += 1999999;
    ck_assert_int_eq(clock_now_s(&clock), 6);
}
END_TEST

START_TEST(the_real_clock_is_the_systems) {
    struct clock clock = clock_real();
    int64_t before = time(NULL);
    int64_t now = clock_now_s(&clock);
    ck_assert_int_ge(now, before);
    ck_assert_int_le(now, time(NULL) + 1);
    uint64_t wall = clock_wall_us();
    ck_assert_uint_ge(clock_wall_us(), wall);
    ck_assert_int_le(llabs((long long)wall / 1000000 - before), 2);
}
END_TEST

START_TEST(scaled_time_runs_from_its_origin) {
    struct clock real = clock_real();
    uint64_t now = clock_now_us(&real);
    struct clock fast = {.scale = 3600, .origin_us = now - 10000000};
    uint64_t scaled = clock_now_us(&fast);
    ck_assert_uint_ge(scaled, fast.origin_us + 36000ULL * 1000000);
    ck_assert_uint_lt(scaled, fast.origin_us + 360000ULL * 1000000);
    struct clock later = {.scale = 2, .origin_us = now + 1000000000};
    ck_assert_uint_lt(clock_now_us(&later), now);
}
END_TEST

START_TEST(a_scaled_delay_is_shorter_in_real_time) {
    struct clock fast = {.scale = 100};
    struct clock real = clock_real();
    ck_assert_uint_eq(clock_real_delay_us(&fast, 5000000), 50000);
    ck_assert_uint_eq(clock_real_delay_us(&real, 5000000), 5000000);
}
END_TEST

/* clang-format off */
static const struct { const char *text; bool good; uint64_t us; } times[] = {
    {"1970-01-01T00:00:00Z", true, 0},
    {"2026-11-23T13:00:00Z", true, 1795438800000000},
    {"2026-11-23T14:00:00+01:00", true, 1795438800000000},
    {"2026-11-23t07:30:00.25-05:30", true, 1795438800250000},
    {"2026-11-23T13:00:00.1234567z", true, 1795438800123456},
    {"2024-02-29T00:00:00Z", true, 1709164800000000},
    {"2023-02-29T00:00:00Z", false, 0}, {"2100-02-29T00:00:00Z", false, 0},
    {"2026-13-01T00:00:00Z", false, 0}, {"2026-00-01T00:00:00Z", false, 0},
    {"2026-04-31T00:00:00Z", false, 0}, {"2026-01-01T24:00:00Z", false, 0},
    {"2026-01-01T00:60:00Z", false, 0}, {"2026-01-01T00:00:61Z", false, 0},
    {"1969-12-31T23:59:59Z", false, 0}, {"1970-01-01T00:00:00+00:01", false, 0},
    {"2026-01-01T00:00:00", false, 0}, {"2026-01-01 00:00:00Z", false, 0},
    {"2026-01-01T00:00:00Z ", false, 0}, {"2026-01-01T00:00:00.Z", false, 0},
    {"26-01-01T00:00:00Z", false, 0}, {"2026-01-01T00:00:00+1:00", false, 0}, {"", false, 0},
};
/* clang-format on */

START_TEST(rfc3339_times_are_read_strictly) {
    for (unsigned i = 0; i < COUNT(times); i++) {
        uint64_t us = 42;
        ck_assert_msg(clock_parse(times[i].text, &us) == times[i].good, "%s", times[i].text);
        ck_assert_msg(us == (times[i].good ? times[i].us : 42), "%s", times[i].text);
    }
}
END_TEST

START_TEST(what_is_written_is_read_back) {
    for (uint64_t us = 0; us < 10000000000000000ULL; us += 86397123456789ULL) {
        char text[CLOCK_TEXT_SIZE];
        uint64_t back = 0;
        clock_text(us, text);
        ck_assert_msg(clock_parse(text, &back), "%s", text);
        ck_assert_uint_eq(back, us / 1000000 * 1000000);
    }
}
END_TEST

int main(void) {
    const TTest *tests[] = {the_manual_clock_stands_still_until_turned,
                            the_real_clock_is_the_systems,
                            scaled_time_runs_from_its_origin,
                            a_scaled_delay_is_shorter_in_real_time,
                            rfc3339_times_are_read_strictly,
                            what_is_written_is_read_back};
    return suite_run("clock", tests, COUNT(tests));
}
