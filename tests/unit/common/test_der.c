#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/der.h"

/* clang-format off */
static const struct { const char *name; const char *octets; size_t len; bool good; } rows[] = {
    {"an empty sequence", "\x30\x00", 2, true},
    {"an integer in a sequence", "\x30\x03\x02\x01\x05", 5, true},
    {"two elements", "\x02\x01\x05\x02\x01\x06", 6, true},
    {"nothing", "", 0, false},
    {"a tag alone", "\x30", 1, false},
    {"cut short", "\x30\x03\x02\x01", 4, false},
    {"inner element longer than outer", "\x30\x03\x02\x02\x05\x05", 6, false},
    {"indefinite length", "\x30\x80\x00\x00", 4, false},
    {"long form of a short length", "\x30\x81\x02\x05\x00", 5, false},
    {"leading zero in the length", "\x04\x82\x00\x81", 4, false},
    {"length of four octets", "\x04\x84\x7f\xff\xff\xff", 6, false},
    {"length octets cut", "\x04\x82\x01", 3, false},
    {"reserved length", "\x04\xff", 2, false},
    {"high tag number", "\x1f\x01\x00", 3, false},
    {"end-of-contents", "\x00\x00", 2, false},
};
/* clang-format on */

START_TEST(only_der_is_wellformed) {
    struct der in = {(const unsigned char *)rows[_i].octets, rows[_i].len};
    ck_assert_msg(der_wellformed(in) == rows[_i].good, "%s", rows[_i].name);
}
END_TEST

START_TEST(depth_is_bounded) {
    unsigned char nest[2 * (DER_DEPTH_MAX + 1)];
    for (size_t i = 0; i < sizeof nest / 2; i++) {
        nest[2 * i] = DER_SEQUENCE;
        nest[2 * i + 1] = (unsigned char)(sizeof nest - 2 * (i + 1));
    }
    ck_assert(!der_wellformed((struct der){nest, sizeof nest}));
    ck_assert(der_wellformed((struct der){nest + 2, sizeof nest - 2}));
}
END_TEST

START_TEST(headers_are_read_as_written) {
    const size_t lens[] = {0, 1, 127, 128, 255, 256, 65535, 65536};
    for (unsigned i = 0; i < COUNT(lens); i++) {
        unsigned char *octets = calloc(1, lens[i] + 5);
        struct der content = {0};
        size_t header = der_header(octets, DER_OCTETS, lens[i]);
        struct der in = {octets, header + lens[i]};
        ck_assert(der_take(&in, DER_OCTETS, &content));
        ck_assert_uint_eq(content.len, lens[i]);
        ck_assert_ptr_eq(content.at, octets + header);
        ck_assert_uint_eq(in.len, 0);
        free(octets);
    }
}
END_TEST

START_TEST(another_tag_takes_nothing) {
    const unsigned char octets[] = {0x02, 0x01, 0x05};
    struct der in = {octets, sizeof octets}, content = {0};
    ck_assert(!der_take(&in, DER_OCTETS, &content));
    ck_assert_uint_eq(in.len, sizeof octets);
    ck_assert_ptr_null(content.at);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("der");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_loop_test(all, only_der_is_wellformed, 0, (int)COUNT(rows));
    tcase_add_test(all, depth_is_bounded);
    tcase_add_test(all, headers_are_read_as_written);
    tcase_add_test(all, another_tag_takes_nothing);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
