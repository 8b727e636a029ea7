/* RFC 8555 sections 7.1.4, 7.1.6, 7.4.1, 7.5 and 7.5.2: authorizations. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

#define STATUSES "|pending|valid|invalid|deactivated|expired|revoked|"
#define HELD_MS 1500 /* how long the client's web server takes */

/* What 7.1.4 asks of every authorization object. */
static void check_object(struct spec *spec, const json_t *authz, const char *name,
                         const char *status) {
    const json_t *identifier = json_object_get(authz, "identifier");
    const json_t *challenges = json_object_get(authz, "challenges"), *one;
    const char *seen = spec_member(authz, "status");
    size_t i;

    (void)spec_check(spec,
                     seen[0] != '\0' && strstr(STATUSES, spec_text(spec, "|%s|", seen)) != NULL,
                     "the authorization has the status \"%s\"", seen);
    (void)spec_same(spec, "status of the authorization", seen, status);
    (void)spec_same(spec, "type of the identifier", spec_member(identifier, "type"), "dns");
    (void)spec_same(spec, "value of the identifier", spec_member(identifier, "value"), name);
    (void)spec_check(spec, json_is_array(challenges), "challenges is no array");
    (void)spec_check(spec, strcmp(seen, "pending") != 0 || json_array_size(challenges) > 0,
                     "a pending authorization without challenges");
    json_array_foreach(challenges, i, one) {
        (void)spec_check(spec,
                         spec_member(one, "type")[0] != '\0' && spec_is_url(spec_member(one, "url"))
                             && spec_member(one, "status")[0] != '\0',
                         "challenge %zu lacks type, url or status", i);
    }
}

static const char *name_of(const json_t *authz) {
    return spec_member(json_object_get(authz, "identifier"), "value");
}

static void check_no_wildcard(struct spec *spec, const json_t *authz) {
    const json_t *wildcard = json_object_get(authz, "wildcard");

    (void)spec_check(spec, wildcard == NULL || json_is_false(wildcard),
                     "wildcard is neither absent nor false");
    (void)spec_check(spec, strchr(name_of(authz), '*') == NULL, "the identifier has a \"*\"");
}

/* The status of the authorization's challenge of that type. */
static const char *challenge_status(const json_t *authz, const char *type) {
    return spec_member(spec_challenge(authz, type), "status");
}

static void a_new_authorization_is_pending(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *authz = spec_post_json(spec, order->account, order->authz[0], NULL);

    (void)spec_status(spec, authz, 200);
    check_object(spec, authz->json, order->name, "pending");
    check_no_wildcard(spec, authz->json);
}

static void a_valid_authorization_shows_how(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *pending = spec_fetch(spec, order->account, order->authz[0]);
    const struct spec_answer *authz = spec_prove(spec, order->account, order->authz[0], "http-01");
    uint64_t at = 0;

    (void)spec_check(spec, json_array_size(json_object_get(pending->json, "challenges")) > 1,
                     "one challenge is offered: nothing to choose from");
    check_object(spec, authz->json, order->name, "valid");
    check_no_wildcard(spec, authz->json);
    (void)spec_check(spec, clock_parse(spec_member(authz->json, "expires"), &at),
                     "expires of the valid authorization is \"%s\"",
                     spec_member(authz->json, "expires"));
    (void)spec_same(spec, "status of the challenge", challenge_status(authz->json, "http-01"),
                    "valid");
}

static void an_invalid_authorization_shows_why(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *authz = spec_fetch(spec, order->account, order->authz[0]);
    const json_t *challenge = spec_challenge(authz->json, "http-01");

    spec_http01(spec, spec_member(challenge, "token"), "another");
    (void)spec_post_json(spec, order->account, spec_member(challenge, "url"),
                         spec_pack(spec, "{}"));
    authz = spec_poll(spec, order->account, order->authz[0], "valid|invalid");
    check_object(spec, authz->json, order->name, "invalid");
    challenge = spec_challenge(authz->json, "http-01");
    (void)spec_same(spec, "status of the challenge", spec_member(challenge, "status"), "invalid");
    (void)spec_check(spec, spec_member(json_object_get(challenge, "error"), "type")[0] != '\0',
                     "the failed challenge has no error");
}

static void check_retry_after(struct spec *spec, const struct spec_answer *answer) {
    const char *text = spec_header(spec, answer, "Retry-After");
    size_t digits = strspn(text, "0123456789");

    (void)spec_check(spec, text[digits] == '\0' || strstr(text, " GMT") != NULL,
                     "Retry-After is \"%s\"", text);
}

