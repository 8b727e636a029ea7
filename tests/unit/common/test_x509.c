#include <check.h>
#include <stdlib.h>

#include "common/key.h"
#include "common/x509.h"
#include "tests/unit/common/oracle.h"

#define NOW 1750000000

START_TEST(the_example_of_rfc_9310_is_read) {
    struct err err = {0};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/rfc9310-example.pem", getenv("NFACME_VECTORS"));
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read_file(path, &err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    ck_assert_msg(chain != NULL, "%s", err.detail);
    ck_assert_msg(x509_cert_read(sk_X509_value(chain, 0), &cert, &err), "%s", err.detail);
    ck_assert_uint_eq(cert.names.dns_count, 1);
    ck_assert_str_eq(cert.names.dns[0], "amf1.cluster1.net2.amf.5gc.mnc400.mcc311.3gppnetwork.org");
    ck_assert_str_eq(cert.names.uuid, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    ck_assert_uint_eq(cert.names.others, 0);
    ck_assert(cert.names_critical);
    ck_assert_uint_eq(cert.eku, X509_EKU_SERVER);
    ck_assert_uint_eq(cert.types.count, 1);
    ck_assert_str_eq(cert.types.name[0], "AMF");
    ck_assert(!cert.ca);
    ck_assert_str_eq(cert.serial, "6d9a18f76df3384d3e6489231b87a18421a85576");
    ck_assert_int_eq(cert.not_before_s, 1666197156); /* 2022-10-19T16:32:36Z */
    ck_assert_int_eq(cert.not_after_s, 1697733156);
}
END_TEST

/* A certificate with one more extension, by its OID and value. */
static X509 *odd_cert(const char *oid, const void *value, size_t len, unsigned times) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    const struct x509_spec spec = {
        .common_name = "odd", .not_before_s = NOW, .not_after_s = NOW + 60, .key = key};
    X509 *x509 = x509_make(&spec, NULL, key, &err);
    AUTO(ASN1_OBJECT_free) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    AUTO(ASN1_OCTET_STRING_free) ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();

    ck_assert_int_eq(ASN1_OCTET_STRING_set(octets, value, (int)len), 1);
    for (unsigned i = 0; i < times; i++) {
        AUTO(X509_EXTENSION_free)
        X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, octets);
        ck_assert_int_eq(X509_add_ext(x509, extension, -1), 1);
    }
    return x509;
}

#define SAN "2.5.29.17"
#define TYPES "1.3.6.1.5.5.7.1.34"
#define BASIC "2.5.29.19"
#define EKU "2.5.29.37"
#define URI(text) "\x86\x2d" text

/* clang-format off */
static const struct { const char *name; const char *oid; const char *value; size_t len; } bad[] = {
    {"SAN empty", SAN, "\x30\x00", 2},
    {"SAN not a sequence", SAN, "\x04\x00", 2},
    {"SAN with octets behind", SAN, "\x30\x03\x82\x01" "a\x00", 6},
    {"SAN cut short", SAN, "\x30\x03\x82\x02" "a", 5},
    {"SAN of a universal tag", SAN, "\x30\x03\x16\x01" "a", 5},
    {"SAN indefinite", SAN, "\x30\x80\x82\x01" "a\0\0", 7},
    {"dNSName with NUL (N-245)", SAN, "\x30\x0b\x82\x09" "a.x\0.evil", 13},
    {"dNSName with a trailing dot (N-247)", SAN, "\x30\x06\x82\x04" "a.b.", 8},
    {"dNSName with 8-bit octets (N-247)", SAN, "\x30\x05\x82\x03" "a\xc3\xa9", 7},
    {"dNSName empty", SAN, "\x30\x02\x82\x00", 4},
    {"dNSName with two dots", SAN, "\x30\x06\x82\x04" "a..b", 8},
    {"dNSName with a space", SAN, "\x30\x05\x82\x03" "a b", 7},
    {"URI with NUL", SAN, "\x30\x05\x86\x03" "a\0b", 7},
    {"URI empty", SAN, "\x30\x02\x86\x00", 4},
    {"nfTypes empty", TYPES, "\x30\x00", 2},
    {"nfTypes a text", TYPES, "\x16\x03" "AMF", 5},
    {"basicConstraints not DER", BASIC, "\x30\x03\x01\x01\x01", 5},
    {"basicConstraints with more", BASIC, "\x30\x05\x01\x01\xff\x05\x00", 7},
    {"EKU empty", EKU, "\x30\x00", 2},
    {"EKU of integers", EKU, "\x30\x03\x02\x01\x01", 5},
    {"no octets at all", SAN, "", 0},
};
/* clang-format on */

START_TEST(an_extension_that_is_not_well_formed_is_malformed) {
    struct err err = {0};
    AUTO(X509_free) X509 *x509 = odd_cert(bad[_i].oid, bad[_i].value, bad[_i].len, 1);
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    ck_assert_msg(!x509_cert_read(x509, &cert, &err), "%s was accepted", bad[_i].name);
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
    ck_assert_ptr_null(cert.x509);
}
END_TEST

