/* newAuthz and the orders that use what it made: RFC 8555 7.4.1, RFC 9444 4.2. */
#include "acme_flow.h"

static struct bed bed;

#define NF "{\"type\":\"NfInstanceId\",\"value\":\"" BED_UUID "\"}"
#define DNS(value) "{\"identifier\":{\"type\":\"dns\",\"value\":\"" value "\"}}"

static struct placed make(const struct actor *actor, const char *payload) {
    struct placed placed = {.count = 1};
    struct answer answer = bed_post(&bed, actor, "/new-authz", payload);

    ck_answer(answer, 201, "");
    ck_assert_str_eq(member(&answer, "status"), "pending");
    ck_assert_ptr_null(json_object_get(answer.json, "wildcard"));
    bed_copy(placed.authz[0], sizeof(placed.authz[0]), answer.location);
    struct answer again = bed_post(&bed, actor, answer.location, NULL);
    ck_assert_str_eq(again.body, answer.body);
    answer_done(&again);
    answer_done(&answer);
    bed_read_authz(&bed, actor, &placed, 0);
    return placed;
}

START_TEST(an_authorization_made_beforehand_makes_an_order_ready_at_once) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed), other = bed_account(&bed);
    struct placed made = make(&actor, "{\"identifier\":" NF "}");
    struct placed early = bed_order(&bed, &actor, BED_NF_ORDER); /* not valid yet: not used */
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    ck_assert_str_ne(early.authz[0], made.authz[0]);
    bed_prove(&bed, &actor, &made, 0, "valid");
    bed_status(&bed, &actor, early.url, "pending");
    struct placed theirs = bed_order(&bed, &other, BED_NF_ORDER);
    bed_status(&bed, &other, theirs.url, "pending");
    struct placed ready = bed_order(&bed, &actor, BED_NF_ORDER);
    ck_assert_uint_eq(ready.count, 1);
    ck_assert_str_eq(ready.authz[0], made.authz[0]);
    bed_status(&bed, &actor, ready.url, "ready");
    bed_restart(&bed, BED_TIME_US); /* known from the store too */
    struct placed again = bed_order(&bed, &actor, BED_NF_ORDER);
    ck_assert_str_eq(again.authz[0], made.authz[0]);
    bed_expect(&bed, &actor, again.finalize, csr, 200, "");
    bed_status(&bed, &actor, again.url, "valid");
    actor_done(&actor);
    actor_done(&other);
    bed_stop(&bed);
}
END_TEST

