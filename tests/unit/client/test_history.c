#include "client/history.h"

#include "tests/unit/common/suite.h"

#include "common/json.h"
#include "common/ossl.h"

START_TEST(lines_are_kept_in_order_with_their_causes) {
    AUTO(free) char *history = NULL;

    ck_assert_uint_eq(history_last_us(history), 0);
    ck_assert(history_add(&history, 1795443980000001, "AUTHORISED", NULL));
    ck_assert(history_add(&history, 1795443981000000, "FAILED", "caa: it may not"));
    ck_assert_str_eq(history,
                     "1795443980000001 AUTHORISED\n1795443981000000 FAILED caa: it may not\n");
    ck_assert_uint_eq(history_last_us(history), 1795443981000000);
    AUTO(json_release) json_t *list = history_render(history);
    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert_ptr_null(json_object_get(json_array_get(list, 0), "cause"));
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "cause")),
                     "caa: it may not");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "state")),
                     "AUTHORISED");
}
END_TEST

START_TEST(a_cause_cannot_make_a_line_or_break_the_text) {
    AUTO(free) char *history = NULL;
    char text[600];

    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text + HISTORY_CAUSE_MAX - 1, "\xc3\xa4", 2); /* a letter of two octets at the cut */
    ck_assert(history_add(&history, 1, "FAILED", "one\n2 ISSUED\xff\x01"));
    ck_assert(history_add(&history, 2, "FAILED", text));
    AUTO(json_release) json_t *list = history_render(history);
    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "cause")),
                     "one 2 ISSUED  ");
    ck_assert_uint_eq(strlen(json_string_value(json_object_get(json_array_get(list, 1), "cause"))),
                      HISTORY_CAUSE_MAX - 1);
}
END_TEST

START_TEST(a_long_history_keeps_its_beginning_and_its_end) {
    AUTO(free) char *history = NULL;

    for (unsigned i = 1; i <= 3 * HISTORY_LINES_MAX; i++) {
        ck_assert(history_add(&history, i, "READY", NULL));
    }
    ck_assert_int_eq(strncmp(history, "1 READY\n", 8), 0);
    ck_assert_uint_eq(history_last_us(history), 3 * HISTORY_LINES_MAX);
    AUTO(json_release) json_t *list = history_render(history);
    ck_assert_uint_eq(json_array_size(list), HISTORY_LINES_MAX);
}
END_TEST

START_TEST(what_is_no_line_is_left_out) {
    static const char *const texts[] = {
        "", "x\n", "1\n", "1 \n", " READY\n", "12 READY", "123456789012345678901 READY\n"};

    for (size_t i = 0; i < COUNT(texts); i++) {
        AUTO(json_release) json_t *list = history_render(texts[i]);
        ck_assert_msg(json_array_size(list) == 0, "%s", texts[i]);
        ck_assert_uint_eq(history_last_us(texts[i]), 0);
    }
}
END_TEST

START_TEST(a_problem_is_kept_whole_or_in_its_parts) {
    char body[HISTORY_PROBLEM_MAX + 200];
    const char small[] = "{ \"type\": \"urn:x\", \"subproblems\": [] }";

    AUTO(free) char *whole = history_problem(403, small, strlen(small));
    ck_assert_str_eq(whole, "{\"type\":\"urn:x\",\"subproblems\":[]}");
    AUTO(free) char *none = history_problem(502, "<html>", 6);
    ck_assert_str_eq(none, "{\"status\":502}");
    memset(body, 'b', sizeof body);
    memcpy(body, "{\"type\":\"urn:y\",\"detail\":\"", 26);
    memcpy(body + sizeof body - 2, "\"}", 2);
    AUTO(free) char *cut = history_problem(400, body, sizeof body);
    ck_assert_ptr_nonnull(strstr(cut, "\"type\":\"urn:y\""));
    ck_assert_uint_le(strlen(cut), HISTORY_PROBLEM_MAX);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        lines_are_kept_in_order_with_their_causes,
        a_cause_cannot_make_a_line_or_break_the_text,
        a_long_history_keeps_its_beginning_and_its_end,
        what_is_no_line_is_left_out,
        a_problem_is_kept_whole_or_in_its_parts,
    };

    return suite_run("client/history", tests, COUNT(tests));
}
