#include <check.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "common/b64.h"
#include "common/json.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "common/key.h"
#include "tests/unit/common/jws_bad.h"
#include "tests/unit/common/oracle.h"

/* A flattened JWS of any three texts; caller owns. */
static char *envelope(const char *header, const char *payload, const void *signature, size_t len) {
    AUTO(free) char *a = b64_encode(header, strlen(header));
    AUTO(free) char *b = b64_encode(payload, strlen(payload));
    AUTO(free) char *c = b64_encode(signature, len);
    AUTO(json_release)
    json_t *json = json_pack("{ssssss}", "protected", a, "payload", b, "signature", c);
    return json_text(json);
}

START_TEST(a_bad_envelope_is_refused) {
    struct err err = {0};
    AUTO(jws_done) struct jws jws = {.payload_len = 7};

    ck_assert_msg(!jws_read(envelopes[_i].text, strlen(envelopes[_i].text), &jws, &err),
                  "%s was accepted", envelopes[_i].name);
    ck_assert_msg(err.kind == envelopes[_i].kind, "%s: %s", envelopes[_i].name, err_name(err.kind));
    ck_assert_ptr_null(jws.header);
    ck_assert_ptr_null(jws.payload);
    ck_assert_ptr_null(jws.signed_text);
    ck_assert_uint_eq(jws.payload_len, 0);
}
END_TEST

START_TEST(headers_are_judged) {
    struct err err = {0};
    AUTO(jws_done) struct jws jws = {0};
    AUTO(free) char *text = envelope(headers[_i].header, "{}", "abc", 3);

    bool ok = jws_read(text, strlen(text), &jws, &err);
    ck_assert_msg(ok == (headers[_i].kind == ERR_NONE) && err.kind == headers[_i].kind,
                  "%s: %s: %s", headers[_i].name, err_name(err.kind), err.detail);
}
END_TEST

START_TEST(utf_16_and_long_headers_are_read_or_refused_whole) {
    struct err err = {0};
    AUTO(jws_done) struct jws jws = {0};
    char utf16[] = "{\0\"\0p\0\"\0:\0"
                   "1\0}\0";
    ck_assert(!jws_read(utf16, sizeof utf16 - 1, &jws, &err)); /* N-025 */
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
    err = (struct err){0};
    char kid[9000];
    memset(kid, 'k', sizeof kid - 1); /* N-140: longer than the room on the stack */
    kid[sizeof kid - 1] = '\0';
    AUTO(json_release) json_t *header = json_pack("{ssss}", "alg", "ES256", "kid", kid);
    AUTO(free) char *header_text = json_text(header);
    AUTO(free) char *text = envelope(header_text, "", "abc", 3);
    ck_assert_msg(jws_read(text, strlen(text), &jws, &err), "%s", err.detail);
    ck_assert_str_eq(jws.kid, kid);
    ck_assert_uint_eq(jws.payload_len, 0);
    char big[1000] = {0};
    AUTO(free) char *long_signature = envelope("{\"alg\":\"ES256\"}", "", big, 513);
    AUTO(jws_done) struct jws none = {0};
    ck_assert(!jws_read(long_signature, strlen(long_signature), &none, &err));
}
END_TEST

START_TEST(members_are_found) {
    struct err err = {0};
    AUTO(jws_done) struct jws jws = {0};
    AUTO(free)
    char *text = envelope("{\"alg\":\"EdDSA\",\"url\":\"u\",\"nonce\":\"n-_0\",\"jwk\":{\"a\":1}}",
                          "pay\xff", "abc", 3);

    ck_assert(jws_read(text, strlen(text), &jws, &err));
    ck_assert_int_eq(jws.alg, JWS_EDDSA);
    ck_assert_str_eq(jws.url, "u");
    ck_assert_str_eq(jws.nonce, "n-_0");
    ck_assert_ptr_null(jws.kid);
    ck_assert(json_is_object(jws.jwk));
    ck_assert_uint_eq(jws.payload_len, 4);
    ck_assert_str_eq((char *)jws.payload, "pay\xff");
    ck_assert_uint_eq(jws.signed_len, strlen(jws.signed_text));
    ck_assert_uint_eq(jws.signature_len, 3);
}
END_TEST

