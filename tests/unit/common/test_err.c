#include "common/err.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/utf8.h"
#include "suite.h"

START_TEST(setting_an_error_returns_false_and_keeps_the_text) {
    struct err err = {0};

    ck_assert(!err_set(&err, ERR_BAD_CSR, "key of %d bits", 512));
    ck_assert_int_eq(err.kind, ERR_BAD_CSR);
    ck_assert_str_eq(err.detail, "key of 512 bits");
    ck_assert_str_eq(err.param, "");
}
END_TEST

START_TEST(the_first_error_wins) {
    struct err err = {0};

    ck_assert(!err_set_param(&err, ERR_MISSING, "csr", "first"));
    ck_assert(!err_set(&err, ERR_MALFORMED, "second"));
    ck_assert_int_eq(err.kind, ERR_MISSING);
    ck_assert_str_eq(err.detail, "first");
    ck_assert_str_eq(err.param, "csr");
    ck_assert(!err_cause(&err, "one"));
    ck_assert(!err_cause(&err, "two"));
    ck_assert_str_eq(err.cause, "one");
}
END_TEST

START_TEST(a_long_text_is_cut_between_characters) {
    struct err err = {0};
    char text[400];

    for (size_t shift = 0; shift < 4; shift++) {
        err = (struct err){0};
        memset(text, 'x', sizeof(text));
        for (size_t i = shift; i + 3 < sizeof(text); i += 3) {
            memcpy(text + i, "\xe2\x82\xac", 3);
        }
        text[sizeof(text) - 1] = '\0';
        (void)err_set(&err, ERR_UPSTREAM, "%s", text);
        const char *at = err.detail;
        while (*at != '\0') {
            ck_assert_msg(utf8_len(at) > 0, "broken character, shift %zu", shift);
            at += utf8_len(at);
        }
        ck_assert_uint_gt(strlen(err.detail), sizeof(err.detail) - 5);
    }
}
END_TEST

START_TEST(openssls_reasons_become_the_cause_and_the_queue_is_emptied) {
    struct err err = {0};
    const unsigned char der[] = {0x30, 0x03, 0x02, 0x01};
    const unsigned char *at = der;

    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, sizeof(der));
    ck_assert_ptr_null(key);
    ck_assert_uint_ne(ERR_peek_error(), 0);
    (void)err_set(&err, ERR_MALFORMED, "not a key");
    ck_assert(!err_cause_openssl(&err));
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_uint_gt(strlen(err.cause), 0);
    ck_assert_str_eq(err.detail, "not a key");
}
END_TEST

START_TEST(an_empty_openssl_queue_still_names_openssl) {
    struct err err = {0};
    ck_assert(!err_cause_openssl(&err));
    ck_assert_ptr_nonnull(strstr(err.cause, "openssl"));
}
END_TEST

START_TEST(every_kind_has_a_name_of_its_own) {
    for (int kind = 0; kind < ERR__COUNT; kind++) {
        const char *name = err_name((enum err_kind)kind);
        ck_assert_ptr_nonnull(name);
        for (int other = 0; other < kind; other++) {
            ck_assert_str_ne(name, err_name((enum err_kind)other));
        }
    }
}
END_TEST

int main(void) {
    const TTest *tests[] = {setting_an_error_returns_false_and_keeps_the_text,
                            the_first_error_wins,
                            a_long_text_is_cut_between_characters,
                            openssls_reasons_become_the_cause_and_the_queue_is_emptied,
                            an_empty_openssl_queue_still_names_openssl,
                            every_kind_has_a_name_of_its_own};
    return suite_run("err", tests, COUNT(tests));
}
