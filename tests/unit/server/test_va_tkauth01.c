#include "server/va_tkauth01.h"

#include <check.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/json.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "common/jwt.h"
#include "common/key.h"
#include "common/x509.h"

#define NOW_S ((int64_t)1795000000)
#define DAY_S ((int64_t)86400)
#define UUID "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
#define UUID_UPPER "4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B"

struct party {
    EVP_PKEY *key;
    X509 *x509;
    X509_CHAIN *chain; /* x509 alone */
};

static struct party oam_ca, authority, stranger, child;
static EVP_PKEY *account;
static char thumbprint[JWK_THUMBPRINT_SIZE];
static struct va_tkauth01 *tkauth01;

static struct party party_new(const char *name, bool ca, const struct party *issuer,
                              int64_t not_after_s) {
    struct err err = {0};
    struct party party = {.key = key_generate(KEY_P256, &err), .chain = sk_X509_new_null()};
    const struct x509_spec spec = {.country = "XX",
                                   .organization = "OAM",
                                   .common_name = name,
                                   .not_before_s = NOW_S - DAY_S,
                                   .not_after_s = not_after_s,
                                   .ca = ca,
                                   .path_len = 2,
                                   .key = party.key};

    party.x509 = x509_make(&spec, issuer == NULL ? NULL : issuer->x509,
                           issuer == NULL ? party.key : issuer->key, &err);
    ck_assert_msg(party.x509 != NULL, "%s", err.detail);
    ck_assert_int_eq(X509_up_ref(party.x509), 1);
    ck_assert_int_gt(sk_X509_push(party.chain, party.x509), 0);
    return party;
}

static void party_done(struct party *party) {
    EVP_PKEY_free(party->key);
    X509_free(party->x509);
    chain_free(party->chain);
}

static void set_up(void) {
    struct err err = {0};

    oam_ca = party_new("OAM CA", true, NULL, NOW_S + 10 * DAY_S);
    authority = party_new("Token Authority", false, &oam_ca, NOW_S + 10 * DAY_S);
    stranger = party_new("Token Authority", false, &oam_ca, NOW_S + 10 * DAY_S);
    account = key_generate(KEY_P256, &err);
    ck_assert(jwk_thumbprint(account, thumbprint, &err));
    tkauth01 = va_tkauth01_new(authority.chain, false, &err);
    ck_assert_msg(tkauth01 != NULL, "%s", err.detail);
}

static void tear_down(void) {
    va_tkauth01_free(tkauth01);
    EVP_PKEY_free(account);
    party_done(&oam_ca);
    party_done(&authority);
    party_done(&stranger);
    if (child.key != NULL) {
        party_done(&child);
    }
}

/* "SHA256 AA:BB:…" of the account key. */
static void fingerprint(char text[128]) {
    unsigned char octets[32];
    struct err err = {0};
    size_t at = 7;

    ck_assert(jwk_thumbprint_raw(account, octets, &err));
    memcpy(text, "SHA256 ", 8);
    for (unsigned i = 0; i < 32; i++, at += 3) {
        (void)snprintf(text + at, 4, "%02X%s", octets[i], i == 31 ? "" : ":");
    }
}

/* Claims that are accepted. */
static json_t *claims_good(void) {
    char text[128];

    fingerprint(text);
    json_t *claims = json_pack("{s:I, s:I, s:s, s:s, s:[s], s:{s:s, s:s, s:s, s:b}}", "iat",
                               (json_int_t)NOW_S, "exp", (json_int_t)(NOW_S + DAY_S), "jti",
                               "token-1", "iss", "oam", "nfTypes", "AMF", "atc", "tktype",
                               "NfInstanceId", "tkvalue", UUID, "fingerprint", text, "ca", 0);
    ck_assert_ptr_nonnull(claims);
    return claims;
}

static struct va_result check_text(const char *response) {
    struct va_task task = {.type = ACME_CHALLENGE_TKAUTH01,
                           .identifier = {ACME_ID_NF_INSTANCE, UUID},
                           .token = "unused",
                           .response = response};
    struct va_result result;

    memcpy(task.account_thumbprint, thumbprint, sizeof task.account_thumbprint);
    va_tkauth01_check(tkauth01, &task, NOW_S, &result);
    return result;
}

static struct va_result check_token(const char *token) {
    AUTO(json_release) json_t *response = json_pack("{s:s}", "tkauth", token);
    AUTO(free) char *text = json_text(response);
    return check_text(text);
}

