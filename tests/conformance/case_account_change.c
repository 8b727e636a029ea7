/* RFC 8555 sections 7.1.2.1, 7.3.2, 7.3.3 and 7.3.6: lists of orders, changes of accounts, terms of
 * service, deactivation. */
#include <string.h>

#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

#define MANY_ORDERS 120
#define PAGES_MAX 200

static const json_t *json_of(struct spec *spec, const char *text) {
    return spec_json(spec, json_loads(text, JSON_DECODE_ANY, NULL));
}

static const struct spec_answer *update(struct spec *spec, const struct spec_account *account,
                                        const char *members) {
    return spec_post_json(spec, account, account->url, json_of(spec, members));
}

static const json_t *read_back(struct spec *spec, const struct spec_account *account) {
    return spec_fetch(spec, account, account->url)->json;
}

static const struct spec_answer *new_order(struct spec *spec, const struct spec_account *account) {
    return spec_post_json(spec, account, spec_url(spec, "newOrder"),
                          spec_identifiers(spec, spec_name(spec), NULL));
}

/* ---- the list of orders ---- */

/* All pages of the account's list; PAGES_MAX of them are no end. */
static json_t *all_orders(struct spec *spec, const struct spec_account *account) {
    const char *url = spec_member(read_back(spec, account), "orders");
    json_t *all = spec_json(spec, json_array());
    unsigned pages = 0;

    while (url[0] != '\0' && !spec_over(spec)) {
        const struct spec_answer *answer = spec_fetch(spec, account, url);
        json_t *page = json_object_get(answer->json, "orders");
        (void)spec_check(spec, json_is_array(page), "%s has no array orders", url);
        (void)json_array_extend(all, page);
        (void)spec_check(spec, ++pages < PAGES_MAX, "the pages of the list have no end");
        url = spec_link(spec, answer, "next", NULL);
    }
    return all;
}

static unsigned times_listed(const json_t *list, const char *url) {
    const json_t *one;
    unsigned times = 0;
    size_t i;

    json_array_foreach(list, i, one) {
        times += json_is_string(one) && strcmp(json_string_value(one), url) == 0;
    }
    return times;
}

static void orders_are_listed(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const json_t *list = all_orders(spec, order->account), *one;
    size_t i;

    json_array_foreach(list, i, one) {
        const char *url = json_is_string(one) ? json_string_value(one) : "";
        (void)spec_check(spec, spec_is_url(url), "order %zu of the list is \"%s\"", i, url);
    }
    (void)spec_check(spec, times_listed(list, order->url) == 1,
                     "the pending order is %u times in the list", times_listed(list, order->url));
}

static void invalid_orders_are_not_listed(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_order *order = spec_order(spec, account, NULL);
    const struct spec_order *kept = spec_order(spec, account, NULL);
    const json_t *challenge =
        spec_challenge(spec_fetch(spec, account, order->authz[0])->json, "http-01");

    spec_http01(spec, spec_member(challenge, "token"), "another text");
    (void)spec_status(
        spec, spec_post_json(spec, account, spec_member(challenge, "url"), json_of(spec, "{}")),
        200);
    (void)spec_same(
        spec, "status",
        spec_member(spec_poll(spec, account, order->url, "ready|invalid")->json, "status"),
        "invalid");
    const json_t *list = all_orders(spec, account);
    (void)spec_check(spec, times_listed(list, kept->url) == 1, "the pending order is not listed");
    (void)spec_check(spec, times_listed(list, order->url) == 0, "the invalid order is listed");
}

static void pages_hold_every_order(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *urls[MANY_ORDERS] = {0};

    for (unsigned i = 0; i < MANY_ORDERS && !spec_over(spec); i++) {
        urls[i] = spec_order(spec, account, NULL)->url;
    }
    const json_t *list = all_orders(spec, account);
    for (unsigned i = 0; i < MANY_ORDERS && !spec_over(spec); i++) {
        (void)spec_check(spec, times_listed(list, urls[i]) == 1,
                         "order %u of %d is %u times in the list", i + 1, MANY_ORDERS,
                         times_listed(list, urls[i]));
    }
}

