#include "nfsim/token.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/json.h"
#include "common/jwt.h"
#include "common/key.h"
#include "tests/unit/nfsim/state.h"

static struct state state;
static struct state_nf a, b;
static X509_STORE *trust;
static const char names[1][FLEET_FQDN_SIZE] = {STATE_CLIENT};
static const struct token_clients clients = {.count = 1, .names = names};

static void begin(void) {
    char path[128];
    struct err err = {0};

    state_make(&state);
    state_nf_get(&state, 0, &a);
    state_nf_get(&state, 1, &b);
    state_path(&state, "oam-ca.pem", path);
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read_file(path, &err);
    trust = x509_trust(anchors, &err);
    ck_assert_ptr_nonnull(trust);
}

static void end(void) {
    X509_STORE_free(trust);
    state_nf_done(&a);
    state_nf_done(&b);
    state_remove(&state);
}

static struct x509_names peer_named(const char *name) {
    struct x509_names peer = {.dns_count = 2};

    (void)snprintf(peer.dns[0], sizeof peer.dns[0], "%s", name);
    (void)snprintf(peer.dns[1], sizeof peer.dns[1], "localhost");
    return peer;
}

static bool judge(char *assertion, const struct fleet_nf *nf, const char *peer_name,
                  struct cca *ret, struct err *err) {
    struct token_request request = {.cca = assertion};
    const struct x509_names peer = peer_named(peer_name);

    memcpy(request.tkvalue, nf->uuid, sizeof request.tkvalue);
    return token_judge(&request, &peer, &clients, trust, clock_now_s(&state.clock), ret, err);
}

START_TEST(a_good_assertion_is_believed) {
    struct err err = {0};
    struct cca cca;
    struct cca_spec spec = state_cca(&a);
    spec.fqdn = a.row.id.fqdn;
    AUTO(free) char *text = cca_make(&spec, a.chain, a.key, &err);

    ck_assert_msg(judge(text, &a.row.id, STATE_CLIENT, &cca, &err), "%s (%s)", err.detail,
                  err.cause);
    ck_assert_str_eq(cca.sub, a.row.id.uuid);
    ck_assert_str_eq(cca.fqdn, a.row.id.fqdn);
    ck_assert_str_eq(cca.type, "AMF");
    ck_assert_str_eq(cca.client, STATE_CLIENT);
    ck_assert(token_fits(&cca, &a.row.id, &err));
    ck_assert(!token_fits(&cca, &b.row.id, &err));
    ck_assert_int_eq(err.kind, ERR_CCA);
}
END_TEST

static void refused(const char *name, char *assertion, const struct fleet_nf *nf,
                    const char *peer_name, enum err_kind kind, const char *why) {
    struct err err = {0};
    struct cca cca;

    ck_assert_msg(assertion != NULL, "%s", name);
    ck_assert_msg(!judge(assertion, nf, peer_name, &cca, &err), "%s was believed", name);
    ck_assert_msg(err.kind == kind && strstr(err.detail, why) != NULL, "%s: %s: %s", name,
                  err_name(err.kind), err.detail);
    free(assertion);
}

START_TEST(what_an_assertion_may_not_be) {
    struct err err = {0};
    struct cca_spec spec = state_cca(&a);
    const struct fleet_nf *nf = &a.row.id;

    refused("an unregistered peer", cca_make(&spec, a.chain, a.key, &err), nf, "amf1.example.org",
            ERR_FORBIDDEN, "registered");
    spec.client = "other-client.example.org";
    refused("another client's", cca_make(&spec, a.chain, a.key, &err), nf, STATE_CLIENT, ERR_CCA,
            "another client");
    spec.client = "localhost.localdomain";
    refused("a name of many", cca_make(&spec, a.chain, a.key, &err), nf, STATE_CLIENT, ERR_CCA,
            "another client");
    spec = state_cca(&a);
    spec.now_s -= 7200;
    refused("expired", cca_make(&spec, a.chain, a.key, &err), nf, STATE_CLIENT, ERR_CCA,
            "not live");
    spec = state_cca(&a);
    spec.now_s += 7200;
    refused("not yet", cca_make(&spec, a.chain, a.key, &err), nf, STATE_CLIENT, ERR_CCA,
            "not live");
    spec = state_cca(&a);
    spec.lifetime_s = 7200;
    refused("good for too long", cca_make(&spec, a.chain, a.key, &err), nf, STATE_CLIENT, ERR_CCA,
            "not live");
    spec = state_cca(&b);
    refused("another NF's", cca_make(&spec, b.chain, b.key, &err), nf, STATE_CLIENT, ERR_CCA,
            "another NF's");
    refused("for one that did not sign", cca_make(&spec, a.chain, a.key, &err), &b.row.id,
            STATE_CLIENT, ERR_CCA, "did not sign");
    spec = state_cca(&a);
    refused("signed with another key", cca_make(&spec, a.chain, b.key, &err), nf, STATE_CLIENT,
            ERR_CCA, "signature");
    refused("without x5c", cca_make(&spec, NULL, a.key, &err), nf, STATE_CLIENT, ERR_CCA, "x5c");
    refused("not a JWT", strdup("a.b"), nf, STATE_CLIENT, ERR_CCA, "not a JWT");
}
END_TEST

