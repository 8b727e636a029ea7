#include "server/ca.h"

#include <openssl/pem.h>
#include <pthread.h>

#include "ca_fixture.h"

#define DAY_S ((int64_t)86400)

static struct ca_fixture fixture;
static struct order_fixture order;

static void open_two(void) { ca_fixture_open(&fixture, 2); }
static void open_one(void) { ca_fixture_open(&fixture, 1); }
static void close_all(void) {
    order_fixture_done(&order);
    ca_fixture_close(&fixture);
}

/* Issue and parse; *ret_chain is the caller's. */
static X509 *issued(struct ca_certificate *ret, X509_CHAIN **ret_chain) {
    struct err err = {0};

    ck_good(ca_issue(fixture.ca, &order.request, ret, &err));
    *ret_chain = x509_chain_read(ret->chain_pem, strlen(ret->chain_pem), &err);
    ck_good(*ret_chain != NULL);
    return sk_X509_value(*ret_chain, 0);
}

/* The extension's DER content in hex. */
static void extension_hex(X509 *x509, const char *oid, bool *ret_critical, char text[1024]) {
    AUTO(ASN1_OBJECT_free) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int at = X509_get_ext_by_OBJ(x509, object, -1);

    ck_assert_msg(at >= 0, "extension %s is missing", oid);
    ck_assert_msg(X509_get_ext_by_OBJ(x509, object, at) < 0, "extension %s is there twice", oid);
    X509_EXTENSION *extension = X509_get_ext(x509, at);
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
    *ret_critical = X509_EXTENSION_get_critical(extension) != 0;
    ck_assert_int_lt(ASN1_STRING_length(value), 500);
    for (int i = 0; i < ASN1_STRING_length(value); i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", ASN1_STRING_get0_data(value)[i]);
    }
}

static void ck_extension(X509 *x509, const char *oid, bool critical, const char *hex) {
    char found[1024] = "";
    bool found_critical = false;

    extension_hex(x509, oid, &found_critical, found);
    ck_assert_msg(found_critical == critical, "extension %s: critical %d", oid, found_critical);
    ck_assert_msg(strcmp(found, hex) == 0, "extension %s: %s, wanted %s", oid, found, hex);
}

static void ck_subject(const X509_NAME *name, const char *wanted) {
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    ck_assert_int_ge(X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253), 0);
    long len = BIO_get_mem_data(bio, &text);
    ck_assert_msg((size_t)len == strlen(wanted) && memcmp(text, wanted, (size_t)len) == 0,
                  "%.*s, wanted %s", (int)len, text, wanted);
}

static void ck_verifies(X509_CHAIN *chain, int purpose) {
    struct err err = {0};
    AUTO(chain_free) X509_CHAIN *anchors = sk_X509_new_null();

    ck_assert_int_eq(X509_up_ref(ca_root(fixture.ca)), 1);
    ck_assert_int_gt(sk_X509_push(anchors, ca_root(fixture.ca)), 0);
    AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(anchors, &err);
    ck_good(trust != NULL);
    ck_good(x509_verify(chain, trust, purpose, FIXTURE_NOW_S, &err));
}

