#include <check.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/der.h"
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
    ck_assert_uint_eq(cert.names.others, 0);
    ck_assert_uint_eq(cert.names.ip_count, 2);
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

/* RFC 6960 4.2.2.2 */
START_TEST(an_ocsp_responder_may_sign_answers_and_is_not_asked_about) {
    AUTO(pair_done) struct pair root = make(root_spec, KEY_P256, NULL);
    struct x509_spec spec = {.common_name = "OCSP responder",
                             .not_before_s = NOW - 60,
                             .not_after_s = NOW + 3600,
                             .eku = X509_EKU_OCSP};
    AUTO(pair_done) struct pair responder = make(spec, KEY_P256, &root);
    AUTO(free) char *text = printed(responder.x509);

    ck_assert_ptr_nonnull(strstr(text, "Extended Key Usage: \n                OCSP Signing\n"));
    ck_assert_ptr_nonnull(strstr(text, "OCSP No Check"));
    int at = X509_get_ext_by_NID(responder.x509, NID_id_pkix_OCSP_noCheck, -1);
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(responder.x509, at));
    ck_assert_int_eq(ASN1_STRING_length(value), 2);
    ck_assert_mem_eq(ASN1_STRING_get0_data(value), "\x05\x00", 2);
    ck_assert_int_eq(X509_verify(responder.x509, root.key), 1);
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

static void oracle_names(const struct x509_spec *spec, bool critical, char *ret, size_t size) {
    struct buf text = buf_new(size - sizeof "critical,");

    for (unsigned i = 0; spec->names != NULL && i < spec->names->dns_count; i++) {
        (void)buf_printf(&text, ",DNS:%s", spec->names->dns[i]);
    }
    for (const char *const *ip = spec->ips; ip != NULL && *ip != NULL; ip++) {
        (void)buf_printf(&text, ",IP:%s", *ip);
    }
    if (spec->names != NULL && spec->names->uuid[0] != '\0') {
        (void)buf_printf(&text, ",URI:urn:uuid:%s", spec->names->uuid);
    }
    (void)snprintf(ret, size, "%s%s", critical && text.len > 0 ? "critical," : "",
                   text.len > 0 ? text.data + 1 : "");
    buf_done(&text);
}

/* The extensions of a specification in OpenSSL's configuration language: name, value, …, NULL. */
static const char *const *oracle_extensions(const struct x509_spec *spec) {
    static const char *rows[32];
    static char names_text[1024], access[512], crl[256], types[256], basic[64];
    const char **row = rows;
    AUTO(free) unsigned char *der = NULL;
    struct err err = {0};
    size_t len = 0;
    bool empty = spec->country == NULL && spec->organization == NULL && spec->common_name == NULL;

    if (spec->ca) {
        (void)snprintf(basic, sizeof basic, spec->path_len < 0 ? "%s" : "%s,pathlen:%d",
                       "critical,CA:TRUE", spec->path_len);
        *row++ = "basicConstraints", *row++ = basic;
    }
    *row++ = "keyUsage",
    *row++ = spec->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature";
    if (spec->eku != 0) {
        *row++ = "extendedKeyUsage";
        *row++ = spec->eku == X509_EKU_CLIENT   ? "clientAuth"
                 : spec->eku == X509_EKU_SERVER ? "serverAuth"
                                                : "clientAuth,serverAuth";
    }
    *row++ = "subjectKeyIdentifier", *row++ = "hash";
    *row++ = "authorityKeyIdentifier", *row++ = "keyid:always";
    oracle_names(spec, spec->names_critical || empty, names_text, sizeof names_text);
    if (names_text[0] != '\0') {
        *row++ = "subjectAltName", *row++ = names_text;
    }
    if (spec->crl_url != NULL) {
        (void)snprintf(crl, sizeof crl, "URI:%s", spec->crl_url);
        *row++ = "crlDistributionPoints", *row++ = crl;
    }
    if (spec->ocsp_url != NULL || spec->issuer_url != NULL) {
        (void)snprintf(
            access, sizeof access, "%s%s%scaIssuers;URI:%s",
            spec->ocsp_url == NULL ? "" : "OCSP;URI:", spec->ocsp_url == NULL ? "" : spec->ocsp_url,
            spec->ocsp_url == NULL ? "" : ",", spec->issuer_url);
        *row++ = "authorityInfoAccess", *row++ = access;
    }
    if (spec->types != NULL) {
        ck_assert(nftypes_encode(spec->types, &der, &len, &err));
        size_t used = (size_t)snprintf(types, sizeof types, "DER");
        for (size_t i = 0; i < len; i++) {
            used += (size_t)snprintf(types + used, sizeof types - used, ":%02x", der[i]);
        }
        *row++ = "1.3.6.1.5.5.7.1.34", *row++ = types;
    }
    *row = NULL;
    return rows;
}

