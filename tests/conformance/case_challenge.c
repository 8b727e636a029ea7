/* RFC 8555 sections 7.5.1, 8, 8.1 and 8.2: challenges, whatever their type. */
#include <string.h>

#include "common/b64.h"
#include "common/key.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

#define TOKENS 20
#define TOKEN_TEXT_MIN 22 /* base64url of 128 bits */
#define KEYS_TRIED 20000
#define AT_ONCE_MS 2500 /* well before the next attempt of a target with retries */

static const struct spec_trial *http01(struct spec *spec) {
    return spec_trial(spec, spec_order(spec, spec_account(spec, KEY_P256), NULL), "http-01");
}

static const struct spec_answer *respond(struct spec *spec, const struct spec_trial *trial) {
    return spec_post_json(spec, trial->account, trial->url, spec_pack(spec, "{}"));
}

static bool is_utc(const char *text) {
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    size_t len = sizeof(form) - 1;

    for (size_t i = 0; i < len; i++) {
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i]) {
            return false;
        }
    }
    if (text[len] == '.') {
        len += 1 + strspn(text + len + 1, "0123456789");
    }
    return strcmp(text + len, "Z") == 0 || strspn(text + len, "+-0123456789:") == strlen("+00:00");
}

/* ---- objects ---- */

static void judge_challenge(struct spec *spec, const json_t *challenge) {
    const char *type = spec_member(challenge, "type"), *status = spec_member(challenge, "status");
    bool pending = strcmp(status, "pending") == 0, valid = strcmp(status, "valid") == 0;
    bool undecided = strcmp(status, "processing") == 0, invalid = strcmp(status, "invalid") == 0;
    const json_t *error = json_object_get(challenge, "error");

    (void)spec_check(spec, type[0] != '\0', "a challenge without a type");
    (void)spec_check(spec, spec_is_url(spec_member(challenge, "url")), "the url of %s is \"%s\"",
                     type, spec_member(challenge, "url"));
    (void)spec_check(spec, pending || undecided || valid || invalid, "the status of %s is \"%s\"",
                     type, status);
    (void)spec_check(spec, error == NULL || undecided || invalid, "a %s %s has an error", status,
                     type);
    (void)spec_check(spec, !valid || is_utc(spec_member(challenge, "validated")),
                     "validated of a valid %s is \"%s\"", type,
                     spec_member(challenge, "validated"));
}

static void judge_challenges(struct spec *spec, const struct spec_answer *authz) {
    const json_t *challenge;
    size_t i;

    (void)spec_check(spec, json_array_size(json_object_get(authz->json, "challenges")) > 0,
                     "an authorization without challenges");
    json_array_foreach(json_object_get(authz->json, "challenges"), i, challenge) {
        judge_challenge(spec, challenge);
    }
}

static void a_new_challenge_is_pending(struct spec *spec) {
    const struct spec_trial *trial = http01(spec);
    const struct spec_answer *authz = spec_fetch(spec, trial->account, trial->authz);
    const json_t *challenge;
    size_t i;

    judge_challenges(spec, authz);
    json_array_foreach(json_object_get(authz->json, "challenges"), i, challenge) {
        (void)spec_same(spec, "status", spec_member(challenge, "status"), "pending");
    }
}

static void challenges_are_what_8_says(struct spec *spec) {
    const struct spec_trial *good = http01(spec), *bad = http01(spec);

    judge_challenges(spec, spec_fetch(spec, good->account, good->authz));
    spec_http01(spec, good->token, good->key_authorization);
    judge_challenges(spec, spec_try_valid(spec, good));
    judge_challenges(spec, spec_try(spec, bad));
}

static void a_valid_challenge_has_validated(struct spec *spec) {
    const struct spec_trial *trial = http01(spec);

    spec_http01(spec, trial->token, trial->key_authorization);
    const struct spec_answer *authz = spec_try_valid(spec, trial);
    const json_t *challenge = spec_trial_challenge(trial, authz->json);
    (void)spec_check(spec, is_utc(spec_member(challenge, "validated")), "validated is \"%s\"",
                     spec_member(challenge, "validated"));
    (void)spec_check(spec, json_object_get(challenge, "error") == NULL,
                     "a valid challenge has an error");
}

