/* keyChange: RFC 8555 7.3.5, every row of it. */
#include "acme_flow.h"

static struct bed bed;

#define KEY_CHANGE "/key-change"

/* The inner JWS of a good change, before somebody breaks it. */
struct change {
    EVP_PKEY *signer, *jwk; /* of the inner JWS */
    EVP_PKEY *old_key;
    const char *account;
    const char *url;     /* path */
    const char *nonce;   /* or NULL */
    const char *kid;     /* instead of jwk; or NULL */
    const char *payload; /* instead of account and oldKey; or NULL */
};

static char *inner(const struct change *change) {
    struct err err = {0};
    char url[256];
    json_t *header = json_object();

    (void)snprintf(url, sizeof(url), "%s%s", bed.base, change->url);
    (void)json_object_set_new(header, "url", json_string(url));
    if (change->nonce != NULL) {
        (void)json_object_set_new(header, "nonce", json_string(change->nonce));
    }
    if (change->kid != NULL) {
        (void)json_object_set_new(header, "kid", json_string(change->kid));
    } else {
        (void)json_object_set_new(header, "jwk", jwk_write(change->jwk, &err));
    }
    json_t *object = json_pack("{s:s, s:o}", "account", change->account, "oldKey",
                               jwk_write(change->old_key, &err));
    AUTO(free)
    char *payload = change->payload == NULL ? json_text(object) : strdup(change->payload);
    json_decref(object);
    char *text = jws_sign(change->signer, header, payload, strlen(payload), &err);
    json_decref(header);
    ck_good(text != NULL);
    return text;
}

static struct change good_change(const struct actor *actor, EVP_PKEY *new_key) {
    return (struct change){.signer = new_key,
                           .jwk = new_key,
                           .old_key = actor->key,
                           .account = actor->kid,
                           .url = KEY_CHANGE};
}

static struct answer send_change(const struct actor *actor, const struct change *change) {
    AUTO(free) char *text = inner(change);
    return bed_post(&bed, actor, KEY_CHANGE, text);
}

static void refuse(const struct actor *actor, const struct change *change, const char *name,
                   unsigned status, const char *error) {
    struct answer answer = send_change(actor, change);

    ck_assert_msg(answer.status == status && strcmp(answer.error, error) == 0, "%s: %u %s: %s",
                  name, answer.status, answer.error, answer.body);
    answer_done(&answer);
    bed_status(&bed, actor, actor->kid, "valid"); /* S-7.3.5-20 */
}

static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_P521, KEY_RSA2048, KEY_ED25519};

START_TEST(every_kind_of_key_takes_over_from_every_other) {
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    struct placed placed = bed_order(&bed, &actor, BED_NF_ORDER);
    for (unsigned i = 0; i < COUNT(types); i++) {
        struct actor old = actor;
        EVP_PKEY *key = key_generate(types[i], &err);
        struct change change = good_change(&actor, key);
        struct answer answer = send_change(&actor, &change);
        ck_answer(answer, 200, "");
        ck_assert_str_eq(member(&answer, "status"), "valid");
        answer_done(&answer);
        actor.key = key;
        bed_status(&bed, &actor, actor.kid, "valid");
        bed_expect(&bed, &old, actor.kid, NULL, 400,
                   i == 0 ? "malformed" : "badPublicKey"); /* of another alg from there on */
        struct actor by_key = {.key = key}, by_old = {.key = old.key};
        answer = bed_post(&bed, &by_key, "/new-account", "{\"onlyReturnExisting\":true}");
        ck_answer(answer, 200, "");
        ck_assert_str_eq(answer.location, actor.kid);
        answer_done(&answer);
        bed_expect(&bed, &by_old, "/new-account", "{\"onlyReturnExisting\":true}", 400,
                   "accountDoesNotExist");
        bed_status(&bed, &actor, placed.url, "pending"); /* S-7.3.5-17 */
        actor_done(&old);
    }
    bed_restart(&bed, BED_TIME_US);
    bed_status(&bed, &actor, actor.kid, "valid");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(what_is_wrong_is_refused_and_changes_nothing) {
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed), bob = bed_account(&bed);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    struct change good = good_change(&actor, key), bad = good;

    bad.kid = actor.kid;
    refuse(&actor, &bad, "kid inside", 400, "malformed");
    bad = good;
    bad.signer = bob.key;
    refuse(&actor, &bad, "signed by another", 400, "malformed");
    bad = good;
    bad.url = "/new-account";
    refuse(&actor, &bad, "another url", 400, "malformed");
    bad = good;
    bad.nonce = "AAAA";
    refuse(&actor, &bad, "nonce inside", 400, "malformed");
    bad = good;
    bad.account = bob.kid;
    refuse(&actor, &bad, "another account", 400, "malformed");
    bad = good;
    bad.old_key = bob.key;
    refuse(&actor, &bad, "another old key", 400, "malformed");
    bad = good;
    bad.payload = "{}";
    refuse(&actor, &bad, "no members", 400, "malformed");
    bad.payload = "[]";
    refuse(&actor, &bad, "no object", 400, "malformed");
    bed_expect(&bed, &actor, KEY_CHANGE, "{\"account\":\"x\"}", 400, "malformed");
    bed_expect(&bed, &actor, KEY_CHANGE, NULL, 400, "malformed");
    struct actor by_key = {.key = actor.key};
    AUTO(free) char *text = inner(&good);
    bed_expect(&bed, &by_key, KEY_CHANGE, text, 400, "malformed");
    struct answer get = bed_get(&bed, KEY_CHANGE);
    ck_assert_uint_eq(get.status, 405);
    answer_done(&get);
    actor_done(&actor);
    actor_done(&bob);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_weak_key_does_not_take_over) {
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    AUTO(EVP_PKEY_free) EVP_PKEY *weak = EVP_RSA_gen(1024);
    ck_good(weak != NULL);
    struct change change = good_change(&actor, weak);
    refuse(&actor, &change, "RSA 1024", 400, "badPublicKey");
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_key_in_use_is_a_conflict_that_names_its_account) {
    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed), bob = bed_account(&bed);
    struct change change = good_change(&actor, bob.key);
    struct answer answer = send_change(&actor, &change);

    ck_answer(answer, 409, "malformed");
    ck_assert_str_eq(answer.location, bob.kid);
    answer_done(&answer);
    change = good_change(&actor, actor.key); /* its own */
    answer = send_change(&actor, &change);
    ck_answer(answer, 409, "malformed");
    ck_assert_str_eq(answer.location, actor.kid);
    answer_done(&answer);
    bed_status(&bed, &actor, actor.kid, "valid");
    bed_status(&bed, &bob, bob.kid, "valid");
    actor_done(&actor);
    actor_done(&bob);
    bed_stop(&bed);
}
END_TEST

START_TEST(a_deactivated_account_cannot_change_its_key) {
    struct err err = {0};

    bed_start(&bed, NULL);
    struct actor actor = bed_account(&bed);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, &err);
    struct change change = good_change(&actor, key);

    bed_expect(&bed, &actor, actor.kid, "{\"status\":\"deactivated\"}", 200, "");
    struct answer answer = send_change(&actor, &change);
    ck_answer(answer, 401, "unauthorized");
    answer_done(&answer);
    actor_done(&actor);
    bed_stop(&bed);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        every_kind_of_key_takes_over_from_every_other, what_is_wrong_is_refused_and_changes_nothing,
        a_weak_key_does_not_take_over, a_key_in_use_is_a_conflict_that_names_its_account,
        a_deactivated_account_cannot_change_its_key};
    return suite_run("server/wfe_keychange", tests, COUNT(tests));
}
