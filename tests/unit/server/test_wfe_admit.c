/* Rate limits and terms of service, as clients meet them: RFC 8555 6.6, 7.3 and 7.3.3. */
#include "acme_flow.h"

static struct bed bed;

#define TERMS "https://ca.example/terms/1"
#define AGREED "{\"termsOfServiceAgreed\":true}"
#define US_PER_S 1000000U

static void limited(struct answer answer, bool helped) {
    ck_answer(answer, 429, "rateLimited");
    ck_assert_uint_eq(answer.nonces, 1);
    ck_assert_str_ne(answer.retry_after, "");
    ck_assert((strstr(answer.links, "<https://ca.example/limits>;rel=\"help\"") != NULL) == helped);
    answer_done(&answer);
}

START_TEST(new_accounts_of_an_address_are_limited_and_known_ones_are_not_counted) {
    bed_start(&bed, (const char *const[]){"limits.rate.accounts=2", "limits.rate.window=60s",
                                          "limits.rate.help=https://ca.example/limits", NULL});
    struct actor first = bed_account(&bed), stranger = bed_actor();
    struct actor by_key = {.key = first.key};

    for (unsigned i = 0; i < 3; i++) {
        bed_expect(&bed, &by_key, "/new-account", "{}", 200, "");
    }
    struct actor second = bed_account(&bed);
    limited(bed_post(&bed, &stranger, "/new-account", "{}"), true);
    bed_expect(&bed, &by_key, "/new-account", "{}", 200, "");
    bed_expect(&bed, &stranger, "/new-account", "{\"onlyReturnExisting\":true}", 400,
               "accountDoesNotExist");
    bed.options.clock.manual_us += 30 * US_PER_S; /* as told: 60 s / 2 */
    bed_expect(&bed, &stranger, "/new-account", "{}", 201, "");
    actor_done(&first);
    actor_done(&second);
    actor_done(&stranger);
    bed_stop(&bed);
}
END_TEST

START_TEST(orders_are_limited_by_account) {
    bed_start(&bed, (const char *const[]){"limits.rate.orders=1", NULL});
    struct actor alice = bed_account(&bed), bob = bed_account(&bed);

    bed_expect(&bed, &alice, "/new-order", "{\"identifiers\":[]}", 400, "malformed");
    bed_expect(&bed, &alice, "/new-order", BED_NF_ORDER, 201, "");
    limited(bed_post(&bed, &alice, "/new-order", BED_NF_ORDER), false);
    bed_expect(&bed, &bob, "/new-order", BED_NF_ORDER, 201, "");
    actor_done(&alice);
    actor_done(&bob);
    bed_stop(&bed);
}
END_TEST

START_TEST(orders_are_limited_by_identifier) {
    bed_start(&bed,
              (const char *const[]){"limits.rate.identifiers=1", "limits.rate.orders=2", NULL});
    struct actor alice = bed_account(&bed), bob = bed_account(&bed);

    bed_expect(&bed, &alice, "/new-order", BED_NF_ORDER, 201, "");
    limited(bed_post(&bed, &bob, "/new-order", BED_NF_ORDER), false);
    limited(bed_post(&bed, &bob, "/new-order", BED_NF_ORDER), false);
    bed_expect(&bed, &bob, "/new-order",
               "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}]}", 201, "");
    actor_done(&alice);
    actor_done(&bob);
    bed_stop(&bed);
}
END_TEST

START_TEST(authorizations_beforehand_count_as_orders) {
    static const char dns[] = "{\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"}}";

    bed_start(&bed,
              (const char *const[]){"limits.rate.identifiers=2", "limits.rate.orders=1", NULL});
    struct actor alice = bed_account(&bed), bob = bed_account(&bed), carol = bed_account(&bed);

    bed_expect(&bed, &alice, "/new-authz", dns, 201, "");
    limited(bed_post(&bed, &alice, "/new-authz", dns), false);
    limited(bed_post(&bed, &alice, "/new-order", BED_NF_ORDER), false);
    bed_expect(&bed, &bob, "/new-authz", dns, 201, "");
    limited(bed_post(&bed, &carol, "/new-authz", dns), false);
    actor_done(&alice);
    actor_done(&bob);
    actor_done(&carol);
    bed_stop(&bed);
}
END_TEST