/* Read one of tests/vectors; caller owns. */
static char *vector(const char *name, const char *suffix) {
    char file[64];
    (void)snprintf(file, sizeof file, "%s.%s", name, suffix);
    return oracle_get(getenv("NFACME_VECTORS"), file);
}

START_TEST(the_rfcs_examples_verify_and_a_changed_bit_does_not) {
    const char *const names[] = {"rfc7515_A.2", "rfc7515_A.3", "rfc7515_A.4", "rfc8037_A.4"};
    for (unsigned i = 0; i < COUNT(names); i++) {
        struct err err = {0}, refused = {0};
        AUTO(jws_done) struct jws jws = {0};
        AUTO(free) char *text = vector(names[i], "jws");
        AUTO(free) char *jwk_text = vector(names[i], "jwk");
        AUTO(json_release) json_t *jwk = json_read(jwk_text, strlen(jwk_text), &err);
        AUTO(EVP_PKEY_free) EVP_PKEY *key = jwk_read(jwk, &err);
        ck_assert_msg(key != NULL && jws_read(text, strlen(text), &jws, &err)
                          && jws_verify(&jws, key, &err),
                      "%s: %s", names[i], err.detail);
        jws.signature[jws.signature_len / 2] ^= 1; /* N-180 */
        ck_assert(!jws_verify(&jws, key, &refused));
        ck_assert_int_eq(refused.kind, ERR_MALFORMED);
        jws.signature[jws.signature_len / 2] ^= 1;
        jws.signed_text[jws.signed_len - 1] ^= 1; /* N-193 */
        refused = (struct err){0};
        ck_assert(!jws_verify(&jws, key, &refused));
    }
}
END_TEST

START_TEST(the_rfcs_mac_verifies_only_as_a_mac) {
    struct err err = {0}, refused = {0};
    AUTO(jws_done) struct jws jws = {0};
    AUTO(free) char *text = vector("rfc7515_A.1", "jws");
    AUTO(free) char *key_text = vector("rfc7515_A.1", "key");
    AUTO(EVP_PKEY_free) EVP_PKEY *pair = key_generate(KEY_P256, &err);
    unsigned char key[64];
    size_t len = 0;

    ck_assert(b64_decode_into(key_text, strlen(key_text), key, sizeof key, &len, &err));
    ck_assert_msg(jws_read(text, strlen(text), &jws, &err), "%s", err.detail);
    ck_assert_msg(jws_verify_mac(&jws, key, len, &err), "%s", err.detail);
    ck_assert(!jws_verify(&jws, pair, &refused)); /* N-105, N-106 */
    ck_assert_int_eq(refused.kind, ERR_BAD_SIGNATURE_ALGORITHM);
    refused = (struct err){0};
    ck_assert(!jws_verify_mac(&jws, key, len - 1, &refused));
    ck_assert_int_eq(refused.kind, ERR_MALFORMED);
    refused = (struct err){0};
    jws.signature_len--;
    ck_assert(!jws_verify_mac(&jws, key, len, &refused));
    refused = (struct err){0};
    jws.signature_len = 0;
    ck_assert(!jws_verify_mac(&jws, key, len, &refused));
    refused = (struct err){0};
    jws.alg = JWS_ES256;
    ck_assert(!jws_verify_mac(&jws, key, len, &refused));
    ck_assert_int_eq(refused.kind, ERR_BAD_SIGNATURE_ALGORITHM);
}
END_TEST

START_TEST(a_mac_of_ours_verifies) {
    struct err err = {0};
    AUTO(jws_done) struct jws jws = {0};
    AUTO(json_release) json_t *header = json_pack("{ssss}", "kid", "k1", "url", "u");
    AUTO(free) char *text = jws_sign_mac("secret", 6, header, "{}", 2, &err);

    ck_assert(jws_read(text, strlen(text), &jws, &err));
    ck_assert_int_eq(jws.alg, JWS_HS256);
    ck_assert(jws_verify_mac(&jws, "secret", 6, &err));
    ck_assert(!jws_verify_mac(&jws, "secreT", 6, &err));
}
END_TEST

