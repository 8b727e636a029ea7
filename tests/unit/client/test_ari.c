#include "client/ari.h"

#include "common/key.h"
#include "tests/unit/common/suite.h"

/* RFC 9773 section 4.1: the example's key identifier and serial number. */
START_TEST(a_certificate_is_named_by_issuer_key_and_serial) {
    static const unsigned char der[] = {0x87, 0x65, 0x43, 0x21};
    struct err err = {0};
    char name[ARI_CERTID_SIZE];
    AUTO(X509_free) X509 *leaf = X509_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    const struct x509_spec spec = {
        .common_name = "leaf", .not_before_s = 1000, .not_after_s = 2000, .key = key};
    AUTO(X509_free) X509 *made = x509_make(&spec, NULL, key, &err);

    ck_assert(!ari_certid(leaf, name)); /* no AKI */
    ck_assert_msg(made != NULL, "%s", err.detail);
    ck_assert(ASN1_STRING_set(serial, der, sizeof der));
    ck_assert(X509_set_serialNumber(made, serial));
    ASN1_INTEGER_free(serial);
    ck_assert_int_gt(i2d_re_X509_tbs(made, NULL), 0);
    ck_assert(ari_certid(made, name));
    ck_assert_str_eq(strchr(name, '.'),
                     ".AIdlQyE"); /* the leading zero octet of a positive number */
    AUTO(free) char *pem = x509_pem(made, &err);
    AUTO(free) char *of_chain = ari_certid_chain(pem);
    ck_assert_ptr_nonnull(of_chain);
    ck_assert_str_eq(of_chain, name);
    ck_assert_ptr_null(
        ari_certid_chain("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"));
    ck_assert_ptr_null(ari_certid_chain(NULL));
}
END_TEST

/* clang-format off */
static const struct {
    const char *name, *body;
    bool good;
    const char *explanation;
} bodies[] = {
    {"a window", "{\"suggestedWindow\":{\"start\":\"2026-01-02T04:00:00Z\",\"end\":\"2026-01-03T04:00:00Z\"}}", true, ""},
    {"with a reason", "{\"suggestedWindow\":{\"start\":\"2026-01-02T04:00:00Z\",\"end\":\"2026-01-03T04:00:00Z\"},\"explanationURL\":\"https://ca.example/why\"}", true, "https://ca.example/why"},
    {"a reason that is no URL", "{\"suggestedWindow\":{\"start\":\"2026-01-02T04:00:00Z\",\"end\":\"2026-01-03T04:00:00Z\"},\"explanationURL\":\"javascript:x\"}", true, ""},
    {"backwards", "{\"suggestedWindow\":{\"start\":\"2026-01-03T04:00:00Z\",\"end\":\"2026-01-02T04:00:00Z\"}}", false, ""},
    {"empty window", "{\"suggestedWindow\":{\"start\":\"2026-01-03T04:00:00Z\",\"end\":\"2026-01-03T04:00:00Z\"}}", false, ""},
    {"no end", "{\"suggestedWindow\":{\"start\":\"2026-01-03T04:00:00Z\"}}", false, ""},
    {"not a date", "{\"suggestedWindow\":{\"start\":\"soon\",\"end\":\"2026-01-02T04:00:00Z\"}}", false, ""},
    {"not JSON", "<html>", false, ""},
    {"an array", "[]", false, ""},
};
/* clang-format on */

START_TEST(renewal_information_is_read_strictly) {
    struct ari_window window = {0};
    struct err err = {0};
    const bool good = ari_parse(bodies[_i].body, strlen(bodies[_i].body), &window, &err);

    ck_assert_msg(good == bodies[_i].good, "%s", bodies[_i].name);
    ck_assert_msg(good || err.kind == ERR_UPSTREAM, "%s", bodies[_i].name);
    ck_assert_str_eq(window.explanation, bodies[_i].explanation);
}
END_TEST

START_TEST(moments_lie_in_the_window_and_are_spread_over_it) {
    const struct ari_window window = {.start_us = 1000000, .end_us = 2000000};
    unsigned quarters[4] = {0};

    for (unsigned seed = 0; seed < 4000; seed++) {
        const uint64_t at_us = ari_pick_us(&window, seed);
        ck_assert_uint_ge(at_us, window.start_us);
        ck_assert_uint_lt(at_us, window.end_us);
        ck_assert_uint_eq(at_us, ari_pick_us(&window, seed));
        quarters[(at_us - window.start_us) / 250000]++;
    }
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_gt(quarters[i], 850);
        ck_assert_uint_lt(quarters[i], 1150);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("client/ari");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_test(all, a_certificate_is_named_by_issuer_key_and_serial);
    tcase_add_loop_test(all, renewal_information_is_read_strictly, 0, COUNT(bodies));
    tcase_add_test(all, moments_lie_in_the_window_and_are_spread_over_it);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