/* A certificate with the NF's id from a CA nobody knows. */
START_TEST(a_stranger_cannot_sign) {
    struct err err = {0};
    struct x509_names sans = {.dns_count = 0};
    const struct cca_spec spec = state_cca(&a);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    AUTO(chain_free) X509_CHAIN *chain = sk_X509_new_null();

    memcpy(sans.uuid, a.row.id.uuid, sizeof sans.uuid);
    const struct x509_spec cert = {.names = &sans,
                                   .not_before_s = spec.now_s - 60,
                                   .not_after_s = spec.now_s + 600,
                                   .key = key};
    ck_assert_int_gt(sk_X509_push(chain, x509_make(&cert, NULL, key, &err)), 0);
    refused("a stranger's", cca_make(&spec, chain, key, &err), &a.row.id, STATE_CLIENT, ERR_CCA,
            "not trusted");
}
END_TEST

/* The shared client's own certificate leads to the same CA, but is no NF's. */
START_TEST(only_an_nf_signs_assertions) {
    struct err err = {0};
    char path[128];
    const struct cca_spec spec = state_cca(&a);

    state_path(&state, "client.pem", path);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read_file(path, &err);
    state_path(&state, "client.key", path);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_read_file(path, &err);
    refused("the client's own", cca_make(&spec, chain, key, &err), &a.row.id, STATE_CLIENT, ERR_CCA,
            "not an NF's");
}
END_TEST

