#include "nfsim/bundle_merge.h"

#include <check.h>

#include "bundle_fixture.h"

static json_t *merged_spans(const struct fixture *fixture, struct merge_count *count) {
    struct err err = {0};

    ck_assert_msg(merge_spans(fixture->folder, count, &err), "%s", err.detail);
    json_t *json = bundle_read(fixture->folder, "trace.otlp.json", &err);
    ck_assert_msg(json != NULL, "%s", err.detail);
    return json;
}

static const json_t *resource_named(const json_t *trace, const char *service) {
    const json_t *resource = NULL;
    size_t i = 0;

    json_array_foreach(json_object_get(trace, "resourceSpans"), i, resource) {
        const json_t *first =
            json_array_get(json_object_get(json_object_get(resource, "resource"), "attributes"), 0);
        ck_assert_str_eq(json_string_value(json_object_get(first, "key")), "service.name");
        const char *name =
            json_string_value(json_object_get(json_object_get(first, "value"), "stringValue"));
        if (strcmp(name, service) == 0) {
            return resource;
        }
    }
    return NULL;
}

static const json_t *spans_of(const json_t *trace, const char *service) {
    const json_t *scopes = json_object_get(resource_named(trace, service), "scopeSpans");

    return json_object_get(json_array_get(scopes, 0), "spans");
}

START_TEST(every_program_is_one_resource_with_all_of_its_spans) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(4, 20, true);
    struct merge_count count = {0};
    json_auto_t *trace = merged_spans(fixture, &count);

    /* per NF: root, nine steps, two calls and the use; the client's 8 + 2 and its 3 answers … */
    ck_assert_uint_eq(json_array_size(json_object_get(trace, "resourceSpans")), 4);
    ck_assert_uint_eq(json_array_size(spans_of(trace, "nfsim")), 4 * 13);
    ck_assert_uint_eq(json_array_size(spans_of(trace, "nfacme-client")), 4 * 11);
    ck_assert_uint_eq(json_array_size(spans_of(trace, "nfacme-server")), 4 * 9);
    ck_assert_uint_eq(json_array_size(spans_of(trace, "nfsim-oam")), 4);
    ck_assert_uint_eq(count.written, 4 * (13 + 11 + 9 + 1));
    ck_assert_uint_eq(count.dropped, 0);
}
END_TEST

START_TEST(a_span_keeps_its_members_but_not_the_service) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(1, 20, false);
    struct merge_count count = {0};
    json_auto_t *trace = merged_spans(fixture, &count);
    const json_t *root = json_array_get(spans_of(trace, "nfsim"), 0);

    ck_assert_str_eq(json_string_value(json_object_get(root, "name")), "enrolment");
    ck_assert_str_eq(json_string_value(json_object_get(root, "traceId")),
                     fixture->result.samples[0].trace_id);
    ck_assert_str_eq(json_string_value(json_object_get(root, "startTimeUnixNano")),
                     "1795438800000000000");
    ck_assert(json_object_get(root, "service") == NULL);
    ck_assert(json_object_get(root, "attributes") != NULL);
}
END_TEST

static const char whole_span[] =
    "{\"traceId\":\"0102\",\"spanId\":\"03\",\"name\":\"x\",\"startTimeUnixNano\":\"1000\","
    "\"endTimeUnixNano\":\"2000\",\"service\":\"server\"}";

START_TEST(a_cut_last_line_is_left_out_and_counted) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(1, 20, false);
    struct merge_count count = {0};
    size_t whole = 7 + 1; /* answers of the server and its own validation */

    fixture_put(fixture, "logs/server.spans.jsonl", "{\"traceId\":\"0102\",\"spa");
    json_auto_t *trace = merged_spans(fixture, &count);
    ck_assert_uint_eq(count.dropped, 1);
    ck_assert_uint_eq(json_array_size(spans_of(trace, "nfacme-server")), whole);
}
END_TEST

START_TEST(what_is_no_span_is_left_out_and_a_last_line_needs_no_end) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(0, 20, false);
    struct merge_count count = {0};

    fixture_put(fixture, "logs/server.spans.jsonl", "\n[]\n7\n{}\n{\"traceId\":1}\nrubbish\n");
    fixture_put(fixture, "logs/server.spans.jsonl", whole_span);
    json_auto_t *trace = merged_spans(fixture, &count);
    ck_assert_uint_eq(count.written, 1);
    ck_assert_uint_eq(count.dropped, 6);
    ck_assert_uint_eq(json_array_size(spans_of(trace, "nfacme-server")), 1);
}
END_TEST

START_TEST(no_logs_make_an_empty_trace_and_history) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(0, 20, false);
    struct merge_count count = {.written = 9};
    struct err err = {0};
    json_auto_t *trace = merged_spans(fixture, &count);

    ck_assert_uint_eq(json_array_size(json_object_get(trace, "resourceSpans")), 0);
    ck_assert_uint_eq(count.written, 0);
    ck_assert(merge_events(fixture->folder, 0, &count, &err));
    AUTO(free) char *events = fixture_text(fixture, "events.jsonl");
    ck_assert_str_eq(events, "");
}
END_TEST