/* What OpenSSL's own encoders make of a specification, with the serial number of made; its
 * signature is not looked at. */
static X509 *oracle_make(const struct x509_spec *spec, X509 *issuer, EVP_PKEY *issuer_key,
                         X509 *made) {
    X509 *x509 = X509_new();
    X509_NAME *subject = X509_get_subject_name(x509);
    X509V3_CTX ctx;
    const struct {
        const char *id, *text;
    } attributes[] = {{"C", spec->country}, {"O", spec->organization}, {"CN", spec->common_name}};

    ck_assert_int_eq(X509_set_version(x509, X509_VERSION_3), 1);
    ck_assert_int_eq(X509_set_serialNumber(x509, X509_get_serialNumber(made)), 1);
    ck_assert_ptr_nonnull(ASN1_TIME_set(X509_getm_notBefore(x509), spec->not_before_s));
    ck_assert_ptr_nonnull(ASN1_TIME_set(X509_getm_notAfter(x509), spec->not_after_s));
    for (unsigned i = 0; i < COUNT(attributes); i++) {
        const unsigned char *text = (const unsigned char *)attributes[i].text;
        ck_assert(
            text == NULL
            || X509_NAME_add_entry_by_txt(subject, attributes[i].id, MBSTRING_UTF8, text, -1, -1, 0)
                   == 1);
    }
    if (issuer == NULL) {
        issuer = x509;
    }
    ck_assert_int_eq(X509_set_issuer_name(x509, X509_get_subject_name(issuer)), 1);
    ck_assert_int_eq(X509_set_pubkey(x509, spec->key), 1);
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    for (const char *const *text = oracle_extensions(spec); text[0] != NULL; text += 2) {
        X509_EXTENSION *extension =
            X509V3_EXT_nconf(NULL, &ctx, (char *)(uintptr_t)text[0], (char *)(uintptr_t)text[1]);
        ck_assert_msg(extension != NULL, "%s=%s", text[0], text[1]);
        ck_assert_int_eq(X509_add_ext(x509, extension, -1), 1);
        X509_EXTENSION_free(extension);
    }
    const EVP_MD *digest = EVP_PKEY_get_base_id(issuer_key) == EVP_PKEY_ED25519 ? NULL
                           : EVP_PKEY_get_bits(issuer_key) == 384               ? EVP_sha384()
                           : EVP_PKEY_get_bits(issuer_key) == 521               ? EVP_sha512()
                                                                                : EVP_sha256();
    ck_assert_int_gt(X509_sign(x509, issuer_key, digest), 0);
    return x509;
}

START_TEST(a_certificate_is_octet_by_octet_what_openssl_makes) {
    const struct x509_names uuid_alone = {.uuid = UUID}, dns_alone = {.dns_count = 1, .dns = {"a"}};
    struct x509_spec specs[] = {root_spec, root_spec, leaf_spec, leaf_spec, leaf_spec,
                                leaf_spec, leaf_spec, leaf_spec, leaf_spec};
    const enum key_type types[] = {KEY_P256, KEY_P384, KEY_P521, KEY_RSA2048, KEY_ED25519};
    const enum key_type type = types[(unsigned)_i % COUNT(types)];
    AUTO(pair_done) struct pair root = make(root_spec, types[(unsigned)_i / COUNT(types)], NULL);

    specs[1].path_len = -1; /* no limit; beyond UTCTime */
    specs[1].not_after_s = INT64_C(2524608000);
    specs[3].names = &uuid_alone; /* the profiles: nf-client, nf-server, nf-both, tls-server */
    specs[3].eku = X509_EKU_CLIENT;
    specs[4].eku = X509_EKU_SERVER;
    specs[5].common_name = "\xc3\xa9t\xc3\xa9";
    specs[6].names = &dns_alone;
    specs[6].names_critical = false;
    specs[6].types = NULL;
    specs[7].country = specs[7].organization = NULL; /* an empty subject */
    specs[7].names_critical = false;
    specs[7].crl_url = specs[7].ocsp_url = NULL;
    specs[7].eku = 0;
    specs[8] = (struct x509_spec){.not_before_s = 0, .not_after_s = INT64_C(2524607999)};
    for (unsigned i = 0; i < COUNT(specs); i++) {
        struct pair *issuer = specs[i].ca ? NULL : &root;
        AUTO(pair_done) struct pair made = make(specs[i], type, issuer);
        EVP_PKEY *signer = issuer == NULL ? made.key : root.key;
        AUTO(ossl_free) unsigned char *own = NULL;
        AUTO(ossl_free) unsigned char *wanted = NULL;
        specs[i].key = made.key;
        AUTO(X509_free)
        X509 *oracle = oracle_make(&specs[i], issuer == NULL ? NULL : root.x509, signer, made.x509);
        int own_len = i2d_X509(made.x509, &own), wanted_len = i2d_re_X509_tbs(oracle, &wanted);
        struct der whole = {own, (size_t)own_len}, outer = {0}, tbs = {0};
        unsigned tag = 0;
        ck_assert(der_take(&whole, DER_SEQUENCE, &outer) && der_next(&outer, &tag, NULL, &tbs));
        AUTO(free) char *text = printed(made.x509);
        ck_assert_msg(der_is(tbs, wanted, (size_t)wanted_len), "row %u:\n%s", i, text);
        ck_assert_int_eq(X509_verify(made.x509, signer), 1);
        ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(made.x509), made.key), 1);
    }
}
END_TEST

