#include "nfsim/flow.h"

#include <check.h>
#include <ctype.h>

#include "bundle_fixture.h"
#include "nfsim/bundle.h"

/* Well-formed enough: every element is closed by its own name, attributes are quoted, text holds no
 * bare "<" or "&". */
static bool is_balanced(const char *svg) {
    const char *open[64];
    size_t lens[64], depth = 0;

    for (const char *c = svg; *c != '\0';) {
        if (*c == '&') {
            size_t len = strspn(c + 1, "abcdefghijklmnopqrstuvwxyz#0123456789");
            if (len == 0 || c[len + 1] != ';') {
                return false;
            }
        }
        if (*c != '<') {
            c++;
            continue;
        }
        bool closing = c[1] == '/';
        const char *name = c + 1 + closing;
        size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz");
        const char *end = name + len;
        for (bool quoted = false; *end != '\0' && (quoted || *end != '>'); end++) {
            quoted ^= *end == '"';
            if (*end == '<') {
                return false;
            }
        }
        if (len == 0 || *end == '\0') {
            return false;
        }
        if (closing) {
            if (depth == 0 || lens[depth - 1] != len || strncmp(open[depth - 1], name, len) != 0) {
                return false;
            }
            depth--;
        } else if (end[-1] != '/') {
            if (depth == COUNT(open)) {
                return false;
            }
            open[depth] = name;
            lens[depth++] = len;
        }
        c = end + 1;
    }
    return depth == 0;
}

static size_t occurrences(const char *text, const char *part) {
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        count++;
    }
    return count;
}

static char *drawn(const struct fixture *fixture, const char *trace_id) {
    struct err err = {0};

    ck_assert_msg(flow_write(fixture->folder, trace_id, &err), "%s (%s)", err.detail, err.cause);
    return fixture_text(fixture, "flow.svg");
}

static struct fixture *bundled(uint32_t nfs, bool http01) {
    struct fixture *fixture = fixture_new(nfs, 20, http01);
    struct err err = {0};

    ck_assert_msg(bundle_write(&fixture->result, &err), "%s (%s)", err.detail, err.cause);
    return fixture;
}

START_TEST(the_balance_check_tells_good_from_bad) {
    ck_assert(is_balanced("<a x=\"1>2\"><b/>t &amp; u</a>"));
    ck_assert(!is_balanced("<a><b></a></b>"));
    ck_assert(!is_balanced("<a>"));
    ck_assert(!is_balanced("<a>& </a>"));
    ck_assert(!is_balanced("<a></a></a>"));
    ck_assert(!is_balanced("<a>1 < 2</a>"));
}
END_TEST

START_TEST(all_nine_steps_are_labelled_and_the_picture_is_well_formed) {
    static const char *const labels[] = {
        ">1 request<",    ">2 account<",         ">3 order<", ">4 challenge<",   ">5 response<",
        ">6 validation<", ">7 acknowledgement<", ">8 CSR<",   ">9 certificate<", ">use<"};
    AUTO(fixture_free) struct fixture *fixture = bundled(5, true);
    AUTO(free) char *svg = drawn(fixture, NULL);
    const char *at = svg;

    ck_assert(is_balanced(svg));
    for (size_t i = 0; i < COUNT(labels); i++) {
        const char *next = strstr(at, labels[i]);
        ck_assert_msg(next != NULL, "%s is missing or out of order", labels[i]);
        at = next;
    }
    ck_assert(strstr(svg, "http://www.w3.org/2000/svg") != NULL);
    ck_assert_uint_eq(occurrences(svg, "http"), 1 + occurrences(svg, "http-01"));
    ck_assert_uint_eq(occurrences(svg, "url("), 0);
}
END_TEST

/* Requests and answers: two of the NF, one use, eight of the client, one of the server. */
START_TEST(each_exchange_is_an_arrow_there_and_one_back) {
    AUTO(fixture_free) struct fixture *fixture = bundled(1, true);
    AUTO(free) char *svg = drawn(fixture, NULL);

    ck_assert_uint_eq(occurrences(svg, "<path class=\"flow-call\""), 12);
    ck_assert_uint_eq(occurrences(svg, "<path class=\"flow-answer\""), 12);
    ck_assert_uint_eq(occurrences(svg, "<circle"), 1);
    ck_assert(strstr(svg, ">validate http-01<") != NULL);
    ck_assert(strstr(svg, ">Producer NF<") != NULL);
    ck_assert(strstr(svg, ">OAM<") != NULL);
}
END_TEST