/* Sign and judge; takes claims. */
static struct va_result check_claims(json_t *claims, const struct party *signer, X509_CHAIN *x5c) {
    struct err err = {0};
    AUTO(free) char *token = jwt_sign(signer->key, x5c, claims, &err);

    ck_assert_msg(token != NULL, "%s", err.detail);
    json_decref(claims);
    return check_token(token);
}

static void ck_valid(const struct va_result *result) {
    ck_assert_msg(result->valid, "%s: %s", err_name(result->err.kind), result->err.detail);
    ck_assert_int_eq(result->token_exp_s, NOW_S + DAY_S);
    ck_assert_str_eq(result->jti, "token-1");
    ck_assert_uint_eq(result->nftypes.count, 1);
    ck_assert_str_eq(result->nftypes.name[0], "AMF");
    ck_assert_int_eq(result->err.kind, ERR_NONE);
}

static void ck_refused(const char *name, const struct va_result *result, enum err_kind kind,
                       const char *why) {
    ck_assert_msg(!result->valid, "%s was accepted", name);
    ck_assert_msg(result->err.kind == kind, "%s: %s: %s", name, err_name(result->err.kind),
                  result->err.detail);
    ck_assert_msg(strstr(result->err.detail, why) != NULL, "%s: %s", name, result->err.detail);
    ck_assert_uint_eq(result->nftypes.count, 0);
    ck_assert_int_eq(result->token_exp_s, 0);
    ck_assert_str_eq(result->jti, "");
}

START_TEST(a_token_for_this_account_and_identifier_is_valid) {
    struct va_result result = check_claims(claims_good(), &authority, NULL);
    ck_valid(&result);
    result = check_claims(claims_good(), &authority, authority.chain);
    ck_valid(&result);
    AUTO(chain_free) X509_CHAIN *both = X509_chain_up_ref(authority.chain);
    ck_assert_int_eq(X509_up_ref(oam_ca.x509), 1);
    ck_assert_int_gt(sk_X509_push(both, oam_ca.x509), 0);
    result = check_claims(claims_good(), &authority, both);
    ck_valid(&result);
}
END_TEST

/* RFC 9447 3.4 recommends the fingerprint's form, not its only one; UUIDs compare without case. */
START_TEST(the_bare_thumbprint_lower_case_hex_and_an_upper_case_uuid_are_accepted) {
    char text[128];
    json_t *claims = claims_good();

    (void)json_object_set_new(json_object_get(claims, "atc"), "fingerprint",
                              json_string(thumbprint));
    struct va_result result = check_claims(claims, &authority, NULL);
    ck_valid(&result);
    claims = claims_good();
    fingerprint(text);
    for (char *c = text + 7; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'F' ? *c - 'A' + 'a' : *c);
    }
    (void)json_object_set_new(json_object_get(claims, "atc"), "fingerprint", json_string(text));
    (void)json_object_set_new(json_object_get(claims, "atc"), "tkvalue", json_string(UUID_UPPER));
    (void)json_object_del(json_object_get(claims, "atc"), "ca");
    (void)json_object_del(claims, "iat");
    result = check_claims(claims, &authority, NULL);
    ck_valid(&result);
}
END_TEST

START_TEST(a_key_the_token_is_bound_to_is_told_and_one_that_is_no_thumbprint_is_refused) {
    static const char jkt[] = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    json_t *claims = claims_good();

    (void)json_object_set_new(claims, "cnf", json_pack("{s:s}", "jkt", jkt));
    struct va_result result = check_claims(claims, &authority, NULL);
    ck_assert_msg(result.valid, "%s", result.err.detail);
    ck_assert_str_eq(result.jkt, jkt);
    claims = claims_good();
    (void)json_object_set_new(claims, "cnf", json_pack("{s:s}", "jkt", "short"));
    result = check_claims(claims, &authority, NULL);
    ck_assert(!result.valid && result.err.kind == ERR_MALFORMED);
    claims = claims_good();
    (void)json_object_set_new(claims, "cnf", json_string(jkt));
    result = check_claims(claims, &authority, NULL);
    ck_assert(!result.valid && result.err.kind == ERR_MALFORMED);
}
END_TEST