/* ---- changes ---- */

static void a_change_is_shown_and_kept(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const json_t *wanted = json_of(spec, "[\"mailto:new@example.org\"]");
    const struct spec_answer *answer =
        update(spec, account, "{\"contact\":[\"mailto:new@example.org\"]}");

    (void)spec_status(spec, answer, 200);
    (void)spec_check(spec, json_equal(json_object_get(answer->json, "contact"), wanted),
                     "the answer has not the new contact: %s", answer->body);
    (void)spec_check(spec, json_equal(json_object_get(read_back(spec, account), "contact"), wanted),
                     "the account has not the new contact");
}

/* data: members that are none of the client's business. */
static void a_change_is_ignored(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const json_t *before = read_back(spec, account);
    const struct spec_answer *answer = update(spec, account, spec_data(spec));

    (void)spec_status(spec, answer, 200);
    (void)spec_check(spec, json_equal(answer->json, before), "the answer is %s", answer->body);
    (void)spec_check(spec, json_equal(read_back(spec, account), before), "the account was changed");
}

static void other_states_are_not_taken(struct spec *spec) {
    static const char *const states[] = {"{\"status\":\"revoked\"}", "{\"status\":\"valid\"}",
                                         "{\"status\":\"pending\"}"};
    const struct spec_account *account = spec_account(spec, KEY_P256);

    for (unsigned i = 0; i < COUNT(states) && !spec_over(spec); i++) {
        const struct spec_answer *answer = update(spec, account, states[i]);
        if (answer->status != 200) {
            (void)spec_status(spec, answer, SPEC_4XX);
        }
        (void)spec_same(spec, "status", spec_member(read_back(spec, account), "status"), "valid");
        (void)spec_status(spec, new_order(spec, account), 201);
    }
}

static void a_bad_contact_changes_nothing(struct spec *spec) {
    const struct spec_account *account =
        spec_account_try(spec, NULL, json_of(spec, "{\"contact\":[\"mailto:old@example.org\"]}"));
    const json_t *before = read_back(spec, account);

    (void)spec_problem(spec, update(spec, account, "{\"contact\":[\"ftp://x/\"]}"), SPEC_4XX,
                       "unsupportedContact|invalidContact|malformed");
    (void)spec_check(spec, json_equal(read_back(spec, account), before), "the account was changed");
}

static void contacts_are_cleared(struct spec *spec) {
    const struct spec_account *account =
        spec_account_try(spec, NULL, json_of(spec, "{\"contact\":[\"mailto:old@example.org\"]}"));

    (void)spec_check(spec,
                     json_array_size(json_object_get(read_back(spec, account), "contact")) == 1,
                     "the account has not the contact it was made with");
    (void)spec_status(spec, update(spec, account, "{\"contact\":[]}"), 200);
    (void)spec_check(spec,
                     json_array_size(json_object_get(read_back(spec, account), "contact")) == 0,
                     "the contact is still there");
}

/* ---- terms of service ---- */

static bool directory_has_terms(struct spec *spec) {
    return spec_member(json_object_get(spec_directory(spec), "meta"), "termsOfService")[0] != '\0';
}

static void a_refusal_needs_terms(struct spec *spec) {
    const struct spec_post post = {.url = spec_url(spec, "newAccount"),
                                   .key = spec_key(spec, KEY_P256),
                                   .payload = json_of(spec, "{}")};
    const struct spec_answer *answer = spec_post(spec, &post);

    (void)spec_check(spec,
                     answer->status / 100 == 2 || spec_is(answer, "externalAccountRequired")
                         || directory_has_terms(spec),
                     "newAccount without agreement is %u, but the directory has no termsOfService",
                     answer->status);
}