static void an_invalid_challenge_has_a_problem(struct spec *spec) {
    const struct spec_trial *trial = http01(spec);
    const struct spec_answer *authz =
        spec_try_invalid(spec, trial, "incorrectResponse|unauthorized|connection");
    const json_t *error = json_object_get(spec_trial_challenge(trial, authz->json), "error");

    (void)spec_check(spec, json_is_object(error), "error is no object");
    (void)spec_check(spec, spec_member(error, "detail")[0] != '\0', "error has no detail");
}

static void a_challenge_links_up(struct spec *spec) {
    const struct spec_trial *trial = http01(spec);

    (void)spec_same(spec, "the up link",
                    spec_link(spec, spec_fetch(spec, trial->account, trial->url), "up", NULL),
                    trial->authz);
    (void)spec_same(spec, "the up link of a response",
                    spec_link(spec, respond(spec, trial), "up", NULL), trial->authz);
}

/* ---- responses ---- */

static void reading_starts_nothing(struct spec *spec) {
    const struct spec_trial *trial = http01(spec);
    const char *path = spec_http01_path(spec, trial->token);

    spec_http01(spec, trial->token, trial->key_authorization);
    (void)spec_fetch(spec, trial->account, trial->url);
    (void)spec_same(spec, "status after POST-as-GET",
                    spec_member(spec_fetch(spec, trial->account, trial->url)->json, "status"),
                    "pending");
    spec_wait_ms(spec, 300);
    (void)spec_same(spec, "status a while later",
                    spec_member(spec_fetch(spec, trial->account, trial->url)->json, "status"),
                    "pending");
    (void)spec_check(spec, spec_http01_seen(spec, path).count == 0,
                     "POST-as-GET started a validation");
    (void)spec_try_valid(spec, trial);
}

static void a_response_is_answered_with_the_challenge(struct spec *spec) {
    const struct spec_trial *trial = http01(spec);

    spec_http01(spec, trial->token, trial->key_authorization);
    const struct spec_answer *answer = respond(spec, trial);
    (void)spec_status(spec, answer, 200);
    (void)spec_same(spec, "url", spec_member(answer->json, "url"), trial->url);
    (void)spec_same(spec, "type", spec_member(answer->json, "type"), "http-01");
    (void)spec_same(spec, "token", spec_member(answer->json, "token"), trial->token);
    judge_challenge(spec, answer->json);
    const struct spec_answer *authz =
        spec_poll(spec, trial->account, trial->authz, "valid|invalid");
    (void)spec_same(spec, "status", spec_member(authz->json, "status"), "valid");
}

static void unknown_members_are_ignored(struct spec *spec) {
    const struct spec_trial *trial = http01(spec);

    spec_http01(spec, trial->token, trial->key_authorization);
    (void)spec_status(
        spec,
        spec_post_json(spec, trial->account, trial->url,
                       spec_pack(spec, "{s:i, s:s}", "zz", 1, "keyAuthorization", "x")),
        200);
    const struct spec_answer *authz =
        spec_poll(spec, trial->account, trial->authz, "valid|invalid");
    (void)spec_same(spec, "status", spec_member(authz->json, "status"), "valid");
}

static void what_is_no_object_is_no_response(struct spec *spec) {
    static const char *const payloads[] = {"[]", "\"x\"", "1", "{", "null"};
    const struct spec_trial *trial = http01(spec);

    for (unsigned i = 0; i < COUNT(payloads); i++) {
        const struct spec_post post = {.url = trial->url,
                                       .account = trial->account,
                                       .bytes = payloads[i],
                                       .bytes_len = strlen(payloads[i])};
        (void)spec_problem(spec, spec_post(spec, &post), SPEC_4XX, "malformed");
    }
    (void)spec_same(spec, "status",
                    spec_member(spec_fetch(spec, trial->account, trial->url)->json, "status"),
                    "pending");
}