START_TEST(in_der_and_pem_it_is_the_same) {
    AUTO(pair_done) struct pair root = make(root_spec, KEY_P256, NULL);
    struct x509_spec spec = leaf_spec;
    struct err err = {0};
    AUTO(free) unsigned char *der = NULL;
    char serial[X509_SERIAL_SIZE];
    size_t len = 0;

    spec.key = root.key;
    ck_assert(x509_make_der(&spec, root.x509, root.key, &der, &len, serial, &err));
    AUTO(X509_free) X509 *x509 = x509_from_der(der, len, &err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    ck_assert(x509_cert_read(x509, &cert, &err));
    ck_assert_str_eq(cert.serial, serial);
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    char *wanted = NULL;
    ck_assert_int_eq(PEM_write_bio_X509(bio, x509), 1);
    long wanted_len = BIO_get_mem_data(bio, &wanted);
    AUTO(free) char *pem = x509_pem(x509, &err);
    ck_assert_uint_eq(strlen(pem), (size_t)wanted_len);
    ck_assert_mem_eq(pem, wanted, (size_t)wanted_len);
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
    char long_name[66] = "";

    memset(long_name, 'a', 65);
    spec.key = root.key;
    spec.ips = (const char *const[]){"localhost", NULL};
    ck_assert_ptr_null(x509_make(&spec, root.x509, root.key, &err));
    ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
    err = (struct err){0};
    spec.ips = NULL;
    const struct x509_spec refused[] = {{.country = "Germany"},
                                        {.country = "D*"},
                                        {.country = ""},
                                        {.organization = ""},
                                        {.organization = long_name},
                                        {.common_name = "a\n"},
                                        {.common_name = "a\xff"},
                                        {.path_len = 128, .ca = true},
                                        {.not_after_s = INT64_MAX}};
    for (unsigned i = 0; i < COUNT(refused); i++) {
        spec = refused[i];
        spec.key = root.key;
        err = (struct err){0};
        ck_assert_msg(x509_make(&spec, root.x509, root.key, &err) == NULL, "row %u", i);
        ck_assert_int_eq(err.kind, ERR_SERVER_INTERNAL);
    }
    long_name[64] = '\0'; /* just fits */
    spec = (struct x509_spec){.key = root.key, .organization = long_name};
    err = (struct err){0};
    AUTO(X509_free) X509 *fits = x509_make(&spec, root.x509, root.key, &err);
    ck_assert_ptr_nonnull(fits);
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
    tcase_add_test(all, an_ocsp_responder_may_sign_answers_and_is_not_asked_about);
    tcase_add_test(all, key_identifiers_chain_and_are_method_1);
    tcase_add_loop_test(all, a_certificate_is_octet_by_octet_what_openssl_makes, 0, 25);
    tcase_add_test(all, in_der_and_pem_it_is_the_same);
    tcase_add_loop_test(all, every_type_of_key_signs_certificates, 0, KEY__COUNT);
    tcase_add_test(all, serials_are_positive_of_sixteen_octets_and_differ);
    tcase_add_test(all, an_empty_subject_makes_the_names_critical);
    tcase_add_test(all, what_cannot_be_put_in_is_an_error);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
