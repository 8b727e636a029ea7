/* RFC 8555 sections 7.1.2, 7.3 and 7.3.1: account objects, and how accounts are made and found. */
#include <string.h>

#include "tests/conformance/areas.h"

#define RACERS 8

static const json_t *json_of(struct spec *spec, const char *text) {
    return spec_json(spec, json_loads(text, JSON_DECODE_ANY, NULL));
}

/* newAccount with these members, on a fresh key; nothing is judged. */
static const struct spec_account *try_with(struct spec *spec, const char *members) {
    return spec_account_try(spec, NULL, json_of(spec, members));
}

/* The account of key, made or found: onlyReturnExisting. */
static const struct spec_account *look_up(struct spec *spec, EVP_PKEY *key) {
    return spec_account_try(spec, key, json_of(spec, "{\"onlyReturnExisting\":true}"));
}

static void has_no_account(struct spec *spec, EVP_PKEY *key) {
    (void)spec_problem(spec, look_up(spec, key)->answer, 400, "accountDoesNotExist");
}

static const json_t *read_back(struct spec *spec, const struct spec_account *account) {
    return spec_fetch(spec, account, account->url)->json;
}

/* ---- the object ---- */

static void status_is_a_known_one(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    (void)spec_same(spec, "status", spec_member(account->answer->json, "status"), "valid");
    (void)spec_same(spec, "status", spec_member(read_back(spec, account), "status"), "valid");
}

static void orders_is_a_url(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *orders = spec_member(account->answer->json, "orders");

    (void)spec_check(spec, spec_is_url(orders), "orders of newAccount is \"%s\"", orders);
    orders = spec_member(read_back(spec, account), "orders");
    (void)spec_check(spec, spec_is_url(orders), "orders of the account is \"%s\"", orders);
}

static void contact_is_a_list_of_texts(struct spec *spec) {
    const struct spec_account *account =
        try_with(spec, "{\"contact\":[\"mailto:a@example.org\",\"mailto:b@example.org\"]}");
    const json_t *entry, *contact;
    size_t i;

    (void)spec_status(spec, account->answer, 201);
    contact = json_object_get(read_back(spec, account), "contact");
    (void)spec_check(spec, contact == NULL || json_is_array(contact), "contact is no array");
    json_array_foreach(contact, i, entry) {
        (void)spec_check(spec, json_is_string(entry), "contact %zu is no text", i);
    }
}

/* ---- newAccount ---- */

static void makes_an_account(struct spec *spec) {
    const struct spec_account *account = try_with(spec, "{}");
    const char *type = spec_header(spec, account->answer, "Content-Type");

    (void)spec_status(spec, account->answer, 201);
    (void)spec_check(spec, spec_is_url(account->url), "Location is \"%s\"", account->url);
    (void)spec_check(spec, strncmp(type, "application/json", strlen("application/json")) == 0,
                     "Content-Type is \"%s\"", type);
    (void)spec_same(spec, "status", spec_member(account->answer->json, "status"), "valid");
}

static void looking_makes_nothing(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);

    has_no_account(spec, key);
    has_no_account(spec, key);
    const struct spec_account *account = spec_account_try(spec, key, NULL);
    (void)spec_status(spec, account->answer, 201);
}

/* data: a member that must not come back as it was sent. */
static void is_not_reflected(struct spec *spec) {
    const json_t *sent = json_of(spec, spec_data(spec)), *value;
    const struct spec_account *account = spec_account_try(spec, NULL, sent);
    const char *name;

    (void)spec_status(spec, account->answer, 201);
    const json_t *back = read_back(spec, account);
    json_object_foreach((json_t *)sent, name, value) {
        (void)spec_check(spec, !json_equal(json_object_get(account->answer->json, name), value),
                         "the answer reflects %s", name);
        (void)spec_check(spec, !json_equal(json_object_get(back, name), value),
                         "the account reflects %s", name);
    }
}