static void what_is_decided_stays(struct spec *spec, const struct spec_trial *trial,
                                  const char *status) {
    const struct spec_answer *answer = respond(spec, trial);

    (void)spec_check(spec, answer->status / 100 == 2 || answer->status / 100 == 4,
                     "a response to what is %s: status %u", status, answer->status);
    spec_wait_ms(spec, 300);
    const struct spec_answer *authz = spec_fetch(spec, trial->account, trial->authz);
    (void)spec_same(spec, "status of the authorization", spec_member(authz->json, "status"),
                    status);
    (void)spec_same(spec, "status of the challenge",
                    spec_member(spec_trial_challenge(trial, authz->json), "status"), status);
}

static void a_final_authorization_is_not_reopened(struct spec *spec) {
    const struct spec_trial *good = http01(spec), *bad = http01(spec);

    spec_http01(spec, good->token, good->key_authorization);
    (void)spec_try_valid(spec, good);
    spec_http01(spec, good->token, "something else");
    what_is_decided_stays(spec, good, "valid");
    (void)spec_try_invalid(spec, bad, "incorrectResponse|unauthorized|connection");
    spec_http01(spec, bad->token, bad->key_authorization);
    what_is_decided_stays(spec, bad, "invalid");
}

/* ---- tokens and key authorizations ---- */

static void tokens_are_strong(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *tokens[TOKENS];

    for (unsigned i = 0; i < TOKENS; i++) {
        tokens[i] = spec_trial(spec, spec_order(spec, account, NULL), spec_data(spec))->token;
        (void)spec_check(spec, strlen(tokens[i]) >= TOKEN_TEXT_MIN,
                         "token \"%s\" is shorter than %d characters", tokens[i], TOKEN_TEXT_MIN);
        (void)spec_check(spec, b64_is(tokens[i], strlen(tokens[i])), "token \"%s\" is no base64url",
                         tokens[i]);
        for (unsigned j = 0; j < i; j++) {
            (void)spec_check(spec, strcmp(tokens[i], tokens[j]) != 0, "token \"%s\" came twice",
                             tokens[i]);
        }
    }
}

static void prove_with(struct spec *spec, EVP_PKEY *key, const json_t *jwk) {
    const struct spec_post post = {.url = spec_url(spec, "newAccount"),
                                   .key = key,
                                   .jwk = jwk,
                                   .payload = spec_pack(spec, "{s:b}", "termsOfServiceAgreed", 1)};
    const struct spec_answer *answer = spec_post(spec, &post);
    const struct spec_account account = {
        .key = key, .url = spec_header(spec, answer, "Location"), .answer = answer};

    (void)spec_status(spec, answer, 201);
    const struct spec_order *order = spec_order(spec, &account, NULL);
    (void)spec_prove(spec, &account, order->authz_count == 0 ? "" : order->authz[0], "http-01");
}

static void the_thumbprint_is_of_sorted_members(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    const json_t *jwk = spec_jwk(spec, key);

    prove_with(spec, key,
               spec_pack(spec, "{s:s, s:s, s:s, s:s, s:s}", "y", spec_member(jwk, "y"), "use",
                         "sig", "x", spec_member(jwk, "x"), "kty", "EC", "crv", "P-256"));
}

static void release_key(void *key) { EVP_PKEY_free(key); }

/* A P-256 key whose x begins with an octet of zero: one of 256. */
static EVP_PKEY *key_of_short_x(struct spec *spec) {
    unsigned char point[KEY_POINT_MAX] = {0};
    struct err err = {0};

    for (unsigned i = 0; i < KEYS_TRIED; i++) {
        EVP_PKEY *key = key_generate(KEY_P256, &err);
        if (key != NULL && key_point(key, KEY_P256, point, &err) && point[1] == 0) {
            return spec_keep(spec, key, release_key);
        }
        EVP_PKEY_free(key);
    }
    spec_fail(spec, "no key begins with zero");
    return spec_key(spec, KEY_P256);
}

