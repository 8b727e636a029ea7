/* RFC 8555 section 7.3.5: account keys are rolled over. */
#include <string.h>

#include <openssl/rsa.h>

#include "tests/conformance/areas.h"

/* What a key change is made of; right unless a case spoils it. */
struct change {
    const struct spec_account *account;
    EVP_PKEY *key; /* the new one */
    struct spec_post inner, outer;
};

static json_t *payload_of(struct spec *spec, const char *account, EVP_PKEY *old) {
    return spec_pack(spec, "{s:s, s:O}", "account", account, "oldKey", spec_jwk(spec, old));
}

static struct change change_to(struct spec *spec, const struct spec_account *account,
                               EVP_PKEY *key) {
    const char *url = spec_url(spec, "keyChange");

    return (struct change){.account = account,
                           .key = key,
                           .inner = {.url = url,
                                     .key = key,
                                     .use_jwk = true,
                                     .nonce = SPEC_OMIT,
                                     .payload = payload_of(spec, account->url, account->key)},
                           .outer = {.url = url, .account = account}};
}

static struct change new_change(struct spec *spec) {
    return change_to(spec, spec_account(spec, KEY_P256), spec_key(spec, KEY_P256));
}

static const struct spec_answer *send_change(struct spec *spec, struct change *change) {
    if (change->outer.payload == NULL && change->outer.bytes == NULL) {
        const char *jws = spec_jws(spec, &change->inner);
        change->outer.bytes = jws;
        change->outer.bytes_len = strlen(jws);
    }
    return spec_post(spec, &change->outer);
}

/* The account as it is after the change. */
static const struct spec_account *changed(struct spec *spec, struct change *change) {
    struct spec_account *account = spec_keep(spec, calloc(1, sizeof(*account)), free);

    account->answer = send_change(spec, change);
    account->key = change->key;
    account->url = change->account->url;
    (void)spec_status(spec, account->answer, 200);
    return account;
}

/* Who has this key? */
static const struct spec_account *look_up(struct spec *spec, EVP_PKEY *key) {
    return spec_account_try(spec, key, spec_pack(spec, "{s:b}", "onlyReturnExisting", 1));
}

static void the_new_key_is_the_accounts(struct spec *spec) {
    static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_RSA2048, KEY_ED25519};

    for (unsigned i = 0; i < COUNT(types) && !spec_over(spec); i++) {
        struct change change =
            change_to(spec, spec_account(spec, KEY_P256), spec_key(spec, types[i]));
        const struct spec_account *account = changed(spec, &change);
        (void)spec_fetch(spec, account, account->url);
    }
}

static void the_old_key_is_nobodys(struct spec *spec) {
    struct change change = new_change(spec);

    (void)changed(spec, &change);
    (void)spec_status(spec, spec_post_json(spec, change.account, change.account->url, NULL),
                      SPEC_4XX);
    (void)spec_problem(spec, look_up(spec, change.account->key)->answer, 400,
                       "accountDoesNotExist");
}

static void the_new_key_finds_the_account(struct spec *spec) {
    struct change change = new_change(spec);

    (void)changed(spec, &change);
    const struct spec_account *found = look_up(spec, change.key);
    (void)spec_status(spec, found->answer, 200);
    (void)spec_same(spec, "Location", found->url, change.account->url);
}

/* ---- refusals, after each of which everything is as it was ---- */

static void spoil_nothing_but_jwk(struct spec *spec, struct change *change) {
    (void)spec;
    change->inner.use_jwk = false;
    change->inner.account = change->account; /* kid */
}

static void spoil_the_signer(struct spec *spec, struct change *change) {
    change->inner.jwk = spec_jwk(spec, change->key);
    change->inner.key = spec_key(spec, KEY_P256);
}

static void spoil_the_url(struct spec *spec, struct change *change) {
    change->inner.header_url = spec_url(spec, "newAccount");
}

static void spoil_the_account(struct spec *spec, struct change *change) {
    change->inner.payload =
        payload_of(spec, spec_account(spec, KEY_P256)->url, change->account->key);
}