/* data: the payload. */
static void terms_must_be_agreed_to(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    const struct spec_post post = {
        .url = spec_url(spec, "newAccount"), .key = key, .payload = json_of(spec, spec_data(spec))};

    (void)spec_status(spec, spec_post(spec, &post), SPEC_4XX);
    (void)spec_problem(
        spec, spec_account_try(spec, key, json_of(spec, "{\"onlyReturnExisting\":true}"))->answer,
        400, "accountDoesNotExist");
}

/* The only case that changes the terms: others of that configuration only make accounts. */
static void changed_terms_ask_for_action(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *terms =
        spec_text(spec, "https://terms.acmespec.test/%s", spec_name(spec)); /* never seen before */

    (void)spec_status(spec, update(spec, account, "{\"termsOfServiceAgreed\":false}"), 200);
    (void)spec_check(
        spec, json_is_true(json_object_get(read_back(spec, account), "termsOfServiceAgreed")),
        "the agreement was taken back");
    (void)spec_status(spec, new_order(spec, account), 201);

    (void)spec_status(
        spec, spec_admin(spec, "PUT", "/terms", spec_pack(spec, "{s:s}", "url", terms)), SPEC_2XX);
    const struct spec_answer *answer = new_order(spec, account);
    (void)spec_problem(spec, answer, 403, "userActionRequired");
    (void)spec_same(spec, "Link terms-of-service",
                    spec_link(spec, answer, "terms-of-service", NULL), terms);
    const char *instance = spec_member(answer->json, "instance");
    (void)spec_check(spec, spec_is_url(instance), "instance is \"%s\"", instance);

    (void)spec_status(spec, update(spec, account, "{\"termsOfServiceAgreed\":true}"), 200);
    (void)spec_status(spec, new_order(spec, account), 201);
}

/* ---- deactivation ---- */

static void deactivate(struct spec *spec, const struct spec_account *account) {
    const struct spec_answer *answer = update(spec, account, "{\"status\":\"deactivated\"}");

    (void)spec_status(spec, answer, 200);
    (void)spec_same(spec, "status", spec_member(answer->json, "status"), "deactivated");
}

static void deactivation_is_shown(struct spec *spec) {
    deactivate(spec, spec_account(spec, KEY_P256));
}

static void a_deactivated_account_is_unauthorized(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    (void)spec_status(spec, new_order(spec, account), 201);
    deactivate(spec, account);
    (void)spec_problem(spec, new_order(spec, account), 401, "unauthorized");
}

static void a_deactivated_account_reads_nothing(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const char *urls[] = {order->account->url, order->url, order->authz[0]};

    deactivate(spec, order->account);
    for (unsigned i = 0; i < COUNT(urls) && !spec_over(spec); i++) {
        (void)spec_problem(spec, spec_post_json(spec, order->account, urls[i], NULL), 401,
                           "unauthorized");
    }
}

static void deactivation_is_for_good(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    deactivate(spec, account);
    const struct spec_account *again = spec_account_try(spec, account->key, NULL);
    (void)spec_check(spec, again->answer->status != 201, "newAccount made another account");
    (void)spec_check(spec, again->url[0] == '\0' || strcmp(again->url, account->url) == 0,
                     "newAccount gave another account");
    (void)spec_problem(spec, update(spec, account, "{\"status\":\"valid\"}"), 401, "unauthorized");
    (void)spec_problem(spec, new_order(spec, account), 401, "unauthorized");
}

static void what_was_under_way_ends(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_order *ready = spec_ready(spec, account, NULL);
    const struct spec_order *open = spec_order(spec, account, NULL);
    const json_t *challenge =
        spec_challenge(spec_fetch(spec, account, open->authz[0])->json, "http-01");
    const char *token = spec_member(challenge, "token");

    spec_http01(spec, token, spec_key_authorization(spec, account, token));
    deactivate(spec, account);
    (void)spec_problem(spec, spec_finalize(spec, ready, spec_csr(spec, NULL, ready->name, NULL)),
                       401, "unauthorized");
    (void)spec_problem(
        spec, spec_post_json(spec, account, spec_member(challenge, "url"), json_of(spec, "{}")),
        401, "unauthorized");
    spec_wait_ms(spec, 300);
    (void)spec_check(spec, spec_http01_seen(spec, spec_http01_path(spec, token)).count == 0,
                     "a challenge of a deactivated account was validated");
}

