#include "nfsim/bundle.h"

#include <check.h>

#include "bundle_fixture.h"

/* docs/bundle.md, written down a second time. */
static const char *const result_members[] = {
    "schema",  "scenario", "seed",    "started",   "wall_s",     "offered",       "enrolled",
    "failed",  "timeout",  "shed",    "in_flight", "rate_per_s", "steps",         "total",
    "service", "cpu_s",    "rss_kib", "failures",  "faults",     "acme_requests", "expect",
};
static const char *const whole_members[] = {"schema", "seed",    "offered", "enrolled",
                                            "failed", "timeout", "shed",    "in_flight"};
static const char *const figure_members[] = {"count",  "mean_us", "p50_us", "p90_us",
                                             "p99_us", "p999_us", "max_us"};
static const char *const step_names[] = {"request",         "account",  "order",
                                         "challenge",       "response", "validation",
                                         "acknowledgement", "CSR",      "certificate"};

static struct fixture *written(uint32_t nfs) {
    struct fixture *fixture = fixture_new(nfs, 20, false);
    struct err err = {0};

    ck_assert_msg(bundle_write(&fixture->result, &err), "%s (%s)", err.detail, err.cause);
    return fixture;
}

static json_t *read_json(const struct fixture *fixture, const char *name) {
    struct err err = {0};
    json_t *json = bundle_read(fixture->folder, name, &err);

    ck_assert_msg(json != NULL, "%s", err.detail);
    return json;
}

START_TEST(result_json_has_every_member_of_the_contract_and_no_other) {
    AUTO(fixture_free) struct fixture *fixture = written(20);
    json_auto_t *result = read_json(fixture, "result.json");

    for (size_t i = 0; i < COUNT(result_members); i++) {
        ck_assert_msg(json_object_get(result, result_members[i]) != NULL, "%s is missing",
                      result_members[i]);
    }
    ck_assert_uint_eq(json_object_size(result), COUNT(result_members));
    for (size_t i = 0; i < COUNT(whole_members); i++) {
        ck_assert_msg(json_is_integer(json_object_get(result, whole_members[i])),
                      "%s is not an integer", whole_members[i]);
    }
    ck_assert_str_eq(json_string_value(json_object_get(result, "started")), "2026-11-23T13:00:00Z");
    ck_assert_uint_eq(json_array_size(json_object_get(result, "steps")), 9);
}
END_TEST

static void check_figures(const json_t *figures, size_t members, const char *name) {
    for (size_t i = 0; i < COUNT(figure_members); i++) {
        const json_t *value = json_object_get(figures, figure_members[i]);
        bool mean = strcmp(figure_members[i], "mean_us") == 0;
        ck_assert_msg(mean ? json_is_number(value) : json_is_integer(value), "%s of %s",
                      figure_members[i], name);
    }
    ck_assert_uint_eq(json_object_size(figures), members);
}

START_TEST(steps_total_and_service_carry_the_same_figures) {
    AUTO(fixture_free) struct fixture *fixture = written(20);
    json_auto_t *result = read_json(fixture, "result.json");

    for (size_t k = 0; k < 9; k++) {
        const json_t *step = json_array_get(json_object_get(result, "steps"), k);
        check_figures(step, COUNT(figure_members) + 2, step_names[k]);
        ck_assert_int_eq(json_integer_value(json_object_get(step, "step")), (int)k + 1);
        ck_assert_str_eq(json_string_value(json_object_get(step, "name")), step_names[k]);
    }
    check_figures(json_object_get(result, "total"), COUNT(figure_members), "total");
    check_figures(json_object_get(result, "service"), COUNT(figure_members), "service");
}
END_TEST

START_TEST(the_means_of_the_steps_sum_to_the_totals) {
    AUTO(fixture_free) struct fixture *fixture = written(37);
    json_auto_t *result = read_json(fixture, "result.json");
    double total = json_number_value(json_object_get(json_object_get(result, "total"), "mean_us"));
    double sum = 0;

    for (size_t k = 0; k < 9; k++) {
        const json_t *step = json_array_get(json_object_get(result, "steps"), k);
        sum += json_number_value(json_object_get(step, "mean_us"));
    }
    ck_assert_double_gt(total, 0);
    ck_assert_double_eq_tol(sum, total, 0.01);
}
END_TEST

START_TEST(programs_are_named_and_an_unknown_one_is_null) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(3, 20, false);
    struct err err = {0};

    fixture->result.has_cpu[3] = false;
    ck_assert_msg(bundle_write(&fixture->result, &err), "%s", err.detail);
    json_auto_t *result = read_json(fixture, "result.json");
    const json_t *cpu = json_object_get(result, "cpu_s"), *rss = json_object_get(result, "rss_kib");
    ck_assert_uint_eq(json_object_size(cpu), 4);
    ck_assert(json_is_real(json_object_get(cpu, "nfsim")));
    ck_assert(json_is_real(json_object_get(cpu, "client")));
    ck_assert(json_is_integer(json_object_get(rss, "server")));
    ck_assert(json_is_null(json_object_get(cpu, "oam")));
    ck_assert(json_is_null(json_object_get(rss, "oam")));
}
END_TEST

