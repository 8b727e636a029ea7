#include "common/log.h"

#include <regex.h>

#include "suite.h"

static bool matches(const char *text, const char *pattern) {
    regex_t regex;
    ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

START_TEST(a_line_is_logfmt) {
    struct caught caught = catch_start(STDERR_FILENO);
    log_line(LOG_INFO, "wfe", "request", "op=%s us=%d", "newOrder", 17);
    log_line(LOG_WARNING, "store", "full", "%s", "");
    AUTO(free) char *text = catch_end(&caught);
    ck_assert_msg(matches(text, "^ts=20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{6}Z level=info "
                                "room=wfe event=request op=newOrder us=17\n"
                                "ts=[^ ]+ level=warning room=store event=full\n$"),
                  "%s", text);
}
END_TEST

START_TEST(levels_above_the_one_set_are_silent) {
    struct caught caught = catch_start(STDERR_FILENO);
    ck_assert_int_eq(log_level_get(), LOG_INFO);
    log_line(LOG_DEBUG, "a", "hidden", "x=%d", 1);
    log_level_set(LOG_ERROR);
    log_line(LOG_WARNING, "a", "hidden", "x=%d", 1);
    log_line(LOG_ERROR, "a", "shown", "x=%d", 1);
    log_level_set(LOG_DEBUG);
    log_line(LOG_DEBUG, "a", "shown", "x=%d", 1);
    AUTO(free) char *text = catch_end(&caught);
    ck_assert_ptr_null(strstr(text, "hidden"));
    ck_assert_ptr_nonnull(strstr(text, "level=error"));
    ck_assert_ptr_nonnull(strstr(text, "level=debug"));
}
END_TEST

START_TEST(no_value_can_break_a_line_or_steer_a_terminal) {
    struct caught caught = catch_start(STDERR_FILENO);
    log_line(LOG_INFO, "a", "b", "x=%s", "1\nts=forged\r\x1b[2J\x7f\xff\xc2\x9b\xe2\x82\xac");
    AUTO(free) char *text = catch_end(&caught);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    ck_assert_msg(strstr(text, "x=1\\nts=forged\\x0d\\x1b[2J\\x7f\\xff\\xc2\\x9b\xe2\x82\xac\n")
                      != NULL,
                  "%s", text);
}
END_TEST

START_TEST(a_line_is_at_most_1_kib_and_says_that_it_was_cut) {
    char value[3000];
    for (size_t len = 900; len < 1100; len++) {
        memset(value, 'x', len);
        value[len] = '\0';
        struct caught caught = catch_start(STDERR_FILENO);
        log_line(LOG_INFO, "a", "b", "x=%s", value);
        AUTO(free) char *text = catch_end(&caught);
        ck_assert_uint_le(strlen(text), 1024);
        bool whole = strstr(text, value) != NULL;
        bool cut = strcmp(text + strlen(text) - 4, "\xe2\x80\xa6\n") == 0;
        ck_assert_msg(whole != cut, "%zu", len);
        ck_assert_msg(text[strlen(text) - 1] == '\n', "%zu", len);
    }
}
END_TEST

/* clang-format off */
static const struct { const char *text, *quoted; } quotes[] = {
    {"plain", "plain"}, {"a-b:c/d", "a-b:c/d"}, {"", "\"\""}, {"a b", "\"a b\""}, {"a=b", "\"a=b\""},
    {"say \"x\"", "\"say \\\"x\\\"\""}, {"a\\b", "\"a\\\\b\""}, {"a\nb", "\"a\\nb\""},
    {"\x1b", "\"\\x1b\""}, {"\xff", "\"\\xff\""}, {"\xe2\x82\xac", "\xe2\x82\xac"},
};
/* clang-format on */

START_TEST(a_value_is_quoted_when_it_must_be) {
    for (unsigned i = 0; i < COUNT(quotes); i++) {
        char out[64];
        ck_assert_str_eq(log_quote(quotes[i].text, out, sizeof(out)), quotes[i].quoted);
    }
}
END_TEST

START_TEST(a_quoted_value_that_is_cut_keeps_its_closing_quote) {
    for (unsigned size = 3; size < 20; size++) {
        char out[24];
        memset(out, '#', sizeof(out));
        (void)log_quote("a \"quoted\"\n\n value", out, size);
        size_t len = strlen(out);
        ck_assert_uint_lt(len, size);
        ck_assert_int_eq(out[0], '"');
        ck_assert_int_eq(out[len - 1], '"');
        ck_assert_int_eq(out[size], '#');
    }
}
END_TEST

START_TEST(levels_are_read_by_name) {
    enum log_level level = LOG_INFO;
    ck_assert(log_level_parse("debug", &level));
    ck_assert_int_eq(level, LOG_DEBUG);
    ck_assert(log_level_parse("error", &level));
    ck_assert_int_eq(level, LOG_ERROR);
    ck_assert(!log_level_parse("loud", &level));
    ck_assert_int_eq(level, LOG_ERROR);
}
END_TEST

int main(void) {
    const TTest *tests[] = {a_line_is_logfmt,
                            levels_above_the_one_set_are_silent,
                            no_value_can_break_a_line_or_steer_a_terminal,
                            a_line_is_at_most_1_kib_and_says_that_it_was_cut,
                            a_value_is_quoted_when_it_must_be,
                            a_quoted_value_that_is_cut_keeps_its_closing_quote,
                            levels_are_read_by_name};
    return suite_run("log", tests, COUNT(tests));
}
