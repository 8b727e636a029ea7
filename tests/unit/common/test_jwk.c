#include <check.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/jwk.h"
#include "common/key.h"
#include "tests/unit/common/oracle.h"

#define GX "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define GY "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define P "_____wAAAAEAAAAAAAAAAAAAAAD_______________8"
#define EC256 "{\"kty\":\"EC\",\"crv\":\"P-256\","
#define EC(x, y) EC256 "\"x\":\"" x "\",\"y\":\"" y "\"}"
#define OKP(x) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" x "\"}"
#define RSA(n, e) "{\"kty\":\"RSA\",\"n\":\"" n "\",\"e\":\"" e "\"}"
/* Parts of a good modulus of 2048 bits, RFC 7515 A.2, so that its ends can be changed. */
#define N_HEAD                                                                                     \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1"
#define N_BODY                                                                                     \
    "Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"               \
    "bSf63kpaSHSXndS"                                                                              \
    "5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"          \
    "I5IhlJH7aG"                                                                                   \
    "hyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp"
#define N N_HEAD N_BODY "oQ"

/* clang-format off */
static const struct { const char *name; const char *text; enum err_kind kind; } bad[] = {
    {"N-150 no kty", "{\"crv\":\"P-256\"}", ERR_BAD_PUBLIC_KEY},
    {"N-150 kty unknown", "{\"kty\":\"XX\"}", ERR_BAD_PUBLIC_KEY},
    {"N-150 kty in lower case", "{\"kty\":\"ec\",\"crv\":\"P-256\",\"x\":\"" GX "\",\"y\":\"" GY "\"}",
     ERR_BAD_PUBLIC_KEY},
    {"kty a number", "{\"kty\":1}", ERR_MALFORMED},
    {"N-151 no y", EC256 "\"x\":\"" GX "\"}", ERR_BAD_PUBLIC_KEY},
    {"x a number", EC256 "\"x\":1,\"y\":\"" GY "\"}", ERR_MALFORMED},
    {"N-152 off the curve", EC(GX, GX), ERR_BAD_PUBLIC_KEY},
    {"N-153 0, 0", EC(ZERO, ZERO), ERR_BAD_PUBLIC_KEY},
    {"N-154 x = p", EC(P, GY), ERR_BAD_PUBLIC_KEY},
    {"N-154 y = p", EC(GX, P), ERR_BAD_PUBLIC_KEY},
    {"N-155 x of 31 octets", EC("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVA", GY), ERR_BAD_PUBLIC_KEY},
    {"N-156 x of 33 octets", EC("AH_Nzidw9sRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRF", GY), ERR_BAD_PUBLIC_KEY},
    {"padding in x", EC(GX "=", GY), ERR_BAD_PUBLIC_KEY},
    {"spare bits in x", EC("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV", GY), ERR_MALFORMED},
    {"N-157 coordinates of another curve", "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" GX "\",\"y\":\"" GY "\"}",
     ERR_BAD_PUBLIC_KEY},
    {"N-158 secp256k1", "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" GX "\",\"y\":\"" GY "\"}", ERR_BAD_PUBLIC_KEY},
    {"N-158 P-192", "{\"kty\":\"EC\",\"crv\":\"P-192\",\"x\":\"" GX "\",\"y\":\"" GY "\"}", ERR_BAD_PUBLIC_KEY},
    {"no crv", "{\"kty\":\"EC\",\"x\":\"" GX "\",\"y\":\"" GY "\"}", ERR_BAD_PUBLIC_KEY},
    {"N-159 RSA of 512 bits", RSA("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzPw", "AQAB"),
     ERR_BAD_PUBLIC_KEY},
    {"N-161 e=1", RSA(N, "AQ"), ERR_BAD_PUBLIC_KEY},
    {"e=3", RSA(N, "Aw"), ERR_BAD_PUBLIC_KEY},
    {"N-162 e=2", RSA(N, "Ag"), ERR_BAD_PUBLIC_KEY},
    {"N-162 e=4", RSA(N, "BA"), ERR_BAD_PUBLIC_KEY},
    {"N-162 e=0", RSA(N, "AA"), ERR_BAD_PUBLIC_KEY},
    {"e empty", RSA(N, ""), ERR_BAD_PUBLIC_KEY},
    {"even e above 65536", RSA(N, "AQAC"), ERR_BAD_PUBLIC_KEY},
    {"N-163 e of 300 octets", RSA(N, N N_HEAD), ERR_BAD_PUBLIC_KEY},
    {"N-164 even n", RSA(N_HEAD N_BODY "oA", "AQAB"), ERR_BAD_PUBLIC_KEY},
    {"N-164 n with a small factor", RSA(N_HEAD N_BODY "AQ", "AQAB"), ERR_BAD_PUBLIC_KEY},
    {"N-165 n begins with zero", RSA("AKH4Fgri48m0Zc6NLWViYzYrkn2-KeHwJHf8FiXMkKE24w", "AQAB"), ERR_BAD_PUBLIC_KEY},
    {"e begins with zero", RSA(N, "AAEAAQ"), ERR_BAD_PUBLIC_KEY},
    {"N-167 31 octets", OKP("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ"), ERR_BAD_PUBLIC_KEY},
    {"N-167 33 octets", OKP("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURoA"), ERR_BAD_PUBLIC_KEY},
    {"N-167 order 4, y=0", OKP(ZERO), ERR_BAD_PUBLIC_KEY},
    {"N-167 order 4, y=0, sign set", OKP("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA"), ERR_BAD_PUBLIC_KEY},
    {"N-167 order 1, y=1", OKP("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), ERR_BAD_PUBLIC_KEY},
    {"N-167 order 2, y=-1", OKP("7P_______________________________________38"), ERR_BAD_PUBLIC_KEY},
    {"N-167 order 8", OKP("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU"), ERR_BAD_PUBLIC_KEY},
    {"N-167 order 8, the other", OKP("xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o"), ERR_BAD_PUBLIC_KEY},
    {"N-167 y = p", OKP("7f_______________________________________38"), ERR_BAD_PUBLIC_KEY},
    {"N-167 y = p+1", OKP("7v_______________________________________38"), ERR_BAD_PUBLIC_KEY},
    {"N-168 Ed448", "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"" ZERO "\"}", ERR_BAD_PUBLIC_KEY},
    {"N-168 X25519", "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" GX "\"}", ERR_BAD_PUBLIC_KEY},
    {"N-169 private d", EC256 "\"x\":\"" GX "\",\"y\":\"" GY "\",\"d\":\"AA\"}", ERR_BAD_PUBLIC_KEY},
    {"N-170 oct", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", ERR_BAD_PUBLIC_KEY},
    {"N-171 use enc", EC256 "\"use\":\"enc\",\"x\":\"" GX "\",\"y\":\"" GY "\"}", ERR_BAD_PUBLIC_KEY},
    {"N-171 key_ops encrypt", EC256 "\"key_ops\":[\"encrypt\"],\"x\":\"" GX "\",\"y\":\"" GY "\"}", ERR_BAD_PUBLIC_KEY},
    {"N-171 alg RS512", EC256 "\"alg\":\"RS512\",\"x\":\"" GX "\",\"y\":\"" GY "\"}", ERR_BAD_PUBLIC_KEY},
    {"use a number", EC256 "\"use\":1,\"x\":\"" GX "\",\"y\":\"" GY "\"}", ERR_MALFORMED},
};
/* clang-format on */

START_TEST(an_unfit_key_is_refused) {
    struct err err = {0};
    AUTO(json_release) json_t *jwk = json_read(bad[_i].text, strlen(bad[_i].text), &err);

    ck_assert_msg(jwk != NULL, "%s: %s", bad[_i].name, err.detail);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = jwk_read(jwk, &err);
    ck_assert_msg(key == NULL, "%s was accepted", bad[_i].name);
    ck_assert_msg(err.kind == bad[_i].kind, "%s: %s: %s", bad[_i].name, err_name(err.kind),
                  err.detail);
}
END_TEST

START_TEST(what_is_not_an_object_is_malformed) {
    const char *const texts[] = {"\"x\"", "[]", "null", "1"};
    for (unsigned i = 0; i < COUNT(texts); i++) {
        struct err err = {0};
        AUTO(json_release) json_t *jwk = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        ck_assert_ptr_null(jwk_read(jwk, &err));
        ck_assert_int_eq(err.kind, ERR_MALFORMED);
    }
}
END_TEST

/* A vector as a key. */
static EVP_PKEY *vector_key(const char *name) {
    struct err err = {0};
    AUTO(free) char *text = oracle_get(getenv("NFACME_VECTORS"), name);
    AUTO(json_release) json_t *jwk = json_read(text, strlen(text), &err);
    EVP_PKEY *key = jwk_read(jwk, &err);

    ck_assert_msg(key != NULL, "%s: %s", name, err.detail);
    return key;
}

START_TEST(thumbprints_are_those_of_the_rfcs) {
    const char *const names[] = {"rfc7638_3.1", "rfc8037_A.3"};
    for (unsigned i = 0; i < COUNT(names); i++) {
        char name[64], thumbprint[JWK_THUMBPRINT_SIZE];
        struct err err = {0};
        (void)snprintf(name, sizeof name, "%s.jwk", names[i]);
        AUTO(EVP_PKEY_free) EVP_PKEY *key = vector_key(name);
        (void)snprintf(name, sizeof name, "%s.thumbprint", names[i]);
        AUTO(free) char *want = oracle_get(getenv("NFACME_VECTORS"), name);
        ck_assert(jwk_thumbprint(key, thumbprint, &err));
        ck_assert_str_eq(thumbprint, want);
    }
}
END_TEST

START_TEST(every_kind_of_key_comes_back_as_it_went) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate((enum key_type)_i, &err);
    ck_assert_ptr_nonnull(key);
    AUTO(json_release) json_t *jwk = jwk_write(key, &err);
    ck_assert_ptr_nonnull(jwk);
    AUTO(EVP_PKEY_free) EVP_PKEY *back = jwk_read(jwk, &err);
    ck_assert_msg(back != NULL, "%s", err.detail);
    ck_assert_int_eq(EVP_PKEY_eq(key, back), 1);
}
END_TEST

/* A P-256 key whose coordinate begins with a zero octet, by search. */
static EVP_PKEY *zero_led(unsigned octet) {
    struct err err = {0};
    for (unsigned tries = 0; tries < 20000; tries++) {
        unsigned char point[KEY_POINT_MAX];
        EVP_PKEY *key = key_generate(KEY_P256, &err);
        ck_assert(key_point(key, KEY_P256, point, &err));
        if (point[octet] == 0) {
            return key;
        }
        EVP_PKEY_free(key);
    }
    ck_abort_msg("no such key in 20000");
    return NULL;
}

START_TEST(leading_zero_octets_stay) {
    const unsigned octets[] = {1, 33};
    for (unsigned i = 0; i < COUNT(octets); i++) {
        struct err err = {0};
        AUTO(EVP_PKEY_free) EVP_PKEY *key = zero_led(octets[i]);
        AUTO(json_release) json_t *jwk = jwk_write(key, &err);
        ck_assert_uint_eq(json_string_length(json_object_get(jwk, "x")), 43);
        ck_assert_uint_eq(json_string_length(json_object_get(jwk, "y")), 43);
        AUTO(EVP_PKEY_free) EVP_PKEY *back = jwk_read(jwk, &err);
        ck_assert_int_eq(EVP_PKEY_eq(key, back), 1);
    }
}
END_TEST

START_TEST(jose_computes_the_same_thumbprint) {
    char folder[] = "/tmp/nfacme-jwk-XXXXXX";
    if (!oracle_is_here("jose")) {
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (unsigned i = 0; i < 6; i++) {
        const enum key_type types[] = {KEY_P256, KEY_P384, KEY_P521, KEY_RSA2048};
        char ours[JWK_THUMBPRINT_SIZE], theirs[256];
        struct err err = {0};
        AUTO(EVP_PKEY_free)
        EVP_PKEY *key = i < COUNT(types) ? key_generate(types[i], &err) : zero_led(i == 4 ? 1 : 33);
        AUTO(json_release) json_t *jwk = jwk_write(key, &err);
        AUTO(free) char *text = json_text(jwk);
        oracle_put(folder, "key.jwk", text);
        ck_assert(jwk_thumbprint(key, ours, &err));
        ck_assert_msg(oracle_ask(folder, "jose jwk thp -a S256 -i key.jwk", theirs, sizeof theirs),
                      "%s", theirs);
        ck_assert_str_eq(ours, theirs);
    }
    oracle_remove(folder);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("jwk");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, an_unfit_key_is_refused, 0, (int)COUNT(bad));
    tcase_add_test(all, what_is_not_an_object_is_malformed);
    tcase_add_test(all, thumbprints_are_those_of_the_rfcs);
    tcase_add_loop_test(all, every_kind_of_key_comes_back_as_it_went, 0, KEY__COUNT);
    tcase_add_test(all, leading_zero_octets_stay);
    tcase_add_test(all, jose_computes_the_same_thumbprint);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