START_TEST(the_messages_come_in_order_of_time) {
    static const char *const order[] = {
        ">POST enrolments<", ">newAccount<",  ">newOrder<", ">authz<",
        ">token<",           ">challenge<",   ">order<",    ">PUT csr<",
        ">finalize<",        ">certificate<", ">mtls use<",
    };
    AUTO(fixture_free) struct fixture *fixture = bundled(1, false);
    AUTO(free) char *svg = drawn(fixture, NULL);
    const char *at = svg;

    for (size_t i = 0; i < COUNT(order); i++) {
        at = strstr(at, order[i]);
        ck_assert_msg(at != NULL, "%s is missing or out of order", order[i]);
    }
}
END_TEST

/* The y of every row differs from the others by a row's height at least: no label lies on another.
 */
START_TEST(no_two_rows_overlap) {
    AUTO(fixture_free) struct fixture *fixture = bundled(3, true);
    AUTO(free) char *svg = drawn(fixture, NULL);
    long last = 0;
    size_t rows = 0;

    for (const char *at = svg; (at = strstr(at, "class=\"flow-time\">")) != NULL;) {
        const char *y = at;
        long value = 0;
        while (strncmp(y, " y=\"", 4) != 0) {
            y--;
        }
        for (y += 4; isdigit((unsigned char)*y); y++) {
            value = value * 10 + (*y - '0');
        }
        ck_assert_msg(rows == 0 || value - last >= 24, "row %zu at %ld after %ld", rows, value,
                      last);
        last = value;
        rows++;
        at++;
    }
    ck_assert_uint_eq(rows, 1 + 2 * 12 + 1); /* heading, exchanges, the server's own work */
}
END_TEST

START_TEST(the_median_of_those_enrolled_is_chosen) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(7, 20, false);
    struct err err = {0};

    for (size_t i = 0; i < 7; i++) { /* totals 1, 3, 5, … s; the last two were not enrolled */
        fixture->result.samples[i].t_us[9] =
            fixture->result.samples[i].t_us[0] + 1000000 * (2 * ((i * 3) % 7) + 1);
        fixture->result.samples[i].enrolled = i < 5;
    }
    /* i: 0 1 2 3 4 -> 1 7 13 5 11 s: the median is i = 1 */
    ck_assert_msg(bundle_write(&fixture->result, &err), "%s", err.detail);
    AUTO(free) char *svg = drawn(fixture, NULL);
    ck_assert(strstr(svg, fixture->result.samples[1].trace_id) != NULL);
    AUTO(free) char *other = drawn(fixture, fixture->result.samples[4].trace_id);
    ck_assert(strstr(other, fixture->result.samples[4].trace_id) != NULL);
    ck_assert(strstr(other, fixture->result.samples[1].trace_id) == NULL);
}
END_TEST

START_TEST(hostile_text_stays_text) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(1, 20, false);
    struct err err = {0};
    char path[BUNDLE_PATH_MAX];
    struct trace_context root = trace_root(77, 78, true), call = trace_child(&root);
    const struct trace_attribute attributes[] = {
        {"nf.type", "<b>&"}, {"peer", "client"}, {"status", "<i>\"'"}};
    char trace_id[33];

    for (unsigned i = 0; i < 16; i++) {
        (void)snprintf(trace_id + 2 * i, 3, "%02x", root.trace_id[i]);
    }
    (void)snprintf(path, sizeof(path), "%s/logs/nfsim.spans.jsonl", fixture->folder);
    struct trace *trace = trace_open("nfsim", path, NULL, &err);
    ck_assert(trace != NULL);
    trace_span(trace, &root, NULL, "enrolment", TRACE_INTERNAL, 1000, 9000, attributes, 1);
    trace_span(trace, &call, root.span_id, FIXTURE_SCRIPT_END, TRACE_CLIENT, 2000, 3000, attributes,
               3);
    trace_close(trace);
    ck_assert_msg(bundle_write(&fixture->result, &err), "%s", err.detail);
    AUTO(free) char *svg = drawn(fixture, trace_id);
    ck_assert(is_balanced(svg));
    ck_assert(strstr(svg, "script>") == NULL);
    ck_assert(strstr(svg, "&lt;/script&gt;") != NULL);
    ck_assert(strstr(svg, "<b>") == NULL && strstr(svg, "<i>") == NULL);
}
END_TEST

