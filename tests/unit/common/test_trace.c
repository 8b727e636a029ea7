#include "common/trace.h"

#include <pthread.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/json.h"
#include "suite.h"

/* clang-format off */
static const struct { const char *text; bool good, sampled; } parents[] = {
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true, true},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true, false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", true, true},
    {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", false, false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false, false},
    {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false, false},
    {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false, false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false, false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g", false, false},
    {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false, false},
    {"00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", false, false},
    {"", false, false}, {NULL, false, false},
};
/* clang-format on */

START_TEST(w3c_traceparent_is_read_strictly) {
    for (unsigned i = 0; i < COUNT(parents); i++) {
        struct trace_context context = {.sampled = true};
        ck_assert_msg(trace_read(parents[i].text, &context) == parents[i].good, "row %u", i);
        ck_assert_msg(context.sampled == parents[i].sampled, "row %u", i);
        ck_assert_msg((context.trace_id[0] == 0x4b) == parents[i].good, "row %u", i);
    }
}
END_TEST

START_TEST(what_is_written_is_read_back) {
    struct trace_context root = trace_root(0x0123456789abcdef, 42, true);
    struct trace_context child = trace_child(&root);
    struct trace_context back;
    char text[TRACE_PARENT_SIZE];

    trace_write(&root, text);
    ck_assert_uint_eq(strlen(text), TRACE_PARENT_SIZE - 1);
    ck_assert_int_eq(strncmp(text, "00-0123456789abcdef000000000000002a-", 36), 0);
    ck_assert(trace_read(text, &back));
    ck_assert_mem_eq(back.trace_id, root.trace_id, 16);
    ck_assert_mem_eq(back.span_id, root.span_id, 8);
    ck_assert(back.sampled);
    ck_assert_mem_eq(child.trace_id, root.trace_id, 16);
    ck_assert_mem_ne(child.span_id, root.span_id, 8);
    ck_assert(child.sampled);
    struct trace_context again = trace_root(0x0123456789abcdef, 42, true);
    ck_assert_mem_eq(again.span_id, root.span_id, 8);
}
END_TEST

/* A trace into two temporary files, and their lines. */
struct bed {
    char spans[32], events[32];
    struct trace *trace;
};

static struct bed bed_new(void) {
    struct bed bed = {.spans = "/tmp/spansXXXXXX", .events = "/tmp/eventsXXXXXX"};
    struct err err = {0};
    (void)close(mkstemp(bed.spans));
    (void)close(mkstemp(bed.events));
    bed.trace = trace_open("client", bed.spans, bed.events, &err);
    ck_assert_msg(bed.trace != NULL, "%s", err.detail);
    return bed;
}

static void bed_done(struct bed *bed) {
    trace_close(bed->trace);
    (void)unlink(bed->spans);
    (void)unlink(bed->events);
}

static char *whole(const char *path) {
    struct err err = {0};
    size_t len;
    char *text = file_read(path, &len, &err);
    ck_assert_msg(text != NULL, "%s", err.detail);
    return text;
}

static json_t *one_line(const char *path, size_t longest) {
    AUTO(free) char *text = whole(path);
    struct err err = {0};
    size_t len = strlen(text);
    ck_assert_uint_gt(len, 1);
    ck_assert_uint_le(len, longest);
    ck_assert_ptr_eq(strchr(text, '\n'), text + len - 1);
    json_t *json = json_read_object(text, len, &err);
    ck_assert_msg(json != NULL, "%s: %s", err.detail, text);
    return json;
}

static const char *member(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? "(none)" : text;
}

START_TEST(a_span_is_one_otlp_json_line) {
    struct bed bed = bed_new();
    struct trace_context root = trace_root(1, 2, true);
    struct trace_context self = trace_child(&root);
    const struct trace_attribute attributes[] = {
        {"peer", "server"}, {"left out", NULL}, {"status", "\"201\"\n"}};

    trace_span(bed.trace, &self, root.span_id, "newOrder", TRACE_CLIENT, 1700000000000001,
               1700000000000002, attributes, COUNT(attributes));
    AUTO(json_release) json_t *json = one_line(bed.spans, 4096);
    ck_assert_str_eq(member(json, "traceId"), "00000000000000010000000000000002");
    ck_assert_uint_eq(strlen(member(json, "spanId")), 16);
    ck_assert_uint_eq(strlen(member(json, "parentSpanId")), 16);
    ck_assert_str_eq(member(json, "name"), "newOrder");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "kind")), 3);
    ck_assert_str_eq(member(json, "startTimeUnixNano"), "1700000000000001000");
    ck_assert_str_eq(member(json, "endTimeUnixNano"), "1700000000000002000");
    ck_assert_str_eq(member(json, "service"), "client");
    const json_t *list = json_object_get(json, "attributes");
    ck_assert_uint_eq(json_array_size(list), 2);
    const json_t *status = json_array_get(list, 1);
    ck_assert_str_eq(member(status, "key"), "status");
    ck_assert_str_eq(member(json_object_get(status, "value"), "stringValue"), "\"201\"\n");
    bed_done(&bed);
}
END_TEST

