#include "client/tenant_rate.h"

#include <stdio.h>

#include "tests/unit/common/suite.h"

#define S 1000000

START_TEST(a_tenant_that_asks_too_often_is_told_when_to_come_back_and_others_are_not) {
    AUTO(tenant_rate_free) struct tenant_rate *rates = tenant_rate_new(2, 4);
    struct err err = {0};

    for (unsigned i = 0; i < 4; i++) {
        ck_assert(tenant_rate_take(rates, "a", 10 * S, &err));
    }
    ck_assert(!tenant_rate_take(rates, "a", 10 * S, &err));
    ck_assert_int_eq(err.kind, ERR_RATE_LIMITED);
    ck_assert_uint_eq(err.retry_after_s, 1);
    err = (struct err){0};
    ck_assert(tenant_rate_take(rates, "b", 10 * S, &err));
    ck_assert(tenant_rate_take(rates, "a", 11 * S, &err));
}
END_TEST

START_TEST(no_rate_is_no_limit) {
    AUTO(tenant_rate_free) struct tenant_rate *rates = tenant_rate_new(0, 0);
    struct err err = {0};

    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(tenant_rate_take(rates, "a", 1, &err));
    }
}
END_TEST

START_TEST(the_longest_quiet_tenant_gives_way_and_a_busy_one_is_remembered) {
    AUTO(tenant_rate_free) struct tenant_rate *rates = tenant_rate_new(1, 2);
    struct err err = {0};
    char name[37];

    ck_assert(tenant_rate_take(rates, "busy", S, &err));
    ck_assert(tenant_rate_take(rates, "busy", S, &err));
    for (unsigned i = 0; i < TENANT_RATE_MAX + 100; i++) {
        (void)snprintf(name, sizeof name, "nf-%u", i);
        ck_assert(tenant_rate_take(rates, name, S, &err));
        if (i % 1000 == 0) {
            err = (struct err){0};
            ck_assert(!tenant_rate_take(rates, "busy", S, &err));
            err = (struct err){0};
        }
    }
    ck_assert(tenant_rate_take(rates, "nf-0", S, &err)); /* forgotten: as new */
    ck_assert(tenant_rate_take(rates, "nf-0", S, &err));
    ck_assert(!tenant_rate_take(rates, "nf-0", S, &err));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_tenant_that_asks_too_often_is_told_when_to_come_back_and_others_are_not,
        no_rate_is_no_limit,
        the_longest_quiet_tenant_gives_way_and_a_busy_one_is_remembered,
    };

    return suite_run("client/tenant_rate", tests, COUNT(tests));
}
