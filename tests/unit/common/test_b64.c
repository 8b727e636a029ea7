#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"

/* clang-format off */
static const struct { const char *octets; size_t len; const char *text; } pairs[] = {
    {"", 0, ""},
    {"f", 1, "Zg"},                       /* RFC 4648 section 10, without padding */
    {"fo", 2, "Zm8"},
    {"foo", 3, "Zm9v"},
    {"foob", 4, "Zm9vYg"},
    {"fooba", 5, "Zm9vYmE"},
    {"foobar", 6, "Zm9vYmFy"},
    {"\x03\xec\xff\xe0\xc1", 5, "A-z_4ME"}, /* RFC 7515 appendix C */
    {"\0", 1, "AA"},
    {"\xff\xff\xff", 3, "____"},
    {"\xfb\xef\xbe", 3, "----"},
};

static const struct { const char *name; const char *text; size_t len; } bad[] = {
    {"one character", "A", 1},
    {"1 mod 4", "AAAAA", 5},
    {"padding (N-070)", "Zg==", 4},
    {"one padding", "Zm8=", 4},
    {"plus (N-073)", "ab+d", 4},
    {"slash (N-073)", "ab/d", 4},
    {"line feed (N-074)", "ab\nd", 4},
    {"trailing line feed", "abcd\n", 5},
    {"carriage return", "abc\r\n", 5},
    {"space (N-075)", "ab d", 4},
    {"spare bits after two (N-077)", "Zh", 2},
    {"all spare bits after two", "Zv", 2},
    {"spare bits after three (N-077)", "Zm9", 3},
    {"foreign octet (N-078)", "ab\xc3\xa9", 4},
    {"foreign octet in the tail", "abcd\xc3\xa9", 6},
    {"percent and point (N-079)", "%3D.", 4},
    {"NUL", "ab\0d", 4},
    {"NUL in the tail", "a\0", 2},
};
/* clang-format on */

START_TEST(known_pairs_go_both_ways) {
    struct err err = {0};
    AUTO(free) char *text = b64_encode(pairs[_i].octets, pairs[_i].len);
    AUTO(free) unsigned char *data = NULL;
    size_t len = 99;

    ck_assert_str_eq(text, pairs[_i].text);
    ck_assert_uint_eq(strlen(text), B64_LEN(pairs[_i].len));
    ck_assert(b64_decode(text, strlen(text), &data, &len, &err));
    ck_assert_uint_eq(len, pairs[_i].len);
    ck_assert_mem_eq(data, pairs[_i].octets, len);
    ck_assert_int_eq(data[len], 0);
}
END_TEST

START_TEST(what_is_not_strict_base64url_is_malformed) {
    struct err err = {0};
    AUTO(free) unsigned char *data = NULL;
    size_t len = 99;

    ck_assert_msg(!b64_decode(bad[_i].text, bad[_i].len, &data, &len, &err), "%s", bad[_i].name);
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(len, 99);
}
END_TEST

START_TEST(an_output_that_is_too_small_is_not_written) {
    struct err err = {0};
    unsigned char out[3] = {1, 2, 3};
    size_t len = 99;

    ck_assert(!b64_decode_into("Zm9v", 4, out, 2, &len, &err));
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
    ck_assert_int_eq(out[0], 1);
    err = (struct err){0};
    ck_assert(b64_decode_into("Zm9v", 4, out, 3, &len, &err));
    ck_assert_uint_eq(len, 3);
}
END_TEST

START_TEST(every_length_comes_back_as_it_went) {
    unsigned char in[200], out[200];
    char text[B64_LEN(sizeof in) + 1];

    for (size_t i = 0; i < sizeof in; i++) {
        in[i] = (unsigned char)(i * 151 + 7);
    }
    for (size_t len = 0; len <= sizeof in; len++) {
        struct err err = {0};
        size_t back = 0;
        b64_encode_into(in, len, text, sizeof text);
        ck_assert(b64_decode_into(text, strlen(text), out, sizeof out, &back, &err));
        ck_assert_uint_eq(back, len);
        ck_assert_mem_eq(in, out, len);
    }
}
END_TEST

START_TEST(exactly_sixty_four_octets_are_letters) {
    unsigned good = 0;

    for (unsigned octet = 0; octet < 256; octet++) {
        struct err err = {0};
        char text[4] = {(char)octet, 'A', 'A', 'A'};
        unsigned char out[3];
        size_t len = 0;
        good += b64_decode_into(text, 4, out, sizeof out, &len, &err);
    }
    ck_assert_uint_eq(good, 64);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("b64");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_loop_test(all, known_pairs_go_both_ways, 0, (int)COUNT(pairs));
    tcase_add_loop_test(all, what_is_not_strict_base64url_is_malformed, 0, (int)COUNT(bad));
    tcase_add_test(all, an_output_that_is_too_small_is_not_written);
    tcase_add_test(all, every_length_comes_back_as_it_went);
    tcase_add_test(all, exactly_sixty_four_octets_are_letters);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