START_TEST(claims_that_lack_or_are_wrong) {
    static const struct {
        const char *name, *member, *json, *why;
    } rows[] = {{"no aud", "aud", NULL, "aud"},
                {"aud is another's", "aud", "[\"NRF\"]", "aud"},
                {"no jti", "jti", NULL, "jti"},
                {"no sub", "sub", NULL, "sub"},
                {"sub is no UUID", "sub", "\"amf1\"", "sub"},
                {"no client", "client", NULL, "client"},
                {"no iat", "iat", NULL, "iat"},
                {"no exp", "exp", NULL, "exp"},
                {"jti is a number", "jti", "5", "jti"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        const struct cca_spec spec = state_cca(&a);
        AUTO(json_release)
        json_t *claims = json_pack("{s:s, s:I, s:I, s:s, s:s, s:s}", "sub", spec.uuid, "iat",
                                   (json_int_t)spec.now_s, "exp", (json_int_t)(spec.now_s + 60),
                                   "jti", "x", "aud", "OAM", "client", STATE_CLIENT);
        (void)json_object_del(claims, rows[i].member);
        if (rows[i].json != NULL) {
            (void)json_object_set_new(claims, rows[i].member,
                                      json_loads(rows[i].json, JSON_DECODE_ANY, NULL));
        }
        refused(rows[i].name, jwt_sign(a.key, a.chain, claims, &err), &a.row.id, STATE_CLIENT,
                ERR_CCA, rows[i].why);
    }
}
END_TEST

#define THUMBPRINT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define HEX                                                                                        \
    "SHA256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:"  \
    "1C:1D:1E:1F"
#define ID "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
#define ATC(type, value, fingerprint, more)                                                        \
    "{\"atc\":{\"tktype\":\"" type "\",\"tkvalue\":\"" value "\",\"fingerprint\":\"" fingerprint   \
    "\"" more "},\"cca\":\"x\"}"

START_TEST(a_request_is_read) {
    static const char *const bodies[] = {ATC("NfInstanceId", ID, HEX, ",\"ca\":false"),
                                         ATC("NfInstanceId", ID, THUMBPRINT, "")};

    for (size_t i = 0; i < COUNT(bodies); i++) {
        AUTO(token_request_done) struct token_request request = {0};
        struct err err = {0};
        ck_assert_msg(token_request_read(THUMBPRINT, bodies[i], strlen(bodies[i]), &request, &err),
                      "%s", err.detail);
        ck_assert_str_eq(request.fingerprint, HEX);
        ck_assert_str_eq(request.tkvalue, ID);
        ck_assert_str_eq(request.cca, "x");
    }
}
END_TEST

START_TEST(a_request_may_be_wrong) {
    static const struct {
        const char *name, *thumbprint, *body;
        enum err_kind kind;
        const char *param;
    } rows[] = {
        {"ca true", THUMBPRINT, ATC("NfInstanceId", ID, HEX, ",\"ca\":true"), ERR_FORBIDDEN, "ca"},
        {"another account's path", "BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
         ATC("NfInstanceId", ID, HEX, ""), ERR_FORBIDDEN, "fingerprint"},
        {"a path that is none", "x", ATC("NfInstanceId", ID, HEX, ""), ERR_FORBIDDEN,
         "fingerprint"},
        {"no assertion", THUMBPRINT,
         "{\"atc\":{\"tktype\":\"NfInstanceId\",\"tkvalue\":\"" ID "\",\"fingerprint\":\"" HEX
         "\"}}",
         ERR_CCA, "cca"},
        {"another type", THUMBPRINT, ATC("TNAuthList", ID, HEX, ""), ERR_INVALID, "tktype"},
        {"not a UUID", THUMBPRINT, ATC("NfInstanceId", "amf1", HEX, ""), ERR_INVALID, "tkvalue"},
        {"not a fingerprint", THUMBPRINT, ATC("NfInstanceId", ID, "SHA256 00:01", ""), ERR_INVALID,
         "fingerprint"},
        {"unknown member", THUMBPRINT, ATC("NfInstanceId", ID, HEX, ",\"x\":1"), ERR_INVALID, "x"},
        {"no atc", THUMBPRINT, "{\"cca\":\"x\"}", ERR_MISSING, "atc"},
        {"not JSON", THUMBPRINT, "{", ERR_MALFORMED, ""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(token_request_done) struct token_request request = {0};
        struct err err = {0};
        ck_assert_msg(!token_request_read(rows[i].thumbprint, rows[i].body, strlen(rows[i].body),
                                          &request, &err),
                      "%s", rows[i].name);
        ck_assert_msg(err.kind == rows[i].kind && strcmp(err.param, rows[i].param) == 0,
                      "%s: %s %s: %s", rows[i].name, err_name(err.kind), err.param, err.detail);
    }
}
END_TEST

START_TEST(a_token_says_what_the_inventory_says) {
    struct err err = {0};
    AUTO(jwt_done) struct jwt jwt = {0};
    struct token_authority authority = {
        .chain = a.chain, .key = a.key, .issuer = "ta.example.org", .lifetime_s = 1000};
    AUTO(free) char *text = token_make(&authority, &b.row.id, HEX, "", 5000, &err);

    ck_assert_ptr_nonnull(text);
    ck_assert(jwt_read(text, strlen(text), &jwt, &err));
    ck_assert(jwt_verify(&jwt, a.key, &err));
    ck_assert_ptr_nonnull(jwt.x5c);
    const json_t *atc = json_object_get(jwt.claims, "atc");
    ck_assert_int_eq(json_integer_value(json_object_get(jwt.claims, "exp")), 6000);
    ck_assert_str_eq(json_string_value(json_object_get(jwt.claims, "iss")), "ta.example.org");
    ck_assert_ptr_nonnull(json_string_value(json_object_get(jwt.claims, "jti")));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(jwt.claims, "nfTypes"), 0)),
                     "SMF");
    ck_assert_str_eq(json_string_value(json_object_get(atc, "tktype")), "NfInstanceId");
    ck_assert_str_eq(json_string_value(json_object_get(atc, "tkvalue")), b.row.id.uuid);
    ck_assert_str_eq(json_string_value(json_object_get(atc, "fingerprint")), HEX);
    ck_assert(json_is_false(json_object_get(atc, "ca")));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("token");
    TCase *cases = tcase_create("token");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, a_good_assertion_is_believed);
    tcase_add_test(cases, what_an_assertion_may_not_be);
    tcase_add_test(cases, a_stranger_cannot_sign);
    tcase_add_test(cases, only_an_nf_signs_assertions);
    tcase_add_test(cases, claims_that_lack_or_are_wrong);
    tcase_add_test(cases, a_request_is_read);
    tcase_add_test(cases, a_request_may_be_wrong);
    tcase_add_test(cases, a_token_says_what_the_inventory_says);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    const int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