/* data: the contact and the types of its refusal. */
struct contact {
    const char *contact, *types;
    bool must_fail; /* otherwise: if it is refused, then so */
};

static void judges_contacts(struct spec *spec) {
    const struct contact *wanted = spec_data(spec);
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    const struct spec_account *account = spec_account_try(
        spec, key, spec_pack(spec, "{s:O}", "contact", json_of(spec, wanted->contact)));

    if (wanted->types == NULL) {
        (void)spec_status(spec, account->answer, 201);
    } else if (wanted->must_fail || account->answer->status / 100 != 2) {
        (void)spec_problem(spec, account->answer, SPEC_4XX, wanted->types);
        has_no_account(spec, key);
    }
}

static void status_is_not_the_clients(struct spec *spec) {
    const struct spec_account *account = try_with(spec, "{\"status\":\"revoked\"}");

    if (account->answer->status / 100 != 2) {
        (void)spec_status(spec, account->answer, SPEC_4XX);
        return;
    }
    (void)spec_same(spec, "status", spec_member(account->answer->json, "status"), "valid");
    (void)spec_same(spec, "status", spec_member(read_back(spec, account), "status"), "valid");
}

/* data: the payload; "": none. */
static void payload_is_an_object(struct spec *spec) {
    const char *text = spec_data(spec);
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    const struct spec_post post = {.url = spec_url(spec, "newAccount"),
                                   .key = key,
                                   .bytes = *text == '\0' ? NULL : text,
                                   .bytes_len = strlen(text)};

    (void)spec_problem(spec, spec_post(spec, &post), 400, "malformed");
    has_no_account(spec, key);
}

static void wrong_types_are_refused(struct spec *spec) {
    static const char *const members[] = {
        "{\"contact\":\"mailto:a@example.org\"}", "{\"contact\":[5]}", "{\"contact\":{}}",
        "{\"termsOfServiceAgreed\":\"true\"}", "{\"onlyReturnExisting\":\"yes\"}"};

    for (unsigned i = 0; i < COUNT(members) && !spec_over(spec); i++) {
        (void)spec_problem(spec, try_with(spec, members[i])->answer, 400,
                           "malformed|invalidContact|unsupportedContact");
    }
}

/* ---- a key that has an account ---- */

static void a_known_key_is_found(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_account *again = spec_account_try(spec, account->key, NULL);

    (void)spec_status(spec, again->answer, 200);
    (void)spec_same(spec, "Location", again->url, account->url);
}

static void a_known_account_does_not_change(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    const struct spec_account *account =
        spec_account_try(spec, key, json_of(spec, "{\"contact\":[\"mailto:first@example.org\"]}"));

    (void)spec_status(spec, account->answer, 201);
    const struct spec_account *again =
        spec_account_try(spec, key, json_of(spec, "{\"contact\":[\"mailto:second@example.org\"]}"));
    (void)spec_status(spec, again->answer, 200);
    (void)spec_check(spec, json_equal(again->answer->json, account->answer->json),
                     "the answer is not the account as it was: %s", again->answer->body);
    (void)spec_check(spec, json_equal(read_back(spec, account), account->answer->json),
                     "the account was changed");
}

static void an_existing_account_is_returned(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_account *found = look_up(spec, account->key);

    (void)spec_status(spec, found->answer, 200);
    (void)spec_same(spec, "Location", found->url, account->url);
}

static void another_spelling_is_the_same_key(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const json_t *jwk = spec_jwk(spec, account->key);
    const struct spec_post post = {.url = spec_url(spec, "newAccount"),
                                   .key = account->key,
                                   .jwk = spec_pack(spec, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
                                                    "y", spec_member(jwk, "y"), "use", "sig", "x",
                                                    spec_member(jwk, "x"), "kid", "mine", "alg",
                                                    "ES256", "crv", "P-256", "kty", "EC"),
                                   .payload = json_of(spec, "{\"termsOfServiceAgreed\":true}")};

    const struct spec_answer *answer = spec_post(spec, &post);
    (void)spec_status(spec, answer, 200);
    (void)spec_same(spec, "Location", spec_header(spec, answer, "Location"), account->url);
}