START_TEST(every_type_of_key_signs_what_it_verifies) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate((enum key_type)_i, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *other = key_generate((enum key_type)_i, &err);
    const struct {
        const char *text;
        size_t len;
    } payloads[] = {{NULL, 0}, {"{}", 2}, {"\0\1\2", 3}};

    for (unsigned i = 0; i < COUNT(payloads); i++) {
        struct err refused = {0};
        AUTO(jws_done) struct jws jws = {0};
        AUTO(json_release) json_t *header = json_pack("{ssss}", "kid", "k", "url", "u");
        AUTO(free)
        char *text = jws_sign(key, header, payloads[i].text, payloads[i].len, &err);
        ck_assert_msg(text != NULL, "%s %s", err.detail, err.cause);
        ck_assert(jws_read(text, strlen(text), &jws, &err));
        ck_assert_uint_eq(jws.payload_len, payloads[i].len);
        ck_assert_msg(jws_verify(&jws, key, &err), "%s", err.detail);
        ck_assert(!jws_verify(&jws, other, &refused));
        ck_assert_int_eq(refused.kind, ERR_MALFORMED);
    }
}
END_TEST

START_TEST(an_algorithm_that_does_not_fit_the_key_is_refused) {
    /* N-111, N-112 */
    struct err err = {0};
    const enum key_type types[] = {KEY_P256, KEY_P384, KEY_P521, KEY_RSA2048, KEY_ED25519};
    for (unsigned i = 0; i < COUNT(types); i++) {
        AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(types[i], &err);
        enum jws_alg own = JWS_ALG__COUNT;
        ck_assert(jws_alg_of_key(key, &own));
        for (unsigned alg = 0; alg < JWS_ALG__COUNT; alg++) {
            struct err refused = {0};
            unsigned char signature[512] = {0};
            size_t len = 0;
            if (alg == (unsigned)own) {
                continue;
            }
            ck_assert(!jws_verify_raw(key, (enum jws_alg)alg, "x", 1, signature, 64, &refused));
            ck_assert_int_eq(refused.kind,
                             alg >= JWS_HS256 ? ERR_BAD_SIGNATURE_ALGORITHM : ERR_BAD_PUBLIC_KEY);
            refused = (struct err){0};
            ck_assert(!jws_sign_raw(key, (enum jws_alg)alg, "x", 1, signature, &len, &refused));
        }
    }
}
END_TEST

START_TEST(an_ecdsa_signature_has_always_its_full_length) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    unsigned short_r = 0;

    for (unsigned i = 0; i < 1500; i++) {
        unsigned char signature[512];
        size_t len = 0;
        ck_assert(jws_sign_raw(key, JWS_ES256, &i, sizeof i, signature, &len, &err));
        ck_assert_uint_eq(len, 64);
        short_r += signature[0] == 0 || signature[32] == 0;
        ck_assert(jws_verify_raw(key, JWS_ES256, &i, sizeof i, signature, len, &err));
    }
    ck_assert_uint_gt(short_r, 0); /* the case was met: 1 - (127/128)^1500 */
}
END_TEST

