#include <check.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/key.h"
#include "common/x509.h"
#include "common/x509_write.h"
#include "tests/unit/common/oracle.h"

#define UUID "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"

/* A value in DER of at most 250 octets, as a text. */
struct octets {
    const char *at;
    size_t len;
};
#define O(text)                                                                                    \
    { text, sizeof text - 1 }

/* What to put into a request built by hand. */
struct draft {
    struct octets version, subject, attributes, algorithm;
};

/* OID and SET of one: extensionRequest around Extensions. */
#define EXTENSION_REQUEST "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"
#define SAN_A                                                                                      \
    "\x30\x0c\x06\x03\x55\x1d\x11\x04\x05\x30\x03\x82\x01"                                         \
    "a"                                                                              /* 14 octets */
#define BC_CA "\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff" /* 17 */
#define UNKNOWN "\x30\x0a\x06\x03\x2a\x03\x04\x01\x01\xff\x04\x00" /* 12 octets, critical */
#define ASK(set, list, extensions) EXTENSION_REQUEST "\x31" set "\x30" list extensions
#define ES256 "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"

/* The DER of a draft, signed by key over the SPKI of shown; caller owns. */
static unsigned char *build(const struct draft *draft, EVP_PKEY *key, EVP_PKEY *shown,
                            const EVP_MD *md, size_t *ret_len) {
    struct buf out = buf_new(20000);
    AUTO(ossl_free) unsigned char *spki = NULL;
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char bits[600] = {0};
    size_t len = sizeof bits - 1;
    int spki_len = i2d_PUBKEY(shown, &spki);

    (void)x509_put(&out, DER_INTEGER, draft->version.at, draft->version.len);
    (void)x509_put(&out, DER_SEQUENCE, draft->subject.at, draft->subject.len);
    (void)buf_add(&out, spki, (size_t)spki_len);
    (void)x509_put(&out, 0xA0, draft->attributes.at, draft->attributes.len);
    x509_wrap(&out, DER_SEQUENCE);
    ck_assert_int_eq(EVP_DigestSignInit(ctx, NULL, md, NULL, key), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, bits + 1, &len, (unsigned char *)out.data, out.len), 1);
    (void)x509_put(&out, DER_SEQUENCE, draft->algorithm.at, draft->algorithm.len);
    (void)x509_put(&out, DER_BITS, bits, len + 1);
    x509_wrap(&out, DER_SEQUENCE);
    *ret_len = out.len;
    return (unsigned char *)buf_take(&out);
}