static void racers_share_one_account(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    struct spec_post posts[RACERS];
    const struct spec_answer *answers[RACERS];
    unsigned made = 0;

    for (unsigned i = 0; i < RACERS; i++) {
        posts[i] = (struct spec_post){.url = spec_url(spec, "newAccount"),
                                      .key = key,
                                      .nonce = spec_nonce(spec),
                                      .payload = json_of(spec, "{\"termsOfServiceAgreed\":true}")};
    }
    spec_together(spec, posts, RACERS, answers);
    const char *url = look_up(spec, key)->url;
    for (unsigned i = 0; i < RACERS && !spec_over(spec); i++) {
        made += answers[i]->status == 201;
        (void)spec_check(spec, answers[i]->status == 200 || answers[i]->status == 201,
                         "racer %u got %u", i, answers[i]->status);
        (void)spec_same(spec, "Location", spec_header(spec, answers[i], "Location"), url);
    }
    (void)spec_check(spec, made == 1, "%u accounts were made", made);
}

static const struct contact contacts[] = {
    {"[\"not a url\"]", "invalidContact|unsupportedContact|malformed", true},
    {"[\"mailto:admin@example.org\"]", NULL, false},
    {"[\"mailto:a@example.org?subject=x\"]", "invalidContact", true},
    {"[\"mailto:a@example.org,b@example.org\"]", "invalidContact", true},
    {"[\"ftp://example.org/x\"]", "unsupportedContact", false},
    {"[\"mailto:\"]", "invalidContact", false},
    {"[\"mailto:nobody\"]", "invalidContact", false},
};