START_TEST(requests_of_an_address_are_limited) {
    bed_start(&bed, (const char *const[]){"limits.rate.requests=2", NULL});
    struct actor actor = bed_account(&bed);

    bed_expect(&bed, &actor, actor.kid, NULL, 200, "");
    limited(bed_post(&bed, &actor, actor.kid, NULL), false);
    struct answer answer = bed_get(&bed, "/directory");
    ck_answer(answer, 200, "");
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

static void terms_demanded(struct answer answer) {
    ck_answer(answer, 403, "userActionRequired");
    ck_assert_str_eq(member(&answer, "instance"), TERMS);
    ck_assert_ptr_nonnull(strstr(answer.links, "<" TERMS ">;rel=\"terms-of-service\""));
    answer_done(&answer);
}

START_TEST(an_account_agrees_to_the_terms_or_is_not_made) {
    static const char *const refused[] = {"{}", "{\"termsOfServiceAgreed\":false}"};

    bed_start(&bed, (const char *const[]){"account.terms_of_service=" TERMS,
                                          "directory.website=https://ca.example/",
                                          "directory.caa_identities=[ca.example,b.example]", NULL});
    struct actor actor = bed_actor();
    struct answer answer = bed_get(&bed, "/directory");
    const json_t *meta = json_object_get(answer.json, "meta");

    ck_assert_str_eq(json_string_value(json_object_get(meta, "termsOfService")), TERMS);
    ck_assert_str_eq(json_string_value(json_object_get(meta, "website")), "https://ca.example/");
    ck_assert_uint_eq(json_array_size(json_object_get(meta, "caaIdentities")), 2);
    answer_done(&answer);
    for (unsigned i = 0; i < COUNT(refused); i++) {
        terms_demanded(bed_post(&bed, &actor, "/new-account", refused[i]));
    }
    bed_expect(&bed, &actor, "/new-account", "{\"termsOfServiceAgreed\":\"true\"}", 400,
               "malformed");
    bed_expect(&bed, &actor, "/new-account", "{\"onlyReturnExisting\":true}", 400,
               "accountDoesNotExist");
    answer = bed_post(&bed, &actor, "/new-account", AGREED);
    ck_answer(answer, 201, "");
    ck_assert(json_is_true(json_object_get(answer.json, "termsOfServiceAgreed")));
    bed_copy(actor.kid, sizeof(actor.kid), answer.location);
    answer_done(&answer);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 201, "");
    struct actor by_key = {.key = actor.key};
    bed_expect(&bed, &by_key, "/new-account", "{}", 200, ""); /* 7.3.1 */
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(other_terms_must_be_agreed_to_anew) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);

    bed.more = (const char *const[]){"account.terms_of_service=" TERMS, NULL};
    bed_restart(&bed, BED_TIME_US);
    terms_demanded(bed_post(&bed, &actor, "/new-order", BED_NF_ORDER));
    terms_demanded(bed_post(&bed, &actor, placed.challenge[0], "{}"));
    bed_status(&bed, &actor, placed.url, "pending"); /* reading stays possible */
    bed_expect(&bed, &actor, actor.kid, "{\"termsOfServiceAgreed\":false}", 200, "");
    terms_demanded(bed_post(&bed, &actor, "/new-order", BED_NF_ORDER));
    struct answer answer = bed_post(&bed, &actor, actor.kid, AGREED);
    ck_answer(answer, 200, "");
    ck_assert(json_is_true(json_object_get(answer.json, "termsOfServiceAgreed")));
    answer_done(&answer);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 201, "");
    bed_restart(&bed, BED_TIME_US);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 201, "");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        new_accounts_of_an_address_are_limited_and_known_ones_are_not_counted,
        orders_are_limited_by_account,
        orders_are_limited_by_identifier,
        authorizations_beforehand_count_as_orders,
        requests_of_an_address_are_limited,
        an_account_agrees_to_the_terms_or_is_not_made,
        other_terms_must_be_agreed_to_anew};
    return suite_run("server/wfe_admit", tests, COUNT(tests));
}
