/* RFC 8555 section 7.3.4: external account binding.  What is wrong in the binding itself is in
 * catalogue/jws-negative.cases. */
#include <string.h>

#include "common/rng.h"
#include "tests/conformance/areas.h"

static const struct spec_answer *without_binding(struct spec *spec) {
    const struct spec_post post = {.url = spec_url(spec, "newAccount"),
                                   .key = spec_key(spec, KEY_P256),
                                   .payload = spec_pack(spec, "{s:b}", "termsOfServiceAgreed", 1)};
    return spec_post(spec, &post);
}

static bool directory_requires(struct spec *spec) {
    return json_is_true(
        json_object_get(json_object_get(spec_directory(spec), "meta"), "externalAccountRequired"));
}

static void a_requirement_is_told(struct spec *spec) {
    bool demanded = spec_is(without_binding(spec), "externalAccountRequired");

    (void)spec_check(spec, !demanded || directory_requires(spec),
                     "a binding is demanded, but the directory does not say so");
}

static void a_required_binding_is_demanded(struct spec *spec) {
    (void)spec_problem(spec, without_binding(spec), SPEC_4XX, "externalAccountRequired");
}

/* newAccount with this binding. */
static const struct spec_account *bound_by(struct spec *spec, EVP_PKEY *key,
                                           const json_t *binding) {
    return spec_account_try(spec, key, spec_pack(spec, "{s:O}", "externalAccountBinding", binding));
}

/* A MAC by a key nobody has, of an external account nobody knows. */
static void an_unverified_binding_is_not_shown(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    unsigned char chance[32];

    rng_secret(chance, sizeof(chance));
    const struct spec_post inner = {.url = spec_url(spec, "newAccount"),
                                    .account = &(struct spec_account){.url = "acmespec-nobody"},
                                    .alg = "HS256",
                                    .nonce = SPEC_OMIT,
                                    .payload = spec_jwk(spec, key),
                                    .mac_key = chance,
                                    .mac_key_len = sizeof(chance)};
    const json_t *binding = spec_json(spec, json_loads(spec_jws(spec, &inner), 0, NULL));
    const struct spec_account *account = bound_by(spec, key, binding);
    if (account->answer->status / 100 != 2) {
        (void)spec_status(spec, account->answer, SPEC_4XX);
        return;
    }
    (void)spec_check(spec,
                     json_object_get(account->answer->json, "externalAccountBinding") == NULL
                         && json_object_get(spec_fetch(spec, account, account->url)->json,
                                            "externalAccountBinding")
                                == NULL,
                     "a binding that was not verified is reflected");
}

static void a_binding_is_reflected(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    const json_t *binding = spec_eab(spec, key);
    const struct spec_account *account = bound_by(spec, key, binding);

    (void)spec_status(spec, account->answer, 201);
    (void)spec_check(
        spec, json_equal(json_object_get(account->answer->json, "externalAccountBinding"), binding),
        "newAccount does not reflect the binding: %s", account->answer->body);
    (void)spec_check(spec,
                     json_equal(json_object_get(spec_fetch(spec, account, account->url)->json,
                                                "externalAccountBinding"),
                                binding),
                     "the account does not show the binding");
}

static void a_binding_is_a_jws(struct spec *spec) {
    static const char *const bindings[] = {"{\"a\":1}", "{}", "[]", "\"x\"", "5"};

    for (unsigned i = 0; i < COUNT(bindings) && !spec_over(spec); i++) {
        const json_t *binding = spec_json(spec, json_loads(bindings[i], JSON_DECODE_ANY, NULL));
        (void)spec_problem(spec, bound_by(spec, spec_key(spec, KEY_P256), binding)->answer,
                           SPEC_4XX, "*");
    }
}