#define ACCOUNT .area = "account"
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/7.1.2/1", .rows = "S-7.1.2-01", ACCOUNT, .level = SPEC_MUST, .text = "The status of a usable account is valid.", .run = status_is_a_known_one},
    {.id = "rfc8555/7.1.2/2", .rows = "S-7.1.2-02", ACCOUNT, .level = SPEC_MUST, .text = "Account objects have a URL orders.", .run = orders_is_a_url},
    {.id = "rfc8555/7.1.2/3", .rows = "S-7.1.2-03", ACCOUNT, .level = SPEC_MUST, .text = "contact is an array of texts.", .run = contact_is_a_list_of_texts},
    {.id = "rfc8555/7.3/1", .rows = "S-7.3-01 S-7.3-02 S-7.3-03 S-7.1.6-08", ACCOUNT, .level = SPEC_MUST, .text = "newAccount is 201 with Location and the valid account in JSON.", .run = makes_an_account},
    {.id = "rfc8555/7.3/4", .rows = "S-7.3-04 S-7.3.1-04 S-7.3.1-05", ACCOUNT, .level = SPEC_MUST, .text = "onlyReturnExisting with an unknown key is 400 accountDoesNotExist and makes none.", .run = looking_makes_nothing},
    {.id = "rfc8555/7.3/5", .rows = "S-7.3-05", ACCOUNT, .level = SPEC_MUST, .text = "orders in newAccount is ignored.", .run = is_not_reflected, .data = "{\"orders\":\"https://evil.example/\"}"},
    {.id = "rfc8555/7.3/6", .rows = "S-7.3-06 S-7.3-08", ACCOUNT, .level = SPEC_MUST, .text = "Unknown fields are ignored and not reflected.", .run = is_not_reflected, .data = "{\"zzUnknown\":{\"a\":1}}"},
    {.id = "rfc8555/7.3/7", .rows = "S-7.3-07", ACCOUNT, .level = SPEC_MUST, .text = "onlyReturnExisting is not reflected.", .run = is_not_reflected, .data = "{\"onlyReturnExisting\":false}"},
    {.id = "rfc8555/7.3/9", .rows = "S-7.3-09", ACCOUNT, .level = SPEC_SHOULD, .text = "A contact that is no URL is refused.", .run = judges_contacts, .data = &contacts[0]},
    {.id = "rfc8555/7.3/10", .rows = "S-7.3-10", ACCOUNT, .level = SPEC_MUST, .text = "mailto contacts are taken.", .run = judges_contacts, .data = &contacts[1]},
    {.id = "rfc8555/7.3/11", .rows = "S-7.3-11", ACCOUNT, .level = SPEC_SHOULD, .text = "mailto with hfields is invalidContact.", .run = judges_contacts, .data = &contacts[2]},
    {.id = "rfc8555/7.3/12", .rows = "S-7.3-12", ACCOUNT, .level = SPEC_SHOULD, .text = "mailto with two addresses is invalidContact.", .run = judges_contacts, .data = &contacts[3]},
    {.id = "rfc8555/7.3/13", .rows = "S-7.3-13", ACCOUNT, .level = SPEC_MUST, .text = "A scheme that is refused is unsupportedContact.", .run = judges_contacts, .data = &contacts[4]},
    {.id = "rfc8555/7.3/14", .rows = "S-7.3-14", ACCOUNT, .level = SPEC_MUST, .text = "mailto of nobody that is refused is invalidContact.", .run = judges_contacts, .data = &contacts[5]},
    {.id = "rfc8555/7.3/14b", .rows = "S-7.3-14", ACCOUNT, .level = SPEC_MUST, .text = "mailto without a domain that is refused is invalidContact.", .run = judges_contacts, .data = &contacts[6]},
    {.id = "rfc8555/7.3/17", .rows = "S-7.3-17", ACCOUNT, .level = SPEC_MUST, .text = "A new account has no other status than valid.", .run = status_is_not_the_clients},
    {.id = "rfc8555/7.3/18", .rows = "S-7.3-18", ACCOUNT, .level = SPEC_MUST, .text = "An array as newAccount is malformed.", .run = payload_is_an_object, .data = "[]"},
    {.id = "rfc8555/7.3/18b", .rows = "S-7.3-18", ACCOUNT, .level = SPEC_MUST, .text = "A text as newAccount is malformed.", .run = payload_is_an_object, .data = "\"x\""},
    {.id = "rfc8555/7.3/19", .rows = "S-7.3-19", ACCOUNT, .level = SPEC_MUST, .text = "A member of a wrong type is refused with 400.", .run = wrong_types_are_refused},
    {.id = "rfc8555/7.3/20", .rows = "S-7.3-20", ACCOUNT, .level = SPEC_MUST, .text = "newAccount without a payload is malformed and makes none.", .run = payload_is_an_object, .data = ""},
    {.id = "rfc8555/7.3.1/1", .rows = "S-7.3.1-01 S-7.3.1-02", ACCOUNT, .level = SPEC_MUST, .text = "newAccount with a known key is 200 with the same Location.", .run = a_known_key_is_found},
    {.id = "rfc8555/7.3.1/3", .rows = "S-7.3.1-03", ACCOUNT, .level = SPEC_MUST, .text = "newAccount with a known key changes nothing and shows the account as it was.", .run = a_known_account_does_not_change},
    {.id = "rfc8555/7.3.1/6", .rows = "S-7.3.1-06", ACCOUNT, .level = SPEC_MUST, .text = "onlyReturnExisting with a known key is 200 with Location.", .run = an_existing_account_is_returned},
    {.id = "rfc8555/7.3.1/7", .rows = "S-7.3.1-07", ACCOUNT, .level = SPEC_MUST, .text = "Order and further members of the JWK make no other account.", .run = another_spelling_is_the_same_key},
    {.id = "rfc8555/7.3.1/8", .rows = "S-7.3.1-08", ACCOUNT, .level = SPEC_MUST, .text = "newAccount at the same moment with one key makes one account.", .run = racers_share_one_account},
};
/* clang-format on */

const struct spec_area case_account = {cases, COUNT(cases)};