/* clang-format off */
static const struct { const char *name; struct draft draft; bool good; } drafts[] = {
    {"plain", {O("\0"), O(""), O(""), O(ES256)}, true},
    {"a name", {O("\0"), O(""), O("\x30\x1d" ASK("\x10", "\x0e", SAN_A)), O(ES256)}, true},
    {"CN", {O("\0"), O("\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" "a"), O(""), O(ES256)}, true},
    {"asks CA (N-250)", {O("\0"), O(""), O("\x30\x20" ASK("\x13", "\x11", BC_CA)), O(ES256)}, true},
    {"unknown critical extension (N-251)", {O("\0"), O(""), O("\x30\x1b" ASK("\x0e", "\x0c", UNKNOWN)), O(ES256)}, true},
    {"unknown attribute", {O("\0"), O(""), O("\x30\x07\x06\x03\x2a\x03\x04\x31\x00"), O(ES256)}, true},
    {"version 2 (N-266)", {O("\1"), O(""), O(""), O(ES256)}, false},
    {"version 0 in two octets", {O("\0\0"), O(""), O(""), O(ES256)}, false},
    {"version empty", {O(""), O(""), O(""), O(ES256)}, false},
    {"two CNs (N-249)", {O("\0"), O("\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" "a\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" "b"), O(""), O(ES256)}, false},
    {"two CNs in one set", {O("\0"), O("\x31\x14\x30\x08\x06\x03\x55\x04\x03\x0c\x01" "a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" "b"), O(""), O(ES256)}, false},
    {"CN a BMPString (N-248)", {O("\0"), O("\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x1e\x02\0" "a"), O(""), O(ES256)}, false},
    {"CN a T61String (N-248)", {O("\0"), O("\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x14\x01" "a"), O(""), O(ES256)}, false},
    {"CN of a look-alike (N-248)", {O("\0"), O("\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02\xd0\xb0"), O(""), O(ES256)}, false},
    {"CN with NUL", {O("\0"), O("\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03" "a\0b"), O(""), O(ES256)}, false},
    {"CN empty", {O("\0"), O("\x31\x09\x30\x07\x06\x03\x55\x04\x03\x0c\x00"), O(""), O(ES256)}, false},
    {"subject with an empty set", {O("\0"), O("\x31\x00"), O(""), O(ES256)}, false},
    {"subject not sets", {O("\0"), O("\x30\x00"), O(""), O(ES256)}, false},
    {"two SANs (N-249)", {O("\0"), O(""), O("\x30\x2b" ASK("\x1e", "\x1c", SAN_A SAN_A)), O(ES256)}, false},
    {"an unknown extension twice", {O("\0"), O(""), O("\x30\x27" ASK("\x1a", "\x18", UNKNOWN UNKNOWN)), O(ES256)}, false},
    {"two extensionRequests (N-249)", {O("\0"), O(""), O("\x30\x1d" ASK("\x10", "\x0e", SAN_A) "\x30\x1d" ASK("\x10", "\x0e", SAN_A)), O(ES256)}, false},
    {"extensionRequest of two values", {O("\0"), O(""), O("\x30\x2d" EXTENSION_REQUEST "\x31\x20\x30\x0e" SAN_A "\x30\x0e" SAN_A), O(ES256)}, false},
    {"extensionRequest of none", {O("\0"), O(""), O("\x30\x0d" EXTENSION_REQUEST "\x31\x00"), O(ES256)}, false},
    {"attribute without values", {O("\0"), O(""), O("\x30\x05\x06\x03\x2a\x03\x04"), O(ES256)}, false},
    {"ecdsa-with-SHA1 (N-255)", {O("\0"), O(""), O(""), O("\x06\x07\x2a\x86\x48\xce\x3d\x04\x01")}, false},
    {"RSA's algorithm for an EC key", {O("\0"), O(""), O(""), O("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00")}, false},
    {"parameters for ECDSA", {O("\0"), O(""), O(""), O(ES256 "\x05\x00")}, false},
    {"another hash", {O("\0"), O(""), O(""), O("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03")}, false},
    {"no algorithm", {O("\0"), O(""), O(""), O("")}, false},
};
/* clang-format on */

static bool read_octets(const unsigned char *der, size_t len, struct x509_csr *csr,
                        struct err *err) {
    *err = (struct err){0};
    bool ok = x509_csr_read(der, len, csr, err);
    ck_assert_int_eq(err->kind, ok ? ERR_NONE : ERR_BAD_CSR);
    return ok;
}

START_TEST(a_draft_is_accepted_or_refused) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    size_t len = 0;
    AUTO(free)
    unsigned char *der = build(&drafts[_i].draft, key, key, EVP_sha256(), &len);

    bool ok = read_octets(der, len, &csr, &err);
    ck_assert_msg(ok == drafts[_i].good, "%s: %s", drafts[_i].name, err.detail);
    if (ok) {
        ck_assert_str_eq(csr.common_name, strcmp(drafts[_i].name, "CN") == 0 ? "a" : "");
        ck_assert(csr.asks_ca == (strncmp(drafts[_i].name, "asks CA", 7) == 0));
        ck_assert_uint_eq(csr.names.dns_count, strcmp(drafts[_i].name, "a name") == 0);
        ck_assert_int_eq(EVP_PKEY_eq(csr.key, key), 1);
    }
}
END_TEST

static const struct draft plain = {O("\0"), O(""), O(""), O(ES256)};

START_TEST(another_keys_signature_is_refused) { /* N-254 */
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *shown = key_generate(KEY_P256, &err);
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    size_t len = 0;
    AUTO(free) unsigned char *der = build(&plain, key, shown, EVP_sha256(), &len);

    ck_assert(!read_octets(der, len, &csr, &err));
    ck_assert_ptr_nonnull(strstr(err.detail, "signature"));
}
END_TEST

