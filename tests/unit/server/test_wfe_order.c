/* Orders: RFC 8555 7.1.3 and 7.4, profiles, and an order's whole way. */
#include "acme_flow.h"

static struct bed bed;

#define NOW_S ((int64_t)(BED_TIME_US / 1000000))
#define ID(type, value) "{\"type\":\"" type "\",\"value\":\"" value "\"}"
#define ORDER(ids) "{\"identifiers\":[" ids "]}"

START_TEST(an_nf_gets_a_certificate_in_seven_signed_requests) {
    char url[256];
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    bed_enrol(&bed, &actor, NULL, url);
    struct answer answer = bed_post(&bed, &actor, url, NULL);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(answer.type, ACME_CHAIN_TYPE);
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(answer.body, strlen(answer.body), &err);
    ck_good(chain != NULL);
    ck_good(x509_verify(chain, bed.trust, X509_PURPOSE_SSL_CLIENT, NOW_S, &err));
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    ck_good(x509_cert_read(sk_X509_value(chain, 0), &cert, &err));
    ck_assert_str_eq(cert.names.uuid, BED_UUID);
    ck_assert(nftypes_has(&cert.types, "AMF"));
    /* no later than the authority token */
    ck_assert_int_eq(cert.not_after_s, NOW_S + 90 * BED_DAY_S);
    struct answer again = bed_post(&bed, &actor, url, NULL);
    ck_assert_str_eq(answer.body, again.body);
    answer_done(&answer);
    answer_done(&again);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_new_order_is_pending_and_shows_what_was_asked) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct answer answer = bed_post(
        &bed, &actor, "/new-order",
        "{\"identifiers\":[" ID("dns", "B.Example.ORG") "," ID("dns", "a.example.org") "," ID(
            "dns", "b.example.org") "],\"notBefore\":\"2026-11-20T00:00:00Z\",\"notAfter\":"
                                    "\"2026-11-21T02:00:00+02:00\",\"status\":\"ready\","
                                    "\"authorizations\":[],\"zz\":1}");

    ck_answer(answer, 201, "");
    ck_assert_str_eq(member(&answer, "status"), "pending");
    ck_assert_str_eq(member(&answer, "notBefore"), "2026-11-20T00:00:00Z");
    ck_assert_str_eq(member(&answer, "notAfter"), "2026-11-21T00:00:00Z");
    ck_assert_str_eq(member(&answer, "profile"), "tls-server");
    const json_t *identifiers = json_object_get(answer.json, "identifiers");
    ck_assert_uint_eq(json_array_size(identifiers), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(identifiers, 0), "value")),
                     "b.example.org");
    ck_assert_uint_eq(json_array_size(json_object_get(answer.json, "authorizations")), 2);
    ck_assert_ptr_null(json_object_get(answer.json, "certificate"));
    ck_assert_ptr_null(json_object_get(answer.json, "error"));
    struct answer read = bed_post(&bed, &actor, answer.location, NULL);
    ck_assert_str_eq(read.body, answer.body);
    answer_done(&answer);
    answer_done(&read);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(bad_orders_are_refused) {
    static const struct {
        const char *payload;
        unsigned status;
        const char *error;
    } rows[] = {
        {"{}", 400, "malformed"},
        {"{\"identifiers\":{}}", 400, "malformed"},
        {ORDER(""), 400, "malformed"},
        {ORDER("{\"type\":\"dns\"}"), 400, "malformed"},
        {ORDER(ID("zz", "x")), 400, "unsupportedIdentifier"},
        {ORDER(ID("dns", "*.*.example.org")), 403, "rejectedIdentifier"},
        {ORDER(ID("NfInstanceId", "amf")), 403, "rejectedIdentifier"},
        {"{\"identifiers\":[" ID("dns", "a.example.org") "],\"profile\":\"nope\"}", 400,
         "invalidProfile"},
        {"{\"identifiers\":[" ID("dns", "a.example.org") "],\"profile\":\"nf-client\"}", 400,
         "invalidProfile"},
        {"{\"identifiers\":[" ID("dns", "a.example.org") "],\"profile\":5}", 400, "malformed"},
        {"{\"identifiers\":[" ID("dns", "a.example.org") "],\"notBefore\":\"tomorrow\"}", 400,
         "malformed"},
        {"{\"identifiers\":[" ID("dns", "a.example.org") "],\"notAfter\":\"2020-01-01T00:00:00Z\"}",
         400, "malformed"},
        {"{\"identifiers\":[" ID("dns", "a.example.org") "],\"identifiers\":[]}", 400, "malformed"},
    };

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct answer answer = bed_post(&bed, &actor, "/new-order", rows[i].payload);
        ck_assert_msg(answer.status == rows[i].status && strcmp(answer.error, rows[i].error) == 0,
                      "%s: %s", rows[i].payload, answer.body);
        answer_done(&answer);
    }
    bed_expect(&bed, &actor, "/new-order", NULL, 400, "malformed");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(profiles_follow_the_identifiers_unless_named) {
    static const struct {
        const char *payload, *profile;
    } rows[] = {
        {BED_NF_ORDER, "nf-client"},
        {BED_DNS_ORDER, "tls-server"},
        {BED_BOTH_ORDER, "nf-both"},
        {"{\"identifiers\":[" ID("NfInstanceId", BED_UUID) "],\"profile\":\"nf-both\"}", "nf-both"},
    };

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct answer answer = bed_post(&bed, &actor, "/new-order", rows[i].payload);
        ck_answer(answer, 201, "");
        ck_assert_str_eq(member(&answer, "profile"), rows[i].profile);
        answer_done(&answer);
    }
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(orders_of_others_do_not_exist) {
    bed_start(&bed, NULL);
    struct actor alice = bed_account(&bed), bob = bed_account(&bed);
    struct placed placed = bed_order(&bed, &alice, BED_NF_ORDER);

    bed_expect(&bed, &bob, placed.url, NULL, 404, "malformed");
    bed_expect(&bed, &bob, placed.authz[0], NULL, 404, "malformed");
    bed_expect(&bed, &bob, placed.authz[0], "{\"status\":\"deactivated\"}", 404, "malformed");
    bed_expect(&bed, &bob, placed.challenge[0], "{\"tkauth\":\"x\"}", 404, "malformed");
    bed_expect(&bed, &bob, placed.finalize, "{\"csr\":\"AA\"}", 404, "malformed");
    bed_status(&bed, &alice, placed.url, "pending");
    bed_expect(&bed, &alice, placed.url, "{}", 400, "malformed"); /* S-6.3-11 */
    actor_done(&alice);
    actor_done(&bob);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_order_out_of_time_is_invalid) {
    bed_start(&bed, (const char *const[]){"lifetimes.order=60s", NULL});
    struct actor actor = bed_account(&bed);
    struct placed ready = bed_order(&bed, &actor, BED_NF_ORDER);
    struct placed pending = bed_order(&bed, &actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    bed_prove(&bed, &actor, &ready, 0, "valid");
    bed_status(&bed, &actor, ready.url, "ready");
    bed_restart(&bed, BED_TIME_US + 61 * 1000000ULL);
    bed_status(&bed, &actor, ready.url, "invalid");
    bed_status(&bed, &actor, pending.url, "invalid");
    bed_status(&bed, &actor, pending.authz[0], "expired");
    bed_expect(&bed, &actor, ready.finalize, csr, 403, "orderNotReady");
    AUTO(free) char *token = bed_token(&bed, &actor, BED_UUID, "late", NOW_S + 9999);
    bed_status(&bed, &actor, pending.challenge[0], "pending");
    struct answer answer = bed_post(&bed, &actor, pending.challenge[0], token);
    ck_answer(answer, 200, ""); /* as it was: it is too late */
    ck_assert_str_eq(member(&answer, "status"), "pending");
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_order_is_ready_when_all_authorizations_are_valid) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed =
        bed_order(&bed, &actor, ORDER(ID("NfInstanceId", BED_UUID) "," ID("dns", BED_FQDN)));

    ck_assert_uint_eq(placed.count, 2);
    bed_prove(&bed, &actor, &placed, 0, "valid");
    bed_status(&bed, &actor, placed.url, "pending");
    bed_expect(&bed, &actor, placed.authz[1], "{\"status\":\"deactivated\"}", 200, "");
    bed_status(&bed, &actor, placed.url, "invalid");
    struct answer answer = bed_post(&bed, &actor, placed.url, NULL);
    ck_assert_ptr_nonnull(json_object_get(json_object_get(answer.json, "error"), "type"));
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* 7.1.3: proved in the DNS alone, so refused while no such challenge is known. */
START_TEST(a_wildcard_is_authorized_by_its_base_name) {
    enum acme_challenge_type type = ACME_CHALLENGE__COUNT;

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct answer answer = bed_post(&bed, &actor, "/new-order", ORDER(ID("dns", "*.Example.org")));
    if (acme_challenge_parse("dns-01", &type)) {
        ck_answer(answer, 201, "");
        const json_t *url = json_array_get(json_object_get(answer.json, "authorizations"), 0);
        struct answer authz = bed_post(&bed, &actor, json_string_value(url), NULL);
        const json_t *identifier = json_object_get(authz.json, "identifier");
        const json_t *challenges = json_object_get(authz.json, "challenges");
        ck_assert(json_is_true(json_object_get(authz.json, "wildcard")));
        ck_assert_str_eq(json_string_value(json_object_get(identifier, "value")), "example.org");
        ck_assert_uint_eq(json_array_size(challenges), 1);
        answer_done(&authz);
    } else {
        ck_answer(answer, 403, "rejectedIdentifier");
    }
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_nf_gets_a_certificate_in_seven_signed_requests,
                                  a_new_order_is_pending_and_shows_what_was_asked,
                                  bad_orders_are_refused,
                                  profiles_follow_the_identifiers_unless_named,
                                  orders_of_others_do_not_exist,
                                  an_order_out_of_time_is_invalid,
                                  an_order_is_ready_when_all_authorizations_are_valid,
                                  a_wildcard_is_authorized_by_its_base_name};
    return suite_run("server/wfe_order", tests, COUNT(tests));
}
