#include "server/dns_answer.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Questions and records are written as octets; P points to the question's name. */
#define HEAD(answers, rcode) "\0\x07\x81" rcode "\0\1\0" answers "\0\0\0\0"
#define QUESTION "\1a\7example\0\0\x10\0\1"
#define P "\xc0\x0c"
#define TXT(owner, len) owner "\0\x10\0\1\0\0\0\x3c\0" len
#define CNAME(owner, len) owner "\0\x05\0\1\0\0\0\x3c\0" len
#define B "\1b\7example\0"

/* clang-format off */
static const struct {
    const char *what, *octets;
    size_t len;
    unsigned rcode, aliases, count;
    const char *name; /* NULL: an error that says: */
    const char *says;
} rows[] = {
#define OCTETS(text) text, sizeof(text) - 1
    {"one record",        OCTETS(HEAD("\1", "\x80") QUESTION TXT(P, "\4") "\3abc"), 0, 0, 1, "a.example", NULL},
    {"two records",       OCTETS(HEAD("\2", "\x80") QUESTION TXT(P, "\4") "\3abc" TXT(P, "\1") "\0"), 0, 0, 2, "a.example", NULL},
    {"no record",         OCTETS(HEAD("\0", "\x80") QUESTION), 0, 0, 0, "a.example", NULL},
    {"NXDOMAIN",          OCTETS(HEAD("\0", "\x83") QUESTION), 3, 0, 0, "a.example", NULL},
    {"another's record",  OCTETS(HEAD("\1", "\x80") QUESTION TXT(B, "\4") "\3abc"), 0, 0, 0, "a.example", NULL},
    {"an alias",          OCTETS(HEAD("\2", "\x80") QUESTION CNAME(P, "\x0b") B TXT(B, "\4") "\3abc"), 0, 1, 1, "b.example", NULL},
    {"in another order",  OCTETS(HEAD("\2", "\x80") QUESTION TXT(B, "\4") "\3abc" CNAME(P, "\x0b") B), 0, 1, 1, "b.example", NULL},
    {"an alias alone",    OCTETS(HEAD("\1", "\x80") QUESTION CNAME(P, "\4") "\1c\xc0\x0e"), 0, 1, 0, "c.example", NULL},
    {"a circle",          OCTETS(HEAD("\2", "\x80") QUESTION CNAME(P, "\x0b") B CNAME(B, "\2") P), 0, 0, 0, NULL, "aliases"},
    {"a strange alias",   OCTETS(HEAD("\1", "\x80") QUESTION CNAME(P, "\5") "\3a b\0"), 0, 0, 0, NULL, "no host name"},
    {"an alias to the root", OCTETS(HEAD("\1", "\x80") QUESTION CNAME(P, "\1") "\0"), 0, 0, 0, NULL, "no host name"},
    {"cut short",         OCTETS(HEAD("\1", "\x80") QUESTION TXT(P, "\4") "\3ab"), 0, 0, 0, NULL, "malformed"},
    {"fewer than said",   OCTETS(HEAD("\2", "\x80") QUESTION TXT(P, "\4") "\3abc"), 0, 0, 0, NULL, "malformed"},
    {"a pointer to itself", OCTETS(HEAD("\1", "\x80") QUESTION "\xc0\x1b" "\0\x10\0\1\0\0\0\0\0\1\0"), 0, 0, 0, NULL, "malformed"},
    {"a question",        OCTETS("\0\7\1\0\0\1\0\0\0\0\0\0" QUESTION), 0, 0, 0, NULL, "malformed"},
    {"nothing",           OCTETS(""), 0, 0, 0, NULL, "malformed"},
};
/* clang-format on */

START_TEST(rfc1035_answers_are_read_and_aliases_followed) {
    struct dns_answer answer = {0};
    struct err err = {0};
    char *exact = malloc(rows[_i].len + 1); /* so that a sanitizer sees the end */

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, rows[_i].octets, rows[_i].len);
    bool read = dns_answer_read(exact, rows[_i].len, "A.example", DNS_TYPE_TXT, &answer, &err);
    ck_assert_msg(read == (rows[_i].name != NULL), "%s: %s", rows[_i].what, err.detail);
    if (read) {
        ck_assert_uint_eq(answer.rcode, rows[_i].rcode);
        ck_assert_uint_eq(answer.aliases, rows[_i].aliases);
        ck_assert_uint_eq(answer.count, rows[_i].count);
        ck_assert_int_eq(strcasecmp(answer.name, rows[_i].name), 0);
    } else {
        ck_assert_int_eq(err.kind, ERR_DNS);
        ck_assert_msg(strstr(err.detail, rows[_i].says) != NULL, "%s: %s", rows[_i].what,
                      err.detail);
    }
    free(exact);
}
END_TEST

START_TEST(rfc8555_8_4_strings_of_a_record_are_joined) {
    char text[8];
    size_t len = 0;

    ck_assert(dns_text(&(struct dns_record){(const unsigned char *)"\2ab\0\3cde", 8}, text,
                       sizeof text, &len));
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(memcmp(text, "abcde", 5), 0);
    ck_assert(
        !dns_text(&(struct dns_record){(const unsigned char *)"\3ab", 3}, text, sizeof text, &len));
    ck_assert(!dns_text(&(struct dns_record){(const unsigned char *)"\x09"
                                                                    "123456789",
                                             10},
                        text, sizeof text, &len));
    ck_assert(
        !dns_text(&(struct dns_record){(const unsigned char *)"", 0}, text, sizeof text, &len));
}
END_TEST

START_TEST(rfc8659_4_1_a_property_has_flags_tag_and_value) {
    struct dns_caa caa;

    ck_assert(dns_caa(&(struct dns_record){(const unsigned char *)"\x80\5issueca", 9}, &caa));
    ck_assert_uint_eq(caa.flags, 128);
    ck_assert(caa.tag_len == 5 && memcmp(caa.tag, "issue", 5) == 0);
    ck_assert(caa.value_len == 2 && memcmp(caa.value, "ca", 2) == 0);
    ck_assert(!dns_caa(&(struct dns_record){(const unsigned char *)"\0\0x", 3}, &caa));
    ck_assert(!dns_caa(&(struct dns_record){(const unsigned char *)"\0\6issue", 7}, &caa));
    ck_assert(!dns_caa(&(struct dns_record){(const unsigned char *)"\0", 1}, &caa));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dns_answer");
    TCase *cases = tcase_create("dns_answer");

    tcase_add_loop_test(cases, rfc1035_answers_are_read_and_aliases_followed, 0,
                        sizeof rows / sizeof *rows);
    tcase_add_test(cases, rfc8555_8_4_strings_of_a_record_are_joined);
    tcase_add_test(cases, rfc8659_4_1_a_property_has_flags_tag_and_value);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
