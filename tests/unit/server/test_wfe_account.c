/* Accounts: RFC 8555 7.3 to 7.3.2, 7.3.4, 7.3.6 and 7.1.2.1. */
#include "acme_flow.h"

static struct bed bed;

#define CONTACT "{\"contact\":[\"mailto:a@example.org\"]}"

START_TEST(a_new_key_makes_an_account_and_a_known_one_finds_it) {
    bed_start(&bed, NULL);
    struct actor actor = bed_actor();
    struct answer first = bed_post(
        &bed, &actor, "/new-account",
        "{\"termsOfServiceAgreed\":true,\"contact\":[\"mailto:a@example.org\"],\"zz\":{\"a\":1},"
        "\"orders\":\"https://evil.example/"
        "\",\"status\":\"revoked\",\"onlyReturnExisting\":false}");
    struct answer second = bed_post(&bed, &actor, "/new-account", "{\"contact\":[\"bad\"]}");
    struct answer third = bed_post(&bed, &actor, "/new-account", "{\"onlyReturnExisting\":true}");
    char orders[300];

    ck_answer(first, 201, "");
    ck_answer(second, 200, "");
    ck_answer(third, 200, "");
    ck_assert_str_eq(first.location, second.location);
    ck_assert_str_eq(first.location, third.location);
    ck_assert_str_eq(first.body, second.body); /* 7.3.1: as it was */
    ck_assert_str_eq(member(&first, "status"), "valid");
    (void)snprintf(orders, sizeof(orders), "%s/orders", first.location);
    ck_assert_str_eq(member(&first, "orders"), orders);
    ck_assert_uint_eq(json_object_size(first.json), 3); /* nothing else is reflected */
    answer_done(&first);
    answer_done(&second);
    answer_done(&third);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(only_return_existing_makes_nothing) {
    bed_start(&bed, NULL);
    struct actor actor = bed_actor();

    for (unsigned i = 0; i < 2; i++) {
        bed_expect(&bed, &actor, "/new-account", "{\"onlyReturnExisting\":true}", 400,
                   "accountDoesNotExist");
    }
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(bad_new_accounts_are_refused_and_make_nothing) {
    static const struct {
        const char *payload, *error;
    } rows[] = {
        {"[]", "malformed"},
        {"{\"onlyReturnExisting\":\"yes\"}", "malformed"},
        {"{\"termsOfServiceAgreed\":\"true\"}", "malformed"},
        {"{\"contact\":\"mailto:a@example.org\"}", "malformed"},
        {"{\"contact\":[\"tel:1\"]}", "unsupportedContact"},
        {"{\"contact\":[\"mailto:\"]}", "invalidContact"},
    };

    bed_start(&bed, NULL);
    struct actor actor = bed_actor();
    for (unsigned i = 0; i < COUNT(rows); i++) {
        bed_expect(&bed, &actor, "/new-account", rows[i].payload, 400, rows[i].error);
    }
    bed_expect(&bed, &actor, "/new-account", NULL, 400, "malformed");
    bed_expect(&bed, &actor, "/new-account", "{\"onlyReturnExisting\":true}", 400,
               "accountDoesNotExist");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(contacts_can_be_changed_and_nothing_else) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);

    struct answer answer = bed_post(&bed, &actor, actor.kid, CONTACT);
    ck_answer(answer, 200, "");
    answer_done(&answer);
    bed_expect(&bed, &actor, actor.kid,
               "{\"status\":\"revoked\",\"orders\":\"x\",\"termsOfServiceAgreed\":false,\"zz\":1}",
               200, "");
    bed_expect(&bed, &actor, actor.kid, "{\"contact\":[\"ftp://x/\"]}", 400, "unsupportedContact");
    bed_expect(&bed, &actor, actor.kid, "{\"status\":5}", 400, "malformed");
    answer = bed_post(&bed, &actor, actor.kid, NULL);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "valid");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(answer.json, "contact"), 0)),
                     "mailto:a@example.org");
    ck_assert_uint_eq(json_object_size(answer.json), 3);
    answer_done(&answer);
    bed_expect(&bed, &actor, actor.kid, "{\"contact\":[]}", 200, "");
    answer = bed_post(&bed, &actor, actor.kid, NULL);
    ck_assert_uint_eq(json_array_size(json_object_get(answer.json, "contact")), 0);
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(another_account_sees_and_changes_nothing) {
    char orders[300];

    bed_start(&bed, NULL);
    struct actor alice = bed_account(&bed), bob = bed_account(&bed);
    (void)snprintf(orders, sizeof(orders), "%s/orders", alice.kid);
    bed_expect(&bed, &bob, alice.kid, NULL, 404, "malformed");
    bed_expect(&bed, &bob, alice.kid, "{\"status\":\"deactivated\"}", 404, "malformed");
    bed_expect(&bed, &bob, orders, NULL, 404, "malformed");
    bed_status(&bed, &alice, alice.kid, "valid");
    actor_done(&alice);
    actor_done(&bob);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_deactivated_account_is_out) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct actor by_key = {.key = actor.key};
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);

    struct answer answer = bed_post(&bed, &actor, actor.kid, "{\"status\":\"deactivated\"}");
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "deactivated");
    answer_done(&answer);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 401, "unauthorized");
    bed_expect(&bed, &actor, actor.kid, NULL, 401, "unauthorized");
    bed_expect(&bed, &actor, placed.url, NULL, 401, "unauthorized");
    bed_expect(&bed, &by_key, "/new-account", "{}", 401, "unauthorized");
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 401, "unauthorized");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* ---- orders ---- */