START_TEST(a_signer_issued_under_the_pinned_certificate_is_trusted) {
    struct err err = {0};

    va_tkauth01_free(tkauth01);
    tkauth01 = va_tkauth01_new(oam_ca.chain, false, &err);
    struct va_result result = check_claims(claims_good(), &authority, authority.chain);
    ck_valid(&result);
    result = check_claims(claims_good(), &authority, NULL);
    ck_refused("no x5c", &result, ERR_UNAUTHORIZED, "not signed by the trusted Token Authority");
}
END_TEST

START_TEST(only_the_first_certificate_of_the_file_is_pinned) {
    struct err err = {0};
    AUTO(chain_free) X509_CHAIN *both = X509_chain_up_ref(authority.chain);

    ck_assert_int_eq(X509_up_ref(oam_ca.x509), 1);
    ck_assert_int_gt(sk_X509_push(both, oam_ca.x509), 0);
    va_tkauth01_free(tkauth01);
    tkauth01 = va_tkauth01_new(both, false, &err);
    struct va_result result = check_claims(claims_good(), &stranger, stranger.chain);
    ck_refused("sibling", &result, ERR_UNAUTHORIZED, "x5c does not lead to");
}
END_TEST

START_TEST(a_certificate_the_token_authority_was_not_allowed_to_issue_is_no_signer) {
    child = party_new("child", false, &authority, NOW_S + 5 * DAY_S);
    struct va_result result = check_claims(claims_good(), &child, child.chain);
    ck_refused("child of a leaf", &result, ERR_UNAUTHORIZED, "x5c does not lead to");
}
END_TEST

START_TEST(a_strangers_signature_is_refused_with_and_without_x5c) {
    struct va_result result = check_claims(claims_good(), &stranger, NULL);
    ck_refused("bare", &result, ERR_UNAUTHORIZED, "not signed by the trusted Token Authority");
    result = check_claims(claims_good(), &stranger, stranger.chain);
    ck_refused("own x5c", &result, ERR_UNAUTHORIZED, "x5c does not lead to");
    result = check_claims(claims_good(), &stranger, authority.chain);
    ck_refused("borrowed x5c", &result, ERR_UNAUTHORIZED, "not signed by");
}
END_TEST

START_TEST(an_expired_or_absent_token_authority_refuses_everything) {
    struct err err = {0};
    struct party old = party_new("old", false, &oam_ca, NOW_S - 1);

    va_tkauth01_free(tkauth01);
    tkauth01 = va_tkauth01_new(old.chain, false, &err);
    struct va_result result = check_claims(claims_good(), &old, NULL);
    ck_refused("expired", &result, ERR_UNAUTHORIZED, "certificate has expired");
    va_tkauth01_free(tkauth01);
    tkauth01 = va_tkauth01_new(NULL, false, &err);
    result = check_claims(claims_good(), &old, NULL);
    ck_refused("absent", &result, ERR_UNAUTHORIZED, "trusts no Token Authority");
    party_done(&old);
}
END_TEST

START_TEST(a_dns_identifier_is_not_validated_by_tkauth01) {
    struct va_task task = {.identifier = {ACME_ID_DNS, "a.example"}, .response = "{}"};
    struct va_result result;

    va_tkauth01_check(tkauth01, &task, NOW_S, &result);
    ck_refused("dns", &result, ERR_UNAUTHORIZED, "NfInstanceId identifiers only");
}
END_TEST

