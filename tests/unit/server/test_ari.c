/* Names of certificates and their windows: RFC 9773 4.1 and 4.2. */
#include <check.h>
#include <string.h>

#include "common/key.h"
#include "common/ossl.h"
#include "server/ari.h"
#include "tests/unit/common/suite.h"

/* The keyIdentifier of section 4.1. */
static const unsigned char key_id[] = {0x69, 0x88, 0x5B, 0x6B, 0x87, 0x46, 0x40, 0x41, 0xE1, 0xB3,
                                       0x7B, 0x84, 0x7B, 0xA0, 0xAE, 0x2C, 0xDE, 0x01, 0xC8, 0xD4};
#define NAME "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
#define SERIAL_HEX "87654321"

static X509 *issuer_new(void) {
    AUTO(ASN1_OCTET_STRING_free) ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    X509 *x509 = X509_new();

    ck_assert_int_eq(ASN1_OCTET_STRING_set(id, key_id, sizeof key_id), 1);
    ck_assert_int_eq(X509_add1_ext_i2d(x509, NID_subject_key_identifier, id, 0, X509V3_ADD_DEFAULT),
                     1);
    ck_assert_int_eq(X509_set_version(x509, X509_VERSION_3), 1);
    ck_assert_int_eq(X509_set_pubkey(x509, key), 1);
    ck_assert_int_gt(X509_sign(x509, key, EVP_sha256()), 0); /* OpenSSL reads only whole ones */
    return x509;
}

/* Section 4.1's own example: the serial's leading 00 is there. */
START_TEST(the_example_of_the_rfc_is_read_and_written) {
    AUTO(X509_free) X509 *issuer = issuer_new();
    char serial[X509_SERIAL_SIZE] = "", text[ARI_CERTID_SIZE];
    struct err err = {0};

    ck_assert(ari_certid_read(NAME, issuer, serial, &err));
    ck_assert_str_eq(serial, SERIAL_HEX);
    ari_certid_text(issuer, serial, text);
    ck_assert_str_eq(text, NAME);
    ari_certid_text(issuer, "4711", text);
    ck_assert_str_eq(text, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.RxE");
    ck_assert(ari_certid_read(text, issuer, serial, &err));
    ck_assert_str_eq(serial, "4711");
}
END_TEST

START_TEST(what_is_no_such_name_is_refused) {
    /* clang-format off */
    static const struct { const char *text; enum err_kind kind; } rows[] = {
        {"", ERR_MALFORMED}, {".", ERR_MALFORMED}, {"xx", ERR_MALFORMED},
        {"aYhba4dGQEHhs3uEe6CuLN4ByNQ", ERR_MALFORMED},
        {"aYhba4dGQEHhs3uEe6CuLN4ByNQ.", ERR_MALFORMED},
        {".AIdlQyE", ERR_MALFORMED},
        {NAME "=", ERR_MALFORMED}, {NAME ".AA", ERR_MALFORMED},
        {"aYhba4dGQEHhs3uEe6CuLN4ByNQ=.AIdlQyE", ERR_MALFORMED},
        {"aYhba4dGQEHhs3uEe6CuLN4ByNQ.h2VDIQ", ERR_MALFORMED},   /* negative */
        {"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AEcR", ERR_MALFORMED},     /* 00 that is not needed */
        {"aYhba4dGQEHhs3uEe6CuLN4ByNQ.+/8", ERR_MALFORMED},
        {"aYhba4dGQEHhs3uEe6CuLN4ByNR.AIdlQyE", ERR_MALFORMED},  /* spare bits */
        {"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ", ERR_MALFORMED},
        {"AYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", ERR_NOT_FOUND},  /* another CA's */
        {"aYhb.AIdlQyE", ERR_NOT_FOUND},
    };
    /* clang-format on */
    AUTO(X509_free) X509 *issuer = issuer_new();

    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        char serial[X509_SERIAL_SIZE];
        ck_assert_msg(!ari_certid_read(rows[i].text, issuer, serial, &err), "%s", rows[i].text);
        ck_assert_msg(err.kind == rows[i].kind, "%s: %s", rows[i].text, err_name(err.kind));
    }
}
END_TEST

START_TEST(an_issuer_without_key_identifier_names_nothing) {
    AUTO(X509_free) X509 *issuer = X509_new();
    char serial[X509_SERIAL_SIZE], text[ARI_CERTID_SIZE] = "x";
    struct err err = {0};

    ck_assert(!ari_certid_read(NAME, issuer, serial, &err));
    ari_certid_text(issuer, SERIAL_HEX, text);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(the_window_lies_late_in_the_life) {
    static const int64_t lives[] = {1, 2, 3, 60, 86400, 365 * 86400};

    for (unsigned i = 0; i < COUNT(lives); i++) {
        struct ari_window window = ari_window_fresh(1000, 1000 + lives[i]);
        ck_assert_int_lt(window.start_s, window.end_s);
        ck_assert_int_ge(window.start_s, 1000);
        ck_assert_int_le(window.end_s, 1001 + lives[i]);
    }
    struct ari_window window = ari_window_fresh(0, 12 * 86400);
    ck_assert_int_eq(window.start_s, 8 * 86400);
    ck_assert_int_eq(window.end_s, 9 * 86400);
    window = ari_window_revoked(5000);
    ck_assert_int_eq(window.end_s, 5000);
    ck_assert_int_lt(window.start_s, 5000);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        the_example_of_the_rfc_is_read_and_written, what_is_no_such_name_is_refused,
        an_issuer_without_key_identifier_names_nothing, the_window_lies_late_in_the_life};
    return suite_run("server/ari", tests, COUNT(tests));
}
