#include "common/x509_crl.h"

#include "common/buf.h"
#include "common/file.h"
#include "common/key.h"
#include "common/x509.h"
#include "tests/unit/common/crl_bed.h"
#include "tests/unit/common/suite.h"

#define NOW 1750000000
#define DAY 86400

static EVP_PKEY *root_key, *issuer_key, *key;
static X509 *root, *issuer, *leaf;
static X509_CHAIN *chain;
static X509_STORE *trust;

static X509 *sign(const char *name, bool ca, EVP_PKEY *its_key, X509 *by, EVP_PKEY *by_key) {
    struct err err = {0};
    const struct x509_spec spec = {.common_name = name,
                                   .ca = ca,
                                   .path_len = -1,
                                   .eku = ca ? 0 : X509_EKU_CLIENT,
                                   .not_before_s = NOW - DAY,
                                   .not_after_s = NOW + DAY,
                                   .key = its_key};
    X509 *x509 = x509_make(&spec, by, by_key, &err);

    ck_assert_msg(x509 != NULL, "%s", err.detail);
    return x509;
}

static void begin(void) {
    struct err err = {0};
    AUTO(chain_free) X509_CHAIN *anchors = sk_X509_new_null();

    root_key = key_generate(KEY_P256, &err);
    issuer_key = key_generate(KEY_P256, &err);
    key = key_generate(KEY_P256, &err);
    root = sign("root", true, root_key, NULL, root_key);
    issuer = sign("issuer", true, issuer_key, root, root_key);
    leaf = sign("leaf", false, key, issuer, issuer_key);
    chain = sk_X509_new_null();
    X509_up_ref(root);
    ck_assert(sk_X509_push(chain, leaf) > 0 && sk_X509_push(chain, issuer) > 0
              && sk_X509_push(anchors, root) > 0);
    trust = x509_trust(anchors, &err);
    ck_assert_ptr_nonnull(trust);
}

static void end(void) {
    chain_free(chain);
    X509_free(root);
    X509_STORE_free(trust);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(issuer_key);
    EVP_PKEY_free(key);
}

static bool good(struct err *err) {
    return x509_verify(chain, trust, X509_PURPOSE_SSL_CLIENT, NOW, err);
}

static void take(X509_CRL *crl) {
    struct err err = {0};
    AUTO(free) char *pem = crl_bed_pem(crl);

    ck_assert_msg(x509_crl_trust(trust, pem, &err), "%s", err.detail);
}

START_TEST(what_a_list_holds_is_refused_and_nothing_else) {
    struct err err = {0};

    begin();
    take(crl_bed_make(issuer, issuer_key, NULL, NOW - 60, NOW + 60)); /* the root's is not there */
    ck_assert_msg(good(&err), "%s", err.detail);
    end();
    begin();
    take(crl_bed_make(issuer, issuer_key, leaf, NOW - 60, NOW + 60));
    ck_assert(!good(&err));
    ck_assert_int_eq(err.kind, ERR_UNAUTHORIZED);
    ck_assert_ptr_nonnull(strstr(err.detail, "revoked"));
    end();
}
END_TEST

START_TEST(an_issuer_that_is_revoked_takes_its_certificates_along) {
    struct err err = {0};

    begin();
    take(crl_bed_make(root, root_key, issuer, NOW - 60, NOW + 60));
    ck_assert(!good(&err));
    end();
}
END_TEST

START_TEST(a_list_whose_next_one_is_late_still_counts) {
    struct err err = {0};

    begin();
    take(crl_bed_make(issuer, issuer_key, NULL, NOW - 600, NOW - 60));
    ck_assert_msg(good(&err), "%s", err.detail);
    end();
    begin();
    take(crl_bed_make(issuer, issuer_key, leaf, NOW - 600, NOW - 60));
    ck_assert(!good(&err));
    end();
}
END_TEST

START_TEST(a_list_somebody_else_signed_lets_nobody_in) {
    struct err err = {0};

    begin();
    take(crl_bed_make(issuer, root_key, NULL, NOW - 60, NOW + 60));
    ck_assert(!good(&err));
    end();
}
END_TEST

START_TEST(no_list_is_as_before) {
    struct err err = {0};

    begin();
    ck_assert(x509_crl_trust(trust, "", &err));
    ck_assert(good(&err));
    end();
}
END_TEST

static const struct {
    const char *what, *text; /* NULL: a list in DER */
    bool good;
} files[] = {
    {"DER", NULL, true},
    {"nothing", "", false},
    {"no list", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", false},
    {"cut off", "-----BEGIN X509 CRL-----\nMIIB", false},
    {"octets", "\x30\x03\x02\x01\x01", false},
};

START_TEST(a_file_holds_lists_or_is_refused) {
    char path[] = "/tmp/crl-XXXXXX";
    AUTO(buf_done) struct buf out = buf_new(65536);
    AUTO(ossl_free) unsigned char *der = NULL;
    struct err err = {0};
    int fd = mkstemp(path);

    begin();
    AUTO(X509_CRL_free)
    X509_CRL *crl = crl_bed_make(issuer, issuer_key, leaf, NOW - 60, NOW + 60);
    const int len = i2d_X509_CRL(crl, &der);
    const char *text = files[_i].text;
    ck_assert(file_write(path, 0600, text == NULL ? (char *)der : text,
                         text == NULL ? (size_t)len : strlen(text), &err));
    ck_assert_int_eq(x509_crl_read_file(path, &out, &err), files[_i].good);
    if (files[_i].good) {
        ck_assert(x509_crl_trust(trust, out.data, &err));
        ck_assert(!good(&err));
    } else {
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_ptr_nonnull(strstr(err.detail, path));
    }
    (void)unlink(path);
    (void)close(fd);
    end();
}
END_TEST

START_TEST(a_file_may_hold_several_lists) {
    char path[] = "/tmp/crl-XXXXXX";
    AUTO(buf_done) struct buf out = buf_new(65536);
    struct err err = {0};
    int fd = mkstemp(path);

    begin();
    AUTO(free)
    char *one = crl_bed_pem(crl_bed_make(root, root_key, NULL, NOW - 60, NOW + 60));
    AUTO(free)
    char *other = crl_bed_pem(crl_bed_make(issuer, issuer_key, leaf, NOW - 60, NOW + 60));
    ck_assert(write(fd, one, strlen(one)) > 0 && write(fd, other, strlen(other)) > 0);
    ck_assert_msg(x509_crl_read_file(path, &out, &err), "%s", err.detail);
    ck_assert(x509_crl_trust(trust, out.data, &err));
    ck_assert(!good(&err));
    (void)unlink(path);
    (void)close(fd);
    end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("x509_crl");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_test(all, what_a_list_holds_is_refused_and_nothing_else);
    tcase_add_test(all, an_issuer_that_is_revoked_takes_its_certificates_along);
    tcase_add_test(all, a_list_whose_next_one_is_late_still_counts);
    tcase_add_test(all, a_list_somebody_else_signed_lets_nobody_in);
    tcase_add_test(all, no_list_is_as_before);
    tcase_add_loop_test(all, a_file_holds_lists_or_is_refused, 0, (int)COUNT(files));
    tcase_add_test(all, a_file_may_hold_several_lists);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
