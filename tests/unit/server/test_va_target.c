#include "server/va_target.h"

#include "common/acme.h"
#include "dns_fixture.h"
#include "tests/unit/common/suite.h"

#define TIMEOUT_MS 400
#define LONG_LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* clang-format off */
static const struct dns_row zone[] = {
    {"one.example",    "192.0.2.1",  NULL,          DNS_NOERROR},
    {"six.example",    NULL,         "2001:db8::1", DNS_NOERROR},
    {"both.example",   "192.0.2.2",  "2001:db8::2", DNS_NOERROR},
    {"inside.example", "10.1.2.3",   NULL,          DNS_NOERROR},
    {"mapped.example", NULL,         "::ffff:10.1.2.3", DNS_NOERROR},
    {"half.example",   "10.1.2.3",   "2001:db8::3", DNS_NOERROR},
    {"other.example",  "192.0.2.4",  "fe80::1",     DNS_NOERROR},
    {"hidden.example", "10.0.0.1",   "fe80::2",     DNS_NOERROR},
    {"empty.example",  NULL,         NULL,          DNS_NOERROR},
    {"broken.example", NULL,         NULL,          DNS_SERVFAIL},
    {"silent.example", NULL,         NULL,          DNS_SILENT},
    {NULL, NULL, NULL, 0},
};
static const char *const exclude[] = {"10.0.0.0/8", "fe80::/10", "192.0.2.9", NULL};
/* clang-format on */

static struct dns_fixture dns;
static struct loop *loop;
static struct va_options options;
static struct va_targets *targets;
static struct err err;

static void again(void) {
    va_targets_free(targets);
    targets = va_targets_new(&options, loop, &err);
    ck_assert_msg(targets != NULL, "%s", err.detail);
}

static void set_up(void) {
    dns_start(&dns, zone);
    loop = loop_new(&err);
    ck_assert_ptr_nonnull(loop);
    options =
        (struct va_options){.resolver = dns.address, .exclude = exclude, .timeout_ms = TIMEOUT_MS};
    again();
}

static void tear_down(void) {
    va_targets_free(targets);
    loop_free(loop);
    dns_stop(&dns);
}

struct asked {
    unsigned calls;
    bool awaited;
    enum err_kind kind;
    char text[RESOLVER_ADDRESSES_MAX * (RESOLVER_ADDRESS_SIZE + 1)]; /* addresses, or why not */
};

static void on_done(void *ctx, const struct resolver_answer *answer, const struct err *why) {
    struct asked *asked = ctx;
    size_t at = 0;

    asked->kind = why->kind;
    (void)snprintf(asked->text, sizeof asked->text, "%s", why->detail);
    for (unsigned i = 0; answer != NULL && i < answer->count; i++) {
        at += (size_t)snprintf(asked->text + at, sizeof asked->text - at, "%s%s", i == 0 ? "" : " ",
                               answer->address[i]);
    }
    asked->calls++;
    if (asked->awaited) {
        loop_stop(loop);
    }
}

static void await(struct asked *asked) {
    if (asked->calls == 0) {
        asked->awaited = true;
        loop_run(loop);
    }
    ck_assert_uint_eq(asked->calls, 1);
}

static struct asked find(const char *host) {
    struct asked asked = {0};

    va_targets_find(targets, host, on_done, &asked);
    await(&asked);
    return asked;
}

/* clang-format off */
static const struct { const char *host; enum err_kind kind; const char *found; } hosts[] = {
    {"one.example",      ERR_NONE, "192.0.2.1"},
    {"six.example",      ERR_NONE, "2001:db8::1"},
    {"both.example",     ERR_NONE, "2001:db8::2 192.0.2.2"}, /* IPv6 first */
    {"half.example",     ERR_NONE, "2001:db8::3"},
    {"other.example",    ERR_NONE, "192.0.2.4"},
    {"inside.example",   ERR_REJECTED_IDENTIFIER, "inside.example is at 10.1.2.3,"},
    {"mapped.example",   ERR_REJECTED_IDENTIFIER, "mapped.example is at "},
    {"hidden.example",   ERR_REJECTED_IDENTIFIER, "hidden.example is at "},
    {"empty.example",    ERR_DNS, "empty.example"},
    {"absent.example",   ERR_DNS, "absent.example"},
    {"broken.example",   ERR_DNS, "broken.example"},
    {"silent.example",   ERR_DNS, "silent.example"},
};
/* clang-format on */