/* path: a top-level claim or "atc.member"; value: JSON text, NULL takes the member away. */
/* clang-format off */
static const struct {
    const char *path, *value; enum err_kind kind; const char *why;
} claim_rows[] = {
    {"exp", NULL,             ERR_MALFORMED,    "needs a numeric \"exp\""},
    {"exp", "\"soon\"",       ERR_MALFORMED,    "needs a numeric \"exp\""},
    {"exp", "1794999999",     ERR_UNAUTHORIZED, "has expired"},
    {"exp", "1795000000",     ERR_UNAUTHORIZED, "has expired"},
    {"nbf", "1795000100",     ERR_UNAUTHORIZED, "the authority token"},
    {"iat", "1795000100",     ERR_UNAUTHORIZED, "the authority token"},
    {"jti", NULL,             ERR_MALFORMED,    "needs a \"jti\""},
    {"jti", "\"\"",           ERR_MALFORMED,    "needs a \"jti\""},
    {"jti", "7",              ERR_MALFORMED,    "needs a \"jti\""},
    {"jti", "\"0123456789012345678901234567890123456789012345678901234567890123"
            "0123456789012345678901234567890123456789012345678901234567890123\"",
                              ERR_MALFORMED,    "needs a \"jti\""},
    {"atc", NULL,             ERR_MALFORMED,    "needs an object \"atc\""},
    {"atc", "[]",             ERR_MALFORMED,    "needs an object \"atc\""},
    {"atc.tktype", NULL,      ERR_MALFORMED,    "\"tktype\""},
    {"atc.tktype", "\"TNAuthList\"", ERR_UNAUTHORIZED, "for a TNAuthList, the identifier is a NfI"},
    {"atc.tktype", "\"nfinstanceid\"", ERR_UNAUTHORIZED, "for a nfinstanceid"},
    {"atc.tkvalue", NULL,     ERR_MALFORMED,    "\"tkvalue\""},
    {"atc.tkvalue", "\"5ace9d34-2c69-4f99-92d5-a73a3fe8e23b\"", ERR_UNAUTHORIZED,
     "for 5ace9d34-2c69-4f99-92d5-a73a3fe8e23b, the identifier is " UUID},
    {"atc.fingerprint", NULL, ERR_MALFORMED,    "\"fingerprint\""},
    {"atc.fingerprint", "\"\"", ERR_UNAUTHORIZED, "another account key"},
    {"atc.fingerprint", "\"SHA256 00:11\"", ERR_UNAUTHORIZED, "another account key"},
    {"atc.fingerprint", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", ERR_UNAUTHORIZED,
     "another account key"},
    {"atc.ca", "true",        ERR_UNAUTHORIZED, "a CA certificate; none are issued"},
    {"atc.ca", "\"false\"",   ERR_MALFORMED,    "not a boolean"},
    {"nfTypes", NULL,         ERR_UNAUTHORIZED, "no \"nfTypes\""},
    {"nfTypes", "\"AMF\"",    ERR_MALFORMED,    "not an array of 1 to 16"},
    {"nfTypes", "[]",         ERR_MALFORMED,    "not an array of 1 to 16"},
    {"nfTypes", "[\"A\",\"B\",\"C\",\"D\",\"E\",\"F\",\"G\",\"H\",\"I\",\"J\",\"K\",\"L\",\"M\","
                "\"N\",\"O\",\"P\",\"Q\"]", ERR_MALFORMED, "not an array of 1 to 16"},
    {"nfTypes", "[\"AMF\",7]", ERR_MALFORMED,   "nfTypes[1]"},
    {"nfTypes", "[\"amf\"]",  ERR_MALFORMED,    "nfTypes[0]"},
    {"nfTypes", "[\"\"]",     ERR_MALFORMED,    "nfTypes[0]"},
};
/* clang-format on */

START_TEST(every_claim_that_does_not_authorize_is_refused_with_its_reason) {
    json_t *claims = claims_good();
    const char *path = claim_rows[_i].path;
    bool inner = strncmp(path, "atc.", 4) == 0;
    json_t *object = inner ? json_object_get(claims, "atc") : claims;
    char name[128];

    path += inner ? 4 : 0;
    if (claim_rows[_i].value == NULL) {
        ck_assert_int_eq(json_object_del(object, path), 0);
    } else {
        json_t *value = json_loads(claim_rows[_i].value, JSON_DECODE_ANY, NULL);
        ck_assert_int_eq(json_object_set_new(object, path, value), 0);
    }
    (void)snprintf(name, sizeof name, "%s = %.40s", claim_rows[_i].path,
                   claim_rows[_i].value == NULL ? "(none)" : claim_rows[_i].value);
    struct va_result result = check_claims(claims, &authority, authority.chain);
    ck_refused(name, &result, claim_rows[_i].kind, claim_rows[_i].why);
}
END_TEST

/* clang-format off */
static const struct { const char *response, *why; } responses[] = {
    {"",                     "the challenge response"},
    {"{",                    "the challenge response"},
    {"[]",                   "the challenge response"},
    {"{}",                   "needs a text member \"tkauth\""},
    {"{\"tkauth\":7}",       "needs a text member \"tkauth\""},
    {"{\"tkauth\":\"\"}",    "the authority token"},
    {"{\"tkauth\":\"a.b\"}", "the authority token"},
    {"{\"tkauth\":\"a.b.c.d\"}", "the authority token"},
    {"{\"tkauth\":\"....\"}", "the authority token"},
};
/* clang-format on */