/* TS 33.310 6.1.3c, design of the NF certificate, octet by octet where it has no free parts. */
START_TEST(an_nf_client_certificate_is_exactly_what_the_profile_says) {
    struct ca_certificate made = {0};
    AUTO(chain_free) X509_CHAIN *chain = NULL;
    char hex[1024];
    bool critical = false;

    order_fixture_set(&order, NULL, FIXTURE_UUID, NULL);
    order_fixture_csr(&order, FIXTURE_UUID, NULL, NULL);
    X509 *leaf = issued(&made, &chain);
    ck_assert_int_eq(X509_get_version(leaf), X509_VERSION_3);
    ck_subject(X509_get_subject_name(leaf), "O=" FIXTURE_DOMAIN ",C=XX");
    ck_assert_int_eq(X509_get_signature_nid(leaf), NID_ecdsa_with_SHA256);
    /* SAN, critical: one URI urn:uuid:… */
    ck_extension(leaf, "2.5.29.17", true,
                 "302f862d75726e3a757569643a34616365396433342d326336392d346639392d393264352d613733"
                 "6133666538653233"
                 "62");
    ck_extension(leaf, "2.5.29.15", true, "03020780");                  /* digitalSignature only */
    ck_extension(leaf, "2.5.29.37", false, "300a06082b06010505070302"); /* clientAuth */
    ck_extension(leaf, "1.3.6.1.5.5.7.1.34", false, "30051603414d46");  /* NFTypes: AMF */
    extension_hex(leaf, "2.5.29.31", &critical, hex);
    ck_assert(!critical);
    extension_hex(leaf, "2.5.29.35", &critical, hex);
    ck_assert(!critical);
    const ASN1_OCTET_STRING *aki = X509_get0_authority_key_id(leaf);
    ck_assert_ptr_nonnull(aki);
    ck_assert_int_eq(ASN1_OCTET_STRING_cmp(aki, X509_get0_subject_key_id(ca_issuer(fixture.ca))),
                     0);
    ck_assert_ptr_nonnull(X509_get0_subject_key_id(leaf));
    ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(leaf), order.csr.key), 1);
    ck_assert_int_eq(sk_X509_num(chain), 2);
    ck_verifies(chain, X509_PURPOSE_SSL_CLIENT);
    free(made.chain_pem);
}
END_TEST

START_TEST(it_says_where_its_crl_and_its_issuer_are) {
    struct ca_certificate made = {0};
    AUTO(chain_free) X509_CHAIN *chain = NULL;

    order_fixture_set(&order, NULL, FIXTURE_UUID, NULL);
    order_fixture_csr(&order, FIXTURE_UUID, NULL, NULL);
    X509 *leaf = issued(&made, &chain);
    STACK_OF(DIST_POINT) *points = X509_get_ext_d2i(leaf, NID_crl_distribution_points, NULL, NULL);
    ck_assert_int_eq(sk_DIST_POINT_num(points), 1);
    GENERAL_NAMES *names = sk_DIST_POINT_value(points, 0)->distpoint->name.fullname;
    ck_assert_int_eq(sk_GENERAL_NAME_num(names), 1);
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
    ck_assert_int_eq(name->type, GEN_URI);
    ck_assert_str_eq((const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                     FIXTURE_PKI "/crl/issuing.crl");
    CRL_DIST_POINTS_free(points);
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(leaf, NID_info_access, NULL, NULL);
    ck_assert_int_eq(sk_ACCESS_DESCRIPTION_num(access), 2);
    const ACCESS_DESCRIPTION *ocsp = sk_ACCESS_DESCRIPTION_value(access, 0);
    ck_assert_int_eq(OBJ_obj2nid(ocsp->method), NID_ad_OCSP);
    ck_assert_str_eq(
        (const char *)ASN1_STRING_get0_data(ocsp->location->d.uniformResourceIdentifier),
        FIXTURE_PKI "/ocsp");
    const ACCESS_DESCRIPTION *issuer = sk_ACCESS_DESCRIPTION_value(access, 1);
    ck_assert_int_eq(OBJ_obj2nid(issuer->method), NID_ad_ca_issuers);
    ck_assert_str_eq(
        (const char *)ASN1_STRING_get0_data(issuer->location->d.uniformResourceIdentifier),
        FIXTURE_PKI "/issuing.crt");
    AUTHORITY_INFO_ACCESS_free(access);
    free(made.chain_pem);
}
END_TEST

START_TEST(an_nf_both_certificate_has_both_names_and_both_usages) {
    struct ca_certificate made = {0};
    AUTO(chain_free) X509_CHAIN *chain = NULL;
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};

    order_fixture_set(&order, "nf-both", FIXTURE_UUID, FIXTURE_FQDN);
    order_fixture_csr(&order, FIXTURE_UUID, FIXTURE_FQDN, "AMF");
    X509 *leaf = issued(&made, &chain);
    ck_good(x509_cert_read(leaf, &cert, &err));
    ck_assert_str_eq(cert.names.uuid, FIXTURE_UUID);
    ck_assert_uint_eq(cert.names.dns_count, 1);
    ck_assert_str_eq(cert.names.dns[0], FIXTURE_FQDN);
    ck_assert_uint_eq(cert.names.others, 0);
    ck_assert(cert.names_critical);
    ck_assert(!cert.ca);
    ck_assert_uint_eq(cert.eku, X509_EKU_CLIENT | X509_EKU_SERVER);
    ck_assert_uint_eq(cert.types.count, 1);
    ck_assert_str_eq(cert.types.name[0], "AMF");
    ck_assert_str_eq(cert.serial, made.serial);
    ck_assert_int_eq(cert.not_before_s, made.not_before_s);
    ck_assert_int_eq(cert.not_after_s, made.not_after_s);
    unsigned char spki[32];
    ck_good(key_spki_sha256(order.csr.key, spki, &err));
    ck_assert_mem_eq(spki, made.spki_sha256, sizeof spki);
    ck_verifies(chain, X509_PURPOSE_SSL_CLIENT);
    ck_verifies(chain, X509_PURPOSE_SSL_SERVER);
    free(made.chain_pem);
}
END_TEST