START_TEST(a_name_is_at_its_addresses_but_the_excluded_ones) {
    struct asked asked = find(hosts[_i].host);

    ck_assert_msg(asked.kind == hosts[_i].kind, "%s: %s: %s", hosts[_i].host, err_name(asked.kind),
                  asked.text);
    if (asked.kind == ERR_NONE) {
        ck_assert_str_eq(asked.text, hosts[_i].found);
    } else {
        ck_assert_msg(strstr(asked.text, hosts[_i].found) != NULL, "%s", asked.text);
    }
    ck_assert_uint_gt(atomic_load(&dns.asked), 0);
}
END_TEST

/* clang-format off */
static const struct { const char *host; enum err_kind kind; const char *found; } addresses[] = {
    {"192.0.2.8",         ERR_NONE, "192.0.2.8"},
    {"2001:DB8:0:0::8",   ERR_NONE, "2001:db8::8"},
    {"192.0.2.9",         ERR_REJECTED_IDENTIFIER, "192.0.2.9 is at 192.0.2.9,"},
    {"10.255.255.255",    ERR_REJECTED_IDENTIFIER, "10.255.255.255"},
    {"FE80::1",           ERR_REJECTED_IDENTIFIER, "fe80::1"},
    {"fe80:0:0:0:0::1",   ERR_REJECTED_IDENTIFIER, "fe80::1"},
    {"::ffff:10.1.2.3",   ERR_REJECTED_IDENTIFIER, "10.1.2.3"},
    {"::ffff:a01:203",    ERR_REJECTED_IDENTIFIER, "::ffff:"},
};
/* clang-format on */

/* RFC 8738 4; told before the call returns. */
START_TEST(an_address_is_itself_unless_excluded_and_no_server_is_asked) {
    for (unsigned fixed = 0; fixed < 2; fixed++) {
        options.resolve_to = fixed == 1 ? "192.0.2.77" : NULL;
        again();
        struct asked asked = {0};
        va_targets_find(targets, addresses[_i].host, on_done, &asked);
        ck_assert_uint_eq(asked.calls, 1);
        ck_assert_int_eq(asked.kind, addresses[_i].kind);
        ck_assert_msg(strstr(asked.text, addresses[_i].found) != NULL, "%s", asked.text);
    }
    ck_assert_uint_eq(atomic_load(&dns.asked), 0);
}
END_TEST

START_TEST(every_name_is_at_resolve_to_without_asking_even_one_that_does_not_exist) {
    options.resolve_to = "2001:DB8::0:5";
    options.resolver = "no server at all"; /* not used */
    again();
    ck_assert_str_eq(find("one.example").text, "2001:db8::5");
    ck_assert_str_eq(find("absent.example").text, "2001:db8::5");
    ck_assert_uint_eq(atomic_load(&dns.asked), 0);
}
END_TEST

START_TEST(resolve_to_into_an_excluded_range_reaches_nothing) {
    options.resolve_to = "10.9.9.9";
    again();
    struct asked asked = find("one.example");
    ck_assert_int_eq(asked.kind, ERR_REJECTED_IDENTIFIER);
    ck_assert_msg(strstr(asked.text, "one.example is at 10.9.9.9,") != NULL, "%s", asked.text);
}
END_TEST

START_TEST(nothing_is_excluded_unless_it_is_said) {
    static const char *const none[] = {NULL};

    for (unsigned i = 0; i < 2; i++) {
        options.exclude = i == 0 ? NULL : none;
        again();
        ck_assert_str_eq(find("inside.example").text, "10.1.2.3");
        ck_assert_str_eq(find("10.1.2.3").text, "10.1.2.3");
        ck_assert_str_eq(find("hidden.example").text, "fe80::2 10.0.0.1");
    }
}
END_TEST

/* A name longer than any: it is refused in the words of a name, and not cut into another one. */
START_TEST(a_name_that_is_none_is_a_dns_error) {
    static const char *const none[] = {"", "..", "a..example", LONG_LABEL "a.example",
                                       LONG_LABEL "." LONG_LABEL "." LONG_LABEL "." LONG_LABEL
                                                  ".one.example"};

    for (unsigned i = 0; i < COUNT(none); i++) {
        struct asked asked = find(none[i]);
        ck_assert_msg(asked.kind == ERR_DNS, "%s: %s: %s", none[i], err_name(asked.kind),
                      asked.text);
    }
}
END_TEST

