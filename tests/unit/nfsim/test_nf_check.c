#include "nfsim/nf_check.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/key.h"
#include "common/x509.h"

#define NOW_S 1800000000
#define ID "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
#define OTHER_ID "5ace9d34-2c69-4f99-92d5-a73a3fe8e23b"

/* A root and an issuing CA. */
struct ca {
    EVP_PKEY *root_key, *key;
    X509 *root, *x509;
    X509_STORE *trust;
};

static struct ca ca, stranger;
static EVP_PKEY *nf_key, *other_key;

static X509 *make_ca(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key) {
    struct err err = {0};
    const struct x509_spec spec = {.common_name = name,
                                   .ca = true,
                                   .path_len = -1,
                                   .not_before_s = NOW_S - 1000,
                                   .not_after_s = NOW_S + 100000,
                                   .key = key};
    X509 *x509 = x509_make(&spec, issuer, issuer_key, &err);

    ck_assert_msg(x509 != NULL, "%s", err.detail);
    return x509;
}

static void make(struct ca *ret) {
    struct err err = {0};

    ret->root_key = key_generate(KEY_P256, &err);
    ret->key = key_generate(KEY_P256, &err);
    ret->root = make_ca("root", ret->root_key, NULL, ret->root_key);
    ret->x509 = make_ca("issuing", ret->key, ret->root, ret->root_key);
    AUTO(chain_free) X509_CHAIN *anchors = sk_X509_new_null();
    ck_assert_int_eq(X509_up_ref(ret->root), 1);
    ck_assert_int_gt(sk_X509_push(anchors, ret->root), 0);
    ret->trust = x509_trust(anchors, &err);
    ck_assert_ptr_nonnull(ret->trust);
}

static void drop(struct ca *each) {
    EVP_PKEY_free(each->root_key);
    EVP_PKEY_free(each->key);
    X509_free(each->root);
    X509_free(each->x509);
    X509_STORE_free(each->trust);
}

static void begin(void) {
    struct err err = {0};

    make(&ca);
    make(&stranger);
    nf_key = key_generate(KEY_P256, &err);
    other_key = key_generate(KEY_P256, &err);
}

static void end(void) {
    drop(&ca);
    drop(&stranger);
    EVP_PKEY_free(nf_key);
    EVP_PKEY_free(other_key);
}

/* What differs from the certificate an AMF wants. */
struct leaf {
    const char *name;
    const char *uuid, *dns, *second_dns, *type, *second_type;
    bool with_no_type, not_critical, other_key, by_stranger, ca, alone;
    unsigned eku;
    int64_t not_before_s, not_after_s;
    const char *why; /* NULL = good */
};

static char *issue(const struct leaf *leaf) {
    struct err err = {0};
    struct x509_names names = {0};
    struct nftypes types = {0};
    const struct ca *issuer = leaf->by_stranger ? &stranger : &ca;

    (void)snprintf(names.uuid, sizeof names.uuid, "%s", leaf->uuid == NULL ? ID : leaf->uuid);
    if (leaf->dns != NULL) {
        (void)snprintf(names.dns[names.dns_count++], sizeof names.dns[0], "%s", leaf->dns);
    }
    if (leaf->second_dns != NULL) {
        (void)snprintf(names.dns[names.dns_count++], sizeof names.dns[0], "%s", leaf->second_dns);
    }
    (void)nftypes_add(&types, leaf->type == NULL ? "AMF" : leaf->type);
    if (leaf->second_type != NULL) {
        (void)nftypes_add(&types, leaf->second_type);
    }
    const struct x509_spec spec = {
        .organization = "5gc", /* without a subject the SAN would have to be critical */
        .names = &names,
        .names_critical = !leaf->not_critical,
        .types = leaf->with_no_type ? NULL : &types,
        .ca = leaf->ca,
        .eku = leaf->eku == 0 ? X509_EKU_CLIENT : leaf->eku,
        .not_before_s = leaf->not_before_s == 0 ? NOW_S - 10 : leaf->not_before_s,
        .not_after_s = leaf->not_after_s == 0 ? NOW_S + 1000 : leaf->not_after_s,
        .key = leaf->other_key ? other_key : nf_key};
    AUTO(chain_free) X509_CHAIN *chain = sk_X509_new_null();
    ck_assert_int_gt(sk_X509_push(chain, x509_make(&spec, issuer->x509, issuer->key, &err)), 0);
    if (!leaf->alone) {
        ck_assert_int_eq(X509_up_ref(issuer->x509), 1);
        ck_assert_int_gt(sk_X509_push(chain, issuer->x509), 0);
    }
    char *pem = x509_chain_pem(chain, &err);
    ck_assert_msg(pem != NULL, "%s", err.detail);
    return pem;
}

static bool check_one(struct nf_check *check, const struct leaf *leaf, int64_t now_s,
                      struct err *err) {
    struct x509_names names = {.uuid = ID};
    AUTO(free) char *pem = issue(leaf);
    AUTO(chain_free) X509_CHAIN *chain = NULL;
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    const struct nf_wanted wanted = {
        .names = &names, .type = "AMF", .profile = "nf-client", .key = nf_key, .now_s = now_s};
    const bool good = nf_check_chain(check, &wanted, pem, strlen(pem), &chain, &cert, err);

    ck_assert_int_eq(good, chain != NULL);
    ck_assert_int_eq(good, cert.x509 != NULL);
    if (good) {
        ck_assert_int_eq(sk_X509_num(chain), leaf->alone ? 1 : 2);
        ck_assert_str_eq(cert.names.uuid, ID);
    }
    return good;
}

