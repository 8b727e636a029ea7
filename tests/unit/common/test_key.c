#include <check.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/jws.h"
#include "common/kept.h"
#include "common/key.h"
#include "common/ossl.h"
#include "tests/unit/common/oracle.h"

/* Does one key verify what the other signed? */
static bool same_pair(EVP_PKEY *secret, EVP_PKEY *public) {
    unsigned char signature[512];
    size_t len = 0;
    enum jws_alg alg;
    struct err err = {0};

    return jws_alg_of_key(secret, &alg) && jws_sign_raw(secret, alg, "x", 1, signature, &len, &err)
           && jws_verify_raw(public, alg, "x", 1, signature, len, &err);
}

START_TEST(every_type_of_key_survives_its_private_der) {
    struct err err = {0};
    unsigned char *der = NULL, *standard = NULL;
    size_t len = 0;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate((enum key_type)_i, &err);

    ck_assert_ptr_nonnull(key);
    ck_assert(key_acceptable(key, ERR_BAD_PUBLIC_KEY, &err));
    ck_assert(key_private_der(key, &der, &len, &err));
    /* The hand-made layout is OpenSSL's own, octet by octet. */
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    ck_assert_uint_eq((size_t)i2d_PKCS8_PRIV_KEY_INFO(info, &standard), len);
    ck_assert_mem_eq(der, standard, len);
    PKCS8_PRIV_KEY_INFO_free(info);
    OPENSSL_free(standard);
    AUTO(EVP_PKEY_free) EVP_PKEY *back = key_from_private_der(der, len, &err);
    ck_assert_msg(back != NULL, "%s %s", err.detail, err.cause);
    ck_assert(same_pair(back, key));
    ck_assert(same_pair(key, back));
    for (size_t cut = 0; cut < len; cut += len / 40 + 1) {
        struct err refused = {0};
        ck_assert_ptr_null(key_from_private_der(der, cut, &refused));
        ck_assert_int_eq(refused.kind, ERR_MALFORMED);
    }
    OPENSSL_clear_free(der, len);
}
END_TEST

START_TEST(a_spoilt_private_key_is_refused) {
    const size_t places[] = {7, 20, 36, 70, 80}; /* version, curve, scalar made 0, tags, point */
    for (unsigned i = 0; i < COUNT(places); i++) {
        struct err err = {0};
        unsigned char *der = NULL;
        size_t len = 0;
        AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
        ck_assert(key_private_der(key, &der, &len, &err));
        if (places[i] == 36) {
            memset(der + 36, 0, 32);
        } else {
            der[places[i]] ^= 0x55;
        }
        ck_assert_ptr_null(key_from_private_der(der, len, &err));
        ck_assert_int_eq(err.kind, ERR_MALFORMED);
        OPENSSL_clear_free(der, len);
    }
}
END_TEST

START_TEST(every_type_of_key_survives_its_public_der) {
    struct err err = {0};
    AUTO(ossl_free) unsigned char *der = NULL, *standard = NULL;
    size_t len = 0;
    unsigned char ours[32], theirs[32];
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate((enum key_type)_i, &err);

    ck_assert(key_spki(key, &der, &len, &err));
    ck_assert_int_eq(i2d_PUBKEY(key, &standard), (int)len);
    ck_assert_mem_eq(der, standard, len);
    AUTO(EVP_PKEY_free) EVP_PKEY *back = key_from_spki(der, len);
    ck_assert_ptr_nonnull(back);
    ck_assert_int_eq(EVP_PKEY_eq(key, back), 1);
    ck_assert(key_spki_sha256(key, ours, &err));
    ck_assert(kept_hash(KEPT_SHA256, standard, len, theirs));
    ck_assert_mem_eq(ours, theirs, 32);
    ck_assert_ptr_null(key_from_spki(der, len - 1));
    unsigned char longer[1024] = {0};
    memcpy(longer, der, len);
    ck_assert_ptr_null(key_from_spki(longer, len + 1));
    der[len - 1] ^= 1; /* off the curve, where there is one */
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_from_spki(der, len);
    ck_assert(other == NULL || EVP_PKEY_eq(key, other) != 1);
}
END_TEST

START_TEST(type_names_come_back_as_they_went) {
    enum key_type type = KEY_P256;
    for (unsigned i = 0; i < KEY__COUNT; i++) {
        ck_assert(key_type_parse(key_type_name((enum key_type)i), &type));
        ck_assert_uint_eq(type, i);
    }
    ck_assert(!key_type_parse("P256", &type));
    ck_assert(!key_type_parse("", &type));
}
END_TEST

/* A key made the long way, of a kind key_generate does not offer. */
static EVP_PKEY *odd_key(const char *name, const char *group, int bits) {
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
    EVP_PKEY *key = NULL;

    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    if (group != NULL) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_group_name(ctx, group), 1);
    }
    if (bits != 0) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits), 1);
    }
    ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
    return key;
}