START_TEST(a_response_without_a_token_in_it_is_malformed) {
    struct va_result result = check_text(responses[_i].response);
    ck_refused(responses[_i].response, &result, ERR_MALFORMED, responses[_i].why);
}
END_TEST

/* A compact token of a header and claims as given and a signature of these octets. */
static char *token_raw(const char *header, const void *signature, size_t signature_len) {
    AUTO(json_release) json_t *claims = claims_good();
    AUTO(free) char *claims_text = json_text(claims);
    AUTO(free) char *first = b64_encode(header, strlen(header));
    AUTO(free) char *second = b64_encode(claims_text, strlen(claims_text));
    AUTO(free) char *third = b64_encode(signature, signature_len);
    size_t size = strlen(first) + strlen(second) + strlen(third) + 3;
    char *token = malloc(size);

    (void)snprintf(token, size, "%s.%s.%s", first, second, third);
    return token;
}

START_TEST(alg_none_is_refused) {
    static const char *const headers[] = {"{\"alg\":\"none\"}", "{\"alg\":\"None\"}"};

    for (unsigned i = 0; i < COUNT(headers); i++) {
        AUTO(free) char *token = token_raw(headers[i], "", 0);
        struct va_result result = check_token(token);
        ck_assert(!result.valid);
        ck_assert(result.err.kind == ERR_UNAUTHORIZED || result.err.kind == ERR_MALFORMED);
        ck_assert_uint_gt(strlen(result.err.detail), 0);
    }
}
END_TEST

/* The public key used as an HMAC secret: the classic confusion. */
START_TEST(a_mac_keyed_with_the_authoritys_certificate_is_refused) {
    AUTO(ossl_free) unsigned char *der = NULL;
    AUTO(free) char *unsigned_token = token_raw("{\"alg\":\"HS256\"}", "", 0);
    size_t signed_len = strlen(unsigned_token) - 1;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    int der_len = i2d_X509(authority.x509, &der);

    ck_assert_ptr_nonnull(HMAC(EVP_sha256(), der, der_len, (unsigned char *)unsigned_token,
                               signed_len, mac, &mac_len));
    AUTO(free) char *token = token_raw("{\"alg\":\"HS256\"}", mac, mac_len);
    struct va_result result = check_token(token);
    ck_refused("HS256", &result, ERR_UNAUTHORIZED, "");
}
END_TEST

START_TEST(a_changed_token_is_refused) {
    struct err err = {0};
    AUTO(json_release) json_t *claims = claims_good();
    AUTO(free) char *token = jwt_sign(authority.key, NULL, claims, &err);
    char *payload = strchr(token, '.') + 8;

    *payload = *payload == 'A' ? 'B' : 'A';
    struct va_result result = check_token(token);
    ck_assert(!result.valid);
}
END_TEST

static TCase *token_cases(void) {
    TCase *cases = tcase_create("tokens");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, a_token_for_this_account_and_identifier_is_valid);
    tcase_add_test(cases, the_bare_thumbprint_lower_case_hex_and_an_upper_case_uuid_are_accepted);
    tcase_add_test(cases,
                   a_key_the_token_is_bound_to_is_told_and_one_that_is_no_thumbprint_is_refused);
    tcase_add_test(cases, a_signer_issued_under_the_pinned_certificate_is_trusted);
    tcase_add_test(cases, only_the_first_certificate_of_the_file_is_pinned);
    tcase_add_test(cases, a_certificate_the_token_authority_was_not_allowed_to_issue_is_no_signer);
    tcase_add_test(cases, a_strangers_signature_is_refused_with_and_without_x5c);
    tcase_add_test(cases, an_expired_or_absent_token_authority_refuses_everything);
    tcase_add_test(cases, a_dns_identifier_is_not_validated_by_tkauth01);
    tcase_add_loop_test(cases, every_claim_that_does_not_authorize_is_refused_with_its_reason, 0,
                        (int)COUNT(claim_rows));
    tcase_add_loop_test(cases, a_response_without_a_token_in_it_is_malformed, 0,
                        (int)COUNT(responses));
    tcase_add_test(cases, alg_none_is_refused);
    tcase_add_test(cases, a_mac_keyed_with_the_authoritys_certificate_is_refused);
    tcase_add_test(cases, a_changed_token_is_refused);
    return cases;
}

int main(void) {
    Suite *suite = suite_create("va_tkauth01");

    suite_add_tcase(suite, token_cases());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