START_TEST(no_flipped_bit_cut_or_longer_request_is_accepted) { /* N-253, N-263 */
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    const struct x509_names names = {.uuid = UUID, .dns_count = 1, .dns = {"a.example"}};
    const struct nftypes types = {1, {"AMF"}};
    unsigned char *der = NULL;
    size_t len = 0;

    ck_assert(x509_csr_make(key, &names, &types, &der, &len, &err));
    AUTO(free) unsigned char *copy = calloc(1, len + 1);
    for (size_t at = 0; at < len; at++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            AUTO(x509_csr_done) struct x509_csr csr = {0};
            memcpy(copy, der, len);
            copy[at] ^= (unsigned char)(1U << bit);
            ck_assert_msg(!read_octets(copy, len, &csr, &err), "octet %zu bit %u", at, bit);
        }
    }
    memcpy(copy, der, len);
    for (size_t cut = 0; cut < len; cut++) {
        AUTO(x509_csr_done) struct x509_csr csr = {0};
        ck_assert(!read_octets(copy, cut, &csr, &err));
    }
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    ck_assert(!read_octets(copy, len + 1, &csr, &err));
    ck_assert(read_octets(copy, len, &csr, &err));
    free(der);
}
END_TEST

START_TEST(what_we_make_is_what_we_read_and_openssl_agrees) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate((enum key_type)_i, &err);
    const struct x509_names names = {
        .uuid = UUID, .dns_count = 2, .dns = {"a.example", "b.example"}};
    const struct nftypes types = {2, {"AMF", "5G_EIR"}};
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    ck_assert_msg(x509_csr_make(key, &names, &types, &der, &len, &err), "%s", err.detail);
    ck_assert_msg(read_octets(der, len, &csr, &err), "%s", err.detail);
    ck_assert_str_eq(csr.names.uuid, UUID);
    ck_assert_uint_eq(csr.names.dns_count, 2);
    ck_assert_str_eq(csr.names.dns[1], "b.example");
    ck_assert_uint_eq(csr.names.others, 0);
    ck_assert_uint_eq(csr.types.count, 2);
    ck_assert_str_eq(csr.types.name[1], "5G_EIR");
    ck_assert_str_eq(csr.common_name, "");
    ck_assert_int_eq(EVP_PKEY_eq(csr.key, key), 1);
    const unsigned char *at = der;
    AUTO(X509_REQ_free) X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)len);
    ck_assert_ptr_nonnull(req);
    ck_assert_ptr_eq(at, der + len);
    ck_assert_int_eq(X509_REQ_verify(req, key), 1);
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(req);
    ck_assert_int_eq(sk_X509_EXTENSION_num(extensions), 2);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    AUTO(ossl_free) unsigned char *again = NULL;
    ck_assert_int_eq(i2d_X509_REQ(req, &again), (int)len);
}
END_TEST

START_TEST(names_and_types_may_be_left_out) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    ck_assert(x509_csr_make(key, NULL, NULL, &der, &len, &err));
    ck_assert(read_octets(der, len, &csr, &err));
    ck_assert_uint_eq(csr.names.dns_count + csr.types.count + csr.names.others, 0);
}
END_TEST

/* What OpenSSL's own API makes; caller owns. */
static unsigned char *by_openssl(EVP_PKEY *key, const EVP_MD *md, size_t *ret_len) {
    AUTO(X509_REQ_free) X509_REQ *req = X509_REQ_new();
    unsigned char *der = NULL;

    ck_assert_int_eq(X509_REQ_set_version(req, X509_REQ_VERSION_1), 1);
    ck_assert_int_eq(X509_REQ_set_pubkey(req, key), 1);
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_ASC,
                                                (const unsigned char *)"a.example", -1, -1, 0),
                     1);
    X509_EXTENSION *san =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:A.Example,email:a@b");
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(list, san);
    ck_assert_int_eq(X509_REQ_add_extensions(req, list), 1);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    ck_assert_int_gt(X509_REQ_sign(req, key, md), 0);
    *ret_len = (size_t)i2d_X509_REQ(req, &der);
    return der;
}

static EVP_PKEY *odd_key(const char *name, const char *group, int bits, bool parameters) {
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
    EVP_PKEY *key = NULL;

    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    if (group != NULL) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_group_name(ctx, group), 1);
    }
    if (parameters) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_ec_param_enc(ctx, 0), 1);
    }
    if (bits != 0) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits), 1);
    }
    ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
    return key;
}

