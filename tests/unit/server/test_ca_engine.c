#include "server/ca_engine.h"

#include "common/foreign.h"
#include "common/key.h"
#include "common/x509.h"
#include "tests/unit/common/suite.h"

START_TEST(a_uri_is_pkcs11_and_holds_no_pin) {
    static const struct {
        const char *uri;
        bool good;
    } rows[] = {
        {"pkcs11:token=ca;object=k;pin-source=file:/run/pin", true},
        {"pkcs11:id=%01", true},
        {"pkcs11:token=ca;pin-value=4321", false},
        {"pkcs11:token=ca?pin-value=4321", false},
        {"file:/ca.key", false},
        {"", false},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        ck_assert_msg(ca_engine_check(rows[i].uri, &err) == rows[i].good, "%s", rows[i].uri);
        ck_assert(rows[i].good || err.kind == ERR_CONFIG);
        ck_assert_ptr_null(strstr(err.detail, "4321"));
    }
}
END_TEST

/* A certificate and its key fit by their public halves. */
START_TEST(a_key_fits_its_own_certificate_only) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_generate(KEY_P256, &err);
    const struct x509_spec spec = {
        .common_name = "CA", .not_after_s = 1000000000, .ca = true, .key = key};
    AUTO(X509_free) X509 *x509 = x509_make(&spec, NULL, key, &err);

    ck_assert_ptr_nonnull(x509);
    ck_assert(ca_engine_fits(x509, key));
    ck_assert(!ca_engine_fits(x509, other));
    ck_assert(!foreign_key(key));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_uri_is_pkcs11_and_holds_no_pin,
                                  a_key_fits_its_own_certificate_only};
    return suite_run("server/ca_engine", tests, COUNT(tests));
}
