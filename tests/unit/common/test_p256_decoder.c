#include "common/p256_decoder.h"

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/err.h>

#include "common/ossl.h"
#include "common/provider.h"
#include "suite.h"

#define DER_MAX 256

/* A public key's encoding; compressed: its point's short form. */
static size_t encode(const char *group, bool compressed, unsigned char der[DER_MAX]) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", group);
    unsigned char *at = der;

    ck_assert_ptr_nonnull(key);
    if (compressed) {
        ck_assert_int_eq(
            EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                           OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_COMPRESSED),
            1);
    }
    int len = i2d_PUBKEY(key, NULL);
    ck_assert(len > 0 && len <= DER_MAX);
    ck_assert_int_eq(i2d_PUBKEY(key, &at), len);
    return (size_t)len;
}

/* With the decoders the process sees; NULL: refused. */
static EVP_PKEY *read_key(const unsigned char *der, size_t len, int selection) {
    EVP_PKEY *key = NULL;
    OSSL_DECODER_CTX *ctx = OSSL_DECODER_CTX_new_for_pkey(&key, "DER", "SubjectPublicKeyInfo", "EC",
                                                          selection, NULL, NULL);
    const bool read = OSSL_DECODER_from_data(ctx, &der, &len) == 1 && len == 0;

    OSSL_DECODER_CTX_free(ctx);
    ERR_clear_error();
    if (!read) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

START_TEST(a_key_is_read_as_the_other_decoder_reads_it) {
    static const struct {
        const char *group;
        bool compressed;
    } rows[] = {{"P-256", false}, {"P-256", true}, {"P-384", false}, {"P-521", true}};

    OSSL_LIB_CTX *plain = OSSL_LIB_CTX_new(); /* the whole default provider */
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char der[DER_MAX];
        size_t len = encode(rows[i].group, rows[i].compressed, der);
        const unsigned char *at = der;
        AUTO(EVP_PKEY_free) EVP_PKEY *key = read_key(der, len, EVP_PKEY_PUBLIC_KEY);
        AUTO(EVP_PKEY_free) EVP_PKEY *wanted = d2i_PUBKEY_ex(NULL, &at, (long)len, plain, NULL);
        AUTO(ossl_free) unsigned char *again = NULL;
        char group[32] = "", wanted_group[32] = "";
        int explicit_curve = -1;

        ck_assert_msg(key != NULL && EVP_PKEY_eq(key, wanted) == 1, "row %zu", i);
        ck_assert_int_eq(EVP_PKEY_get_group_name(key, group, sizeof group, NULL), 1);
        ck_assert_int_eq(EVP_PKEY_get_group_name(wanted, wanted_group, sizeof wanted_group, NULL),
                         1);
        ck_assert_str_eq(group, wanted_group);
        ck_assert_int_eq(EVP_PKEY_get_int_param(
                             key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_curve),
                         1);
        ck_assert_int_eq(explicit_curve, 0);
        ck_assert_uint_eq((size_t)i2d_PUBKEY(key, &again), len);
        ck_assert_mem_eq(again, der, len);
    }
    OSSL_LIB_CTX_free(plain);
}
END_TEST

START_TEST(a_point_off_the_curve_is_refused) {
    unsigned char der[DER_MAX];
    size_t len = encode("P-256", false, der);

    der[len - 1] ^= 1;
    ck_assert_ptr_null(read_key(der, len, EVP_PKEY_PUBLIC_KEY));
    memset(der + len - 64, 0xFF, 64); /* coordinates beyond the field */
    ck_assert_ptr_null(read_key(der, len, EVP_PKEY_PUBLIC_KEY));
    memset(der + len - 64, 0, 64);
    ck_assert_ptr_null(read_key(der, len, EVP_PKEY_PUBLIC_KEY));
}
END_TEST

START_TEST(what_is_cut_off_or_goes_on_is_refused) {
    unsigned char der[DER_MAX + 1] = {0};
    size_t len = encode("P-256", false, der);

    ck_assert_ptr_null(read_key(der, len - 1, EVP_PKEY_PUBLIC_KEY));
    ck_assert_ptr_null(read_key(der, len + 1, EVP_PKEY_PUBLIC_KEY));
    ck_assert_ptr_null(read_key(der, 0, EVP_PKEY_PUBLIC_KEY));
}
END_TEST

int main(void) {
    provider_trim();
    const TTest *tests[] = {a_key_is_read_as_the_other_decoder_reads_it,
                            a_point_off_the_curve_is_refused,
                            what_is_cut_off_or_goes_on_is_refused};

    return suite_run("p256_decoder", tests, COUNT(tests));
}
