#include <check.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/key.h"
#include "common/x509.h"
#include "tests/unit/common/oracle.h"

#define NOW 1750000000
#define DAY 86400

/* A root, an issuing CA below it and what the latter signs. */
struct bed {
    EVP_PKEY *root_key, *issuer_key, *key;
    X509 *root, *issuer;
    X509_STORE *trust;
};

static X509 *sign(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, struct x509_spec spec) {
    struct err err = {0};

    spec.key = key;
    if (spec.not_after_s == 0) {
        spec.not_before_s = NOW - DAY;
        spec.not_after_s = NOW + DAY;
    }
    X509 *x509 = x509_make(&spec, issuer, issuer_key, &err);
    ck_assert_msg(x509 != NULL, "%s %s", err.detail, err.cause);
    return x509;
}

static X509_STORE *trust_one(X509 *anchor) {
    struct err err = {0};
    X509_CHAIN *anchors = sk_X509_new_null();
    sk_X509_push(anchors, anchor);
    X509_STORE *store = x509_trust(anchors, &err);
    sk_X509_free(anchors);
    ck_assert_ptr_nonnull(store);
    return store;
}

static void bed_init(struct bed *bed) {
    struct err err = {0};
    bed->root_key = key_generate(KEY_P256, &err);
    bed->issuer_key = key_generate(KEY_P256, &err);
    bed->key = key_generate(KEY_P256, &err);
    bed->root = sign(bed->root_key, NULL, bed->root_key,
                     (struct x509_spec){.common_name = "root", .ca = true, .path_len = 1});
    bed->issuer = sign(bed->issuer_key, bed->root, bed->root_key,
                       (struct x509_spec){.common_name = "issuer", .ca = true});
    bed->trust = trust_one(bed->root);
}

static void bed_done(struct bed *bed) {
    EVP_PKEY_free(bed->root_key);
    EVP_PKEY_free(bed->issuer_key);
    EVP_PKEY_free(bed->key);
    X509_free(bed->root);
    X509_free(bed->issuer);
    X509_STORE_free(bed->trust);
}

static X509 *leaf(const struct bed *bed, unsigned eku) {
    return sign(bed->key, bed->issuer, bed->issuer_key,
                (struct x509_spec){.common_name = "leaf", .eku = eku});
}

/* Verify the given certificates; NULL ends them. */
static bool verify(X509 *const *list, X509_STORE *trust, int purpose, int64_t now_s,
                   struct err *err) {
    X509_CHAIN *chain = sk_X509_new_null();
    for (; *list != NULL; list++) {
        sk_X509_push(chain, *list);
    }
    *err = (struct err){0};
    bool ok = x509_verify(chain, trust, purpose, now_s, err);
    sk_X509_free(chain);
    ck_assert_int_eq(err->kind, ok ? ERR_NONE : ERR_UNAUTHORIZED);
    return ok;
}

#define CLIENT X509_PURPOSE_SSL_CLIENT
#define SERVER X509_PURPOSE_SSL_SERVER

START_TEST(a_chain_with_its_intermediate_is_accepted) {
    struct bed bed;
    struct err err = {0};
    bed_init(&bed);
    AUTO(X509_free) X509 *both = leaf(&bed, X509_EKU_CLIENT | X509_EKU_SERVER);
    X509 *const chain[] = {both, bed.issuer, NULL};

    ck_assert_msg(verify(chain, bed.trust, CLIENT, NOW, &err), "%s", err.detail);
    ck_assert_msg(verify(chain, bed.trust, SERVER, NOW, &err), "%s", err.detail);
    ck_assert_msg(verify(chain, bed.trust, X509_PURPOSE_ANY, NOW, &err), "%s", err.detail);
    X509 *const with_root[] = {both, bed.issuer, bed.root, NULL};
    ck_assert_msg(verify(with_root, bed.trust, CLIENT, NOW, &err), "%s", err.detail);
    X509 *const alone[] = {both, NULL};
    ck_assert(!verify(alone, bed.trust, CLIENT, NOW, &err));
    X509 *const none[] = {NULL};
    ck_assert(!verify(none, bed.trust, CLIENT, NOW, &err));
    bed_done(&bed);
}
END_TEST