START_TEST(lists_have_their_members) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(3, 20, false);
    struct run_result *given = &fixture->result;
    struct err err = {0};

    given->failures_count = 1;
    given->failures = calloc(1, sizeof(*given->failures));
    given->failures[0] = (struct result_failure){"badCSR", 8, 2, "\xff not UTF-8"};
    given->faults_count = 1;
    given->faults = calloc(1, sizeof(*given->faults));
    given->faults[0] = (struct result_fault){"at finalize close", 5};
    ck_assert_msg(bundle_write(given, &err), "%s", err.detail);
    json_auto_t *result = read_json(fixture, "result.json");
    const json_t *failure = json_array_get(json_object_get(result, "failures"), 0);
    const json_t *fault = json_array_get(json_object_get(result, "faults"), 0);
    const json_t *check = json_array_get(json_object_get(result, "expect"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(failure, "kind")), "badCSR");
    ck_assert_int_eq(json_integer_value(json_object_get(failure, "step")), 8);
    ck_assert_int_eq(json_integer_value(json_object_get(failure, "count")), 2);
    ck_assert_uint_eq(json_object_size(failure), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(fault, "hits")), 5);
    ck_assert_str_eq(json_string_value(json_object_get(fault, "rule")), "at finalize close");
    ck_assert_str_eq(json_string_value(json_object_get(check, "check")), "total_p99_ms");
    ck_assert(json_is_true(json_object_get(check, "ok")));
    ck_assert(json_is_number(json_object_get(check, "value")));
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(result, "acme_requests"), "newOrder")),
        3);
}
END_TEST

START_TEST(each_sample_tells_ten_instants_that_add_up) {
    AUTO(fixture_free) struct fixture *fixture = written(20);
    json_auto_t *timeline = read_json(fixture, "timeline.json");
    const json_t *samples = json_object_get(timeline, "samples");

    ck_assert_uint_eq(json_array_size(samples), 20);
    for (size_t i = 0; i < 20; i++) {
        const json_t *instants = json_object_get(json_array_get(samples, i), "t_us");
        ck_assert_uint_eq(json_array_size(instants), 10);
        for (size_t k = 0; k < 10; k++) {
            ck_assert_int_eq(json_integer_value(json_array_get(instants, k)),
                             (json_int_t)fixture->result.samples[i].t_us[k]);
        }
    }
    ck_assert_uint_eq(
        json_array_size(json_object_get(json_object_get(timeline, "distribution"), "steps")), 9);
}
END_TEST

START_TEST(the_bundle_holds_what_repeats_it_and_a_sample_of_certificates) {
    AUTO(fixture_free) struct fixture *fixture = written(40);
    AUTO(free) char *scenario = fixture_text(fixture, "config/scenario.yaml");
    AUTO(free) char *command = fixture_text(fixture, "config/command.txt");
    AUTO(free) char *root = fixture_text(fixture, "certs/root.pem");
    json_auto_t *machine = read_json(fixture, "config/machine.json");
    char name[128];

    ck_assert_str_eq(scenario, "name: nine-steps\nseed: 7\n");
    ck_assert_str_eq(command, "scenarios/run nine-steps --seed 7\n");
    ck_assert_str_eq(root, "-----BEGIN CERTIFICATE-----\n");
    ck_assert(json_is_integer(json_object_get(machine, "processors")));
    for (size_t i = 0; i < 10; i++) { /* each NF type once */
        const struct result_sample *sample = &fixture->result.samples[i];
        (void)snprintf(name, sizeof(name), "certs/%s-%s.pem", sample->type, sample->nf);
        AUTO(free) char *chain = fixture_text(fixture, name);
        ck_assert_str_eq(chain, sample->chain_pem);
    }
}
END_TEST

START_TEST(a_hostile_nf_type_does_not_leave_the_folder) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(1, 20, false);
    struct err err = {0};

    (void)snprintf(fixture->result.samples[0].type, 33, "../../x");
    ck_assert_msg(bundle_write(&fixture->result, &err), "%s", err.detail);
    char name[128];
    (void)snprintf(name, sizeof(name), "certs/______x-%s.pem", fixture->result.samples[0].nf);
    AUTO(free) char *chain = fixture_text(fixture, name);
    ck_assert_str_eq(chain, fixture->result.samples[0].chain_pem);
}
END_TEST

START_TEST(a_run_of_nothing_is_a_bundle_too) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(0, 20, false);
    struct err err = {0};

    ck_assert_msg(bundle_write(&fixture->result, &err), "%s", err.detail);
    AUTO(free) char *page = fixture_text(fixture, "report.html");
    ck_assert(strstr(page, "<h1>0 of 0 NFs enrolled</h1>") != NULL);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_is_named) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(1, 20, false);
    struct err err = {0};

    fixture->result.out = "/proc/nfacme";
    ck_assert(!bundle_write(&fixture->result, &err));
    ck_assert(err.kind != ERR_NONE);
    ck_assert(strstr(err.detail, "/proc/nfacme") != NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bundle");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, result_json_has_every_member_of_the_contract_and_no_other);
    tcase_add_test(all, steps_total_and_service_carry_the_same_figures);
    tcase_add_test(all, the_means_of_the_steps_sum_to_the_totals);
    tcase_add_test(all, programs_are_named_and_an_unknown_one_is_null);
    tcase_add_test(all, lists_have_their_members);
    tcase_add_test(all, each_sample_tells_ten_instants_that_add_up);
    tcase_add_test(all, the_bundle_holds_what_repeats_it_and_a_sample_of_certificates);
    tcase_add_test(all, a_hostile_nf_type_does_not_leave_the_folder);
    tcase_add_test(all, a_run_of_nothing_is_a_bundle_too);
    tcase_add_test(all, a_folder_that_cannot_be_written_is_named);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