START_TEST(ecdsa_signatures_out_of_form_are_refused) {
    static const unsigned char order[] = {0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00,
                                          0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                          0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84,
                                          0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    unsigned char good[512] = {0}, bad[512] = {0};
    const size_t lens[] = {0, 1, 63, 65, 70, 128, 512}; /* N-181, N-182 */
    size_t len = 0;

    ck_assert(jws_sign_raw(key, JWS_ES256, "x", 1, good, &len, &err));
    for (unsigned i = 0; i < COUNT(lens); i++) {
        struct err refused = {0};
        ck_assert(!jws_verify_raw(key, JWS_ES256, "x", 1, good, lens[i], &refused));
        ck_assert_int_eq(refused.kind, ERR_MALFORMED);
    }
    for (unsigned i = 0; i < 6; i++) { /* N-183, N-184 */
        struct err refused = {0};
        memcpy(bad, good, 64);
        for (unsigned half = 0; half < 2; half++) {
            if ((i % 3 + 1) & (half + 1)) {
                memcpy(bad + 32 * half, order, 32);
                if (i < 3) {
                    memset(bad + 32 * half, 0, 32);
                }
            }
        }
        ck_assert(!jws_verify_raw(key, JWS_ES256, "x", 1, bad, 64, &refused));
        ck_assert_int_eq(refused.kind, ERR_MALFORMED);
    }
}
END_TEST

START_TEST(rsa_and_ed25519_signatures_out_of_form_are_refused) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *rsa = key_generate(KEY_RSA2048, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *ed = key_generate(KEY_ED25519, &err);
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pss = NULL;
    unsigned char signature[512] = {0};
    size_t len = 0;
    struct err refused = {0};

    ck_assert(jws_sign_raw(rsa, JWS_RS256, "x", 1, signature, &len, &err));
    ck_assert_uint_eq(len, 256);
    ck_assert(!jws_verify_raw(rsa, JWS_RS256, "x", 1, signature, 255, &refused)); /* N-189 */
    ck_assert(!jws_verify_raw(rsa, JWS_RS256, "x", 1, signature, 257, &refused));
    memset(signature, 0xFF, 256);
    ck_assert(!jws_verify_raw(rsa, JWS_RS256, "x", 1, signature, 256, &refused));
    len = sizeof signature; /* N-190 */
    ck_assert_int_eq(EVP_DigestSignInit(ctx, &pss, EVP_sha256(), NULL, rsa), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(pss, RSA_PKCS1_PSS_PADDING), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)"x", 1), 1);
    ck_assert(!jws_verify_raw(rsa, JWS_RS256, "x", 1, signature, len, &refused));
    EVP_MD_CTX_reset(ctx);
    len = sizeof signature;
    ck_assert_int_eq(EVP_DigestSignInit(ctx, NULL, EVP_sha1(), NULL, rsa), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)"x", 1), 1);
    ck_assert(!jws_verify_raw(rsa, JWS_RS256, "x", 1, signature, len, &refused));
    /* N-191: S + L, where L is the order of the base point, little-endian. */
    static const unsigned char order[] = {0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58,
                                          0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14,
                                          0,    0,    0,    0,    0,    0,    0,    0,
                                          0,    0,    0,    0,    0,    0,    0,    0x10};
    unsigned carry = 0;
    ck_assert(jws_sign_raw(ed, JWS_EDDSA, "x", 1, signature, &len, &err));
    for (unsigned i = 0; i < 32; i++) {
        carry += (unsigned)signature[32 + i] + order[i];
        signature[32 + i] = (unsigned char)carry;
        carry >>= 8;
    }
    ck_assert(!jws_verify_raw(ed, JWS_EDDSA, "x", 1, signature, 64, &refused));
    ck_assert_int_eq(refused.kind, ERR_MALFORMED);
}
END_TEST

START_TEST(a_signature_covers_the_encoded_parts) {
    /* N-186, N-187 */
    struct err err = {0}, refused = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    const char *const wrong[] = {"e30", "{\"alg\":\"ES256\"}.{}"};

    for (unsigned i = 0; i < COUNT(wrong); i++) {
        unsigned char signature[512];
        size_t len = 0;
        AUTO(jws_done) struct jws jws = {0};
        ck_assert(jws_sign_raw(key, JWS_ES256, wrong[i], strlen(wrong[i]), signature, &len, &err));
        AUTO(free) char *text = envelope("{\"alg\":\"ES256\"}", "{}", signature, len);
        ck_assert(jws_read(text, strlen(text), &jws, &err));
        ck_assert(!jws_verify(&jws, key, &refused));
    }
}
END_TEST

