/* RFC 8555 sections 7.1.3, 7.1.6 and 7.4: the order object and what it lives through. */
#include <string.h>
#include <time.h>

#include <openssl/x509v3.h>

#include "common/clock.h"
#include "common/ossl.h"
#include "common/x509.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

#define US_PER_S 1000000ull
#define HOUR_S 3600
#define DAY_S 86400
#define YEARS_S (100ll * 365 * DAY_S) /* longer than anybody certifies */

/* ---- the object ---- */

static bool is_one_of(const char *list, const char *word) {
    const char *at = strstr(list, word);
    size_t len = strlen(word);

    return len > 0 && at != NULL && (at == list || at[-1] == '|')
           && (at[len] == '\0' || at[len] == '|');
}

/* What 7.1.3 asks of every order object, with the status it has to have. */
static void check_object(struct spec *spec, const json_t *order, const char *status) {
    const char *seen = spec_member(order, "status"), *expires = spec_member(order, "expires");
    const json_t *authzs = json_object_get(order, "authorizations"), *authz;
    uint64_t at = 0;
    size_t i;

    (void)spec_check(spec, is_one_of("pending|ready|processing|valid|invalid", seen),
                     "the order has the status \"%s\"", seen);
    (void)spec_check(spec, is_one_of(status, seen), "the order is \"%s\", expected %s", seen,
                     status);
    (void)spec_check(spec, !is_one_of("pending|valid", seen) || clock_parse(expires, &at),
                     "expires of the %s order is \"%s\"", seen, expires);
    (void)spec_check(spec, json_array_size(json_object_get(order, "identifiers")) > 0,
                     "the %s order has no identifiers", seen);
    (void)spec_check(spec, json_is_array(authzs) && json_array_size(authzs) > 0,
                     "the %s order has no authorizations", seen);
    json_array_foreach(authzs, i, authz) {
        (void)spec_check(spec, json_is_string(authz) && spec_is_url(json_string_value(authz)),
                         "authorization %zu of the %s order is no URL", i, seen);
    }
    (void)spec_check(spec, spec_is_url(spec_member(order, "finalize")),
                     "finalize of the %s order is \"%s\"", seen, spec_member(order, "finalize"));
    (void)spec_check(spec,
                     strcmp(seen, "valid") != 0 || spec_is_url(spec_member(order, "certificate")),
                     "certificate of the valid order is \"%s\"", spec_member(order, "certificate"));
}

static void a_new_order_has_the_form(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_check(spec, spec_is_url(order->url), "Location is \"%s\"", order->url);
    check_object(spec, order->answer->json, "pending");
    check_object(spec, spec_fetch(spec, order->account, order->url)->json, "pending");
}

/* The wanted identifiers and no others, in any order. */
static void check_identifiers(struct spec *spec, const json_t *order, const char *const *names,
                              size_t count) {
    const json_t *list = json_object_get(order, "identifiers"), *one;
    size_t i;

    (void)spec_check(spec, json_array_size(list) == count, "%zu identifiers, expected %zu",
                     json_array_size(list), count);
    for (size_t n = 0; n < count; n++) {
        bool found = false;
        json_array_foreach(list, i, one) {
            found = found
                    || (strcmp(spec_member(one, "type"), "dns") == 0
                        && strcasecmp(spec_member(one, "value"), names[n]) == 0);
        }
        (void)spec_check(spec, found, "%s is not among the identifiers", names[n]);
    }
}

static void the_identifiers_are_those_asked_for(struct spec *spec) {
    const char *names[] = {spec_name(spec), spec_name(spec)};
    const struct spec_order *order = spec_order_of(
        spec, spec_account(spec, KEY_P256), spec_identifiers(spec, names[0], names[1], NULL));

    check_identifiers(spec, order->answer->json, names, COUNT(names));
    check_identifiers(spec, spec_fetch(spec, order->account, order->url)->json, names,
                      COUNT(names));
}