START_TEST(the_order_list_has_pages_that_end) {
    char url[300];
    unsigned seen = 0, pages = 0;

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    for (unsigned i = 0; i < 203; i++) {
        bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 201, "");
    }
    (void)snprintf(url, sizeof(url), "%s/orders", actor.kid);
    while (url[0] != '\0') {
        struct answer answer = bed_post(&bed, &actor, url, NULL);
        ck_answer(answer, 200, "");
        seen += (unsigned)json_array_size(json_object_get(answer.json, "orders"));
        pages++;
        char *next = strstr(answer.links, ";rel=\"next\"");
        url[0] = '\0';
        if (next != NULL) {
            next[-1] = '\0';
            bed_copy(url, sizeof(url), strrchr(answer.links, '<') + 1);
        }
        answer_done(&answer);
    }
    ck_assert_uint_eq(seen, 203);
    ck_assert_uint_eq(pages, 3);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* ---- external account binding ---- */

#define EAB_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
static const unsigned char eab_key[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                        11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                        22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

/* newAccount's payload with a binding under that kid. */
static char *bound(const struct actor *actor, const char *kid) {
    struct err err = {0};
    char url[128];
    json_t *jwk = jwk_write(actor->key, &err);
    AUTO(free) char *inner = json_text(jwk);

    json_decref(jwk);
    (void)snprintf(url, sizeof(url), "%s/new-account", bed.base);
    json_t *header = json_pack("{s:s,s:s}", "kid", kid, "url", url);
    AUTO(free)
    char *text = jws_sign_mac(eab_key, sizeof(eab_key), header, inner, strlen(inner), &err);
    json_decref(header);
    json_t *payload = json_pack("{s:o}", "externalAccountBinding", json_loads(text, 0, NULL));
    char *out = json_text(payload);
    json_decref(payload);
    return out;
}

static void bind_one(const char *kid, unsigned status, const char *error, bool reflected) {
    struct actor actor = bed_actor();
    AUTO(free) char *payload = bound(&actor, kid);
    struct answer answer = bed_post(&bed, &actor, "/new-account", payload);

    ck_answer(answer, status, error);
    const json_t *binding = json_object_get(answer.json, "externalAccountBinding");
    ck_assert(reflected == (binding != NULL));
    if (reflected) {
        json_t *sent = json_loads(payload, 0, NULL);
        ck_assert(json_equal(json_object_get(sent, "externalAccountBinding"), binding));
        json_decref(sent);
    }
    if (status >= 400) { /* S-7.3.4-13 */
        bed_expect(&bed, &actor, "/new-account", "{\"onlyReturnExisting\":true}", 400,
                   "accountDoesNotExist");
    }
    answer_done(&answer);
    actor_done(&actor);
}

START_TEST(a_required_binding_is_required) {
    bed_start(&bed,
              (const char *const[]){"eab.keys=[operator:" EAB_KEY "]", "eab.required=true", NULL});
    struct actor actor = bed_actor();
    struct answer answer = bed_get(&bed, "/directory");

    ck_assert(json_is_true(
        json_object_get(json_object_get(answer.json, "meta"), "externalAccountRequired")));
    answer_done(&answer);
    bed_expect(&bed, &actor, "/new-account", "{}", 403, "externalAccountRequired");
    bind_one("operator", 201, "", true);
    bind_one("operator", 201, "", true); /* one kid, many accounts */
    bind_one("stranger", 403, "unauthorized", false);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_optional_binding_is_checked_when_given) {
    bed_start(&bed, (const char *const[]){"eab.keys=[operator:" EAB_KEY "]", NULL});
    struct actor actor = bed_account(&bed);

    bind_one("operator", 201, "", true);
    bind_one("stranger", 403, "unauthorized", false);
    bed_expect(&bed, &actor, actor.kid, "{\"externalAccountBinding\":{}}", 200, "");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_server_without_keys_ignores_a_binding) {
    bed_start(&bed, NULL);
    bind_one("operator", 201, "", false);
    bed_stop(&bed);
}
END_TEST

START_TEST(an_account_outlives_the_server) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);

    bed_restart(&bed, BED_TIME_US);
    bed_status(&bed, &actor, actor.kid, "valid");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_new_key_makes_an_account_and_a_known_one_finds_it,
                                  only_return_existing_makes_nothing,
                                  bad_new_accounts_are_refused_and_make_nothing,
                                  contacts_can_be_changed_and_nothing_else,
                                  another_account_sees_and_changes_nothing,
                                  a_deactivated_account_is_out,
                                  the_order_list_has_pages_that_end,
                                  a_required_binding_is_required,
                                  an_optional_binding_is_checked_when_given,
                                  a_server_without_keys_ignores_a_binding,
                                  an_account_outlives_the_server};
    return suite_run("server/wfe_account", tests, COUNT(tests));
}