START_TEST(a_tls_server_certificate_has_no_nf_parts_and_its_san_is_not_critical) {
    struct ca_certificate made = {0};
    AUTO(chain_free) X509_CHAIN *chain = NULL;
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};

    order_fixture_set(&order, NULL, NULL, FIXTURE_FQDN);
    order_fixture_csr(&order, NULL, FIXTURE_FQDN, NULL);
    X509 *leaf = issued(&made, &chain);
    ck_good(x509_cert_read(leaf, &cert, &err));
    ck_subject(X509_get_subject_name(leaf), "O=" FIXTURE_DOMAIN ",C=XX");
    ck_assert(!cert.names_critical);
    ck_assert_str_eq(cert.names.uuid, "");
    ck_assert_uint_eq(cert.types.count, 0);
    ck_assert_uint_eq(cert.eku, X509_EKU_SERVER);
    ck_assert_int_eq(X509_check_host(leaf, FIXTURE_FQDN, 0, 0, NULL), 1);
    free(made.chain_pem);
}
END_TEST

START_TEST(serials_are_random_positive_and_at_most_20_octets) {
    char seen[32][X509_SERIAL_SIZE];

    order_fixture_set(&order, NULL, FIXTURE_UUID, NULL);
    order_fixture_csr(&order, FIXTURE_UUID, NULL, NULL);
    for (unsigned i = 0; i < 32; i++) {
        struct ca_certificate made = {0};
        AUTO(chain_free) X509_CHAIN *chain = NULL;
        const ASN1_INTEGER *serial = X509_get0_serialNumber(issued(&made, &chain));
        ck_assert_int_eq(ASN1_STRING_type(serial), V_ASN1_INTEGER); /* not V_ASN1_NEG_INTEGER */
        ck_assert_int_le(ASN1_STRING_length(serial), 20);
        ck_assert_int_ge(ASN1_STRING_length(serial), 12);
        for (unsigned j = 0; j < i; j++) {
            ck_assert_str_ne(seen[j], made.serial);
        }
        memcpy(seen[i], made.serial, sizeof seen[i]);
        free(made.chain_pem);
    }
}
END_TEST

/* Offsets from now; 0 = not given.  wanted_s 0: refused. */
/* clang-format off */
static const struct {
    const char *name; int64_t before_s, after_s, max_s, wanted_before_s, wanted_after_s;
    const char *why;
} validities[] = {
    {"the profile's",             0, 0, 0, -60, 365 * DAY_S - 60, NULL},
    {"the token's end",           0, 0, 5 * DAY_S, -60, 5 * DAY_S, NULL},
    {"a token beyond the profile", 0, 0, 900 * DAY_S, -60, 365 * DAY_S - 60, NULL},
    {"asked for less",            0, 2 * DAY_S, 5 * DAY_S, -60, 2 * DAY_S, NULL},
    {"asked for a later start",   DAY_S, 2 * DAY_S, 0, DAY_S, 2 * DAY_S, NULL},
    {"asked for a past start",    -300, 0, 0, -300, 365 * DAY_S - 300, NULL},
    {"asked for the profile's all", 0, 365 * DAY_S, 0, 0, 365 * DAY_S, NULL},
    {"asked for nearly all",      0, 365 * DAY_S - 20, 0, -20, 365 * DAY_S - 20, NULL},
    {"more than the token",       0, 6 * DAY_S, 5 * DAY_S, 0, 0, "the authority token allows"},
    {"more than the profile",     0, 366 * DAY_S, 0, 0, 0, "the profile allows"},
    {"a start long ago",          -2 * DAY_S, 0, 0, 0, 0, "more than a day back"},
    {"an expired token",          0, 0, -1, 0, 0, "no validity is left"},
    {"an end in the past",        0, -5, 0, 0, 0, "no validity is left"},
    {"an end before the start",   2 * DAY_S, DAY_S, 0, 0, 0, "no validity is left"},
};
/* clang-format on */