static void check_same_arrays(struct spec *spec, const json_t *first, const json_t *later) {
    static const char *const arrays[] = {"identifiers", "authorizations"};

    for (unsigned i = 0; i < COUNT(arrays); i++) {
        (void)spec_check(
            spec, json_equal(json_object_get(first, arrays[i]), json_object_get(later, arrays[i])),
            "%s changed until the order was \"%s\"", arrays[i], spec_member(later, "status"));
    }
}

/* From pending to valid: each state has the form, and nothing in it changes that may not. */
static void an_order_keeps_its_form(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_order *order = spec_order(spec, account, NULL);
    const json_t *first = order->answer->json;

    (void)spec_prove(spec, account, order->authz[0], "http-01");
    const struct spec_answer *ready = spec_poll(spec, account, order->url, "ready|invalid");
    check_object(spec, ready->json, "ready");
    check_same_arrays(spec, first, ready->json);
    const struct spec_answer *answer =
        spec_finalize(spec, order, spec_csr(spec, NULL, order->name, NULL));
    (void)spec_status(spec, answer, 200);
    check_object(spec, answer->json, "processing|valid");
    check_same_arrays(spec, first, answer->json);
    const struct spec_answer *valid = spec_poll(spec, account, order->url, "valid|invalid");
    check_object(spec, valid->json, "valid");
    check_same_arrays(spec, first, valid->json);
    for (unsigned i = 0; i < 5; i++) { /* and it stays so */
        check_object(spec, spec_fetch(spec, account, order->url)->json, "valid");
    }
}

static void two_authorizations_make_it_ready(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_order *order = spec_order_of(
        spec, account, spec_identifiers(spec, spec_name(spec), spec_name(spec), NULL));

    (void)spec_check(spec, order->authz_count == 2, "%u authorizations for two names",
                     order->authz_count);
    if (spec_over(spec)) {
        return;
    }
    (void)spec_prove(spec, account, order->authz[0], "http-01");
    (void)spec_same(spec, "status after one of two",
                    spec_member(spec_fetch(spec, account, order->url)->json, "status"), "pending");
    (void)spec_prove(spec, account, order->authz[1], "http-01");
    const struct spec_answer *ready = spec_poll(spec, account, order->url, "ready|invalid");
    (void)spec_same(spec, "status after both", spec_member(ready->json, "status"), "ready");
}

/* ---- failure ---- */

/* http-01 with an answer that is not the key authorization; the authorization as it became. */
static const struct spec_answer *fail_http01(struct spec *spec, const struct spec_order *order) {
    const struct spec_answer *authz = spec_fetch(spec, order->account, order->authz[0]);
    const json_t *challenge = spec_challenge(authz->json, "http-01");

    spec_http01(spec, spec_member(challenge, "token"), "not.the-key-authorization");
    (void)spec_status(
        spec,
        spec_post_json(spec, order->account, spec_member(challenge, "url"), spec_pack(spec, "{}")),
        200);
    return spec_poll(spec, order->account, order->authz[0], "valid|invalid");
}

static void a_failed_authorization_ends_the_order(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *authz = fail_http01(spec, order);

    (void)spec_same(spec, "status of the authorization", spec_member(authz->json, "status"),
                    "invalid");
    const struct spec_answer *ended =
        spec_poll(spec, order->account, order->url, "invalid|valid|ready");
    check_object(spec, ended->json, "invalid");
    check_same_arrays(spec, order->answer->json, ended->json);
    const json_t *error = json_object_get(ended->json, "error");
    (void)spec_check(
        spec,
        error == NULL
            || (json_is_object(error)
                && strncmp(spec_member(error, "type"), "urn:ietf:params:acme:error:", 27) == 0),
        "the error of the invalid order is no problem document");
    (void)spec_problem(spec, spec_finalize(spec, order, spec_csr(spec, NULL, order->name, NULL)),
                       403, "orderNotReady");
}