static void zeros_of_coordinates_are_kept(struct spec *spec) {
    EVP_PKEY *key = key_of_short_x(spec);

    (void)spec_check(spec, strncmp(spec_member(spec_jwk(spec, key), "x"), "A", 1) == 0,
                     "x does not begin with zero");
    prove_with(spec, key, spec_jwk(spec, key));
}

/* ---- retries; the target repeats a failed query some seconds later ---- */

/* The challenge, once its first query has failed. */
static const struct spec_answer *failed_once(struct spec *spec, const struct spec_trial *trial) {
    const struct spec_answer *answer = respond(spec, trial);

    (void)spec_status(spec, answer, 200);
    while (!spec_over(spec) && json_object_get(answer->json, "error") == NULL) {
        spec_wait_ms(spec, 30);
        answer = spec_fetch(spec, trial->account, trial->url);
    }
    (void)spec_same(spec, "status after a failed query", spec_member(answer->json, "status"),
                    "processing");
    return answer;
}

static const struct spec_trial *fails_at_first(struct spec *spec) {
    const struct spec_trial *trial = http01(spec);

    spec_http01_raw(spec, spec_http01_path(spec, trial->token),
                    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 0);
    return trial;
}

static void a_failed_query_is_repeated(struct spec *spec) {
    const struct spec_trial *trial = fails_at_first(spec);

    (void)failed_once(spec, trial);
    spec_http01(spec, trial->token, trial->key_authorization);
    const struct spec_answer *authz =
        spec_poll(spec, trial->account, trial->authz, "valid|invalid");
    (void)spec_same(spec, "status", spec_member(authz->json, "status"), "valid");
    judge_challenges(spec, authz);
}

static void a_failed_query_is_told(struct spec *spec) {
    const struct spec_answer *answer = failed_once(spec, fails_at_first(spec));
    const char *type = spec_member(json_object_get(answer->json, "error"), "type");

    (void)spec_check(spec, strncmp(type, "urn:ietf:params:acme:error:", 27) == 0,
                     "the error's type is \"%s\"", type);
    judge_challenge(spec, answer->json);
}

static void retry_after_is_given(struct spec *spec) {
    const struct spec_answer *answer = failed_once(spec, fails_at_first(spec));
    const char *text = spec_header(spec, answer, "Retry-After");

    (void)spec_check(spec, (text[0] >= '1' && text[0] <= '9') || strstr(text, "GMT") != NULL,
                     "Retry-After is \"%s\"", text);
}

static void a_response_hastens_the_next_query(struct spec *spec) {
    const struct spec_trial *trial = fails_at_first(spec);
    const char *path = spec_http01_path(spec, trial->token);
    unsigned waited_ms = 0;

    (void)failed_once(spec, trial);
    unsigned before = spec_http01_seen(spec, path).count;
    (void)spec_status(spec, respond(spec, trial), 200);
    for (;
         waited_ms < AT_ONCE_MS && spec_http01_seen(spec, path).count == before && !spec_over(spec);
         waited_ms += 20) {
        spec_wait_ms(spec, 20);
    }
    (void)spec_check(spec, waited_ms < AT_ONCE_MS, "no query within %d ms of a second response",
                     AT_ONCE_MS);
    for (unsigned i = 0; i < 10; i++) { /* but not for every one of many */
        (void)spec_status(spec, respond(spec, trial), 200);
    }
    spec_wait_ms(spec, 300);
    unsigned after = spec_http01_seen(spec, path).count;
    (void)spec_check(spec, after <= before + 2, "12 responses made %u queries", after);
}