START_TEST(giving_it_up_ends_the_orders_that_share_it) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed made = make(&actor, "{\"identifier\":" NF "}");
    AUTO(free) char *csr = bed_csr(NULL, BED_UUID, NULL);

    bed_prove(&bed, &actor, &made, 0, "valid");
    struct placed first = bed_order(&bed, &actor, BED_NF_ORDER);
    struct placed second = bed_order(&bed, &actor, BED_BOTH_ORDER);
    struct placed third = bed_order(&bed, &actor, BED_DNS_ORDER);
    bed_status(&bed, &actor, second.url, "pending"); /* its other name is not proved */
    bed_expect(&bed, &actor, made.authz[0], "{\"status\":\"deactivated\"}", 200, "");
    bed_status(&bed, &actor, first.url, "invalid");
    bed_status(&bed, &actor, second.url, "invalid");
    bed_status(&bed, &actor, third.url, "pending");
    struct answer answer = bed_post(&bed, &actor, first.finalize, csr);
    ck_answer(answer, 403, "orderNotReady");
    const json_t *subproblem = json_array_get(json_object_get(answer.json, "subproblems"), 0);
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(subproblem, "identifier"), "value")),
        BED_UUID);
    answer_done(&answer);
    struct placed next = bed_order(&bed, &actor, BED_NF_ORDER);
    bed_status(&bed, &actor, next.url, "pending");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_order_ends_with_the_authorization_it_uses) {
    bed_start(&bed, (const char *const[]){"lifetimes.authorization=60s", NULL});
    struct actor actor = bed_account(&bed);
    struct placed made = make(&actor, "{\"identifier\":" NF "}");
    struct placed own = bed_order(&bed, &actor, BED_NF_ORDER);

    bed_prove(&bed, &actor, &made, 0, "valid");
    bed_prove(&bed, &actor, &own, 0, "valid");
    struct placed ready = bed_order(&bed, &actor, BED_NF_ORDER);
    bed_restart(&bed, BED_TIME_US + 59 * 1000000ULL);
    bed_status(&bed, &actor, ready.url, "ready");
    bed_status(&bed, &actor, own.url, "ready");
    bed_restart(&bed, BED_TIME_US + 60 * 1000000ULL);
    bed_status(&bed, &actor, made.authz[0], "expired");
    bed_status(&bed, &actor, own.url, "invalid");
    struct answer answer = bed_post(&bed, &actor, ready.url, NULL);
    ck_assert_str_eq(member(&answer, "status"), "invalid");
    ck_assert_ptr_nonnull(json_object_get(json_object_get(answer.json, "error"), "type"));
    answer_done(&answer);
    struct placed next = bed_order(&bed, &actor, BED_NF_ORDER);
    bed_status(&bed, &actor, next.url, "pending");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(what_cannot_be_authorized_beforehand_is_refused) {
    static const struct {
        const char *payload;
        unsigned status;
        const char *error;
    } rows[] = {
        {"{}", 400, "malformed"},
        {"{\"identifier\":5}", 400, "malformed"},
        {"{\"identifier\":{\"type\":\"dns\"}}", 400, "malformed"},
        {"{\"identifier\":{\"type\":\"zz\",\"value\":\"x\"}}", 403, "unsupportedIdentifier"},
        {DNS("*.example.org"), 403, "rejectedIdentifier"},
        {DNS("a..b"), 403, "rejectedIdentifier"},
        {"{\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\",\"subdomainAuthAllowed\":1}}",
         400, "malformed"},
    };

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        bed_expect(&bed, &actor, "/new-authz", rows[i].payload, rows[i].status, rows[i].error);
    }
    bed_expect(&bed, &actor, "/new-authz", NULL, 400, "malformed");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(subtrees_are_granted_where_the_dns_proves_them) {
    static const char payload[] = "{\"identifier\":{\"type\":\"dns\",\"value\":\"example.org\","
                                  "\"subdomainAuthAllowed\":true}}";
    enum acme_challenge_type type = ACME_CHALLENGE__COUNT;
    bool dns = acme_challenge_parse("dns-01", &type);

    for (unsigned on = 0; on < 2; on++) {
        bed_start(&bed,
                  (const char *const[]){on ? "authz.subdomains=on" : "authz.subdomains=off", NULL});
        struct actor actor = bed_account(&bed);
        struct answer answer = bed_post(&bed, &actor, "/new-authz", payload);
        struct answer directory = bed_get(&bed, "/directory");
        const json_t *meta = json_object_get(directory.json, "meta");
        bool granted = dns && on == 1;
        ck_answer(answer, 201, "");
        ck_assert_int_eq(json_is_true(json_object_get(answer.json, "subdomainAuthAllowed")),
                         granted);
        ck_assert_int_eq(json_is_true(json_object_get(meta, "subdomainAuthAllowed")), granted);
        const json_t *challenges = json_object_get(answer.json, "challenges");
        const char *first =
            json_string_value(json_object_get(json_array_get(challenges, 0), "type"));
        ck_assert(!granted || (json_array_size(challenges) == 1 && strcmp(first, "dns-01") == 0));
        answer_done(&directory);
        answer_done(&answer);
        actor_done(&actor);
        bed_stop(&bed);
    }
}
END_TEST

/* Longer than authorizations live, shorter than housekeeping waits. */
START_TEST(ended_ones_do_not_hide_the_one_that_is_valid) {
    bed_start(&bed, (const char *const[]){"lifetimes.authorization=60s", NULL});
    struct actor actor = bed_account(&bed);

    for (unsigned i = 0; i < 20; i++) {
        struct placed ended = make(&actor, "{\"identifier\":" NF "}");
        bed_prove(&bed, &actor, &ended, 0, "valid");
    }
    bed_restart(&bed, BED_TIME_US + 61 * 1000000ULL);
    struct placed made = make(&actor, "{\"identifier\":" NF "}");
    bed_prove(&bed, &actor, &made, 0, "valid");
    struct placed ready = bed_order(&bed, &actor, BED_NF_ORDER);
    ck_assert_str_eq(ready.authz[0], made.authz[0]);
    bed_status(&bed, &actor, ready.url, "ready");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_authorization_made_beforehand_makes_an_order_ready_at_once,
                                  giving_it_up_ends_the_orders_that_share_it,
                                  an_order_ends_with_the_authorization_it_uses,
                                  what_cannot_be_authorized_beforehand_is_refused,
                                  subtrees_are_granted_where_the_dns_proves_them,
                                  ended_ones_do_not_hide_the_one_that_is_valid};
    return suite_run("server/wfe_preauth", tests, COUNT(tests));
}
