#include <check.h>
#include <stdlib.h>

#include "common/b64.h"
#include "common/json.h"
#include "common/jws.h"
#include "common/jwt.h"
#include "common/key.h"
#include "common/x509.h"
#include "tests/unit/common/oracle.h"

#define NOW 1750000000

static EVP_PKEY *new_key(void) {
    struct err err = {0};
    return key_generate(KEY_P256, &err);
}

/* A chain of one self-signed certificate. */
static X509_CHAIN *new_chain(EVP_PKEY *key) {
    struct err err = {0};
    const struct x509_spec spec = {
        .common_name = "signer", .not_before_s = NOW - 60, .not_after_s = NOW + 60, .key = key};
    X509_CHAIN *chain = sk_X509_new_null();

    sk_X509_push(chain, x509_make(&spec, NULL, key, &err));
    return chain;
}

START_TEST(a_token_comes_back_and_verifies_only_under_its_key) {
    struct err err = {0}, refused = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = new_key(), *other = new_key();
    AUTO(chain_free) X509_CHAIN *chain = new_chain(key);
    AUTO(json_release) json_t *claims = json_pack("{s:s, s:I}", "jti", "1", "exp", (json_int_t)NOW);
    AUTO(free) char *text = jwt_sign(key, chain, claims, &err);
    AUTO(jwt_done) struct jwt jwt = {0};

    ck_assert_msg(text != NULL, "%s", err.detail);
    ck_assert_msg(jwt_read(text, strlen(text), &jwt, &err), "%s", err.detail);
    ck_assert(json_equal(jwt.claims, claims));
    ck_assert_str_eq(json_string_value(json_object_get(jwt.parts->header, "typ")), "JWT");
    ck_assert_int_eq(sk_X509_num(jwt.x5c), 1);
    ck_assert_int_eq(X509_cmp(sk_X509_value(jwt.x5c, 0), sk_X509_value(chain, 0)), 0);
    ck_assert_msg(jwt_verify(&jwt, key, &err), "%s", err.detail);
    ck_assert(!jwt_verify(&jwt, other, &refused));
    ck_assert_int_eq(refused.kind, ERR_UNAUTHORIZED);
    refused = (struct err){0};
    jwt.parts->signed_text[jwt.parts->signed_len - 1] ^= 1;
    ck_assert(!jwt_verify(&jwt, key, &refused));
    ck_assert_int_eq(refused.kind, ERR_UNAUTHORIZED);
}
END_TEST

START_TEST(a_pinned_certificate_is_not_decoded_again_and_no_other_is_taken_for_it) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = new_key();
    AUTO(chain_free) X509_CHAIN *chain = new_chain(key), *other = new_chain(key);
    X509 *own = sk_X509_value(chain, 0), *pinned = sk_X509_value(other, 0);
    AUTO(free) char *pinned_text = jwt_x5c_text(pinned, &err);
    AUTO(json_release) json_t *claims = json_pack("{s:s}", "jti", "1");
    AUTO(jwt_done) struct jwt alone = {0};
    AUTO(jwt_done) struct jwt among = {0};

    AUTO(free) char *without = jwt_sign(key, chain, claims, &err);
    ck_assert(jwt_read_pinned(without, strlen(without), pinned, pinned_text, &alone, &err));
    ck_assert_int_eq(X509_cmp(sk_X509_value(alone.x5c, 0), own), 0);
    (void)X509_up_ref(pinned);
    (void)X509_up_ref(own);
    ck_assert_int_eq(sk_X509_push(chain, pinned), 2);
    ck_assert_int_eq(sk_X509_push(chain, own), 3);
    AUTO(free) char *with = jwt_sign(key, chain, claims, &err);
    ck_assert(jwt_read_pinned(with, strlen(with), pinned, pinned_text, &among, &err));
    ck_assert_int_eq(sk_X509_num(among.x5c), 2); /* it ends with the pinned one */
    ck_assert_ptr_eq(sk_X509_value(among.x5c, 1), pinned);
}
END_TEST

START_TEST(a_mac_never_verifies_as_a_token) {
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = new_key();
    AUTO(jwt_done) struct jwt jwt = {0};
    const char text[] = "eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    ck_assert(jwt_read(text, strlen(text), &jwt, &err));
    ck_assert(!jwt_verify(&jwt, key, &err));
    ck_assert_int_eq(err.kind, ERR_UNAUTHORIZED);
}
END_TEST

