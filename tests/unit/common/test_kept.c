#include <check.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/kept.h"
#include "common/ossl.h"

START_TEST(digests_are_those_of_fips_180) {
    /* "abc", FIPS 180-4's example: the first four octets of each. */
    static const struct {
        unsigned char head[4];
        int size;
    } rows[] = {[KEPT_SHA1] = {{0xA9, 0x99, 0x3E, 0x36}, 20},
                [KEPT_SHA256] = {{0xBA, 0x78, 0x16, 0xBF}, 32},
                [KEPT_SHA384] = {{0xCB, 0x00, 0x75, 0x3F}, 48},
                [KEPT_SHA512] = {{0xDD, 0xAF, 0x35, 0xA1}, 64}};
    unsigned char out[EVP_MAX_MD_SIZE];

    for (unsigned i = 0; i < COUNT(rows); i++) {
        for (unsigned again = 0; again < 3; again++) {
            ck_assert(kept_hash((enum kept_digest)i, "abc", 3, out));
            ck_assert_mem_eq(out, rows[i].head, 4);
        }
        ck_assert_int_eq(EVP_MD_get_size(kept_md((enum kept_digest)i)), rows[i].size);
    }
}
END_TEST

START_TEST(a_decoder_serves_again_after_a_failure) {
    AUTO(EVP_PKEY_free) EVP_PKEY *key = kept_generate(KEY_P384);
    AUTO(ossl_free) unsigned char *der = NULL;
    size_t len = (size_t)i2d_PUBKEY(key, &der);

    for (unsigned i = 0; i < 20; i++) {
        ck_assert_ptr_null(kept_decode(KEPT_SPKI, der, len - 1 - i));
        ck_assert_ptr_null(kept_decode(KEPT_SPKI, (const unsigned char *)"x", 1));
        ck_assert_ptr_null(kept_decode(KEPT_PKCS8, der, len));
        AUTO(EVP_PKEY_free) EVP_PKEY *back = kept_decode(KEPT_SPKI, der, len);
        ck_assert_ptr_nonnull(back);
        ck_assert_int_eq(EVP_PKEY_eq(key, back), 1);
        ck_assert_int_eq((int)ERR_peek_error(), 0);
    }
}
END_TEST

START_TEST(an_import_serves_again_after_a_failure) {
    unsigned char point[32] = {9};
    OSSL_PARAM good[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end()};
    OSSL_PARAM bad[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 5),
                        OSSL_PARAM_construct_end()};

    for (unsigned i = 0; i < 5; i++) {
        ck_assert_ptr_null(kept_import(KEPT_ED25519, EVP_PKEY_PUBLIC_KEY, bad));
        AUTO(EVP_PKEY_free) EVP_PKEY *key = kept_import(KEPT_ED25519, EVP_PKEY_PUBLIC_KEY, good);
        ck_assert_ptr_nonnull(key);
    }
}
END_TEST

static void *own_context(void *unused) {
    (void)unused;
    EVP_MD_CTX *ctx = kept_md_ctx();
    ck_assert_ptr_eq(kept_md_ctx(), ctx);
    return ctx;
}

START_TEST(each_thread_has_its_own_signing_context) {
    pthread_t thread;
    void *theirs = NULL;
    EVP_MD_CTX *mine = kept_md_ctx();

    ck_assert_int_eq(pthread_create(&thread, NULL, own_context, NULL), 0);
    (void)pthread_join(thread, &theirs);
    ck_assert_ptr_nonnull(theirs);
    ck_assert_ptr_ne(theirs, mine);
    ck_assert_ptr_eq(kept_md_ctx(), mine);
}
END_TEST

START_TEST(a_finished_signature_lets_go_of_its_key) {
    EVP_PKEY *key = kept_generate(KEY_P256);
    unsigned char signature[80];
    size_t len = sizeof signature;
    EVP_MD_CTX *ctx = kept_md_ctx();

    ck_assert_int_eq(EVP_DigestSignInit(ctx, NULL, kept_md(KEPT_SHA256), NULL, key), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)"x", 1), 1);
    ck_assert_ptr_nonnull(EVP_MD_CTX_get_pkey_ctx(ctx));
    kept_md_ctx_done();
    ck_assert_ptr_null(EVP_MD_CTX_get_pkey_ctx(ctx));
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(a_kept_verifier_never_answers_for_another_key) {
    /* more keys than are kept, each freed before the next may take its address */
    for (unsigned i = 0; i < 4 * KEPT_VERIFY_MAX; i++) {
        AUTO(EVP_PKEY_free) EVP_PKEY *key = kept_generate(KEY_P256);
        AUTO(EVP_PKEY_free) EVP_PKEY *other = kept_generate(KEY_P256);
        unsigned char signature[80];
        size_t len = sizeof signature;
        ck_assert(kept_sign(key, KEPT_SHA256, "text", 4, signature, &len));
        for (unsigned again = 0; again < 2; again++) {
            ck_assert(kept_verify(key, KEPT_SHA256, "text", 4, signature, len));
            ck_assert(!kept_verify(key, KEPT_SHA256, "test", 4, signature, len));
            ck_assert(!kept_verify(key, KEPT_SHA384, "text", 4, signature, len));
            ck_assert(!kept_verify(key, KEPT_SHA256, "text", 4, signature, len - 1));
            ck_assert(!kept_verify(other, KEPT_SHA256, "text", 4, signature, len));
        }
        ERR_clear_error();
    }
}
END_TEST