/* Its key can still revoke it, which it could not if it were revoked already. */
static void certificates_stay_valid(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_post post = {.url = spec_url(spec, "revokeCert"),
                                   .key = certificate->key,
                                   .use_jwk = true,
                                   .payload =
                                       spec_pack(spec, "{s:s}", "certificate", certificate->der64)};

    deactivate(spec, certificate->order->account);
    (void)spec_status(spec, spec_post(spec, &post), 200);
}

static void a_deactivated_account_changes_no_key(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *url = spec_url(spec, "keyChange");
    const struct spec_post inner = {.url = url,
                                    .key = spec_key(spec, KEY_P256),
                                    .use_jwk = true,
                                    .nonce = SPEC_OMIT,
                                    .payload =
                                        spec_pack(spec, "{s:s, s:O}", "account", account->url,
                                                  "oldKey", spec_jwk(spec, account->key))};
    const char *jws = spec_jws(spec, &inner);
    const struct spec_post outer = {
        .url = url, .account = account, .bytes = jws, .bytes_len = strlen(jws)};

    deactivate(spec, account);
    (void)spec_problem(spec, spec_post(spec, &outer), 401, "unauthorized");
}

#define ACCOUNT .area = "account"
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/7.1.2.1/1", .rows = "S-7.1.2.1-01", ACCOUNT, .level = SPEC_MUST, .text = "orders gives an array of URLs.", .run = orders_are_listed},
    {.id = "rfc8555/7.1.2.1/2", .rows = "S-7.1.2.1-02", ACCOUNT, .level = SPEC_SHOULD, .text = "A pending order is in the list.", .run = orders_are_listed},
    {.id = "rfc8555/7.1.2.1/3", .rows = "S-7.1.2.1-03", ACCOUNT, .level = SPEC_SHOULD, .text = "An invalid order is not in the list.", .needs = NEED_HTTP01, .deadline_s = 60, .run = invalid_orders_are_not_listed},
    {.id = "rfc8555/7.1.2.1/4", .rows = "S-7.1.2.1-04", ACCOUNT, .level = SPEC_MAY, .text = "The pages of a long list end and have every order once.", .deadline_s = 60, .run = pages_hold_every_order},
    {.id = "rfc8555/7.3.2/1", .rows = "S-7.3.2-01 S-7.3.2-02", ACCOUNT, .level = SPEC_MUST, .text = "A change is 200 with the account as it is now, and kept.", .run = a_change_is_shown_and_kept},
    {.id = "rfc8555/7.3.2/3", .rows = "S-7.3.2-03", ACCOUNT, .level = SPEC_MUST, .text = "Changes of orders are ignored.", .run = a_change_is_ignored, .data = "{\"orders\":\"https://evil.example/\"}"},
    {.id = "rfc8555/7.3.2/4", .rows = "S-7.3.2-04", ACCOUNT, .level = SPEC_MUST, .text = "An agreement is not taken back.", .run = a_change_is_ignored, .data = "{\"termsOfServiceAgreed\":false}"},
    {.id = "rfc8555/7.3.2/5", .rows = "S-7.3.2-05", ACCOUNT, .level = SPEC_MUST, .text = "Other states than deactivated are ignored.", .run = other_states_are_not_taken},
    {.id = "rfc8555/7.3.2/6", .rows = "S-7.3.2-06", ACCOUNT, .level = SPEC_MUST, .text = "Unknown fields are ignored and not reflected.", .run = a_change_is_ignored, .data = "{\"zzUnknown\":{\"a\":1}}"},
    {.id = "rfc8555/7.3.2/7", .rows = "S-7.3.2-07", ACCOUNT, .level = SPEC_MUST, .text = "A bad contact is refused and the old one stays.", .run = a_bad_contact_changes_nothing},
    {.id = "rfc8555/7.3.2/8", .rows = "S-7.3.2-08", ACCOUNT, .level = SPEC_MUST, .text = "An empty contact takes the contacts away.", .run = contacts_are_cleared},
    {.id = "rfc8555/7.3/15", .rows = "S-7.3-15", ACCOUNT, .level = SPEC_MUST, .text = "Agreement is only asked for when the directory has terms.", .run = a_refusal_needs_terms},
    {.id = "rfc8555/7.3/16", .rows = "S-7.3-15 S-7.3-16", ACCOUNT, .level = SPEC_MUST, .text = "Without termsOfServiceAgreed there is no account.", .needs = NEED_TOS, .run = terms_must_be_agreed_to, .data = "{}"},
    {.id = "rfc8555/7.3/16b", .rows = "S-7.3-16", ACCOUNT, .level = SPEC_MUST, .text = "With termsOfServiceAgreed false there is no account.", .needs = NEED_TOS, .run = terms_must_be_agreed_to, .data = "{\"termsOfServiceAgreed\":false}"},
    {.id = "rfc8555/7.3/16c", .rows = "S-7.3-16", ACCOUNT, .level = SPEC_MUST, .text = "A text \"true\" is no agreement.", .needs = NEED_TOS, .run = terms_must_be_agreed_to, .data = "{\"termsOfServiceAgreed\":\"true\"}"},
    {.id = "rfc8555/7.3.3/1", .rows = "S-7.3.2-04 S-7.3.3-01 S-7.3.3-02 S-7.3.3-03", ACCOUNT, .level = SPEC_MUST, .text = "Changed terms are 403 userActionRequired with their link and an instance, until they are agreed to.", .needs = NEED_TOS | NEED_ADMIN, .run = changed_terms_ask_for_action},
    {.id = "rfc8555/7.3.6/1", .rows = "S-7.3.6-01", ACCOUNT, .level = SPEC_MUST, .text = "Deactivation is 200 with that status.", .run = deactivation_is_shown},
    {.id = "rfc8555/7.3.6/2", .rows = "S-7.3.6-02 S-7.3.6-03", ACCOUNT, .level = SPEC_MUST, .text = "A deactivated account is 401 unauthorized.", .run = a_deactivated_account_is_unauthorized},
    {.id = "rfc8555/7.3.6/4", .rows = "S-7.3.6-04", ACCOUNT, .level = SPEC_MUST, .text = "A deactivated account reads nothing.", .run = a_deactivated_account_reads_nothing},
    {.id = "rfc8555/7.3.6/5", .rows = "S-7.3.6-05", ACCOUNT, .level = SPEC_MUST, .text = "Nothing brings a deactivated account back.", .run = deactivation_is_for_good},
    {.id = "rfc8555/7.3.6/7", .rows = "S-7.3.6-07", ACCOUNT, .level = SPEC_SHOULD, .text = "Orders and challenges of a deactivated account lead nowhere.", .needs = NEED_HTTP01, .run = what_was_under_way_ends},
    {.id = "rfc8555/7.3.6/8", .rows = "S-7.3.6-08", ACCOUNT, .level = SPEC_SHOULD, .text = "Certificates of a deactivated account are not revoked.", .needs = NEED_HTTP01, .run = certificates_stay_valid},
    {.id = "rfc8555/7.3.6/9", .rows = "S-7.3.6-09", ACCOUNT, .level = SPEC_MUST, .text = "A deactivated account changes no key.", .run = a_deactivated_account_changes_no_key},
};
/* clang-format on */

const struct spec_area case_account_change = {cases, COUNT(cases)};
