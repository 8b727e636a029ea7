#include <check.h>
#include <openssl/crypto.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/key.h"
#include "common/x509.h"
#include "tests/unit/common/oracle.h"

#define NOW 1750000000
#define UUID "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"

static const struct nftypes amf_smf = {2, {"AMF", "SMF"}};
static const struct x509_names names = {
    .uuid = UUID, .dns_count = 2, .dns = {"amf1.example.org", "amf2.example.org"}};

struct pair {
    EVP_PKEY *key;
    X509 *x509;
};

static void pair_done(struct pair *pair) {
    EVP_PKEY_free(pair->key);
    X509_free(pair->x509);
}

static void pair_done_auto(struct pair *pair) { pair_done(pair); }

static struct pair make(struct x509_spec spec, enum key_type type, const struct pair *issuer) {
    struct err err = {0};
    struct pair pair = {.key = key_generate(type, &err)};

    spec.key = pair.key;
    pair.x509 = x509_make(&spec, issuer == NULL ? NULL : issuer->x509,
                          issuer == NULL ? pair.key : issuer->key, &err);
    ck_assert_msg(pair.x509 != NULL, "%s: %s", err.detail, err.cause);
    return pair;
}

static const struct x509_spec root_spec = {.organization = "Root",
                                           .common_name = "Root CA",
                                           .not_before_s = NOW - 60,
                                           .not_after_s = NOW + 86400,
                                           .ca = true,
                                           .path_len = 1};
static const struct x509_spec leaf_spec = {.country = "DE",
                                           .organization = "5gc.mnc001.mcc001.3gppnetwork.org",
                                           .names = &names,
                                           .names_critical = true,
                                           .ips = (const char *const[]){"127.0.0.1", "::1", NULL},
                                           .types = &amf_smf,
                                           .not_before_s = NOW - 60,
                                           .not_after_s = NOW + 3600,
                                           .eku = X509_EKU_CLIENT | X509_EKU_SERVER,
                                           .crl_url = "http://127.0.0.1:1/crl",
                                           .issuer_url = "http://127.0.0.1:1/issuer",
                                           .ocsp_url = "http://127.0.0.1:1/ocsp"};

/* The certificate as openssl prints it; caller owns. */
static char *printed(X509 *x509) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;

    ck_assert_int_eq(X509_print(bio, x509), 1);
    long len = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)len);
    BIO_free(bio);
    return text;
}

START_TEST(a_leaf_says_what_was_specified) {
    AUTO(pair_done) struct pair root = make(root_spec, KEY_P256, NULL);
    AUTO(pair_done) struct pair leaf = make(leaf_spec, KEY_P256, &root);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};
    AUTO(free) char *text = printed(leaf.x509);
    const char *const lines[] = {
        "Version: 3 (0x2)",
        "Issuer: O=Root, CN=Root CA",
        "Subject: C=DE, O=5gc.mnc001.mcc001.3gppnetwork.org\n",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "TLS Web Client Authentication, TLS Web Server Authentication",
        "X509v3 Subject Alternative Name: critical\n                DNS:amf1.example.org, "
        "DNS:amf2.example.org, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, "
        "URI:urn:uuid:" UUID "\n",
        "Full Name:\n                  URI:http://127.0.0.1:1/crl",
        "OCSP - URI:http://127.0.0.1:1/ocsp",
        "CA Issuers - URI:http://127.0.0.1:1/issuer",
        "1.3.6.1.5.5.7.1.34",
        "Signature Algorithm: ecdsa-with-SHA256",
    };

    for (unsigned i = 0; i < COUNT(lines); i++) {
        ck_assert_msg(strstr(text, lines[i]) != NULL, "no \"%s\" in\n%s", lines[i], text);
    }
    ck_assert_ptr_null(strstr(text, "Basic Constraints"));
    ck_assert_int_eq(X509_verify(leaf.x509, root.key), 1);
    ck_assert_int_eq(X509_check_issued(root.x509, leaf.x509), X509_V_OK);
    ck_assert_msg(x509_cert_read(leaf.x509, &cert, &err), "%s", err.detail);
    ck_assert_str_eq(cert.names.uuid, UUID);
    ck_assert_uint_eq(cert.names.dns_count, 2);
    ck_assert_str_eq(cert.names.dns[1], "amf2.example.org");
    ck_assert_uint_eq(cert.names.others, 2); /* the addresses */
    ck_assert(cert.names_critical && !cert.ca);
    ck_assert_uint_eq(cert.types.count, 2);
    ck_assert_str_eq(cert.types.name[1], "SMF");
    ck_assert_int_eq(cert.not_before_s, NOW - 60);
    ck_assert_int_eq(cert.not_after_s, NOW + 3600);
    ck_assert_uint_eq(cert.eku, X509_EKU_CLIENT | X509_EKU_SERVER);
    ck_assert_uint_eq(strlen(cert.serial), 32);
}
END_TEST