static void spoil_the_old_key(struct spec *spec, struct change *change) {
    change->inner.payload = payload_of(spec, change->account->url, spec_key(spec, KEY_P256));
}

static void spoil_the_jws(struct spec *spec, struct change *change) {
    change->outer.payload = payload_of(spec, change->account->url, change->account->key);
}

static void spoil_the_payload(struct spec *spec, struct change *change) {
    change->inner.payload = spec_json(spec, json_object());
}

static void spoil_with_a_nonce(struct spec *spec, struct change *change) {
    change->inner.nonce = spec_nonce(spec);
}

static void spoil_with_a_weak_key(struct spec *spec, struct change *change) {
    EVP_PKEY *weak = EVP_RSA_gen(1024);

    if (spec_check(spec, weak != NULL, "no RSA key was made")) {
        (void)spec_keep(spec, weak, (void (*)(void *))EVP_PKEY_free);
        change->inner.key = change->key = weak;
        change->inner.alg = "RS256";
    }
}

static void spoil_the_outer_header(struct spec *spec, struct change *change) {
    (void)spec;
    change->outer.use_jwk = true;
}

struct refusal {
    void (*spoil)(struct spec *spec, struct change *change);
    unsigned status;
    const char *types;
};

static void is_refused_and_changes_nothing(struct spec *spec) {
    const struct refusal *refusal = spec_data(spec);
    struct change change = new_change(spec);

    refusal->spoil(spec, &change);
    (void)spec_problem(spec, send_change(spec, &change), refusal->status, refusal->types);
    (void)spec_fetch(spec, change.account, change.account->url); /* the old key is in force */
    (void)spec_problem(spec, look_up(spec, change.key)->answer, 400,
                       "accountDoesNotExist|badPublicKey");
}

/* data: NULL, or that 409 and Location are wanted too. */
static void a_key_of_an_account_is_refused(struct spec *spec) {
    const struct spec_account *other = spec_account(spec, KEY_P256);
    struct change change = change_to(spec, spec_account(spec, KEY_P256), other->key);
    const struct spec_answer *answer = send_change(spec, &change);

    if (spec_data(spec) != NULL) {
        (void)spec_status(spec, answer, 409);
        (void)spec_same(spec, "Location", spec_header(spec, answer, "Location"), other->url);
        return;
    }
    (void)spec_status(spec, answer, SPEC_4XX);
    (void)spec_fetch(spec, change.account, change.account->url);
    (void)spec_same(spec, "the account of the key", look_up(spec, other->key)->url, other->url);
}

/* ---- what goes on ---- */

static void orders_stay(struct spec *spec) {
    struct change change = new_change(spec);
    const struct spec_order *order = spec_order(spec, change.account, NULL);
    const struct spec_account *account = changed(spec, &change);
    const struct spec_answer *answer = spec_fetch(spec, account, order->url);

    (void)spec_same(spec, "status", spec_member(answer->json, "status"), "pending");
}

static void challenges_are_answered_with_the_new_key(struct spec *spec) {
    struct change change = new_change(spec);
    const struct spec_order *order = spec_order(spec, change.account, NULL);

    (void)spec_fetch(spec, change.account, order->authz[0]); /* its token is made */
    const struct spec_account *account = changed(spec, &change);
    (void)spec_prove(spec, account, order->authz[0], "http-01");
}

static const struct refusal refusals[] = {
    {spoil_nothing_but_jwk, SPEC_4XX, "malformed"},
    {spoil_the_signer, SPEC_4XX, "malformed|unauthorized"},
    {spoil_the_url, SPEC_4XX, "malformed|unauthorized"},
    {spoil_the_account, SPEC_4XX, "malformed|unauthorized"},
    {spoil_the_old_key, SPEC_4XX, "malformed|unauthorized"},
    {spoil_the_jws, 400, "malformed"},
    {spoil_the_payload, SPEC_4XX, "malformed"},
    {spoil_with_a_nonce, SPEC_4XX, "malformed"},
    {spoil_with_a_weak_key, SPEC_4XX, "badPublicKey|malformed"},
    {spoil_the_outer_header, SPEC_4XX, "malformed|unauthorized"},
};