/* What the threads of a test share. */
struct crowd {
    EVP_PKEY *keys[8];
    unsigned char signatures[8][80];
    size_t lens[8];
    atomic_uint wrong;
};

static void *verify_many(void *ctx) {
    struct crowd *crowd = ctx;

    for (unsigned i = 0; i < 400; i++) {
        unsigned own = i % COUNT(crowd->keys), other = (i + 1) % COUNT(crowd->keys);
        bool ok = kept_verify(crowd->keys[own], KEPT_SHA256, "text", 4, crowd->signatures[own],
                              crowd->lens[own])
                  && !kept_verify(crowd->keys[other], KEPT_SHA256, "text", 4,
                                  crowd->signatures[own], crowd->lens[own]);
        (void)atomic_fetch_add(&crowd->wrong, !ok);
    }
    ERR_clear_error();
    return NULL;
}

START_TEST(threads_share_kept_verifiers) {
    struct crowd crowd = {0};
    pthread_t threads[4];

    for (unsigned i = 0; i < COUNT(crowd.keys); i++) {
        crowd.keys[i] = kept_generate(KEY_P256);
        crowd.lens[i] = sizeof crowd.signatures[i];
        ck_assert(
            kept_sign(crowd.keys[i], KEPT_SHA256, "text", 4, crowd.signatures[i], &crowd.lens[i]));
    }
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, verify_many, &crowd), 0);
    }
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    ck_assert_uint_eq(atomic_load(&crowd.wrong), 0);
    for (unsigned i = 0; i < COUNT(crowd.keys); i++) {
        EVP_PKEY_free(crowd.keys[i]);
    }
}
END_TEST

START_TEST(a_kept_signature_is_openssls_own) {
    static const struct {
        enum key_type type;
        enum kept_digest digest;
    } rows[] = {{KEY_P256, KEPT_SHA256}, {KEY_P384, KEPT_SHA384}, {KEY_P521, KEPT_SHA512}};

    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(EVP_PKEY_free) EVP_PKEY *key = kept_generate(rows[i].type);
        AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        unsigned char signature[160];
        size_t len = sizeof signature;
        ck_assert(kept_sign(key, rows[i].digest, "text", 4, signature, &len));
        ck_assert_int_eq(EVP_DigestVerifyInit(ctx, NULL, kept_md(rows[i].digest), NULL, key), 1);
        ck_assert_int_eq(EVP_DigestVerify(ctx, signature, len, (const unsigned char *)"text", 4),
                         1);
        len = 3; /* no room */
        ck_assert(!kept_sign(key, rows[i].digest, "text", 4, signature, &len));
        ERR_clear_error();
    }
}
END_TEST

START_TEST(a_point_not_on_the_curve_is_no_key) {
    unsigned char point[65] = {0x04};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = kept_generate(KEY_P256);
    size_t len = 0;

    ck_assert_ptr_null(kept_point(KEY_P256, "prime256v1", point, sizeof point));
    ck_assert_int_eq(
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &len),
        1);
    ck_assert_ptr_null(kept_point(KEY_P256, "prime256v1", point, len - 1));
    AUTO(EVP_PKEY_free) EVP_PKEY *same = kept_point(KEY_P256, "prime256v1", point, len);
    ck_assert_ptr_nonnull(same);
    ck_assert_int_eq(EVP_PKEY_eq(key, same), 1);
    point[64] ^= 1;
    ck_assert_ptr_null(kept_point(KEY_P256, "prime256v1", point, len));
    AUTO(EVP_PKEY_free) EVP_PKEY *again = kept_generate(KEY_P256);
    ck_assert_int_eq(EVP_PKEY_eq(again, same), 0); /* the group is copied, not shared */
    ERR_clear_error();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kept");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_test(all, digests_are_those_of_fips_180);
    tcase_add_test(all, a_decoder_serves_again_after_a_failure);
    tcase_add_test(all, an_import_serves_again_after_a_failure);
    tcase_add_test(all, a_kept_verifier_never_answers_for_another_key);
    tcase_add_test(all, threads_share_kept_verifiers);
    tcase_add_test(all, a_kept_signature_is_openssls_own);
    tcase_add_test(all, a_point_not_on_the_curve_is_no_key);
    tcase_add_test(all, each_thread_has_its_own_signing_context);
    tcase_add_test(all, a_finished_signature_lets_go_of_its_key);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