/* clang-format off */
static const struct leaf leaves[] = {
    {.name = "what was asked for"},
    {.name = "another NF's id", .uuid = OTHER_ID, .why = "names"},
    {.name = "an extra name", .dns = "amf1.example.org", .why = "names"},
    {.name = "two extra names", .dns = "a.example.org", .second_dns = "b.example.org", .why = "names"},
    {.name = "another key: the CSR was swapped", .other_key = true, .why = "not this NF's"},
    {.name = "another type", .type = "SMF", .why = "NFTypes"},
    {.name = "a type more", .second_type = "SMF", .why = "NFTypes"},
    {.name = "no type", .with_no_type = true, .why = "NFTypes"},
    {.name = "server usage", .eku = X509_EKU_SERVER, .why = "usage"},
    {.name = "more usage", .eku = X509_EKU_SERVER | X509_EKU_CLIENT, .why = "usage"},
    {.name = "SAN not critical", .not_critical = true, .why = "critical"},
    {.name = "a stranger's", .by_stranger = true, .why = "verify"},
    {.name = "expired", .not_before_s = NOW_S - 100, .not_after_s = NOW_S - 1, .why = "verify"},
    {.name = "not yet valid", .not_before_s = NOW_S + 10, .why = "verify"},
    {.name = "a CA's", .ca = true, .why = "CA"},
    {.name = "without its issuer", .alone = true, .why = "verify"},
};
/* clang-format on */

START_TEST(a_certificate_is_what_was_asked_for_or_it_is_nothing) {
    struct err unused = {0};
    /* once with nothing kept, once with the issuer kept from a good one */
    for (int kept = 0; kept < 2; kept++) {
        for (size_t i = 0; i < COUNT(leaves); i++) {
            AUTO(nf_check_free) struct nf_check *check = nf_check_new(ca.trust, false, &unused);
            struct err err = {0};
            if (kept == 1) {
                ck_assert(check_one(check, &leaves[0], NOW_S, &unused));
            }
            const bool good = check_one(check, &leaves[i], NOW_S, &err);
            ck_assert_msg(good == (leaves[i].why == NULL), "%s (kept %d): %s", leaves[i].name, kept,
                          err.detail);
            ck_assert_msg(good || strstr(err.detail, leaves[i].why) != NULL, "%s (kept %d): %s",
                          leaves[i].name, kept, err.detail);
        }
    }
}
END_TEST

START_TEST(a_foreign_ca_is_judged_by_names_and_key) {
    struct err err = {0};
    AUTO(nf_check_free) struct nf_check *check = nf_check_new(ca.trust, true, &err);
    const struct leaf foreign = {
        .with_no_type = true, .eku = X509_EKU_SERVER, .not_critical = true};
    const struct leaf swapped = {.with_no_type = true, .other_key = true};

    ck_assert_msg(check_one(check, &foreign, NOW_S, &err), "%s", err.detail);
    ck_assert(!check_one(check, &swapped, NOW_S, &err));
}
END_TEST

START_TEST(what_is_kept_is_forgotten_in_time) {
    struct err err = {0};
    AUTO(nf_check_free) struct nf_check *check = nf_check_new(ca.trust, false, &err);
    const struct leaf late = {.not_after_s = NOW_S + 200000};

    ck_assert(check_one(check, &late, NOW_S, &err));
    ck_assert(check_one(check, &late, NOW_S + 30, &err));
    /* the issuing CA has ended: neither kept nor verified again does it count */
    ck_assert(!check_one(check, &late, NOW_S + 100001, &err));
}
END_TEST

START_TEST(octets_that_are_no_chain_are_refused) {
    static const char *const texts[] = {"", "x", "-----BEGIN CERTIFICATE-----\n",
                                        "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                        "-----END CERTIFICATE-----\n"};
    struct err unused = {0};
    AUTO(nf_check_free) struct nf_check *check = nf_check_new(ca.trust, false, &unused);
    struct x509_names names = {.uuid = ID};
    const struct nf_wanted wanted = {
        .names = &names, .type = "AMF", .profile = "nf-client", .key = nf_key, .now_s = NOW_S};

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct err err = {0};
        X509_CHAIN *chain = NULL;
        struct x509_cert cert = {0};
        ck_assert(!nf_check_chain(check, &wanted, texts[i], strlen(texts[i]), &chain, &cert, &err));
        ck_assert_int_eq(err.kind, ERR_UPSTREAM);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nf_check");
    TCase *cases = tcase_create("nf_check");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, a_certificate_is_what_was_asked_for_or_it_is_nothing);
    tcase_add_test(cases, a_foreign_ca_is_judged_by_names_and_key);
    tcase_add_test(cases, what_is_kept_is_forgotten_in_time);
    tcase_add_test(cases, octets_that_are_no_chain_are_refused);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