#define KEYCHANGE .area = "keychange", .level = SPEC_MUST
#define REFUSAL KEYCHANGE, .run = is_refused_and_changes_nothing
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/7.3.5/1", .rows = "S-7.3.5-01 S-7.3.5-02", KEYCHANGE, .text = "A key change is 200, and the new key is the account's, whatever its type.", .run = the_new_key_is_the_accounts},
    {.id = "rfc8555/7.3.5/3", .rows = "S-7.3.5-03 S-7.3.5-05", KEYCHANGE, .text = "The old key signs for nobody and has no account.", .run = the_old_key_is_nobodys},
    {.id = "rfc8555/7.3.5/4", .rows = "S-7.3.5-04", KEYCHANGE, .text = "The new key finds the account.", .run = the_new_key_finds_the_account},
    {.id = "rfc8555/7.3.5/6", .rows = "S-7.3.5-06 S-7.3.5-20", REFUSAL, .text = "An inner JWS with kid in place of jwk is refused.", .data = &refusals[0]},
    {.id = "rfc8555/7.3.5/7", .rows = "S-7.3.5-07 S-7.3.5-20", REFUSAL, .text = "An inner JWS that its jwk does not verify is refused.", .data = &refusals[1]},
    {.id = "rfc8555/7.3.5/8", .rows = "S-7.3.5-08 S-7.3.5-20", REFUSAL, .text = "An inner JWS for another url is refused.", .data = &refusals[2]},
    {.id = "rfc8555/7.3.5/9", .rows = "S-7.3.5-09 S-7.3.5-20", REFUSAL, .text = "account is the account that asks.", .data = &refusals[3]},
    {.id = "rfc8555/7.3.5/10", .rows = "S-7.3.5-10 S-7.3.5-20", REFUSAL, .text = "oldKey is the account's key.", .data = &refusals[4]},
    {.id = "rfc8555/7.3.5/11", .rows = "S-7.3.5-11 S-7.3.5-20", KEYCHANGE, .text = "The key of another account is refused, and both keep theirs.", .run = a_key_of_an_account_is_refused},
    {.id = "rfc8555/7.3.5/12", .rows = "S-7.3.5-12 S-7.3.5-13", .area = "keychange", .level = SPEC_SHOULD, .text = "The key of another account is 409 with its Location.", .run = a_key_of_an_account_is_refused, .data = "409"},
    {.id = "rfc8555/7.3.5/14", .rows = "S-7.3.5-14 S-7.3.5-20", REFUSAL, .text = "A payload that is no JWS is malformed.", .data = &refusals[5]},
    {.id = "rfc8555/7.3.5/15", .rows = "S-7.3.5-15 S-7.3.5-20", REFUSAL, .text = "An inner payload without account and oldKey is refused.", .data = &refusals[6]},
    {.id = "rfc8555/7.3.5/16", .rows = "S-7.3.5-16", .area = "keychange", .level = SPEC_SHOULD, .text = "An inner JWS with a nonce is refused.", .run = is_refused_and_changes_nothing, .data = &refusals[7]},
    {.id = "rfc8555/7.3.5/17", .rows = "S-7.3.5-17", KEYCHANGE, .text = "Pending orders stay.", .run = orders_stay},
    {.id = "rfc8555/7.3.5/18", .rows = "S-7.3.5-18 S-7.3.5-20", REFUSAL, .text = "A key that no account may have is refused.", .data = &refusals[8]},
    {.id = "rfc8555/7.3.5/19", .rows = "S-7.3.5-19 S-7.3.5-20", REFUSAL, .text = "An outer JWS with jwk in place of kid is refused.", .data = &refusals[9]},
    {.id = "rfc8555/7.3.5/21", .rows = "S-7.3.5-21", KEYCHANGE, .text = "A challenge made before the change is answered with the new key's thumbprint.", .needs = NEED_HTTP01, .run = challenges_are_answered_with_the_new_key},
};
/* clang-format on */

const struct spec_area case_keychange = {cases, COUNT(cases)};
