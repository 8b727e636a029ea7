#include "nfsim/report.h"

#include <check.h>

#include "bundle_fixture.h"
#include "nfsim/bundle.h"

static char *rendered(const struct fixture *fixture) {
    struct err err = {0};

    ck_assert_msg(bundle_write(&fixture->result, &err), "%s (%s)", err.detail, err.cause);
    return fixture_text(fixture, "report.html");
}

static size_t occurrences(const char *text, const char *part) {
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        count++;
    }
    return count;
}

static void has(const char *page, const char *part) {
    ck_assert_msg(strstr(page, part) != NULL, "the page lacks %s", part);
}

/* What the page's script reads, as JSON. */
static json_t *page_figures(const char *page) {
    static const char open[] = "<script type=\"application/json\" id=\"figures\">";
    const char *start = strstr(page, open);
    ck_assert(start != NULL);
    start += strlen(open);
    const char *end = strstr(start, "</script>");
    ck_assert(end != NULL);
    json_t *json = json_loadb(start, (size_t)(end - start), 0, NULL);
    ck_assert_msg(json != NULL, "the figures are not JSON");
    return json;
}

START_TEST(the_answer_comes_first) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(20, 20, true);
    AUTO(free) char *page = rendered(fixture);
    const char *headline = strstr(page, "<h1>20 of 20 NFs enrolled; median");

    ck_assert(headline != NULL);
    ck_assert(strstr(page, "<h2>") > headline);
    has(page, "Slowest step: 6 validation, ");
    has(page, "How long does each of the nine steps take");
    has(page, "all expectations met");
}
END_TEST

START_TEST(every_part_is_there) {
    static const char *const parts[] = {"<h2>The nine steps</h2>",
                                        "<h2>Latency by percentile</h2>",
                                        "id=\"percentiles\"",
                                        "<h2>Time line</h2>",
                                        "id=\"timeline\"",
                                        "<h2>Message sequence</h2>",
                                        "<svg xmlns=",
                                        "<h2>Expectations</h2>",
                                        "<h2>Failures by cause</h2>",
                                        "<h2>Programs</h2>",
                                        "<h2>To repeat it</h2>",
                                        "scenarios/run nine-steps --seed 7",
                                        "prefers-color-scheme",
                                        "@media print",
                                        "Chart.js v",
                                        "total_p99_ms",
                                        "at most 250",
                                        "Token Authority"};
    AUTO(fixture_free) struct fixture *fixture = fixture_new(20, 20, false);
    AUTO(free) char *page = rendered(fixture);

    for (size_t i = 0; i < COUNT(parts); i++) {
        has(page, parts[i]);
    }
    for (int k = 1; k <= 9; k++) {
        char row[96];
        (void)snprintf(row, sizeof(row), "<i class=\"dot s%d\"></i>%d %s</th>", k, k,
                       result_step_name[k - 1]);
        has(page, row);
    }
}
END_TEST

START_TEST(the_page_fetches_nothing) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(2, 20, false);
    AUTO(free) char *page = rendered(fixture);

    ck_assert_uint_eq(occurrences(page, " src="), 0);
    ck_assert_uint_eq(occurrences(page, "<link"), 0);
    ck_assert_uint_eq(occurrences(page, "@import"), 0);
    ck_assert_uint_eq(occurrences(page, "url("), 0);
    has(page, "default-src 'none'");
}
END_TEST

START_TEST(hostile_text_stays_text) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(3, 20, false);
    struct run_result *result = &fixture->result;

    result->scenario = "<b>scenario" FIXTURE_SCRIPT_END;
    result->question = "question" FIXTURE_SCRIPT_END;
    result->command = "command \"&' " FIXTURE_SCRIPT_END;
    result->arrival = FIXTURE_SCRIPT_END;
    result->failures_count = 1;
    result->failures = calloc(1, sizeof(*result->failures));
    result->failures[0] = (struct result_failure){FIXTURE_SCRIPT_END, 4, 1, "x" FIXTURE_SCRIPT_END};
    result->faults_count = 1;
    result->faults = calloc(1, sizeof(*result->faults));
    result->faults[0] = (struct result_fault){FIXTURE_SCRIPT_END, 1};
    (void)snprintf(result->acme_requests[0].name, 48, FIXTURE_SCRIPT_END);
    (void)snprintf(result->expect[0].check, 64, FIXTURE_SCRIPT_END);
    (void)snprintf(result->samples[0].type, 33, "<img>\"'");
    AUTO(free) char *page = rendered(fixture);
    ck_assert_uint_eq(occurrences(page, "<script>alert(1)"), 0);
    ck_assert_uint_eq(occurrences(page, "<b>scenario"), 0);
    ck_assert_uint_eq(occurrences(page, "<img>"), 0);
    ck_assert_uint_eq(occurrences(page, "<script"), 3); /* the figures, Chart.js, ours */
    ck_assert_uint_eq(occurrences(page, "</script>"), 3);
    has(page, "&lt;script&gt;alert(1)");
    json_auto_t *figures = page_figures(page);
    ck_assert(json_array_size(json_object_get(figures, "bins")) > 0);
}
END_TEST