START_TEST(a_ca_is_one) {
    AUTO(pair_done) struct pair root = make(root_spec, KEY_P384, NULL);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};
    AUTO(free) char *text = printed(root.x509);
    const char *const lines[] = {
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:1",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
        "Signature Algorithm: ecdsa-with-SHA384",
    };

    for (unsigned i = 0; i < COUNT(lines); i++) {
        ck_assert_msg(strstr(text, lines[i]) != NULL, "no \"%s\" in\n%s", lines[i], text);
    }
    ck_assert_int_eq(X509_check_ca(root.x509), 1);
    ck_assert_int_eq(X509_verify(root.x509, root.key), 1);
    ck_assert(x509_cert_read(root.x509, &cert, &err));
    ck_assert(cert.ca);
    ck_assert_uint_eq(cert.eku, 0);
    struct x509_spec unlimited = root_spec;
    unlimited.path_len = -1;
    AUTO(pair_done) struct pair free_root = make(unlimited, KEY_P256, NULL);
    AUTO(free) char *free_text = printed(free_root.x509);
    ck_assert_ptr_nonnull(strstr(free_text, "CA:TRUE\n"));
}
END_TEST

START_TEST(key_identifiers_chain_and_are_method_1) {
    AUTO(pair_done) struct pair root = make(root_spec, KEY_P256, NULL);
    AUTO(pair_done) struct pair leaf = make(leaf_spec, KEY_RSA2048, &root);
    unsigned char sha1[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    ck_assert_int_eq(X509_pubkey_digest(leaf.x509, EVP_sha1(), sha1, &len), 1);
    const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(leaf.x509);
    ck_assert_int_eq(ASN1_STRING_length(own), 20);
    ck_assert_mem_eq(ASN1_STRING_get0_data(own), sha1, 20);
    ck_assert_int_eq(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(leaf.x509),
                                           X509_get0_subject_key_id(root.x509)),
                     0);
    ck_assert_int_eq(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(root.x509),
                                           X509_get0_subject_key_id(root.x509)),
                     0);
}
END_TEST

START_TEST(a_certificate_only_to_be_written_is_the_same) {
    const enum key_type types[] = {KEY_P256, KEY_P384, KEY_P521, KEY_RSA2048, KEY_ED25519};
    AUTO(pair_done) struct pair root = make(root_spec, KEY_P256, NULL);

    for (unsigned i = 0; i < COUNT(types); i++) {
        struct x509_spec spec = leaf_spec;
        struct err err = {0};
        spec.write_only = true;
        AUTO(pair_done) struct pair leaf = make(spec, types[i], &root);
        AUTO(free) char *pem = x509_pem(leaf.x509, &err);
        AUTO(chain_free) X509_CHAIN *back = x509_chain_read(pem, strlen(pem), &err);
        ck_assert_msg(back != NULL, "%s", err.detail);
        X509 *read = sk_X509_value(back, 0);
        ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(read), leaf.key), 1);
        ck_assert_int_eq(X509_verify(read, root.key), 1);
        AUTO(x509_cert_done) struct x509_cert cert = {0};
        ck_assert(x509_cert_read(leaf.x509, &cert, &err));
        unsigned char sha1[EVP_MAX_MD_SIZE];
        ck_assert_int_eq(X509_pubkey_digest(read, EVP_sha1(), sha1, NULL), 1);
        ck_assert_mem_eq(ASN1_STRING_get0_data(X509_get0_subject_key_id(read)), sha1, 20);
    }
}
END_TEST