/* The web server takes its time: what is seen of the authorization meanwhile. */
static void polling_is_answered(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *authz = spec_fetch(spec, order->account, order->authz[0]);
    const json_t *challenge = spec_challenge(authz->json, "http-01");
    const char *token = spec_member(challenge, "token"), *url = spec_member(challenge, "url");
    const char *text = spec_key_authorization(spec, order->account, token);
    bool decided = false;

    spec_http01_raw(spec, spec_http01_path(spec, token),
                    spec_text(spec,
                              "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                              "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                              strlen(text), text),
                    HELD_MS);
    (void)spec_status(spec, spec_post_json(spec, order->account, url, spec_pack(spec, "{}")), 200);
    for (unsigned i = 0; i < 5; i++) {
        authz = spec_post_json(spec, order->account, order->authz[0], NULL);
        (void)spec_status(spec, authz, 200);
        check_object(spec, authz->json, order->name, "pending");
        check_retry_after(spec, authz);
        spec_wait_ms(spec, 50);
    }
    while (!decided && !spec_over(spec)) {
        authz = spec_fetch(spec, order->account, order->authz[0]);
        decided = strcmp(spec_member(authz->json, "status"), "pending") != 0;
        spec_wait_ms(spec, 50);
    }
    check_object(spec, authz->json, order->name, "valid");
}

static void a_post_does_not_start_validation(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *authz = spec_fetch(spec, order->account, order->authz[0]);
    const char *token = spec_member(spec_challenge(authz->json, "http-01"), "token");
    const json_t *one;
    size_t i;

    spec_http01(spec, token, spec_key_authorization(spec, order->account, token));
    (void)spec_post_json(spec, order->account, order->authz[0], spec_pack(spec, "{}"));
    spec_wait_ms(spec, 500);
    authz = spec_fetch(spec, order->account, order->authz[0]);
    check_object(spec, authz->json, order->name, "pending");
    json_array_foreach(json_object_get(authz->json, "challenges"), i, one) {
        (void)spec_same(spec, "status of the challenge", spec_member(one, "status"), "pending");
    }
    struct spec_http01_seen seen = spec_http01_seen(spec, spec_http01_path(spec, token));
    (void)spec_check(spec, seen.count == 0, "%u requests came for the token", seen.count);
}

/* ---- deactivation ---- */

static const struct spec_answer *deactivate(struct spec *spec, const struct spec_order *order) {
    return spec_post_json(spec, order->account, order->authz[0],
                          spec_pack(spec, "{s:s}", "status", "deactivated"));
}

static void deactivation_is_answered(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_order *const orders[] = {spec_order(spec, account, NULL),
                                               spec_ready(spec, account, NULL)};

    for (unsigned i = 0; i < COUNT(orders); i++) {
        const struct spec_answer *answer = deactivate(spec, orders[i]);
        (void)spec_status(spec, answer, 200);
        (void)spec_same(spec, "status", spec_member(answer->json, "status"), "deactivated");
        answer = spec_fetch(spec, account, orders[i]->authz[0]);
        (void)spec_same(spec, "status", spec_member(answer->json, "status"), "deactivated");
    }
}

static void a_deactivated_authorization_issues_nothing(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_status(spec, deactivate(spec, order), 200);
    (void)spec_problem(spec, spec_finalize(spec, order, spec_csr(spec, NULL, order->name, NULL)),
                       SPEC_4XX, "orderNotReady|unauthorized");
    const struct spec_order *again = spec_order(spec, order->account, order->name);
    if (spec_over(spec)) {
        return;
    }
    (void)spec_check(spec, strcmp(again->authz[0], order->authz[0]) != 0,
                     "a new order has the deactivated authorization");
    check_object(spec, spec_fetch(spec, order->account, again->authz[0])->json, order->name,
                 "pending");
}

/* ---- wildcards ---- */

static void a_wildcard_is_authorized_by_its_base(struct spec *spec) {
    const char *name = spec_name(spec);
    const struct spec_order *order =
        spec_order(spec, spec_account(spec, KEY_P256), spec_text(spec, "*.%s", name));

    if (spec_over(spec)) {
        return;
    }
    const json_t *authz = spec_fetch(spec, order->account, order->authz[0])->json;
    check_object(spec, authz, name, "pending");
    (void)spec_check(spec, json_is_true(json_object_get(authz, "wildcard")),
                     "the authorization of a wildcard has no wildcard:true");
}

/* ---- newAuthz ---- */

static const struct spec_answer *new_authz(struct spec *spec, const struct spec_account *account,
                                           const char *type, const char *value) {
    return spec_post_json(
        spec, account, spec_url(spec, "newAuthz"),
        spec_pack(spec, "{s:{s:s, s:s}}", "identifier", "type", type, "value", value));
}

static void new_authz_gives_an_authorization(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);
    const struct spec_answer *answer = new_authz(spec, account, "dns", name);
    const char *url = spec_header(spec, answer, "Location");

    (void)spec_status(spec, answer, 201);
    (void)spec_check(spec, spec_is_url(url), "Location is \"%s\"", url);
    check_object(spec, answer->json, name, "pending");
    check_no_wildcard(spec, answer->json);
    check_object(spec, spec_fetch(spec, account, url)->json, name, "pending");
}