START_TEST(a_failed_answer_is_marked_and_a_call_without_one_says_so) {
    AUTO(fixture_free) struct fixture *fixture = fixture_new(0, 20, false);
    struct err err = {0};
    char path[BUNDLE_PATH_MAX];
    struct trace_context root = trace_root(1, 2, true);
    const struct trace_attribute refused[] = {{"peer", "server"}, {"status", "400"}};
    const struct trace_attribute invalid[] = {{"peer", "server"}, {"status", "invalid"}};
    const struct trace_attribute valid[] = {{"peer", "server"}, {"status", "valid"}};

    (void)snprintf(path, sizeof(path), "%s/logs/client.spans.jsonl", fixture->folder);
    struct trace *trace = trace_open("client", path, NULL, &err);
    ck_assert(trace != NULL);
    trace_span(trace, &root, NULL, "finalize", TRACE_CLIENT, 2000, 3000, refused, 2);
    trace_span(trace, &root, NULL, "newOrder", TRACE_CLIENT, 4000, 5000, refused, 1);
    trace_span(trace, &root, NULL, "validate http-01", TRACE_CLIENT, 6000, 7000, invalid, 2);
    trace_span(trace, &root, NULL, "authz", TRACE_CLIENT, 8000, 9000, valid, 2);
    trace_close(trace);
    ck_assert_msg(bundle_write(&fixture->result, &err), "%s", err.detail);
    char trace_id[33];
    for (unsigned i = 0; i < 16; i++) {
        (void)snprintf(trace_id + 2 * i, 3, "%02x", root.trace_id[i]);
    }
    AUTO(free) char *svg = drawn(fixture, trace_id);
    ck_assert(is_balanced(svg));
    ck_assert_uint_eq(occurrences(svg, "flow-status flow-bad"), 3);
    ck_assert(strstr(svg, ">400 after") != NULL);
    ck_assert(strstr(svg, ">no answer after") != NULL);
    ck_assert(strstr(svg, ">invalid after") != NULL);
    ck_assert(strstr(svg, ">not enrolled<") != NULL && strstr(svg, ">use<") == NULL);
}
END_TEST

START_TEST(without_a_trace_the_picture_says_so) {
    AUTO(fixture_free) struct fixture *fixture = bundled(0, false);
    AUTO(free) char *none = drawn(fixture, NULL);
    AUTO(free) char *unknown = drawn(fixture, "00000000000000000000000000000001");

    ck_assert(is_balanced(none) && is_balanced(unknown));
    ck_assert(strstr(none, "No enrolment of this run was sampled.") != NULL);
    ck_assert(strstr(unknown, "holds no messages") != NULL);
}
END_TEST

START_TEST(a_folder_that_is_no_bundle_is_refused) {
    struct err err = {0};

    ck_assert(!flow_write("/proc/nfacme", NULL, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert(strstr(err.detail, "timeline.json") != NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("flow");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, the_balance_check_tells_good_from_bad);
    tcase_add_test(all, all_nine_steps_are_labelled_and_the_picture_is_well_formed);
    tcase_add_test(all, each_exchange_is_an_arrow_there_and_one_back);
    tcase_add_test(all, the_messages_come_in_order_of_time);
    tcase_add_test(all, no_two_rows_overlap);
    tcase_add_test(all, the_median_of_those_enrolled_is_chosen);
    tcase_add_test(all, hostile_text_stays_text);
    tcase_add_test(all, a_failed_answer_is_marked_and_a_call_without_one_says_so);
    tcase_add_test(all, without_a_trace_the_picture_says_so);
    tcase_add_test(all, a_folder_that_is_no_bundle_is_refused);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
