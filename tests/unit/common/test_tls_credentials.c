#include <check.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/key.h"
#include "common/ossl.h"
#include "common/tls_credentials.h"

/* Texts of a key and of a certificate it signed itself, made by OpenSSL alone. */
struct pair {
    EVP_PKEY *key;
    char cert[8192], key_pem[4096];
};

static void text_of(BIO *bio, char *text, size_t size) {
    int len = BIO_read(bio, text, (int)size - 1);
    ck_assert_int_gt(len, 0);
    text[len] = '\0';
    BIO_free(bio);
}

static struct pair pair_make(enum key_type type) {
    struct err err = {0};
    struct pair pair = {.key = key_generate(type, &err)};
    X509 *x509 = X509_new();
    BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    const EVP_MD *digest = type == KEY_ED25519 ? NULL : EVP_sha256();

    ck_assert_ptr_nonnull(pair.key);
    ck_assert_int_eq(X509_set_version(x509, 2), 1);
    ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(x509), 1), 1);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(x509), 0));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(x509), 3600));
    ck_assert_int_eq(X509_set_pubkey(x509, pair.key), 1);
    ck_assert_int_gt(X509_sign(x509, pair.key, digest), 0);
    ck_assert_int_eq(PEM_write_bio_X509(cert, x509), 1);
    ck_assert_int_eq(PEM_write_bio_PrivateKey(key, pair.key, NULL, NULL, 0, NULL, NULL), 1);
    text_of(cert, pair.cert, sizeof(pair.cert));
    text_of(key, pair.key_pem, sizeof(pair.key_pem));
    X509_free(x509);
    return pair;
}

static const struct {
    enum key_type type;
    gnutls_sign_algorithm_t algorithm;
} kinds[] = {
    {KEY_P256, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256}, {KEY_P256, GNUTLS_SIGN_ECDSA_SHA256},
    {KEY_P384, GNUTLS_SIGN_ECDSA_SECP384R1_SHA384}, {KEY_RSA2048, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256},
    {KEY_RSA2048, GNUTLS_SIGN_RSA_SHA256},          {KEY_ED25519, GNUTLS_SIGN_EDDSA_ED25519},
};

START_TEST(what_a_key_of_each_kind_signs_its_certificate_verifies) {
    static const gnutls_datum_t said = {(unsigned char *)"a transcript", 12};
    static const gnutls_datum_t other = {(unsigned char *)"b transcript", 12};
    struct err err = {0};
    struct pair pair = pair_make(kinds[_i].type);
    struct tls_credentials *credentials = tls_credentials_new(pair.cert, pair.key_pem, &err);
    gnutls_pcert_st *chain = NULL;
    gnutls_privkey_t key = NULL;
    unsigned count = 0;
    gnutls_datum_t signature = {NULL, 0};

    ck_assert_msg(credentials != NULL, "%s (%s)", err.detail, err.cause);
    tls_credentials_show(credentials, &chain, &count, &key);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(gnutls_privkey_sign_data2(key, kinds[_i].algorithm, 0, &said, &signature), 0);
    ck_assert_int_ge(
        gnutls_pubkey_verify_data2(chain[0].pubkey, kinds[_i].algorithm, 0, &said, &signature), 0);
    ck_assert_int_lt(
        gnutls_pubkey_verify_data2(chain[0].pubkey, kinds[_i].algorithm, 0, &other, &signature), 0);
    gnutls_free(signature.data);
    tls_credentials_free(credentials);
    EVP_PKEY_free(pair.key);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    struct pair pair = pair_make(KEY_P256), stranger = pair_make(KEY_P256);
    const struct {
        const char *cert, *key, *why;
    } bad[] = {
        {pair.cert, stranger.key_pem, "not the certificate's"},
        {pair.cert, "nothing", "not a private key in PEM"},
        {pair.cert, pair.cert, "not a private key in PEM"},
        {pair.key_pem, pair.key_pem, ""},
        {"nothing", pair.key_pem, ""},
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct err err = {0};
        ck_assert_ptr_null(tls_credentials_new(bad[i].cert, bad[i].key, &err));
        ck_assert_int_ne(err.kind, ERR_NONE);
        ck_assert_msg(strstr(err.detail, bad[i].why) != NULL, "%zu: %s", i, err.detail);
    }
    EVP_PKEY_free(pair.key);
    EVP_PKEY_free(stranger.key);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls_credentials");
    TCase *tcase = tcase_create("tls_credentials");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, what_a_key_of_each_kind_signs_its_certificate_verifies, 0,
                        (int)COUNT(kinds));
    tcase_add_test(tcase, what_does_not_fit_is_refused);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
