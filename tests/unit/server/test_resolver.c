#include "server/resolver.h"

#include <stdlib.h>

#include "dns_fixture.h"

#define TIMEOUT_MS 400 /* a silent server is given up after three quarters of it */

/* clang-format off */
static const struct dns_row rows[] = {
    {"one.example",    "127.0.0.1", NULL,  DNS_NOERROR},
    {"six.example",    NULL,        "::1", DNS_NOERROR},
    {"both.example",   "127.0.0.2", "::1", DNS_NOERROR},
    {"empty.example",  NULL,        NULL,  DNS_NOERROR},
    {"none.example",   NULL,        NULL,  DNS_NXDOMAIN},
    {"broken.example", NULL,        NULL,  DNS_SERVFAIL},
    {"silent.example", NULL,        NULL,  DNS_SILENT},
    {NULL, NULL, NULL, 0},
};
/* clang-format on */

static struct dns_fixture dns;
static struct loop *loop;
static struct resolver *resolver;

static void set_up(void) {
    struct err err = {0};

    dns_start(&dns, rows);
    loop = loop_new(&err);
    ck_assert_ptr_nonnull(loop);
    resolver = resolver_new(loop, dns.address, TIMEOUT_MS, &err);
    ck_assert_msg(resolver != NULL, "%s", err.detail);
}

static void tear_down(void) {
    resolver_free(resolver);
    loop_free(loop);
    dns_stop(&dns);
}

struct asked {
    unsigned calls, wanted;
    bool found;
    struct resolver_answer answer;
    struct err err;
};

static void on_done(void *ctx, const struct resolver_answer *answer, const struct err *err) {
    struct asked *asked = ctx;

    asked->found = answer != NULL;
    asked->err = *err;
    if (answer != NULL) {
        asked->answer = *answer;
    }
    if (++asked->calls == asked->wanted) {
        loop_stop(loop);
    }
}

/* clang-format off */
static const struct { const char *name, *address, *why; } lookups[] = {
    {"one.example",    "127.0.0.1", NULL},
    {"ONE.Example",    "127.0.0.1", NULL},
    {"six.example",    "::1",       NULL},
    {"empty.example",  NULL,        "empty.example"},
    {"none.example",   NULL,        "none.example"},
    {"absent.example", NULL,        "absent.example"},
    {"broken.example", NULL,        "broken.example"},
    {"silent.example", NULL,        "silent.example"},
};
/* clang-format on */

START_TEST(a_name_gives_its_address_or_a_dns_error_that_names_it) {
    struct asked asked = {.wanted = 1};

    resolver_start(resolver, lookups[_i].name, on_done, &asked);
    loop_run(loop);
    ck_assert_uint_eq(asked.calls, 1);
    ck_assert_uint_gt(atomic_load(&dns.asked), 0);
    if (lookups[_i].address != NULL) {
        ck_assert_msg(asked.found, "%s", asked.err.detail);
        ck_assert_uint_eq(asked.answer.count, 1);
        ck_assert_str_eq(asked.answer.address[0], lookups[_i].address);
        return;
    }
    ck_assert(!asked.found);
    ck_assert_int_eq(asked.err.kind, ERR_DNS);
    ck_assert_msg(strstr(asked.err.detail, lookups[_i].why) != NULL, "%s", asked.err.detail);
}
END_TEST

START_TEST(both_families_are_given) {
    struct asked asked = {.wanted = 1};
    unsigned seen = 0;

    resolver_start(resolver, "both.example", on_done, &asked);
    loop_run(loop);
    ck_assert_uint_eq(asked.answer.count, 2);
    for (unsigned i = 0; i < 2; i++) {
        seen |= strcmp(asked.answer.address[i], "127.0.0.2") == 0 ? 1U : 0;
        seen |= strcmp(asked.answer.address[i], "::1") == 0 ? 2U : 0;
    }
    ck_assert_uint_eq(seen, 3);
}
END_TEST

START_TEST(many_names_are_looked_up_at_the_same_time) {
    struct asked asked = {.wanted = 200};

    for (unsigned i = 0; i < 200; i++) {
        resolver_start(resolver, i % 2 == 0 ? "one.example" : "six.example", on_done, &asked);
    }
    loop_run(loop);
    ck_assert_uint_eq(asked.calls, 200);
    ck_assert_int_eq(asked.err.kind, ERR_NONE);
}
END_TEST

START_TEST(the_hosts_file_is_not_asked_when_a_server_is_given) {
    struct asked asked = {.wanted = 1};
    char name[256] = "";

    ck_assert_int_eq(gethostname(name, sizeof name - 1), 0);
    resolver_start(resolver, name, on_done, &asked);
    loop_run(loop);
    ck_assert_msg(!asked.found, "%s is at %s", name, asked.answer.address[0]);
}
END_TEST

START_TEST(freeing_drops_what_is_under_way_without_calling_back) {
    struct asked asked = {.wanted = 1};

    resolver_start(resolver, "silent.example", on_done, &asked);
    resolver_free(resolver);
    resolver = NULL;
    ck_assert_uint_eq(asked.calls, 0);
}
END_TEST

START_TEST(a_server_that_is_no_address_is_a_config_error) {
    struct err err = {0};

    ck_assert_ptr_null(resolver_new(loop, "ns.example", TIMEOUT_MS, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("resolver");
    TCase *cases = tcase_create("resolver");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 30);
    tcase_add_loop_test(cases, a_name_gives_its_address_or_a_dns_error_that_names_it, 0,
                        sizeof lookups / sizeof *lookups);
    tcase_add_test(cases, both_families_are_given);
    tcase_add_test(cases, many_names_are_looked_up_at_the_same_time);
    tcase_add_test(cases, the_hosts_file_is_not_asked_when_a_server_is_given);
    tcase_add_test(cases, freeing_drops_what_is_under_way_without_calling_back);
    tcase_add_test(cases, a_server_that_is_no_address_is_a_config_error);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