START_TEST(a_root_has_no_parent_and_what_is_not_sampled_is_not_written) {
    struct bed bed = bed_new();
    struct trace_context quiet = trace_root(1, 2, false);
    struct trace_context loud = trace_root(1, 2, true);

    trace_span(bed.trace, &quiet, NULL, "no", TRACE_INTERNAL, 1, 2, NULL, 0);
    trace_span(bed.trace, &loud, NULL, "yes", TRACE_INTERNAL, 1, 2, NULL, 0);
    AUTO(json_release) json_t *json = one_line(bed.spans, 4096);
    ck_assert_str_eq(member(json, "name"), "yes");
    ck_assert_ptr_null(json_object_get(json, "parentSpanId"));
    bed_done(&bed);
}
END_TEST

START_TEST(an_event_has_the_members_given) {
    struct bed bed = bed_new();
    uint64_t before = clock_wall_us();
    trace_event(bed.trace, &(struct trace_event){.event = "order",
                                                 .nf = "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b",
                                                 .order = "17",
                                                 .from = "pending",
                                                 .to = "ready",
                                                 .detail = "quote \" backslash \\ \xe2\x82\xac"});
    AUTO(json_release) json_t *json = one_line(bed.events, 1024);
    ck_assert_int_ge(json_integer_value(json_object_get(json, "ts_us")), (long long)before);
    ck_assert_str_eq(member(json, "program"), "client");
    ck_assert_str_eq(member(json, "event"), "order");
    ck_assert_str_eq(member(json, "order"), "17");
    ck_assert_str_eq(member(json, "to"), "ready");
    ck_assert_str_eq(member(json, "detail"), "quote \" backslash \\ \xe2\x82\xac");
    ck_assert_ptr_null(json_object_get(json, "serial"));
    ck_assert_ptr_null(json_object_get(json, "enrolment"));
    bed_done(&bed);
}
END_TEST

START_TEST(hostile_and_endless_values_stay_one_short_line_of_json) {
    static const char *const pieces[] = {"\"", "\\", "\n", "\x01", "\xff", "\xe2\x82\xac", "x"};
    for (unsigned i = 0; i < COUNT(pieces); i++) {
        struct bed bed = bed_new();
        AUTO(buf_done) struct buf long_one = buf_new(20000);
        while (long_one.len < 10000) {
            (void)buf_text(&long_one, pieces[i]);
        }
        const char *text = long_one.data;
        trace_event(bed.trace,
                    &(struct trace_event){text, text, text, text, text, text, text, text});
        AUTO(json_release) json_t *event = one_line(bed.events, 1024);
        struct trace_attribute attributes[40];
        for (unsigned j = 0; j < COUNT(attributes); j++) {
            attributes[j] = (struct trace_attribute){text, text};
        }
        struct trace_context root = trace_root(1, 2, true);
        trace_span(bed.trace, &root, root.span_id, text, TRACE_SERVER, UINT64_MAX, UINT64_MAX,
                   attributes, COUNT(attributes));
        AUTO(json_release) json_t *span = one_line(bed.spans, 4096);
        ck_assert_uint_ge(json_array_size(json_object_get(span, "attributes")), 1);
        bed_done(&bed);
    }
}
END_TEST

static void *write_many(void *trace) {
    for (unsigned i = 0; i < 500; i++) {
        trace_event(trace, &(struct trace_event){.event = "order", .from = "a", .to = "b"});
    }
    return NULL;
}

START_TEST(lines_of_several_threads_do_not_mix) {
    struct bed bed = bed_new();
    pthread_t threads[4];
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, bed.trace), 0);
    }
    for (unsigned i = 0; i < COUNT(threads); i++) {
        (void)pthread_join(threads[i], NULL);
    }
    AUTO(free) char *text = whole(bed.events);
    unsigned lines = 0;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL && *line != '\0';
         line = strsep(&rest, "\n")) {
        struct err err = {0};
        AUTO(json_release) json_t *json = json_read_object(line, strlen(line), &err);
        ck_assert_msg(json != NULL, "%s", line);
        lines++;
    }
    ck_assert_uint_eq(lines, 4 * 500);
    bed_done(&bed);
}
END_TEST

START_TEST(halves_without_a_path_are_silent_and_a_bad_path_is_named) {
    struct err err = {0};
    struct trace *trace = trace_open("oam", NULL, NULL, &err);
    struct trace_context root = trace_root(1, 2, true);
    ck_assert_ptr_nonnull(trace);
    trace_event(trace, &(struct trace_event){.event = "x"});
    trace_span(trace, &root, NULL, "x", TRACE_SERVER, 1, 2, NULL, 0);
    trace_event(NULL, &(struct trace_event){.event = "x"});
    trace_span(NULL, &root, NULL, "x", TRACE_SERVER, 1, 2, NULL, 0);
    trace_close(trace);
    ck_assert_ptr_null(trace_open("oam", NULL, "/nonexistent/events", &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.detail, "/nonexistent/events"));
}
END_TEST

int main(void) {
    const TTest *tests[] = {w3c_traceparent_is_read_strictly,
                            what_is_written_is_read_back,
                            a_span_is_one_otlp_json_line,
                            a_root_has_no_parent_and_what_is_not_sampled_is_not_written,
                            an_event_has_the_members_given,
                            hostile_and_endless_values_stay_one_short_line_of_json,
                            lines_of_several_threads_do_not_mix,
                            halves_without_a_path_are_silent_and_a_bad_path_is_named};
    return suite_run("trace", tests, COUNT(tests));
}