START_TEST(every_type_of_key_signs_certificates) {
    AUTO(pair_done) struct pair root = make(root_spec, (enum key_type)_i, NULL);
    AUTO(pair_done) struct pair leaf = make(leaf_spec, KEY_P256, &root);
    ck_assert_int_eq(X509_verify(leaf.x509, root.key), 1);
}
END_TEST

START_TEST(serials_are_positive_of_sixteen_octets_and_differ) {
    char seen[64][X509_SERIAL_SIZE];
    AUTO(pair_done) struct pair root = make(root_spec, KEY_P256, NULL);

    for (unsigned i = 0; i < COUNT(seen); i++) {
        struct x509_spec spec = leaf_spec;
        struct err err = {0};
        spec.key = root.key;
        AUTO(X509_free) X509 *x509 = x509_make(&spec, root.x509, root.key, &err);
        AUTO(x509_cert_done) struct x509_cert cert = {0};
        ck_assert(x509_cert_read(x509, &cert, &err));
        ck_assert_uint_eq(strlen(cert.serial), 32);
        memcpy(seen[i], cert.serial, sizeof seen[i]);
        for (unsigned j = 0; j < i; j++) {
            ck_assert_str_ne(seen[i], seen[j]);
        }
    }
}
END_TEST

START_TEST(an_empty_subject_makes_the_names_critical) {
    struct x509_spec spec = leaf_spec;
    AUTO(pair_done) struct pair root = make(root_spec, KEY_P256, NULL);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};
    const unsigned usages[] = {X509_EKU_CLIENT, X509_EKU_SERVER, 0};

    spec.country = spec.organization = NULL;
    spec.names_critical = false;
    AUTO(pair_done) struct pair leaf = make(spec, KEY_P256, &root);
    ck_assert(x509_cert_read(leaf.x509, &cert, &err));
    ck_assert(cert.names_critical);
    for (unsigned i = 0; i < COUNT(usages); i++) {
        AUTO(x509_cert_done) struct x509_cert other = {0};
        spec.eku = usages[i];
        AUTO(pair_done) struct pair one = make(spec, KEY_P256, &root);
        ck_assert(x509_cert_read(one.x509, &other, &err));
        ck_assert_uint_eq(other.eku, usages[i]);
    }
}
END_TEST

START_TEST(what_cannot_be_put_in_is_an_error) {
    AUTO(pair_done) struct pair root = make(root_spec, KEY_P256, NULL);
    struct x509_spec spec = leaf_spec;
    struct err err = {0};

    spec.key = root.key;
    spec.ips = (const char *const[]){"localhost", NULL};
    ck_assert_ptr_null(x509_make(&spec, root.x509, root.key, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
    err = (struct err){0};
    spec.ips = NULL;
    spec.country = "Germany"; /* two letters */
    ck_assert_ptr_null(x509_make(&spec, root.x509, root.key, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("x509_make");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_leaf_says_what_was_specified);
    tcase_add_test(all, a_ca_is_one);
    tcase_add_test(all, key_identifiers_chain_and_are_method_1);
    tcase_add_test(all, a_certificate_only_to_be_written_is_the_same);
    tcase_add_loop_test(all, every_type_of_key_signs_certificates, 0, KEY__COUNT);
    tcase_add_test(all, serials_are_positive_of_sixteen_octets_and_differ);
    tcase_add_test(all, an_empty_subject_makes_the_names_critical);
    tcase_add_test(all, what_cannot_be_put_in_is_an_error);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