/* clang-format off */
static const struct { const char *name; const char *header; const char *claims; } bad[] = {
    {"none", "{\"alg\":\"none\"}", "{}"},
    {"no alg", "{}", "{}"},
    {"crit", "{\"alg\":\"ES256\",\"crit\":[\"exp\"]}", "{}"},
    {"claims an array", "{\"alg\":\"ES256\"}", "[]"},
    {"claims empty", "{\"alg\":\"ES256\"}", ""},
    {"claims twice", "{\"alg\":\"ES256\"}", "{\"exp\":1,\"exp\":2}"},
    {"x5c a text", "{\"alg\":\"ES256\",\"x5c\":\"MAA=\"}", "{}"},
    {"x5c empty", "{\"alg\":\"ES256\",\"x5c\":[]}", "{}"},
    {"x5c of a number", "{\"alg\":\"ES256\",\"x5c\":[1]}", "{}"},
    {"x5c not a certificate", "{\"alg\":\"ES256\",\"x5c\":[\"MAA=\"]}", "{}"},
    {"x5c in base64url", "{\"alg\":\"ES256\",\"x5c\":[\"-_-_\"]}", "{}"},
    {"x5c without padding", "{\"alg\":\"ES256\",\"x5c\":[\"MAA\"]}", "{}"},
    {"x5c over-padded", "{\"alg\":\"ES256\",\"x5c\":[\"M===\"]}", "{}"},
    {"x5c of padding", "{\"alg\":\"ES256\",\"x5c\":[\"====\"]}", "{}"},
    {"x5c of an empty text", "{\"alg\":\"ES256\",\"x5c\":[\"\"]}", "{}"},
    {"x5c of nine", "{\"alg\":\"ES256\",\"x5c\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}", "{}"},
};
static const char *const forms[] = {
    "", ".", "..", "...", "e30", "e30.e30", "eyJhbGciOiJFUzI1NiJ9.e30.YQ.YQ",
    "eyJhbGciOiJFUzI1NiJ9.e30=.YQ", "eyJhbGciOiJFUzI1NiJ9.e30.YQ==", " eyJhbGciOiJFUzI1NiJ9.e30.YQ",
    "eyJhbGciOiJFUzI1NiJ9.e30.YQ\n", "eyJhbGciOiJFUzI1NiJ9..YQ"};
/* clang-format on */

START_TEST(a_bad_header_or_payload_is_malformed) {
    struct err err = {0};
    AUTO(free) char *header = b64_encode(bad[_i].header, strlen(bad[_i].header));
    AUTO(free) char *claims = b64_encode(bad[_i].claims, strlen(bad[_i].claims));
    AUTO(jwt_done) struct jwt jwt = {0};
    char text[512];

    (void)snprintf(text, sizeof text, "%s.%s.YWJj", header, claims);
    ck_assert_msg(!jwt_read(text, strlen(text), &jwt, &err), "%s was accepted", bad[_i].name);
    ck_assert_msg(err.kind == ERR_MALFORMED, "%s: %s", bad[_i].name, err_name(err.kind));
    ck_assert_ptr_null(jwt.parts);
}
END_TEST

START_TEST(another_form_is_malformed) {
    struct err err = {0};
    AUTO(jwt_done) struct jwt jwt = {0};

    ck_assert_msg(!jwt_read(forms[_i], strlen(forms[_i]), &jwt, &err), "%s", forms[_i]);
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
}
END_TEST

START_TEST(a_token_beyond_the_maximum_is_malformed) {
    struct err err = {0};
    AUTO(jwt_done) struct jwt jwt = {0};
    AUTO(free) char *text = calloc(1, JWT_MAX + 2);

    memset(text, 'A', JWT_MAX + 1);
    ck_assert(!jwt_read(text, JWT_MAX + 1, &jwt, &err));
    ck_assert_int_eq(err.kind, ERR_MALFORMED);
}
END_TEST