/* clang-format off */
#define HTTP01 .area = "challenge", .needs = NEED_HTTP01
#define RETRIES .area = "challenge", .needs = NEED_HTTP01 | NEED_RETRIES
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.3/10", .rows = "S-6.3-10", HTTP01, .level = SPEC_MUST, .text = "POST-as-GET of a challenge starts no validation.", .run = reading_starts_nothing},
    {.id = "rfc8555/7.1/2", .rows = "S-7.1-02", HTTP01, .level = SPEC_SHOULD, .text = "A challenge links up to its authorization.", .run = a_challenge_links_up},
    {.id = "rfc8555/7.1.6/1", .rows = "S-7.1.6-01", HTTP01, .level = SPEC_MUST, .text = "A new challenge is pending.", .run = a_new_challenge_is_pending},
    {.id = "rfc8555/7.5.1/1", .rows = "S-7.5.1-01", HTTP01, .level = SPEC_MUST, .text = "A response is answered 200 with the challenge.", .run = a_response_is_answered_with_the_challenge},
    {.id = "rfc8555/7.5.1/2", .rows = "S-7.5.1-02", HTTP01, .level = SPEC_MUST, .text = "Unknown members of a response are ignored.", .run = unknown_members_are_ignored},
    {.id = "rfc8555/7.5.1/3", .rows = "S-7.5.1-03", HTTP01, .level = SPEC_MUST, .text = "A response that is no object is refused and changes nothing.", .run = what_is_no_object_is_no_response},
    {.id = "rfc8555/7.5.1/9", .rows = "S-7.5.1-09", HTTP01, .level = SPEC_MUST, .text = "A response reopens no final authorization.", .run = a_final_authorization_is_not_reopened},
    {.id = "rfc8555/8/1", .rows = "S-8-01 S-8-02 S-8-04", HTTP01, .level = SPEC_MUST, .text = "Challenges have type, url and a known status; only processing and invalid ones have an error.", .run = challenges_are_what_8_says},
    {.id = "rfc8555/8/3", .rows = "S-8-03", HTTP01, .level = SPEC_MUST, .text = "A valid challenge has validated, a time.", .run = a_valid_challenge_has_validated},
    {.id = "rfc8555/8/5", .rows = "S-8-05 S-8-06", HTTP01, .level = SPEC_MUST, .text = "An invalid challenge has an error, a problem document of ACME.", .run = an_invalid_challenge_has_a_problem},
    {.id = "rfc8555/8.1/1", .rows = "S-8.1-01", .area = "challenge", .needs = NEED_HTTP01 | NEED_NO_EAB, .level = SPEC_MUST, .text = "The thumbprint does not depend on how the account's JWK was written.", .run = the_thumbprint_is_of_sorted_members},
    {.id = "rfc8555/8.1/2", .rows = "S-8.1-02", .area = "challenge", .needs = NEED_HTTP01 | NEED_NO_EAB, .level = SPEC_MUST, .text = "Zero octets at the start of a coordinate are in the thumbprint.", .run = zeros_of_coordinates_are_kept},
    {.id = "rfc8555/8.2/1", .rows = "S-8.2-01", RETRIES, .level = SPEC_SHOULD, .text = "A failed query is repeated, and may succeed.", .run = a_failed_query_is_repeated},
    {.id = "rfc8555/8.2/2", .rows = "S-8.2-02", RETRIES, .level = SPEC_MUST, .text = "After a failed query the processing challenge has an error.", .run = a_failed_query_is_told},
    {.id = "rfc8555/8.2/3", .rows = "S-8.2-03", RETRIES, .level = SPEC_MUST, .text = "While queries are repeated the challenge has Retry-After.", .run = retry_after_is_given},
    {.id = "rfc8555/8.2/4", .rows = "S-8.2-04", RETRIES, .level = SPEC_SHOULD, .text = "Another response makes the next query at once, many do not make many.", .run = a_response_hastens_the_next_query},
    {.id = "rfc8555/8.3/1", .rows = "S-8.3-01 S-8.3-02", HTTP01, .level = SPEC_MUST, .text = "Tokens of http-01 have 128 bits, in base64url.", .run = tokens_are_strong, .data = "http-01"},
    {.id = "rfc8737/3/1", .rows = "X-8737-3-01", .area = "tls-alpn", .needs = NEED_TLSALPN01, .level = SPEC_MUST, .text = "Tokens of tls-alpn-01 have 128 bits, in base64url.", .run = tokens_are_strong, .data = "tls-alpn-01"},
};
/* clang-format on */

const struct spec_area case_challenge = {cases, COUNT(cases)};
