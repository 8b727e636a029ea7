/* Rate limits: how many pass, when the next does, who is forgotten. */
#include "server/throttle.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/common/suite.h"

#define SECOND ((uint64_t)1000000)
#define NOW (1000 * SECOND)

static struct err err;

static struct throttle *make(unsigned orders, unsigned identifiers) {
    struct throttle_options options = {.window_us = 60 * SECOND};

    options.count[THROTTLE_ORDERS] = orders;
    options.count[THROTTLE_IDENTIFIERS] = identifiers;
    struct throttle *throttle = throttle_new(&options, &err);
    ck_assert_ptr_nonnull(throttle);
    return throttle;
}

/* 0: passed; else the seconds to wait. */
static unsigned take(struct throttle *throttle, const char *key, uint64_t now_us) {
    struct err why = {0};
    bool passed = throttle_take(throttle, THROTTLE_ORDERS, &key, 1, now_us, &why);

    ck_assert(passed || (why.kind == ERR_RATE_LIMITED && why.retry_after_s > 0));
    return why.retry_after_s;
}

START_TEST(without_limits_everything_passes) {
    AUTO(throttle_free) struct throttle *throttle = make(0, 0);

    ck_assert(!throttle_on(throttle, THROTTLE_ORDERS) && !throttle_on(NULL, THROTTLE_ORDERS));
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert_uint_eq(take(throttle, "a", NOW), 0);
    }
    ck_assert_uint_eq(throttle_counts(throttle).kept, 0);
}
END_TEST

START_TEST(as_many_as_the_limit_pass_and_the_next_after_the_time_told) {
    AUTO(throttle_free) struct throttle *throttle = make(3, 0);

    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(take(throttle, "a", NOW), 0);
    }
    ck_assert_uint_eq(take(throttle, "a", NOW), 20);
    ck_assert_uint_eq(take(throttle, "b", NOW), 0);
    ck_assert_uint_gt(take(throttle, "a", NOW + 19 * SECOND), 0);
    ck_assert_uint_eq(take(throttle, "a", NOW + 20 * SECOND), 0);
    ck_assert_uint_gt(take(throttle, "a", NOW + 20 * SECOND), 0);
    ck_assert_uint_eq(throttle_counts(throttle).refused[THROTTLE_ORDERS], 3);
    for (unsigned i = 0; i < 3; i++) { /* a window later the bucket is full, and not fuller */
        ck_assert_uint_eq(take(throttle, "a", NOW + 500 * SECOND), 0);
    }
    ck_assert_uint_gt(take(throttle, "a", NOW + 500 * SECOND), 0);
}
END_TEST

START_TEST(several_keys_are_counted_together_or_not_at_all) {
    AUTO(throttle_free) struct throttle *throttle = make(0, 1);
    const char *const both[] = {"a", "b"};
    struct err why = {0};

    ck_assert(throttle_take(throttle, THROTTLE_IDENTIFIERS, both, 1, NOW, &why));
    ck_assert(!throttle_take(throttle, THROTTLE_IDENTIFIERS, both, 2, NOW, &why));
    why = (struct err){0};
    ck_assert(throttle_take(throttle, THROTTLE_IDENTIFIERS, both + 1, 1, NOW, &why));
}
END_TEST

START_TEST(what_is_given_back_was_not_counted) {
    AUTO(throttle_free) struct throttle *throttle = make(1, 0);

    ck_assert_uint_eq(take(throttle, "a", NOW), 0);
    ck_assert_uint_gt(take(throttle, "a", NOW), 0);
    throttle_give_back(throttle, THROTTLE_ORDERS, "a");
    throttle_give_back(throttle, THROTTLE_ORDERS, "stranger");
    ck_assert_uint_eq(take(throttle, "a", NOW), 0);
}
END_TEST

START_TEST(memory_is_bounded_and_the_least_recent_is_forgotten) {
    AUTO(throttle_free) struct throttle *throttle = make(1, 0);
    char key[32];

    ck_assert_uint_eq(take(throttle, "first", NOW), 0);
    for (unsigned i = 0; i < THROTTLE_KEPT_MAX - 1; i++) {
        (void)snprintf(key, sizeof(key), "%u", i);
        ck_assert_uint_eq(take(throttle, key, NOW), 0);
    }
    ck_assert_uint_gt(take(throttle, "first", NOW), 0);
    ck_assert_uint_eq(throttle_counts(throttle).kept, THROTTLE_KEPT_MAX);
    ck_assert_uint_eq(take(throttle, "one more", NOW), 0);
    ck_assert_uint_eq(take(throttle, "first", NOW), 0); /* was the oldest counted */
    ck_assert_uint_gt(take(throttle, "one more", NOW), 0);
    ck_assert_uint_eq(throttle_counts(throttle).kept, THROTTLE_KEPT_MAX);
}
END_TEST

START_TEST(addresses_lose_their_port_and_ipv6_its_host) {
    static const char *const rows[][2] = {{"192.0.2.1:4711", "192.0.2.1"},
                                          {"[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2::"},
                                          {"[::ffff:192.0.2.1]:443", "::ffff:192.0.2.1"}};
    char text[THROTTLE_ADDRESS_SIZE];

    for (unsigned i = 0; i < COUNT(rows); i++) {
        throttle_address(rows[i][0], text);
        ck_assert_str_eq(text, rows[i][1]);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {without_limits_everything_passes,
                                  as_many_as_the_limit_pass_and_the_next_after_the_time_told,
                                  several_keys_are_counted_together_or_not_at_all,
                                  what_is_given_back_was_not_counted,
                                  memory_is_bounded_and_the_least_recent_is_forgotten,
                                  addresses_lose_their_port_and_ipv6_its_host};
    return suite_run("server/throttle", tests, COUNT(tests));
}