START_TEST(usage_must_fit_the_purpose) {
    struct bed bed;
    struct err err = {0};
    bed_init(&bed);
    AUTO(X509_free) X509 *client = leaf(&bed, X509_EKU_CLIENT);
    AUTO(X509_free) X509 *server = leaf(&bed, X509_EKU_SERVER);
    X509 *const clients[] = {client, bed.issuer, NULL};
    X509 *const servers[] = {server, bed.issuer, NULL};

    ck_assert(verify(clients, bed.trust, CLIENT, NOW, &err));
    ck_assert(!verify(clients, bed.trust, SERVER, NOW, &err));
    ck_assert(verify(servers, bed.trust, SERVER, NOW, &err));
    ck_assert(!verify(servers, bed.trust, CLIENT, NOW, &err));
    ck_assert(verify(servers, bed.trust, X509_PURPOSE_ANY, NOW, &err));
    bed_done(&bed);
}
END_TEST

START_TEST(time_is_the_callers) {
    struct bed bed;
    struct err err = {0};
    bed_init(&bed);
    AUTO(X509_free) X509 *client = leaf(&bed, X509_EKU_CLIENT);
    X509 *const chain[] = {client, bed.issuer, NULL};

    ck_assert(verify(chain, bed.trust, CLIENT, NOW + DAY - 1, &err));
    ck_assert(!verify(chain, bed.trust, CLIENT, NOW + DAY + 1, &err));
    ck_assert_ptr_nonnull(strstr(err.detail, "expired"));
    ck_assert(verify(chain, bed.trust, CLIENT, NOW - DAY, &err));
    ck_assert(!verify(chain, bed.trust, CLIENT, NOW - DAY - 1, &err));
    bed_done(&bed);
}
END_TEST

START_TEST(others_and_changed_certificates_are_refused) {
    struct bed bed, other;
    struct err err = {0};
    bed_init(&bed);
    bed_init(&other);
    AUTO(X509_free) X509 *client = leaf(&bed, X509_EKU_CLIENT);
    X509 *const chain[] = {client, bed.issuer, NULL};
    X509 *const mixed[] = {client, other.issuer, NULL};
    ck_assert(!verify(chain, other.trust, CLIENT, NOW, &err));
    ck_assert(!verify(mixed, bed.trust, CLIENT, NOW, &err));
    ck_assert(!verify(mixed, other.trust, CLIENT, NOW, &err));
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(client, &der);
    der[len - 1] ^= 1;
    AUTO(X509_free) X509 *changed = x509_from_der(der, (size_t)len, &err);
    X509 *const changed_chain[] = {changed, bed.issuer, NULL};
    ck_assert(!verify(changed_chain, bed.trust, CLIENT, NOW, &err));
    bed_done(&bed);
    bed_done(&other);
}
END_TEST

START_TEST(a_leaf_is_no_issuer) {
    struct bed bed;
    struct err err = {0};
    bed_init(&bed);
    AUTO(X509_free) X509 *middle = leaf(&bed, X509_EKU_CLIENT | X509_EKU_SERVER);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(X509_free)
    X509 *forged = sign(key, middle, bed.key,
                        (struct x509_spec){.common_name = "forged", .eku = X509_EKU_CLIENT});
    X509 *const chain[] = {forged, middle, bed.issuer, NULL};
    ck_assert(!verify(chain, bed.trust, CLIENT, NOW, &err));
    ck_assert(!verify(chain, bed.trust, X509_PURPOSE_ANY, NOW, &err));
    /* path length 0: no CA below the issuing one */
    AUTO(X509_free)
    X509 *sub =
        sign(key, bed.issuer, bed.issuer_key, (struct x509_spec){.common_name = "sub", .ca = true});
    AUTO(X509_free)
    X509 *deep =
        sign(bed.key, sub, key, (struct x509_spec){.common_name = "deep", .eku = X509_EKU_CLIENT});
    X509 *const deep_chain[] = {deep, sub, bed.issuer, NULL};
    ck_assert(!verify(deep_chain, bed.trust, CLIENT, NOW, &err));
    bed_done(&bed);
}
END_TEST

