#include "nfsim/markup.h"

#include <check.h>

START_TEST(text_is_escaped) {
    static const struct {
        const char *given, *wanted;
        size_t max;
    } rows[] = {
        {"plain", "plain", 0},
        {"<b a=\"1\" c='2'>&amp;", "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;", 0},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 0},
        {"a\x01\x7f"
         "b",
         "a\xef\xbf\xbd\xef\xbf\xbd"
         "b",
         0},
        {"\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd", 0},
        {"\xc0\xaf\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 0},
        {"abcdef", "abc…", 3},
        {"abc", "abc", 3},
        {"a\xe2\x82\xac", "a…", 2}, /* never within a character */
        {"", "", 0},
    };
    AUTO(buf_done) struct buf out = buf_new(256);

    (void)buf_text(&out, "");
    markup_text(&out, rows[_i].given, rows[_i].max);
    ck_assert_str_eq(out.data, rows[_i].wanted);
}
END_TEST

START_TEST(times_have_three_digits_and_a_unit) {
    static const struct {
        uint64_t us;
        const char *wanted;
    } rows[] = {{0, "0.00\u00a0ms"},
                {420, "0.42\u00a0ms"},
                {14230, "14.2\u00a0ms"},
                {250900, "251\u00a0ms"},
                {1204000, "1.20\u00a0s"}};
    char text[MARKUP_FIGURE_SIZE];

    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_str_eq(markup_us(rows[i].us, text), rows[i].wanted);
    }
}
END_TEST

START_TEST(counts_are_grouped_from_five_digits_on) {
    static const struct {
        uint64_t count;
        const char *wanted;
    } rows[] = {{0, "0"},
                {9999, "9999"},
                {12345, "12\u202f345"},
                {UINT64_C(1234567890), "1\u202f234\u202f567\u202f890"},
                {UINT64_MAX, NULL}};
    char text[MARKUP_FIGURE_SIZE];

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *got = markup_count(rows[i].count, text);
        ck_assert(rows[i].wanted == NULL || strcmp(got, rows[i].wanted) == 0);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("markup");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_loop_test(all, text_is_escaped, 0, 10);
    tcase_add_test(all, times_have_three_digits_and_a_unit);
    tcase_add_test(all, counts_are_grouped_from_five_digits_on);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