START_TEST(many_names_are_found_at_the_same_time_each_as_its_own) {
    struct asked asked[64] = {0};

    for (unsigned i = 0; i < COUNT(asked); i++) {
        va_targets_find(targets, hosts[i % COUNT(hosts)].host, on_done, &asked[i]);
    }
    for (unsigned i = 0; i < COUNT(asked); i++) {
        await(&asked[i]);
        ck_assert_int_eq(asked[i].kind, hosts[i % COUNT(hosts)].kind);
        ck_assert_msg(strstr(asked[i].text, hosts[i % COUNT(hosts)].found) != NULL, "%s: %s",
                      hosts[i % COUNT(hosts)].host, asked[i].text);
    }
}
END_TEST

START_TEST(freeing_drops_what_is_looked_up_without_calling_back) {
    struct asked asked[3] = {0};

    for (unsigned i = 0; i < COUNT(asked); i++) {
        va_targets_find(targets, "silent.example", on_done, &asked[i]);
    }
    va_targets_free(targets);
    targets = NULL;
    for (unsigned i = 0; i < COUNT(asked); i++) {
        ck_assert_uint_eq(asked[i].calls, 0);
    }
}
END_TEST

/* ---- options ---- */

static void ck_no_targets(const char *why) {
    ck_assert_ptr_null(va_targets_new(&options, loop, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strstr(err.detail, why) != NULL, "%s", err.detail);
    err = (struct err){0};
}

START_TEST(options_that_are_wrong_are_config_errors_that_name_the_value) {
    static const char *const texts[] = {"localhost", "", "127.0.0.1:80", "[::1]", "127.0.0.01"};
    static const char *const ranges[] = {"10.0.0.0/33", "::/129", "operator.example", ""};

    for (unsigned i = 0; i < COUNT(texts); i++) {
        options.resolve_to = texts[i];
        ck_no_targets(texts[i]);
    }
    options.resolve_to = NULL;
    for (unsigned i = 0; i < COUNT(ranges); i++) {
        const char *const bad[] = {"192.0.2.0/24", ranges[i], NULL};
        options.exclude = bad;
        ck_no_targets(ranges[i]);
    }
    options.exclude = NULL;
    options.resolver = "ns.example";
    ck_no_targets("ns.example");
}
END_TEST

START_TEST(as_many_ranges_as_there_is_room_for_are_taken_and_no_more) {
    const char *many[VA_EXCLUDE_MAX + 2] = {NULL};

    for (unsigned i = 0; i < VA_EXCLUDE_MAX - 1; i++) {
        many[i] = "198.51.100.0/24";
    }
    many[VA_EXCLUDE_MAX - 1] = "192.0.2.1";
    options.exclude = many;
    again();
    ck_assert_int_eq(find("one.example").kind, ERR_REJECTED_IDENTIFIER); /* by the last */
    many[VA_EXCLUDE_MAX] = "192.0.2.2";
    ck_no_targets("more than 64");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("va_target");
    TCase *cases = tcase_create("va_target");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 30);
    tcase_add_loop_test(cases, a_name_is_at_its_addresses_but_the_excluded_ones, 0,
                        (int)COUNT(hosts));
    tcase_add_loop_test(cases, an_address_is_itself_unless_excluded_and_no_server_is_asked, 0,
                        (int)COUNT(addresses));
    tcase_add_test(cases, every_name_is_at_resolve_to_without_asking_even_one_that_does_not_exist);
    tcase_add_test(cases, resolve_to_into_an_excluded_range_reaches_nothing);
    tcase_add_test(cases, nothing_is_excluded_unless_it_is_said);
    tcase_add_test(cases, a_name_that_is_none_is_a_dns_error);
    tcase_add_test(cases, many_names_are_found_at_the_same_time_each_as_its_own);
    tcase_add_test(cases, freeing_drops_what_is_looked_up_without_calling_back);
    tcase_add_test(cases, options_that_are_wrong_are_config_errors_that_name_the_value);
    tcase_add_test(cases, as_many_ranges_as_there_is_room_for_are_taken_and_no_more);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