/* Neither the right answer nor another response brings back what has failed. */
static void invalid_is_final(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *authz = fail_http01(spec, order);
    const json_t *challenge = spec_challenge(authz->json, "http-01");
    const char *url = spec_member(challenge, "url"), *token = spec_member(challenge, "token");

    (void)spec_same(spec, "status of the authorization", spec_member(authz->json, "status"),
                    "invalid");
    spec_http01(spec, token, spec_key_authorization(spec, order->account, token));
    (void)spec_post_json(spec, order->account, url, spec_pack(spec, "{}"));
    for (unsigned i = 0; i < 5; i++) {
        const json_t *now = spec_fetch(spec, order->account, order->authz[0])->json;
        (void)spec_same(spec, "status of the authorization", spec_member(now, "status"), "invalid");
        check_object(spec, spec_fetch(spec, order->account, order->url)->json, "invalid");
        spec_wait_ms(spec, 60);
    }
}

static void a_deactivated_authorization_ends_the_order(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_status(spec,
                      spec_post_json(spec, order->account, order->authz[0],
                                     spec_pack(spec, "{s:s}", "status", "deactivated")),
                      200);
    const struct spec_answer *ended = spec_poll(spec, order->account, order->url, "invalid|valid");
    check_object(spec, ended->json, "invalid");
    (void)spec_problem(spec, spec_finalize(spec, order, spec_csr(spec, NULL, order->name, NULL)),
                       SPEC_4XX, "orderNotReady|unauthorized");
}

static void an_expired_order_is_invalid(struct spec *spec) {
    const struct spec_order *pending = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_order *ready = spec_ready(spec, pending->account, NULL);
    const struct spec_order *const orders[] = {pending, ready};

    for (unsigned i = 0; i < COUNT(orders); i++) {
        const struct spec_answer *ended =
            spec_poll(spec, pending->account, orders[i]->url, "invalid|valid");
        check_object(spec, ended->json, "invalid");
        (void)spec_problem(
            spec, spec_finalize(spec, orders[i], spec_csr(spec, NULL, orders[i]->name, NULL)), 403,
            "orderNotReady");
    }
}

/* ---- time ---- */

static void expires_is_ahead(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const char *date = spec_header(spec, order->answer, "Date");
    const char *expires = spec_member(order->answer->json, "expires");
    uint64_t at = 0;
    struct tm now = {0};

    if (!spec_check(spec, strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &now) != NULL,
                    "Date is \"%s\"", date)) {
        return;
    }
    (void)spec_check(spec, clock_parse(expires, &at), "expires is \"%s\"", expires);
    (void)spec_check(spec, (int64_t)(at / US_PER_S) > (int64_t)timegm(&now),
                     "expires %s is not after Date %s", expires, date);
}

/* The instant that many seconds from now, in whole seconds. */
static uint64_t ahead_us(int64_t seconds) {
    return (uint64_t)((int64_t)(clock_wall_us() / US_PER_S) + seconds) * US_PER_S;
}

static const struct spec_answer *order_between(struct spec *spec,
                                               const struct spec_account *account, const char *name,
                                               const char *not_before, const char *not_after) {
    json_t *payload = spec_identifiers(spec, name, NULL);

    if (not_before != NULL) {
        (void)json_object_set_new(payload, "notBefore", json_string(not_before));
    }
    if (not_after != NULL) {
        (void)json_object_set_new(payload, "notAfter", json_string(not_after));
    }
    return spec_post_json(spec, account, spec_url(spec, "newOrder"), payload);
}

/* The member is that very instant. */
static void check_instant(struct spec *spec, const json_t *order, const char *name,
                          uint64_t wanted) {
    const char *text = spec_member(order, name);
    uint64_t at = 0;

    (void)spec_check(spec, clock_parse(text, &at) && at == wanted,
                     "%s is \"%s\", expected %llu s since the epoch", name, text,
                     (unsigned long long)(wanted / US_PER_S));
}