START_TEST(an_extension_twice_is_malformed) {
    struct err err = {0};
    AUTO(X509_free)
    X509 *x509 = odd_cert(SAN,
                          "\x30\x03\x82\x01"
                          "a",
                          5, 2);
    AUTO(X509_free) X509 *many = odd_cert("1.2.3.4", "\x05\x00", 2, 40);
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    ck_assert(!x509_cert_read(x509, &cert, &err));
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
    err = (struct err){0};
    ck_assert(!x509_cert_read(many, &cert, &err));
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
}
END_TEST

START_TEST(names_are_sorted_and_counted) {
#define U1 "urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"
#define U2 "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7"
    /* clang-format off */
    static const char value[] = "\x30\x81\xaf"
        URI(U1) URI(U2)                                 /* the second UUID is another name */
        "\x82\x05" "Aa.Bb" "\x82\x03" "*.c"
        "\x86\x09" "http://a/"
        "\x86\x2d" "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bfg" /* not hexadecimal */
        "\x87\x04\x7f\x00\x00\x01" "\x81\x03" "a@b";
    /* clang-format on */
    struct err err = {0};
    unsigned char *copy = malloc(sizeof value - 1);
    memcpy(copy, value, sizeof value - 1);
    copy[2] = (unsigned char)(sizeof value - 1 - 3);
    AUTO(X509_free) X509 *x509 = odd_cert(SAN, copy, sizeof value - 1, 1);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    free(copy);

    ck_assert_msg(x509_cert_read(x509, &cert, &err), "%s", err.detail);
    ck_assert_str_eq(cert.names.uuid, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    ck_assert_uint_eq(cert.names.dns_count, 2);
    ck_assert_str_eq(cert.names.dns[0], "aa.bb");
    ck_assert_str_eq(cert.names.dns[1], "*.c");
    ck_assert_uint_eq(cert.names.ip_count, 1);
    ck_assert_uint_eq(cert.names.others, 4);
    ck_assert(!cert.names_critical);
}
END_TEST

START_TEST(names_beyond_the_array_are_counted) {
    unsigned char value[2 + 10 * 3] = {0x30, 10 * 3};
    struct err err = {0};
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    for (unsigned i = 0; i < 10; i++) {
        memcpy(value + 2 + 3 * i,
               "\x82\x01"
               "a",
               3);
    }
    AUTO(X509_free) X509 *x509 = odd_cert(SAN, value, sizeof value, 1);
    ck_assert(x509_cert_read(x509, &cert, &err));
    ck_assert_uint_eq(cert.names.dns_count, X509_DNS_MAX);
    ck_assert_uint_eq(cert.names.others, 2);
}
END_TEST

START_TEST(usages_are_told_apart) {
    static const char value[] = "\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
                                "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x25";
    struct err err = {0};
    AUTO(X509_free) X509 *x509 = odd_cert(EKU, value, sizeof value - 1, 1);
    AUTO(X509_free) X509 *ca = odd_cert(BASIC, "\x30\x06\x01\x01\xff\x02\x01\x00", 8, 1);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    AUTO(x509_cert_done) struct x509_cert ca_cert = {0};

    ck_assert(x509_cert_read(x509, &cert, &err));
    ck_assert_uint_eq(cert.eku, X509_EKU_CLIENT | X509_EKU_OTHER);
    ck_assert(x509_cert_read(ca, &ca_cert, &err));
    ck_assert(ca_cert.ca);
}
END_TEST

START_TEST(a_serial_number_keeps_its_form) {
    /* clang-format off */
    static const struct { unsigned char octets[21]; int len; const char *text; } rows[] = {
        {{0x01}, 1, "01"},
        {{0x80, 0x00}, 2, "8000"},
        {{0x7F, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, 20,
         "7f02030405060708090a0b0c0d0e0f1011121314"},
        {{0x7F, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21}, 21, NULL},
    };
    /* clang-format on */
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        AUTO(X509_free) X509 *x509 = odd_cert("1.2.3.4", "\x05\x00", 2, 1);
        AUTO(x509_cert_done) struct x509_cert cert = {0};
        ck_assert_int_eq(ASN1_STRING_set(X509_get_serialNumber(x509), rows[i].octets, rows[i].len),
                         1);
        ck_assert_int_eq(x509_cert_read(x509, &cert, &err), rows[i].text != NULL);
        if (rows[i].text != NULL) {
            ck_assert_str_eq(cert.serial, rows[i].text);
        }
    }
}
END_TEST

START_TEST(the_hash_is_that_of_the_der) {
    struct err err = {0};
    AUTO(X509_free) X509 *x509 = odd_cert("1.2.3.4", "\x05\x00", 2, 1);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    unsigned char hash[32];
    unsigned len = 0;

    ck_assert(x509_cert_read(x509, &cert, &err));
    ck_assert_int_eq(X509_digest(x509, EVP_sha256(), hash, &len), 1);
    ck_assert_mem_eq(hash, cert.sha256, 32);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("x509");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_test(all, the_example_of_rfc_9310_is_read);
    tcase_add_loop_test(all, an_extension_that_is_not_well_formed_is_malformed, 0, (int)COUNT(bad));
    tcase_add_test(all, an_extension_twice_is_malformed);
    tcase_add_test(all, names_are_sorted_and_counted);
    tcase_add_test(all, names_beyond_the_array_are_counted);
    tcase_add_test(all, usages_are_told_apart);
    tcase_add_test(all, a_serial_number_keeps_its_form);
    tcase_add_test(all, the_hash_is_that_of_the_der);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
