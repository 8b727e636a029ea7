#include "nfsim/scenario.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char whole[] = "name: little\n"
                            "question: Why?\n"
                            "seed: 5\n"
                            "plmn: 999-70\n"
                            "profile: nf-both\n"
                            "fqdn: true\n"
                            "use: none\n"
                            "verify: names\n"
                            "fleet:\n"
                            "  - {type: AMF, count: 2}\n"
                            "  - {type: SMF}\n"
                            "phases:\n"
                            "  - {arrival: closed, concurrency: 4, count: 2}\n"
                            "  - {rate_per_s: 7.5, for_s: 2m}\n"
                            "expect:\n"
                            "  - {check: total_p99_ms, max: 250}\n"
                            "client:\n"
                            "  args: [--challenge, tkauth-01]\n";

static bool read_text(const char *text, const char *const *sets, struct scenario *ret,
                      struct err *err) {
    return scenario_read_text("x.yaml", text, strlen(text), sets, ret, err);
}

START_TEST(a_scenario_is_read_whole) {
    AUTO(scenario_done) struct scenario scenario = {0};
    struct err err = {0};

    ck_assert_msg(read_text(whole, NULL, &scenario, &err), "%s", err.detail);
    ck_assert_str_eq(scenario.name, "little");
    ck_assert_uint_eq(scenario.fleet.seed, 5);
    ck_assert_uint_eq(scenario.fleet.mcc, 999);
    ck_assert_uint_eq(fleet_total(&scenario.fleet), 3);
    ck_assert(scenario.fqdn);
    ck_assert(!scenario.use_mtls);
    ck_assert(scenario.verify_names);
    ck_assert_uint_eq(scenario.phases_count, 2);
    ck_assert_int_eq(scenario.phases[0].arrival, SCENARIO_CLOSED);
    ck_assert_uint_eq(scenario.phases[1].for_us, 120000000);
    ck_assert_uint_eq(scenario.expect_count, 1);
    ck_assert(scenario.expect[0].has_max);
    ck_assert(!scenario.expect[0].has_min);
    ck_assert_uint_eq(scenario.timeout_us, 120000000);
    ck_assert_uint_eq(scenario.start_timeout_us, 10000000);
    ck_assert_uint_eq(scenario.trace_sample, 100);
}
END_TEST

START_TEST(set_edits_it) {
    static const char *const sets[] = {"fleet[0].count=9", "profile=nf-client", NULL};
    AUTO(scenario_done) struct scenario scenario = {0};
    struct err err = {0};

    ck_assert_msg(read_text(whole, sets, &scenario, &err), "%s", err.detail);
    ck_assert_uint_eq(scenario.fleet.types[0].count, 9);
    ck_assert_str_eq(scenario.profile, "nf-client");
}
END_TEST

START_TEST(errors_name_file_line_and_key) {
    static const struct {
        const char *text;
        const char *where, *what;
    } rows[] = {
        {"fleet:\n  - {type: AMF}\ncolour: red\n", "x.yaml:3", "colour"},
        {"fleet:\n  - {type: AMF}\nseed: red\n", "x.yaml:3", "seed"},
        {"fleet:\n  - {type: AMF, count: 0}\n", "x.yaml:2", "count"},
        {"fleet:\n  - {type: AMF, size: 3}\n", "x.yaml:2", "size"},
        {"fleet:\n  - {type: XYZ}\n", "x.yaml:2", "fleet[0].type"},
        {"fleet:\n  - {count: 2}\n", "x.yaml:2", "type"},
        {"fleet:\n  - {type: AMF}\nplmn: 1-1\n", "x.yaml:3", "plmn"},
        {"fleet:\n  - {type: AMF}\nphases:\n  - {arrival: poisson}\n", "x.yaml:4", "arrival"},
        {"fleet:\n  - {type: AMF}\nphases:\n  - {rate_per_s: -1}\n", "x.yaml:4", "rate_per_s"},
        {"fleet:\n  - {type: AMF}\nexpect:\n  - {check: happiness, min: 1}\n", "x.yaml:4", "check"},
        {"fleet:\n  - {type: AMF}\nexpect:\n  - {check: failed}\n", "x.yaml:4", "min"},
        {"fleet:\n  - {type: AMF}\nexpect:\n  - {min: 1}\n", "x.yaml:4", "check"},
        {"name: nobody\n", "x.yaml", "fleet"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(scenario_done) struct scenario scenario = {0};
        struct err err = {0};
        ck_assert_msg(!read_text(rows[i].text, NULL, &scenario, &err), "row %zu", i);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_msg(strstr(err.detail, rows[i].where) != NULL
                          && strstr(err.detail, rows[i].what) != NULL,
                      "row %zu: %s", i, err.detail);
    }
}
END_TEST

START_TEST(values_are_printed_for_the_shell) {
    static const struct {
        const char *path, *text;
    } rows[] = {{"client.args", "--challenge\ntkauth-01\n"},
                {"server.args", ""},
                {"fleet[0].type", "AMF\n"},
                {"fleet[1].count", "1\n"},
                {"fleet", "2\n"},
                {"phases[1].for_s", "120\n"},
                {"phases[1].rate_per_s", "7.5\n"},
                {"fqdn", "true\n"},
                {"seed", "5\n"}};
    AUTO(scenario_done) struct scenario scenario = {0};
    struct err err = {0};

    ck_assert_msg(read_text(whole, NULL, &scenario, &err), "%s", err.detail);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        ck_assert_ptr_nonnull(out);
        ck_assert_msg(scenario_print(&scenario, rows[i].path, out, &err), "%s", err.detail);
        (void)fclose(out);
        ck_assert_msg(strcmp(text, rows[i].text) == 0, "%s: %s", rows[i].path, text);
        free(text);
    }
    ck_assert(!scenario_print(&scenario, "colour", stdout, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

START_TEST(the_number_of_nfs_is_asked_for_or_rate_by_time_or_the_fleet) {
    AUTO(scenario_done) struct scenario scenario = {0};
    struct err err = {0};

    ck_assert(read_text(whole, NULL, &scenario, &err));
    ck_assert_uint_eq(scenario_nfs(&scenario, 77, 10, 5000000), 77);
    ck_assert_uint_eq(scenario_nfs(&scenario, 0, 10, 5000000), 50);
    ck_assert_uint_eq(scenario_nfs(&scenario, 0, 10, 0), 3);
    ck_assert_uint_eq(scenario_nfs(&scenario, 0, 0, 0), 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("scenario");
    TCase *cases = tcase_create("scenario");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(cases, a_scenario_is_read_whole);
    tcase_add_test(cases, set_edits_it);
    tcase_add_test(cases, errors_name_file_line_and_key);
    tcase_add_test(cases, values_are_printed_for_the_shell);
    tcase_add_test(cases, the_number_of_nfs_is_asked_for_or_rate_by_time_or_the_fleet);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