START_TEST(each_anchor_is_trusted_for_itself) {
    struct bed bed;
    struct err err = {0};
    bed_init(&bed);
    AUTO(X509_free) X509 *client = leaf(&bed, X509_EKU_CLIENT);
    AUTO(X509_STORE_free) X509_STORE *issuer = trust_one(bed.issuer);
    AUTO(X509_STORE_free) X509_STORE *self = trust_one(client);
    X509 *const alone[] = {client, NULL};
    ck_assert_msg(verify(alone, issuer, CLIENT, NOW, &err), "%s", err.detail);
    ck_assert_msg(verify(alone, self, CLIENT, NOW, &err), "%s", err.detail);
    ck_assert(!verify(alone, self, CLIENT, NOW + 2 * DAY, &err));
    bed_done(&bed);
}
END_TEST

START_TEST(a_chain_comes_back_from_pem_in_order) {
    struct bed bed;
    struct err err = {0};
    bed_init(&bed);
    AUTO(chain_free) X509_CHAIN *chain = sk_X509_new_null();
    sk_X509_push(chain, leaf(&bed, X509_EKU_CLIENT));
    X509_up_ref(bed.issuer);
    sk_X509_push(chain, bed.issuer);
    AUTO(free) char *pem = x509_chain_pem(chain, &err);
    AUTO(chain_free) X509_CHAIN *back = x509_chain_read(pem, strlen(pem), &err);
    ck_assert_int_eq(sk_X509_num(back), 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(X509_cmp(sk_X509_value(chain, i), sk_X509_value(back, i)), 0);
    }
    bed_done(&bed);
}
END_TEST

START_TEST(a_pem_text_holds_certificates_and_nothing_else) {
    struct bed bed;
    struct err err = {0};
    bed_init(&bed);
    AUTO(free) char *pem = x509_pem(bed.root, &err);
    AUTO(free) char *text = calloc(20, strlen(pem) + 1);
    const char *const others[] = {"",
                                  "hello",
                                  "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
                                  "-----BEGIN CERTIFICATE-----\nMIIB",
                                  "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
                                  "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
                                  "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"};

    for (unsigned i = 0; i < COUNT(others); i++) {
        err = (struct err){0};
        ck_assert_ptr_null(x509_chain_read(others[i], strlen(others[i]), &err));
        ck_assert_int_eq(err.kind, ERR_MALFORMED);
        if (i >= 2) { /* also behind a good one */
            err = (struct err){0};
            (void)snprintf(text, 20 * strlen(pem), "%s%s", pem, others[i]);
            ck_assert_msg(x509_chain_read(text, strlen(text), &err) == NULL, "%s", others[i]);
        }
    }
    text[0] = '\0';
    for (unsigned i = 1; i <= 17; i++) {
        memcpy(text + strlen(text), pem, strlen(pem) + 1);
        err = (struct err){0};
        AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(text, strlen(text), &err);
        ck_assert(i <= 16 ? sk_X509_num(chain) == (int)i : chain == NULL);
    }
    bed_done(&bed);
}
END_TEST

START_TEST(der_is_one_certificate_without_a_rest) {
    struct bed bed;
    bed_init(&bed);
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(bed.root, &der);
    AUTO(free) unsigned char *longer = calloc(1, (size_t)len + 1);
    memcpy(longer, der, (size_t)len);
    for (size_t cut = 0; cut <= (size_t)len + 1; cut++) {
        struct err err = {0};
        AUTO(X509_free) X509 *x509 = x509_from_der(longer, cut, &err);
        ck_assert_int_eq(x509 != NULL, cut == (size_t)len);
        ck_assert_int_eq(err.kind, x509 != NULL ? ERR_NONE : ERR_MALFORMED);
    }
    bed_done(&bed);
}
END_TEST

START_TEST(a_bad_file_is_named) {
    struct err err = {0};
    ck_assert_ptr_null(x509_chain_read_file("/nonexistent/root.pem", &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.detail, "/nonexistent/root.pem"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("x509_chain");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 30);
    tcase_add_test(all, a_chain_with_its_intermediate_is_accepted);
    tcase_add_test(all, usage_must_fit_the_purpose);
    tcase_add_test(all, time_is_the_callers);
    tcase_add_test(all, others_and_changed_certificates_are_refused);
    tcase_add_test(all, a_leaf_is_no_issuer);
    tcase_add_test(all, each_anchor_is_trusted_for_itself);
    tcase_add_test(all, a_chain_comes_back_from_pem_in_order);
    tcase_add_test(all, a_pem_text_holds_certificates_and_nothing_else);
    tcase_add_test(all, der_is_one_certificate_without_a_rest);
    tcase_add_test(all, a_bad_file_is_named);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