/* clang-format off */
static const struct { const char *name, *group; int bits; bool parameters; bool sha1; bool good; } keys[] = {
    {"EC", "P-256", 0, false, false, true},
    {"EC", "P-384", 0, false, false, true},
    {"EC", "P-521", 0, false, false, true},
    {"RSA", NULL, 2048, false, false, true},
    {"RSA", NULL, 3072, false, false, true},
    {"EC", "P-256", 0, true, false, false},      /* N-257 explicit parameters */
    {"EC", "secp256k1", 0, false, false, false}, /* N-257 */
    {"EC", "P-192", 0, false, false, false},     /* N-257 */
    {"RSA", NULL, 1024, false, false, false},    /* N-256 */
    {"EC", "P-256", 0, false, true, false},      /* N-255 */
    {"RSA", NULL, 2048, false, true, false},     /* N-255 */
    {"RSA-PSS", NULL, 2048, false, false, false},
};
/* clang-format on */

START_TEST(openssls_requests_are_judged_by_key_and_hash) {
    struct err err = {0};
    AUTO(EVP_PKEY_free)
    EVP_PKEY *key = odd_key(keys[_i].name, keys[_i].group, keys[_i].bits, keys[_i].parameters);
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    size_t len = 0;
    AUTO(ossl_free)
    unsigned char *der = by_openssl(key, keys[_i].sha1 ? EVP_sha1() : EVP_sha256(), &len);

    bool ok = read_octets(der, len, &csr, &err);
    ck_assert_msg(ok == keys[_i].good, "%s %s %d: %s", keys[_i].name, keys[_i].group, keys[_i].bits,
                  err.detail);
    if (ok) {
        ck_assert_str_eq(csr.common_name, "a.example");
        ck_assert_uint_eq(csr.names.dns_count, 1);
        ck_assert_str_eq(csr.names.dns[0], "a.example"); /* N-246 */
        ck_assert_uint_eq(csr.names.others, 1);          /* N-244 */
    }
}
END_TEST

START_TEST(other_octets_are_refused) { /* N-262, N-264, N-265, N-267 */
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    AUTO(free) unsigned char *bomb = malloc(20000), *der = NULL;
    const char pem[] = "-----BEGIN CERTIFICATE REQUEST-----\n";
    size_t len = 0;

    ck_assert(!read_octets((const unsigned char *)pem, sizeof pem - 1, &csr, &err));
    for (size_t i = 0; i < 20000; i += 4) {
        memcpy(bomb + i, "\x30\x82\x40\x00", 4);
    }
    ck_assert(!read_octets(bomb, 16000, &csr, &err));
    ck_assert(!read_octets(bomb, 20000, &csr, &err));
    memset(bomb, 0x30, 20000);
    ck_assert(!read_octets(bomb, 16000, &csr, &err));
    ck_assert(x509_csr_make(key, NULL, NULL, &der, &len, &err));
    ck_assert_int_eq(der[1], 0x81); /* the same in one more length octet is not DER */
    memcpy(bomb, "\x30\x82\x00", 3);
    memcpy(bomb + 3, der + 2, len - 2);
    ck_assert(!read_octets(bomb, len + 1, &csr, &err));
    memcpy(bomb, "\x30\x80", 2);
    memcpy(bomb + 2, der + 3, len - 3);
    memcpy(bomb + 2 + len - 3, "\0\0", 2);
    ck_assert(!read_octets(bomb, len + 1, &csr, &err));
    const struct x509_spec spec = {
        .common_name = "x", .not_before_s = 1, .not_after_s = 2, .key = key};
    AUTO(X509_free) X509 *x509 = x509_make(&spec, NULL, key, &err);
    AUTO(ossl_free) unsigned char *cert = NULL;
    int cert_len = i2d_X509(x509, &cert);
    ck_assert(!read_octets(cert, (size_t)cert_len, &csr, &err));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("x509_csr");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, a_draft_is_accepted_or_refused, 0, (int)COUNT(drafts));
    tcase_add_test(all, another_keys_signature_is_refused);
    tcase_add_test(all, no_flipped_bit_cut_or_longer_request_is_accepted);
    tcase_add_loop_test(all, what_we_make_is_what_we_read_and_openssl_agrees, 0, KEY__COUNT);
    tcase_add_test(all, names_and_types_may_be_left_out);
    tcase_add_loop_test(all, openssls_requests_are_judged_by_key_and_hash, 0, (int)COUNT(keys));
    tcase_add_test(all, other_octets_are_refused);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