START_TEST(what_stands_in_the_figures_cannot_end_the_script) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(3, 20, false);
    struct err err = {0};
    AUTO(free) char *first = rendered(fixture);
    json_auto_t *result = bundle_read(fixture->folder, "result.json", &err);

    ck_assert(first != NULL && result != NULL);
    (void)json_object_set_new(json_array_get(json_object_get(result, "steps"), 2), "name",
                              json_string("o</script><script>alert(1)"));
    ck_assert(bundle_json(fixture->folder, "result.json", result, 0, &err));
    ck_assert_msg(report_write(fixture->folder, &err), "%s", err.detail);
    AUTO(free) char *page = fixture_text(fixture, "report.html");
    ck_assert_uint_eq(occurrences(page, "<script"), 3);
    json_auto_t *figures = page_figures(page);
    const json_t *curve = json_array_get(json_object_get(figures, "curves"), 3);
    ck_assert_str_eq(json_string_value(json_object_get(curve, "name")),
                     "3 o</script><script>alert(1)");
}
END_TEST

START_TEST(the_charts_hold_the_whole_run) {
    static const struct {
        uint32_t nfs, rate;
        const char *bin;
    } runs[] = {{20, 20, "100 ms"}, {40, 4, "second"}};
    AUTO(fixture_free) struct fixture *fixture = fixture_new(runs[_i].nfs, runs[_i].rate, false);
    AUTO(free) char *page = rendered(fixture);
    json_auto_t *figures = page_figures(page);
    const json_t *bin = NULL;
    size_t i = 0;
    json_int_t offered = 0, enrolled = 0;

    json_array_foreach(json_object_get(figures, "bins"), i, bin) {
        offered += json_integer_value(json_object_get(bin, "offered"));
        enrolled += json_integer_value(json_object_get(bin, "enrolled"));
    }
    ck_assert_int_eq(offered, runs[_i].nfs);
    ck_assert_int_eq(enrolled, runs[_i].nfs);
    ck_assert_str_eq(json_string_value(json_object_get(figures, "bin")), runs[_i].bin);
    ck_assert_uint_eq(json_array_size(json_object_get(figures, "curves")), 10);
}
END_TEST

START_TEST(trouble_is_told_before_the_figures) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(20, 20, false);

    fixture->result.expect[1].ok = false;
    AUTO(free) char *page = rendered(fixture);
    has(page, "1 of 3 expectations not met");
    ck_assert(strstr(page, "<h2>Expectations</h2>") < strstr(page, "<h2>The nine steps</h2>"));
}
END_TEST

START_TEST(the_files_alone_give_the_same_page_again) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(5, 20, true);
    struct err err = {0};
    AUTO(free) char *page = rendered(fixture);
    AUTO(free) char *svg = fixture_text(fixture, "flow.svg");
    char command[192];

    (void)snprintf(command, sizeof(command), "cd %s && rm -r report.html flow.svg logs given-*",
                   fixture->folder);
    ck_assert(system(command) == 0);
    ck_assert_msg(report_write(fixture->folder, &err), "%s", err.detail);
    AUTO(free) char *page_again = fixture_text(fixture, "report.html");
    AUTO(free) char *svg_again = fixture_text(fixture, "flow.svg");
    ck_assert_str_eq(page, page_again);
    ck_assert_str_eq(svg, svg_again);
}
END_TEST

START_TEST(a_folder_without_a_result_is_refused_by_name) {
    static const struct {
        const char *text, *named;
    } broken[] = {{NULL, "result.json"},
                  {"{\"steps\":", "line 1"},
                  {"{}", "nine objects"},
                  {"[]", "not an object"}};
    AUTO(fixture_free) struct fixture *fixture = fixture_new(0, 20, false);
    struct err err = {0};

    fixture_put(fixture, "timeline.json", "{}");
    if (broken[_i].text != NULL) {
        fixture_put(fixture, "result.json", broken[_i].text);
    }
    ck_assert(!report_write(fixture->folder, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strstr(err.detail, broken[_i].named) != NULL, "%s", err.detail);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, the_answer_comes_first);
    tcase_add_test(all, every_part_is_there);
    tcase_add_test(all, the_page_fetches_nothing);
    tcase_add_test(all, hostile_text_stays_text);
    tcase_add_test(all, what_stands_in_the_figures_cannot_end_the_script);
    tcase_add_loop_test(all, the_charts_hold_the_whole_run, 0, 2);
    tcase_add_test(all, trouble_is_told_before_the_figures);
    tcase_add_test(all, the_files_alone_give_the_same_page_again);
    tcase_add_loop_test(all, a_folder_without_a_result_is_refused_by_name, 0, 4);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