/* clang-format off */
static const struct { const char *claims; int64_t leeway_s, lifetime_max_s; bool good; } times[] = {
    {"{\"exp\":1750000001}", 0, 0, true},
    {"{\"exp\":1750000000}", 0, 0, false},
    {"{\"exp\":1750000000.5}", 0, 0, true},
    {"{\"exp\":1749999995}", 10, 0, true},
    {"{\"exp\":1749999990}", 10, 0, false},
    {"{}", 10, 0, false},
    {"{\"exp\":\"1750000001\"}", 0, 0, false},
    {"{\"exp\":null}", 0, 0, false},
    {"{\"exp\":-1}", 0, 0, false},
    {"{\"exp\":1e300}", 0, 0, false},
    {"{\"exp\":1750000100,\"nbf\":1750000000}", 0, 0, true},
    {"{\"exp\":1750000100,\"nbf\":1750000001}", 0, 0, false},
    {"{\"exp\":1750000100,\"nbf\":1750000001}", 1, 0, true},
    {"{\"exp\":1750000100,\"nbf\":\"x\"}", 1, 0, false},
    {"{\"exp\":1750000100,\"iat\":1750000002}", 1, 0, false},
    {"{\"exp\":1750000100,\"iat\":1750000001}", 1, 0, true},
    {"{\"exp\":1750000100,\"iat\":1750000000}", 0, 100, true},
    {"{\"exp\":1750000100,\"iat\":1749999999}", 0, 100, false},
    {"{\"exp\":1750000100,\"iat\":1749999999}", 10, 100, false},
    {"{\"exp\":1750000100}", 0, 100, true},
    {"{\"exp\":1750000101}", 0, 100, false},
    {"{\"exp\":1750000110}", 10, 100, true},
};
/* clang-format on */

START_TEST(a_token_is_timely_or_not) {
    struct err err = {0};
    AUTO(json_release) json_t *claims = json_read(times[_i].claims, strlen(times[_i].claims), &err);
    struct jwt jwt = {.claims = claims};

    ck_assert(claims != NULL || strstr(times[_i].claims, "1e300") != NULL);
    ck_assert_msg(jwt_timely(&jwt, NOW, times[_i].leeway_s, times[_i].lifetime_max_s, &err)
                      == times[_i].good,
                  "%s: %s", times[_i].claims, err.detail);
    ck_assert_int_eq(err.kind, times[_i].good ? ERR_NONE : ERR_UNAUTHORIZED);
}
END_TEST

START_TEST(jose_verifies_our_token) {
    char folder[] = "/tmp/nfacme-jwt-XXXXXX", said[256];
    struct err err = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = new_key();
    AUTO(chain_free) X509_CHAIN *chain = new_chain(key);
    AUTO(json_release) json_t *claims = json_pack("{s:s}", "jti", "1");
    AUTO(free) char *text = jwt_sign(key, chain, claims, &err);

    if (!oracle_is_here("jose")) {
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(folder));
    oracle_put(folder, "us.jwt", text);
    unsigned char point[KEY_POINT_MAX];
    char x[B64_LEN(32) + 1], y[B64_LEN(32) + 1];
    ck_assert(key_point(key, KEY_P256, point, &err));
    b64_encode_into(point + 1, 32, x, sizeof x);
    b64_encode_into(point + 33, 32, y, sizeof y);
    AUTO(json_release)
    json_t *jwk = json_pack("{ssssssss}", "kty", "EC", "crv", "P-256", "x", x, "y", y);
    AUTO(free) char *jwk_text = json_text(jwk);
    oracle_put(folder, "us.jwk", jwk_text);
    ck_assert_msg(oracle_ask(folder, "jose jws ver -i us.jwt -k us.jwk -O -", said, sizeof said),
                  "%s", said);
    ck_assert_str_eq(said, "{\"jti\":\"1\"}");
    oracle_remove(folder);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("jwt");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 30);
    tcase_add_test(all, a_token_comes_back_and_verifies_only_under_its_key);
    tcase_add_test(all, a_pinned_certificate_is_not_decoded_again_and_no_other_is_taken_for_it);
    tcase_add_test(all, a_mac_never_verifies_as_a_token);
    tcase_add_loop_test(all, a_bad_header_or_payload_is_malformed, 0, (int)COUNT(bad));
    tcase_add_loop_test(all, another_form_is_malformed, 0, (int)COUNT(forms));
    tcase_add_test(all, a_token_beyond_the_maximum_is_malformed);
    tcase_add_loop_test(all, a_token_is_timely_or_not, 0, (int)COUNT(times));
    tcase_add_test(all, jose_verifies_our_token);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