START_TEST(validity_is_what_was_asked_for_within_profile_and_token) {
    struct ca_certificate made = {0};
    struct err err = {0};
    const int64_t now_s = FIXTURE_NOW_S;

    order_fixture_set(&order, NULL, FIXTURE_UUID, NULL);
    order_fixture_csr(&order, FIXTURE_UUID, NULL, NULL);
    struct ca_request *request = &order.request;
    request->not_before_s = validities[_i].before_s == 0 ? 0 : now_s + validities[_i].before_s;
    request->not_after_s = validities[_i].after_s == 0 ? 0 : now_s + validities[_i].after_s;
    request->not_after_max_s = validities[_i].max_s == 0 ? 0 : now_s + validities[_i].max_s;
    bool good = ca_issue(fixture.ca, request, &made, &err);
    if (validities[_i].why != NULL) {
        ck_assert_msg(!good, "%s", validities[_i].name);
        ck_assert_int_eq(err.kind, ERR_UNAUTHORIZED);
        ck_assert_msg(strstr(err.detail, validities[_i].why) != NULL, "%s: %s", validities[_i].name,
                      err.detail);
        return;
    }
    ck_assert_msg(good, "%s: %s", validities[_i].name, err.detail);
    ck_assert_msg(made.not_before_s == now_s + validities[_i].wanted_before_s
                      && made.not_after_s == now_s + validities[_i].wanted_after_s,
                  "%s: %lld to %lld", validities[_i].name, (long long)(made.not_before_s - now_s),
                  (long long)(made.not_after_s - now_s));
    free(made.chain_pem);
}
END_TEST

START_TEST(no_certificate_outlives_its_issuer) {
    struct ca_certificate made = {0};
    struct err err = {0};
    AUTO(x509_cert_done) struct x509_cert issuer = {0};

    ck_good(x509_cert_read(ca_issuer(fixture.ca), &issuer, &err));
    fixture.clock.manual_us = (uint64_t)(issuer.not_after_s - 10 * DAY_S) * 1000000;
    order_fixture_set(&order, NULL, FIXTURE_UUID, NULL);
    order_fixture_csr(&order, FIXTURE_UUID, NULL, NULL);
    ck_good(ca_issue(fixture.ca, &order.request, &made, &err));
    ck_assert_int_eq(made.not_after_s, issuer.not_after_s);
    free(made.chain_pem);
}
END_TEST

START_TEST(at_depth_1_the_root_signs_and_stands_in_the_chain) {
    struct ca_certificate made = {0};
    AUTO(chain_free) X509_CHAIN *chain = NULL;

    ck_assert_ptr_eq(ca_root(fixture.ca), ca_issuer(fixture.ca));
    order_fixture_set(&order, NULL, FIXTURE_UUID, NULL);
    order_fixture_csr(&order, FIXTURE_UUID, NULL, NULL);
    (void)issued(&made, &chain);
    ck_assert_int_eq(sk_X509_num(chain), 2);
    ck_assert_int_eq(X509_cmp(sk_X509_value(chain, 1), ca_root(fixture.ca)), 0);
    ck_verifies(chain, X509_PURPOSE_SSL_CLIENT);
    free(made.chain_pem);
}
END_TEST

/* ---- the server's own certificate ---- */