START_TEST(jose_verifies_what_we_sign) {
    char folder[] = "/tmp/nfacme-jws-XXXXXX", said[256];
    const enum key_type types[] = {KEY_P256, KEY_P384, KEY_P521, KEY_RSA2048};
    if (!oracle_is_here("jose")) {
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (unsigned i = 0; i < COUNT(types); i++) {
        struct err err = {0};
        AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(types[i], &err);
        AUTO(json_release) json_t *header = json_pack("{ssss}", "kid", "k", "url", "u");
        AUTO(free) char *text = jws_sign(key, header, "{\"a\":1}", 7, &err);
        AUTO(json_release) json_t *jwk = jwk_write(key, &err);
        AUTO(free) char *jwk_text = json_text(jwk);
        oracle_put(folder, "us.jws", text);
        oracle_put(folder, "us.jwk", jwk_text);
        ck_assert_msg(
            oracle_ask(folder, "jose jws ver -i us.jws -k us.jwk -O -", said, sizeof said),
            "%s: %s", key_type_name(types[i]), said);
        ck_assert_str_eq(said, "{\"a\":1}");
        text[strlen(text) - 8] ^= 1;
        oracle_put(folder, "us.jws", text);
        ck_assert(!oracle_ask(folder, "jose jws ver -i us.jws -k us.jwk -O -", said, sizeof said));
    }
    oracle_remove(folder);
}
END_TEST

START_TEST(we_verify_what_jose_signs) {
    char folder[] = "/tmp/nfacme-jws-XXXXXX", said[256];
    const char *const algs[] = {"ES256", "ES384", "ES512", "RS256"};
    if (!oracle_is_here("jose")) {
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(folder));
    oracle_put(folder, "payload", "{\"b\":2}");
    for (unsigned i = 0; i < COUNT(algs); i++) {
        struct err err = {0};
        char text[256];
        AUTO(jws_done) struct jws jws = {0};
        (void)snprintf(text, sizeof text, "{\"alg\":\"%s\"}", algs[i]);
        oracle_put(folder, "template", text);
        (void)snprintf(text, sizeof text, "{\"protected\":{\"alg\":\"%s\"}}", algs[i]);
        oracle_put(folder, "header", text);
        ck_assert_msg(oracle_ask(folder,
                                 "jose jwk gen -i template -o key.jwk && "
                                 "jose jwk pub -i key.jwk -o public.jwk && "
                                 "jose jws sig -I payload -k key.jwk -s header -o them.jws",
                                 said, sizeof said),
                      "%s: %s", algs[i], said);
        AUTO(free) char *jws_text = oracle_get(folder, "them.jws");
        AUTO(free) char *jwk_text = oracle_get(folder, "public.jwk");
        AUTO(json_release) json_t *jwk = json_read(jwk_text, strlen(jwk_text), &err);
        AUTO(EVP_PKEY_free) EVP_PKEY *key = jwk_read(jwk, &err);
        ck_assert_msg(key != NULL && jws_read(jws_text, strlen(jws_text), &jws, &err)
                          && jws_verify(&jws, key, &err),
                      "%s: %s", algs[i], err.detail);
        ck_assert_str_eq((char *)jws.payload, "{\"b\":2}");
    }
    oracle_remove(folder);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("jws");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, a_bad_envelope_is_refused, 0, (int)COUNT(envelopes));
    tcase_add_loop_test(all, headers_are_judged, 0, (int)COUNT(headers));
    tcase_add_test(all, utf_16_and_long_headers_are_read_or_refused_whole);
    tcase_add_test(all, members_are_found);
    tcase_add_test(all, the_rfcs_examples_verify_and_a_changed_bit_does_not);
    tcase_add_test(all, the_rfcs_mac_verifies_only_as_a_mac);
    tcase_add_test(all, a_mac_of_ours_verifies);
    tcase_add_loop_test(all, every_type_of_key_signs_what_it_verifies, 0, KEY__COUNT);
    tcase_add_test(all, an_algorithm_that_does_not_fit_the_key_is_refused);
    tcase_add_test(all, an_ecdsa_signature_has_always_its_full_length);
    tcase_add_test(all, ecdsa_signatures_out_of_form_are_refused);
    tcase_add_test(all, rsa_and_ed25519_signatures_out_of_form_are_refused);
    tcase_add_test(all, a_signature_covers_the_encoded_parts);
    tcase_add_test(all, jose_verifies_what_we_sign);
    tcase_add_test(all, we_verify_what_jose_signs);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