static void new_authz_refuses_wildcards(struct spec *spec) {
    const struct spec_answer *answer = new_authz(spec, spec_account(spec, KEY_P256), "dns",
                                                 spec_text(spec, "*.%s", spec_name(spec)));

    (void)spec_problem(spec, answer, SPEC_4XX, "*");
}

static void new_authz_refuses_with_403(struct spec *spec) {
    (void)spec_status(spec, new_authz(spec, spec_account(spec, KEY_P256), "zz", spec_name(spec)),
                      403);
}

static void a_prepared_authorization_is_used(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);
    const struct spec_answer *answer = new_authz(spec, account, "dns", name);
    const char *url = spec_header(spec, answer, "Location");

    (void)spec_status(spec, answer, 201);
    (void)spec_prove(spec, account, url, "http-01");
    const struct spec_order *order = spec_order(spec, account, name);
    if (spec_over(spec)) {
        return;
    }
    (void)spec_same(spec, "status of the order", spec_member(order->answer->json, "status"),
                    "ready");
    (void)spec_same(spec, "authorization of the order", order->authz[0], url);
    (void)spec_complete(spec, order, NULL);
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/7.1.3/9", .rows = "S-7.1.3-09 S-7.1.3-10 S-7.1.4-10", .area = "authz", .level = SPEC_MUST, .text = "The authorization of a wildcard is for its base, with wildcard:true.", .needs = NEED_DNS, .run = a_wildcard_is_authorized_by_its_base},
    {.id = "rfc8555/7.1.4/1", .rows = "S-7.1.4-01 S-7.1.4-02 S-7.1.4-04 S-7.1.4-07 S-7.1.6-02 S-7.5-01", .area = "authz", .level = SPEC_MUST, .text = "A new authorization is pending and has the form.", .run = a_new_authorization_is_pending},
    {.id = "rfc8555/7.1.4/3", .rows = "S-7.1.4-02 S-7.1.4-03 S-7.1.4-05 S-7.5.1-04 S-8-07", .area = "authz", .level = SPEC_MUST, .text = "One challenge of several makes it valid, and a valid one shows its challenge and end.", .needs = NEED_HTTP01, .run = a_valid_authorization_shows_how},
    {.id = "rfc8555/7.1.4/6", .rows = "S-7.1.4-06 S-7.1.6-05 S-7.5.1-05", .area = "authz", .level = SPEC_MUST, .text = "A failed challenge makes it invalid and stays, with its error.", .needs = NEED_HTTP01, .run = an_invalid_authorization_shows_why},
    {.id = "rfc8555/7.4.1/1", .rows = "S-7.4.1-01 S-7.4.1-02 S-7.4.1-05 S-7.4.1-06", .area = "authz", .level = SPEC_MUST, .text = "newAuthz gives 201, Location and a pending authorization for the identifier.", .needs = NEED_NEW_AUTHZ, .run = new_authz_gives_an_authorization},
    {.id = "rfc8555/7.4.1/3", .rows = "S-7.4.1-03", .area = "authz", .level = SPEC_MUST, .text = "newAuthz refuses wildcards.", .needs = NEED_NEW_AUTHZ, .run = new_authz_refuses_wildcards},
    {.id = "rfc8555/7.4.1/4", .rows = "S-7.4.1-04", .area = "authz", .level = SPEC_SHOULD, .text = "newAuthz refuses an unacceptable identifier with 403.", .needs = NEED_NEW_AUTHZ, .run = new_authz_refuses_with_403},
    {.id = "rfc8555/7.4.1/7", .rows = "S-7.4.1-07 S-7.1.3-11", .area = "authz", .level = SPEC_MAY, .text = "A valid pre-authorization makes a later order ready, which lists it.", .needs = NEED_NEW_AUTHZ | NEED_HTTP01, .run = a_prepared_authorization_is_used},
    {.id = "rfc8555/7.5.1/6", .rows = "S-7.5.1-06 S-7.5.1-07", .area = "authz", .level = SPEC_MUST, .text = "While validation is going on the authorization is answered with 200.", .needs = NEED_HTTP01, .run = polling_is_answered},
    {.id = "rfc8555/7.5.1/10", .rows = "S-7.5.1-10", .area = "authz", .level = SPEC_MUST, .text = "{} to the authorization starts no validation.", .needs = NEED_HTTP01, .run = a_post_does_not_start_validation},
    {.id = "rfc8555/7.5.2/1", .rows = "S-7.5.2-01", .area = "authz", .level = SPEC_SHOULD, .text = "Deactivation gives 200 and status deactivated.", .needs = NEED_HTTP01, .run = deactivation_is_answered},
    {.id = "rfc8555/7.5.2/3", .rows = "S-7.5.2-03", .area = "authz", .level = SPEC_MUST, .text = "A deactivated authorization issues nothing, now or later.", .needs = NEED_HTTP01, .run = a_deactivated_authorization_issues_nothing},
};
/* clang-format on */

const struct spec_area case_authz = {cases, COUNT(cases)};