START_TEST(the_tls_certificate_has_localhost_the_loopbacks_and_every_name) {
    static const char *const names[] = {"ACME.example", "192.0.2.7", "localhost", NULL};
    AUTO(free) char *chain_pem = NULL;
    AUTO(free) char *key_pem = NULL;
    struct err err = {0};

    ck_good(ca_tls(fixture.ca, names, &chain_pem, &key_pem, &err));
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(chain_pem, strlen(chain_pem), &err);
    ck_good(chain != NULL);
    X509 *leaf = sk_X509_value(chain, 0);
    ck_assert_int_eq(X509_check_host(leaf, "localhost", 0, 0, NULL), 1);
    ck_assert_int_eq(X509_check_host(leaf, "acme.example", 0, 0, NULL), 1);
    ck_assert_int_eq(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
    ck_assert_int_eq(X509_check_ip_asc(leaf, "::1", 0), 1);
    ck_assert_int_eq(X509_check_ip_asc(leaf, "192.0.2.7", 0), 1);
    ck_assert_int_eq(X509_check_host(leaf, "other.example", 0, 0, NULL), 0);
    ck_verifies(chain, X509_PURPOSE_SSL_SERVER);
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(key_pem, -1);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(leaf), key), 1);
}
END_TEST

START_TEST(too_many_tls_names_are_a_config_error) {
    static const char *const names[] = {"a.x", "b.x", "c.x", "d.x", "e.x",
                                        "f.x", "g.x", "h.x", NULL};
    char *chain_pem = NULL, *key_pem = NULL;
    struct err err = {0};

    ck_assert(!ca_tls(fixture.ca, names, &chain_pem, &key_pem, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_null(chain_pem);
    ck_assert_ptr_null(key_pem);
}
END_TEST

/* ---- many at a time ---- */

#define THREADS 4
#define PER_THREAD 25

static void *issue_many(void *ctx) {
    struct err err = {0};

    for (unsigned i = 0; i < PER_THREAD && err.kind == ERR_NONE; i++) {
        struct ca_certificate made = {0};
        if (ca_issue(fixture.ca, &order.request, &made, &err)) {
            (*(unsigned *)ctx)++;
        }
        free(made.chain_pem);
    }
    return NULL;
}

START_TEST(threads_issue_at_the_same_time) {
    pthread_t threads[THREADS];
    unsigned made[THREADS] = {0};

    order_fixture_set(&order, "nf-both", FIXTURE_UUID, FIXTURE_FQDN);
    order_fixture_csr(&order, FIXTURE_UUID, FIXTURE_FQDN, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, issue_many, &made[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_eq(made[i], PER_THREAD);
    }
}
END_TEST

static TCase *depth_2(void) {
    TCase *cases = tcase_create("root and issuing CA");

    tcase_add_checked_fixture(cases, open_two, close_all);
    tcase_add_test(cases, an_nf_client_certificate_is_exactly_what_the_profile_says);
    tcase_add_test(cases, it_says_where_its_crl_and_its_issuer_are);
    tcase_add_test(cases, an_nf_both_certificate_has_both_names_and_both_usages);
    tcase_add_test(cases, a_tls_server_certificate_has_no_nf_parts_and_its_san_is_not_critical);
    tcase_add_test(cases, serials_are_random_positive_and_at_most_20_octets);
    tcase_add_loop_test(cases, validity_is_what_was_asked_for_within_profile_and_token, 0,
                        (int)COUNT(validities));
    tcase_add_test(cases, no_certificate_outlives_its_issuer);
    tcase_add_test(cases, the_tls_certificate_has_localhost_the_loopbacks_and_every_name);
    tcase_add_test(cases, too_many_tls_names_are_a_config_error);
    tcase_add_test(cases, threads_issue_at_the_same_time);
    return cases;
}

int main(void) {
    Suite *suite = suite_create("ca");
    TCase *one = tcase_create("root alone");

    tcase_add_checked_fixture(one, open_one, close_all);
    tcase_add_test(one, at_depth_1_the_root_signs_and_stands_in_the_chain);
    suite_add_tcase(suite, depth_2());
    suite_add_tcase(suite, one);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