START_TEST(events_of_all_programs_are_in_order_of_time) {
    static const struct {
        const char *program;
        uint64_t ts_us;
        const char *to;
    } given[] = {{"server", 50, "e"}, {"server", 20, "b"}, {"client", 40, "d"},
                 {"client", 30, "c"}, {"nfsim", 10, "a"},  {"nfsim", 60, "f"},
                 {"oam", 60, "h"},    {"client", 60, "g"}};
    AUTO(fixture_free) struct fixture *fixture = fixture_new(0, 20, false);
    struct merge_count count = {0};
    struct err err = {0};
    char order[16] = "";

    for (size_t i = 0; i < COUNT(given); i++) {
        fixture_event(fixture, given[i].program, given[i].ts_us, "enrolment", given[i].to);
    }
    fixture_put(fixture, "logs/oam.events.jsonl", "{\"ts_us\":5,\"eve");
    ck_assert_msg(merge_events(fixture->folder, 8, &count, &err), "%s", err.detail);
    ck_assert_uint_eq(count.written, COUNT(given));
    ck_assert_uint_eq(count.dropped, 1);
    AUTO(free) char *events = fixture_text(fixture, "events.jsonl");
    for (const char *at = events; (at = strstr(at, "\"to\":\"")) != NULL;) {
        at += strlen("\"to\":\"");
        (void)snprintf(order + strlen(order), sizeof(order) - strlen(order), "%c", *at);
    }
    ck_assert_str_eq(order, "abcdefgh");
}
END_TEST

static void put_events(const struct fixture *fixture, unsigned count, const char *rest) {
    for (unsigned i = 0; i < count; i++) {
        char line[512];
        (void)snprintf(line, sizeof(line),
                       "{\"ts_us\":%u,\"program\":\"client\",\"event\":\"enrolment\",%s}\n", 10 + i,
                       rest);
        fixture_put(fixture, "logs/client.events.jsonl", line);
    }
}

START_TEST(events_take_the_longest_form_that_fits) {
    static const char tie[] = "\"nf\":\"n\",\"enrolment\":\"e\",\"to\":\"AUTHORISED\"";
    static const char plain[] = "\"nf\":\"n\",\"enrolment\":\"eeeeeeeeeeeeeeeeeeee\","
                                "\"order\":\"oooooooooooooooooooo\",\"from\":\"ORDERED\","
                                "\"to\":\"READY\",\"detail\":\"ddddddddddddddddddddddddd\"";
    static const struct {
        unsigned count; /* of plain lines, against one budget of 4096 */
        enum merge_form form;
        const char *kept, *gone;
    } rows[] = {
        {18, MERGE_WHOLE, "eeee", NULL},        {24, MERGE_NO_ENROLMENT, "oooo", "eeee"},
        {28, MERGE_ONCE, "ORDERED", "oooo"},    {34, MERGE_NO_FROM, "dddd", "from"},
        {45, MERGE_NO_DETAIL, "READY", "dddd"}, {99, MERGE_NO_DETAIL, "READY", "dddd"},
    };
    AUTO(fixture_free) struct fixture *fixture = fixture_new(0, 20, false);
    struct merge_count count = {0};
    struct err err = {0};

    put_events(fixture, 1, tie);
    put_events(fixture, rows[_i].count, plain);
    ck_assert(merge_events(fixture->folder, 1, &count, &err));
    AUTO(free) char *events = fixture_text(fixture, "events.jsonl");
    ck_assert_uint_le(strlen(events), 4096);
    ck_assert_int_eq(count.form, rows[_i].form);
    ck_assert(strstr(events, rows[_i].kept) != NULL);
    ck_assert(rows[_i].gone == NULL || strstr(events, rows[_i].gone) == NULL);
    ck_assert(strstr(events, "\"enrolment\":\"e\"") != NULL); /* what ties is never lost */
    ck_assert_uint_eq(count.written + count.dropped, rows[_i].count + 1);
    ck_assert_int_eq(count.dropped > 0, rows[_i].count == 99);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bundle_merge");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_test(all, every_program_is_one_resource_with_all_of_its_spans);
    tcase_add_test(all, a_span_keeps_its_members_but_not_the_service);
    tcase_add_test(all, a_cut_last_line_is_left_out_and_counted);
    tcase_add_test(all, what_is_no_span_is_left_out_and_a_last_line_needs_no_end);
    tcase_add_test(all, no_logs_make_an_empty_trace_and_history);
    tcase_add_test(all, events_of_all_programs_are_in_order_of_time);
    tcase_add_loop_test(all, events_take_the_longest_form_that_fits, 0, 6);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