/* Refused, or exactly as asked: never something else. */
static void taken_as_asked_or_refused(struct spec *spec, const struct spec_account *account,
                                      uint64_t from, uint64_t to, const char *from_text,
                                      const char *to_text) {
    const struct spec_answer *answer =
        order_between(spec, account, spec_name(spec), from_text, to_text);

    if (answer->status >= 400) {
        (void)spec_problem(spec, answer, SPEC_4XX, "*");
        return;
    }
    (void)spec_status(spec, answer, 201);
    if (from_text != NULL) {
        check_instant(spec, answer->json, "notBefore", from);
    }
    if (to_text != NULL) {
        check_instant(spec, answer->json, "notAfter", to);
    }
}

static void a_validity_is_never_changed(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const uint64_t from = ahead_us(HOUR_S), to = ahead_us(DAY_S), never = ahead_us(YEARS_S);
    char from_text[CLOCK_TEXT_SIZE], to_text[CLOCK_TEXT_SIZE], never_text[CLOCK_TEXT_SIZE];

    clock_text(from, from_text);
    clock_text(to, to_text);
    clock_text(never, never_text);
    taken_as_asked_or_refused(spec, account, from, to, from_text, to_text);
    taken_as_asked_or_refused(spec, account, from, to, from_text, NULL);
    taken_as_asked_or_refused(spec, account, from, to, NULL, to_text);
    taken_as_asked_or_refused(spec, account, from, never, from_text, never_text);
    taken_as_asked_or_refused(spec, account, never, never, never_text, NULL);
    const char *half = spec_text(spec, "%.*s.5Z", (int)strlen(from_text) - 1, from_text);
    taken_as_asked_or_refused(spec, account, from + US_PER_S / 2, to, half, to_text);
    char shifted[CLOCK_TEXT_SIZE]; /* the same instant on a clock two hours ahead */
    clock_text(to + 2 * HOUR_S * US_PER_S, shifted);
    const char *offset = spec_text(spec, "%.*s+02:00", (int)strlen(shifted) - 1, shifted);
    taken_as_asked_or_refused(spec, account, from, to, NULL, offset);
}

static void the_certificate_has_the_validity(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const uint64_t from = ahead_us(60), to = ahead_us(DAY_S);
    char from_text[CLOCK_TEXT_SIZE], to_text[CLOCK_TEXT_SIZE];
    json_t *payload = spec_identifiers(spec, spec_name(spec), NULL);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};

    clock_text(from, from_text);
    clock_text(to, to_text);
    (void)json_object_update_new(
        payload, json_pack("{s:s, s:s}", "notBefore", from_text, "notAfter", to_text));
    const struct spec_order *order = spec_order_of(spec, account, payload);
    (void)spec_prove(spec, account, order->authz[0], "http-01");
    const struct spec_certificate *made = spec_complete(spec, order, NULL);
    if (spec_over(spec)) {
        return;
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(made->pem, strlen(made->pem), &err);
    if (spec_check(spec, chain != NULL && x509_cert_read(sk_X509_value(chain, 0), &cert, &err),
                   "the certificate is not read: %s", err.detail)) {
        (void)spec_check(spec, cert.not_before_s == (int64_t)(from / US_PER_S),
                         "notBefore of the certificate is another than that of the order");
        (void)spec_check(spec, cert.not_after_s == (int64_t)(to / US_PER_S),
                         "notAfter of the certificate is another than that of the order");
    }
}

static void only_rfc3339_is_a_time(struct spec *spec) {
    static const char *const wrong[] = {"tomorrow",
                                        "",
                                        "2099-01-01",
                                        "1893456000",
                                        "2099-13-01T00:00:00Z",
                                        "Thu, 01 Jan 2099 00:00:00 GMT"};
    const struct spec_account *account = spec_account(spec, KEY_P256);

    for (unsigned i = 0; i < COUNT(wrong); i++) {
        (void)spec_problem(spec, order_between(spec, account, spec_name(spec), wrong[i], NULL), 400,
                           "malformed");
        (void)spec_problem(spec, order_between(spec, account, spec_name(spec), NULL, wrong[i]), 400,
                           "malformed");
    }
}