START_TEST(keys_of_other_kinds_are_not_acceptable) {
    /* clang-format off */
    static const struct { const char *name, *group; int bits; } odd[] = {
        {"EC", "secp256k1", 0}, {"EC", "P-224", 0}, {"EC", "brainpoolP256r1", 0},
        {"RSA", NULL, 1024},    {"RSA", NULL, 2040}, {"X25519", NULL, 0},
        {"ED448", NULL, 0},     {"RSA-PSS", NULL, 2048},
    };
    /* clang-format on */
    for (unsigned i = 0; i < COUNT(odd); i++) {
        struct err err = {0};
        AUTO(EVP_PKEY_free) EVP_PKEY *key = odd_key(odd[i].name, odd[i].group, odd[i].bits);
        ck_assert_msg(!key_acceptable(key, ERR_BAD_CSR, &err), "%s %s %d", odd[i].name,
                      odd[i].group, odd[i].bits);
        ck_assert_int_eq(err.kind, ERR_BAD_CSR);
        ck_assert_uint_gt(strlen(err.detail), 0);
    }
}
END_TEST

START_TEST(a_curve_by_its_parameters_is_not_acceptable) {
    struct err err = {0};
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
    AUTO(ossl_free) unsigned char *der = NULL;

    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_group_name(ctx, "P-256"), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_ec_param_enc(ctx, 0), 1);
    ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
    int len = i2d_PUBKEY(key, &der);
    ck_assert_int_gt(len, 150);
    AUTO(EVP_PKEY_free) EVP_PKEY *read = key_from_spki(der, (size_t)len);
    ck_assert(read == NULL || !key_acceptable(read, ERR_BAD_CSR, &err));
}
END_TEST

START_TEST(a_compressed_point_is_read_and_written_whole) {
    struct err err = {0};
    unsigned char point[KEY_POINT_MAX], back[KEY_POINT_MAX], der[59];
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(ossl_free) unsigned char *spki = NULL;
    size_t len = 0;

    ck_assert(key_point(key, KEY_P256, point, &err));
    ck_assert(key_spki(key, &spki, &len, &err));
    memcpy(der, spki, 26);
    der[1] = 57;
    der[24] = 34;
    der[26] = (unsigned char)(2 + (point[64] & 1));
    memcpy(der + 27, point + 1, 32);
    AUTO(EVP_PKEY_free) EVP_PKEY *read = key_from_spki(der, sizeof der);
    ck_assert_ptr_nonnull(read);
    ck_assert(key_point(read, KEY_P256, back, &err));
    ck_assert_mem_eq(point, back, 65);
}
END_TEST

START_TEST(a_key_file_is_private_and_comes_back) {
    char folder[] = "/tmp/nfacme-key-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a.key", folder);
    const enum key_type types[] = {KEY_P256, KEY_RSA2048, KEY_ED25519};
    for (unsigned i = 0; i < COUNT(types); i++) {
        struct err err = {0};
        struct stat status;
        AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(types[i], &err);
        ck_assert_msg(key_write_file(key, path, &err), "%s", err.detail);
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_uint_eq(status.st_mode & 0777, 0600);
        AUTO(EVP_PKEY_free) EVP_PKEY *back = key_read_file(path, &err);
        ck_assert_msg(back != NULL, "%s %s", err.detail, err.cause);
        ck_assert(same_pair(back, key));
    }
    oracle_remove(folder);
}
END_TEST

START_TEST(a_bad_key_file_names_its_path) {
    const char *const texts[] = {
        "", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIAAAA==\n-----END ENCRYPTED PRIVATE KEY-----\n"};
    char folder[] = "/tmp/nfacme-key-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a.key", folder);
    for (unsigned i = 0; i < COUNT(texts); i++) {
        struct err err = {0};
        oracle_put(folder, "a.key", texts[i]);
        ck_assert_ptr_null(key_read_file(path, &err));
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_ptr_nonnull(strstr(err.detail, path));
    }
    oracle_remove(folder);
    struct err err = {0};
    ck_assert_ptr_null(key_read_file(path, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

static void *work(void *unused) {
    struct err err = {0};
    for (unsigned i = 0; i < 20; i++) {
        AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
        ck_assert(key != NULL && same_pair(key, key));
    }
    return unused;
}

START_TEST(threads_keep_their_own_contexts_and_free_them) {
    pthread_t threads[4];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT(threads); i++) {
            ck_assert_int_eq(pthread_create(&threads[i], NULL, work, NULL), 0);
        }
        for (unsigned i = 0; i < COUNT(threads); i++) {
            (void)pthread_join(threads[i], NULL);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("key");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, every_type_of_key_survives_its_private_der, 0, KEY__COUNT);
    tcase_add_test(all, a_spoilt_private_key_is_refused);
    tcase_add_loop_test(all, every_type_of_key_survives_its_public_der, 0, KEY__COUNT);
    tcase_add_test(all, type_names_come_back_as_they_went);
    tcase_add_test(all, keys_of_other_kinds_are_not_acceptable);
    tcase_add_test(all, a_curve_by_its_parameters_is_not_acceptable);
    tcase_add_test(all, a_compressed_point_is_read_and_written_whole);
    tcase_add_test(all, a_key_file_is_private_and_comes_back);
    tcase_add_test(all, a_bad_key_file_names_its_path);
    tcase_add_test(all, threads_keep_their_own_contexts_and_free_them);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
