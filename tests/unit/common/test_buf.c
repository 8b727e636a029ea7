#include "common/buf.h"

#include "suite.h"

START_TEST(text_grows_and_is_taken_out) {
    AUTO(buf_done) struct buf buf = buf_new(100000);

    for (unsigned i = 0; i < 10000; i++) {
        ck_assert(buf_printf(&buf, "%u,", i % 10));
    }
    ck_assert(buf_text(&buf, "end"));
    ck_assert_uint_eq(buf.len, 20003);
    AUTO(free) char *text = buf_take(&buf);
    ck_assert_uint_eq(strlen(text), 20003);
    ck_assert_str_eq(text + 19998, "9,end");
    ck_assert_uint_eq(buf.len, 0);
    ck_assert(buf_text(&buf, "again"));
    ck_assert_str_eq(buf.data, "again");
}
END_TEST

START_TEST(the_maximum_is_kept_to_the_octet) {
    AUTO(buf_done) struct buf buf = buf_new(5);

    ck_assert(buf_text(&buf, "12345"));
    ck_assert(!buf.failed);
    ck_assert(!buf_text(&buf, "6"));
    ck_assert(buf.failed);
    ck_assert_uint_eq(buf.len, 5);
    ck_assert_str_eq(buf.data, "12345");
}
END_TEST

START_TEST(after_a_failure_appends_do_nothing_and_nothing_is_taken) {
    AUTO(buf_done) struct buf buf = buf_new(3);

    ck_assert(!buf_printf(&buf, "%s", "1234"));
    ck_assert(!buf_add(&buf, "1", 1));
    ck_assert(!buf_add(&buf, "", 0));
    ck_assert_uint_eq(buf.len, 0);
    ck_assert_ptr_null(buf_take(&buf));
    ck_assert(!buf.failed);
}
END_TEST

START_TEST(octets_may_hold_nul) {
    AUTO(buf_done) struct buf buf = buf_new(10);

    ck_assert(buf_add(&buf, "a\0b", 3));
    ck_assert_uint_eq(buf.len, 3);
    ck_assert_int_eq(memcmp(buf.data, "a\0b\0", 4), 0);
}
END_TEST

START_TEST(an_empty_buffer_is_an_empty_text) {
    AUTO(buf_done) struct buf buf = buf_new(0);
    AUTO(free) char *text = buf_take(&buf);
    ck_assert_str_eq(text, "");
}
END_TEST

int main(void) {
    const TTest *tests[] = {text_grows_and_is_taken_out, the_maximum_is_kept_to_the_octet,
                            after_a_failure_appends_do_nothing_and_nothing_is_taken,
                            octets_may_hold_nul, an_empty_buffer_is_an_empty_text};
    return suite_run("buf", tests, COUNT(tests));
}
