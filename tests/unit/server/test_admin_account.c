/* The admin calls about accounts, their keys for binding, and terms. */
#include "admin_ask.h"

static struct bed bed;

#define EAB_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define TERMS "https://ca.example/terms/2"

static struct answer ask(const char *method, const char *path, const char *body) {
    return admin_ask(&bed, method, path, body);
}

static void expect(const char *method, const char *path, const char *body, unsigned status) {
    struct answer answer = ask(method, path, body);
    ck_assert_msg(answer.status == status, "%s %s: %u %s", method, path, answer.status,
                  answer.body);
    answer_done(&answer);
}

static const char *account_path(const struct actor *actor, const char *more) {
    static char path[128];
    (void)snprintf(path, sizeof(path), "/accounts/%s%s", strrchr(actor->kid, '/') + 1, more);
    return path;
}

START_TEST(an_account_is_shown_and_revoked) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct actor by_key = {.key = actor.key};
    struct answer answer = ask("GET", account_path(&actor, ""), NULL);

    ck_assert_uint_eq(answer.status, 200);
    ck_assert_str_eq(member(&answer, "status"), "valid");
    ck_assert(json_is_array(json_object_get(answer.json, "contact")));
    ck_assert_str_ne(member(&answer, "created"), "");
    ck_assert(json_is_null(json_object_get(answer.json, "eabKid")));
    ck_assert_ptr_null(strstr(answer.body, "jwk"));
    answer_done(&answer);
    expect("GET", "/accounts/none", NULL, 404);
    expect("POST", "/accounts/none/revoke", NULL, 404);
    answer = ask("POST", account_path(&actor, "/revoke"), NULL);
    ck_assert_uint_eq(answer.status, 200);
    ck_assert_str_eq(member(&answer, "status"), "revoked");
    answer_done(&answer);
    expect("POST", account_path(&actor, "/revoke"), NULL, 409);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 401, "unauthorized");
    bed_expect(&bed, &by_key, "/new-account", "{}", 401, "unauthorized");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

/* newAccount with a binding under kid by that key. */
static struct answer bind_account(struct actor *actor, const char *kid, const char *key) {
    struct err err = {0};
    unsigned char mac[64];
    size_t len = 0;
    char url[128];
    json_t *jwk = jwk_write(actor->key, &err);
    AUTO(free) char *inner = json_text(jwk);

    json_decref(jwk);
    ck_good(b64_decode_into(key, strlen(key), mac, sizeof(mac), &len, &err));
    (void)snprintf(url, sizeof(url), "%s/new-account", bed.base);
    json_t *header = json_pack("{s:s,s:s}", "kid", kid, "url", url);
    AUTO(free) char *text = jws_sign_mac(mac, len, header, inner, strlen(inner), &err);
    json_decref(header);
    json_t *payload = json_pack("{s:o}", "externalAccountBinding", json_loads(text, 0, NULL));
    AUTO(free) char *body = json_text(payload);
    json_decref(payload);
    struct answer answer = bed_post(&bed, actor, "/new-account", body);
    bed_copy(actor->kid, sizeof(actor->kid), answer.location);
    return answer;
}

static void bound(const char *kid, const char *key, unsigned status, const char *error) {
    struct actor actor = bed_actor();
    struct answer answer = bind_account(&actor, kid, key);

    ck_answer(answer, status, error);
    ck_assert((json_object_get(answer.json, "externalAccountBinding") != NULL) == (status == 201));
    answer_done(&answer);
    actor_done(&actor);
}

START_TEST(binding_keys_are_made_used_listed_and_removed) {
    char key[128];

    bed_start(&bed,
              (const char *const[]){"eab.required=true", "eab.keys=[fixed:" EAB_KEY "]", NULL});
    struct answer answer = ask("POST", "/eab", "{\"kid\":\"once\",\"uses\":1}");
    ck_assert_uint_eq(answer.status, 201);
    bed_copy(key, sizeof(key), member(&answer, "key"));
    answer_done(&answer);
    expect("POST", "/eab", "{\"kid\":\"many\",\"key\":\"" EAB_KEY "\"}", 201);
    expect("POST", "/eab", "{\"kid\":\"many\"}", 409);
    expect("POST", "/eab", "{\"kid\":\"a/b\"}", 400);
    expect("POST", "/eab", "{\"kid\":\"short\",\"key\":\"AAAA\"}", 400);
    expect("POST", "/eab", "{\"kid\":\"x\",\"zz\":1}", 400);
    expect("POST", "/eab", NULL, 400);
    bound("once", EAB_KEY, 403, "unauthorized");
    bound("once", key, 201, "");
    bound("once", key, 403, "unauthorized"); /* used up */
    bound("many", EAB_KEY, 201, "");
    bed_restart(&bed, BED_TIME_US);
    bound("once", key, 403, "unauthorized");
    bound("many", EAB_KEY, 201, "");
    bound("fixed", EAB_KEY, 201, "");
    answer = ask("GET", "/eab", NULL);
    ck_assert_uint_eq(answer.status, 200);
    ck_assert_ptr_null(strstr(answer.body, key)); /* secrets are shown once */
    ck_assert_ptr_null(strstr(answer.body, EAB_KEY));
    const json_t *keys = json_object_get(answer.json, "keys");
    ck_assert_uint_eq(json_array_size(keys), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *entry = json_array_get(keys, i);
        const char *kid = json_string_value(json_object_get(entry, "kid"));
        ck_assert_uint_eq(json_array_size(json_object_get(entry, "accounts")),
                          strcmp(kid, "many") == 0 ? 2 : 1);
    }
    answer_done(&answer);
    expect("DELETE", "/eab/many", NULL, 200);
    expect("DELETE", "/eab/many", NULL, 404);
    expect("DELETE", "/eab/fixed", NULL, 409);
    bound("many", EAB_KEY, 403, "unauthorized");
    bed_stop(&bed);
}
END_TEST

START_TEST(terms_change_at_run_time_and_stay) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);

    expect("PUT", "/terms", "{\"url\":\"nonsense\"}", 400);
    expect("PUT", "/terms", "{}", 400);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 201, "");
    expect("PUT", "/terms", "{\"url\":\"" TERMS "\"}", 200);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 403, "userActionRequired");
    bed_restart(&bed, BED_TIME_US);
    struct answer answer = ask("GET", "/terms", NULL);
    ck_assert_str_eq(member(&answer, "url"), TERMS);
    answer_done(&answer);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 403, "userActionRequired");
    expect("PUT", "/terms", "{\"url\":null}", 200);
    bed_expect(&bed, &actor, "/new-order", BED_NF_ORDER, 201, "");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_account_is_shown_and_revoked,
                                  binding_keys_are_made_used_listed_and_removed,
                                  terms_change_at_run_time_and_stay};
    return suite_run("server/admin_account", tests, COUNT(tests));
}