/* A good binding with one member replaced, and one that is for another key. */
static void a_refusal_makes_no_account(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    json_t *spoilt = spec_json(spec, json_deep_copy(spec_eab(spec, key)));

    (void)json_object_set_new(spoilt, "signature",
                              json_string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    const json_t *bindings[] = {spoilt, spec_eab(spec, spec_key(spec, KEY_P256))};
    for (unsigned i = 0; i < COUNT(bindings) && !spec_over(spec); i++) {
        (void)spec_status(spec, bound_by(spec, key, bindings[i])->answer, SPEC_4XX);
        const struct spec_account *found =
            spec_account_try(spec, key, spec_pack(spec, "{s:b}", "onlyReturnExisting", 1));
        (void)spec_problem(spec, found->answer, 400, "accountDoesNotExist");
    }
    (void)spec_status(spec, bound_by(spec, key, spec_eab(spec, key))->answer, 201);
}

static void a_binding_stays(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    const json_t *binding = spec_eab(spec, key);
    const struct spec_account *account = bound_by(spec, key, binding);
    const json_t *changes[] = {spec_pack(spec, "{s:{s:i}}", "externalAccountBinding", "a", 1),
                               spec_pack(spec, "{s:n}", "externalAccountBinding"),
                               spec_pack(spec, "{s:O}", "externalAccountBinding",
                                         spec_eab(spec, spec_key(spec, KEY_P256)))};

    (void)spec_status(spec, account->answer, 201);
    for (unsigned i = 0; i < COUNT(changes) && !spec_over(spec); i++) {
        const struct spec_answer *answer = spec_post_json(spec, account, account->url, changes[i]);
        if (answer->status != 200) {
            (void)spec_status(spec, answer, SPEC_4XX);
        }
        (void)spec_check(spec,
                         json_equal(json_object_get(spec_fetch(spec, account, account->url)->json,
                                                    "externalAccountBinding"),
                                    binding),
                         "change %u replaced the binding", i + 1);
    }
}

static void an_account_is_not_bound_later(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const json_t *change =
        spec_pack(spec, "{s:O}", "externalAccountBinding", spec_eab(spec, account->key));
    const struct spec_answer *answer = spec_post_json(spec, account, account->url, change);

    if (answer->status != 200) {
        (void)spec_status(spec, answer, SPEC_4XX);
    }
    (void)spec_check(
        spec,
        json_object_get(spec_fetch(spec, account, account->url)->json, "externalAccountBinding")
            == NULL,
        "the account was bound by a change");
}

#define EAB .area = "eab", .level = SPEC_MUST
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/7.3.4/1", .rows = "S-7.3.4-01", EAB, .text = "A binding is only demanded when the directory says externalAccountRequired.", .run = a_requirement_is_told},
    {.id = "rfc8555/7.3.4/1b", .rows = "S-7.3.4-01", EAB, .text = "The same of a CA that requires bindings.", .needs = NEED_EAB_REQUIRED, .run = a_requirement_is_told},
    {.id = "rfc8555/7.3.4/2", .rows = "S-7.3.4-02", .area = "eab", .level = SPEC_SHOULD, .text = "newAccount without a required binding is externalAccountRequired.", .needs = NEED_EAB_REQUIRED, .run = a_required_binding_is_demanded},
    {.id = "rfc8555/7.3.4/3", .rows = "S-7.3.4-03", EAB, .text = "A binding that cannot be verified is refused or not reflected.", .run = an_unverified_binding_is_not_shown},
    {.id = "rfc8555/7.3.4/4", .rows = "S-7.3.4-04", EAB, .text = "A verified binding is reflected as it was sent.", .needs = NEED_EAB, .run = a_binding_is_reflected},
    {.id = "rfc8555/7.3.4/4b", .rows = "S-7.3.4-04", EAB, .text = "The same of a CA that requires bindings.", .needs = NEED_EAB | NEED_EAB_REQUIRED, .run = a_binding_is_reflected},
    {.id = "rfc8555/7.3.4/5", .rows = "S-7.3.4-05", EAB, .text = "A binding that is no JWS is refused.", .needs = NEED_EAB, .run = a_binding_is_a_jws},
    {.id = "rfc8555/7.3.4/13", .rows = "S-7.3.4-11 S-7.3.4-12 S-7.3.4-13", EAB, .text = "A wrong binding is refused and makes no account.", .needs = NEED_EAB, .run = a_refusal_makes_no_account},
    {.id = "rfc8555/7.3.4/14", .rows = "S-7.3.4-14", EAB, .text = "A binding is not changed by changes of the account.", .needs = NEED_EAB, .run = a_binding_stays},
    {.id = "rfc8555/7.3.4/14b", .rows = "S-7.3.4-14", EAB, .text = "An account is not bound by a change.", .needs = NEED_EAB | NEED_NO_EAB, .run = an_account_is_not_bound_later},
};
/* clang-format on */

const struct spec_area case_eab = {cases, COUNT(cases)};