static void the_end_comes_after_the_beginning(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];

    clock_text(ahead_us(HOUR_S), from);
    clock_text(ahead_us(DAY_S), to);
    (void)spec_problem(spec, order_between(spec, account, spec_name(spec), to, from), SPEC_4XX,
                       "*");
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/7.1.3/1", .rows = "S-7.1.3-02 S-7.1.3-04 S-7.1.6-03 S-7.4-01 S-7.4-02", .area = "order", .level = SPEC_MUST, .text = "newOrder gives 201, Location and a pending order of the right form.", .run = a_new_order_has_the_form},
    {.id = "rfc8555/7.1.3/3", .rows = "S-7.1.3-03", .area = "order", .level = SPEC_MUST, .text = "The identifiers of an order are those asked for.", .run = the_identifiers_are_those_asked_for},
    {.id = "rfc8555/7.1.3/8", .rows = "S-7.1.3-01 S-7.1.3-02 S-7.1.3-05 S-7.1.3-06 S-7.1.3-08 S-7.1.6-09", .area = "order", .level = SPEC_MUST, .text = "From pending to valid an order has the form, and its arrays do not change.", .needs = NEED_HTTP01, .run = an_order_keeps_its_form},
    {.id = "rfc8555/7.1.3/8a", .rows = "S-7.1.3-01 S-7.1.3-05 S-7.1.3-08 S-7.1.6-09", .area = "order", .level = SPEC_MUST, .text = "So do orders that are processing for a while.", .needs = NEED_HTTP01 | NEED_ASYNC, .run = an_order_keeps_its_form},
    {.id = "rfc8555/7.1.3/7", .rows = "S-7.1.3-01 S-7.1.3-05 S-7.1.3-07 S-7.1.6-06", .area = "order", .level = SPEC_MUST, .text = "A failed authorization makes the order invalid, with a problem document.", .needs = NEED_HTTP01, .run = a_failed_authorization_ends_the_order},
    {.id = "rfc8555/7.1.3/12", .rows = "S-7.1.3-12 S-7.4-03", .area = "order", .level = SPEC_MUST, .text = "A validity is taken as asked or refused, never changed.", .run = a_validity_is_never_changed},
    {.id = "rfc8555/7.4/3", .rows = "S-7.4-03", .area = "order", .level = SPEC_MUST, .text = "The certificate has the validity the order asked for.", .needs = NEED_HTTP01, .run = the_certificate_has_the_validity},
    {.id = "rfc8555/7.1.6/4", .rows = "S-7.1.6-04", .area = "order", .level = SPEC_MUST, .text = "An order is ready when all its authorizations are valid.", .needs = NEED_HTTP01, .run = two_authorizations_make_it_ready},
    {.id = "rfc8555/7.1.6/7", .rows = "S-7.1.6-07", .area = "order", .level = SPEC_MUST, .text = "A deactivated authorization makes the order invalid.", .needs = NEED_HTTP01, .run = a_deactivated_authorization_ends_the_order},
    {.id = "rfc8555/7.1.6/9", .rows = "S-7.1.6-09", .area = "order", .level = SPEC_MUST, .text = "Invalid is final.", .needs = NEED_HTTP01, .run = invalid_is_final},
    {.id = "rfc8555/7.4/12", .rows = "S-7.4-12", .area = "order", .level = SPEC_MUST, .text = "notBefore and notAfter that are not RFC 3339 are refused.", .run = only_rfc3339_is_a_time},
    {.id = "rfc8555/7.4/13", .rows = "S-7.4-13", .area = "order", .level = SPEC_MUST, .text = "notAfter before notBefore is refused.", .run = the_end_comes_after_the_beginning},
    {.id = "rfc8555/7.4/15", .rows = "S-7.4-15", .area = "order", .level = SPEC_SHOULD, .text = "An expired order is invalid.", .needs = NEED_HTTP01 | NEED_SHORT, .run = an_expired_order_is_invalid},
    {.id = "rfc8555/7.4/16", .rows = "S-7.4-16", .area = "order", .level = SPEC_MUST, .text = "expires of a new order is in the future.", .run = expires_is_ahead},
};
/* clang-format on */

const struct spec_area case_order = {cases, COUNT(cases)};
