/* RFC 8555 sections 5, 6.1 to 6.3: how requests travel. */
#include <openssl/ssl.h>
#include <string.h>

#include "common/ossl.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/spec_internal.h"

static void everything_is_https(struct spec *spec) {
    const char *name;
    json_t *value;

    (void)spec_check(spec, spec_is_url(spec_directory_url(spec)), "the directory is not https");
    json_object_foreach((json_t *)spec_directory(spec), name, value) {
        (void)spec_check(spec, !json_is_string(value) || spec_is_url(json_string_value(value)),
                         "%s is no https URL", name);
    }
    const char *https = spec_directory_url(spec) + strlen("https://");
    const char *plain = spec_text(spec, "http://%s", https);
    const char *request = spec_text(spec, "GET %s HTTP/1.1\r\nHost: %.*s\r\n\r\n",
                                    https + strcspn(https, "/"), (int)strcspn(https, "/"), https);
    const struct spec_answer *answer = spec_raw(spec, plain, request, strlen(request), 3000);
    (void)spec_check(spec, json_object_get(answer->json, "newNonce") == NULL,
                     "the directory is served in plain HTTP");
}

/* A handshake with these versions; does it succeed? */
static bool shakes_hands(struct spec *spec, int min, int max) {
    struct wire_target host;
    struct err err = {0};
    const char *path = NULL;
    AUTO(SSL_CTX_free) SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    if (tls == NULL || SSL_CTX_set_min_proto_version(tls, min) != 1
        || SSL_CTX_set_max_proto_version(tls, max) != 1
        || !spec_split(spec_directory_url(spec), &host, &path, tls)) {
        spec_fail(spec, "no TLS client");
        return false;
    }
    SSL_CTX_set_security_level(tls, 0);
    AUTO(wire_close) struct wire *wire = wire_open(&host, spec_deadline_us(spec), &err);
    return wire != NULL;
}

static void speaks_only_modern_tls(struct spec *spec) {
    (void)spec_check(spec, shakes_hands(spec, TLS1_2_VERSION, TLS1_2_VERSION), "no TLS 1.2");
    (void)spec_check(spec, shakes_hands(spec, TLS1_3_VERSION, TLS1_3_VERSION), "no TLS 1.3");
    (void)spec_check(spec, !shakes_hands(spec, TLS1_VERSION, TLS1_1_VERSION),
                     "TLS 1.0 or 1.1 is accepted");
}

/* The directory's answer with these headers. */
static const struct spec_answer *directory_with(struct spec *spec, const char *header) {
    const char *headers[] = {header, NULL};

    return spec_request(spec, "GET", spec_directory_url(spec), header == NULL ? NULL : headers,
                        NULL, 0);
}

static void allows_every_origin(struct spec *spec) {
    (void)spec_same(spec, "Access-Control-Allow-Origin",
                    spec_header(spec, directory_with(spec, NULL), "Access-Control-Allow-Origin"),
                    "*");
}

/* What a web application's browser does before and at a POST. */
static void a_web_application_may_post(struct spec *spec) {
    const char *const preflight[] = {"Origin: https://app.example",
                                     "Access-Control-Request-Method: POST",
                                     "Access-Control-Request-Headers: content-type", NULL};
    const struct spec_answer *answer =
        spec_request(spec, "OPTIONS", spec_url(spec, "newOrder"), preflight, NULL, 0);

    (void)spec_status(spec, answer, SPEC_2XX);
    (void)spec_check(
        spec, strstr(spec_header(spec, answer, "Access-Control-Allow-Methods"), "POST") != NULL,
        "the preflight does not allow POST");
    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = spec_account(spec, KEY_P256),
                                   .headers = preflight,
                                   .payload = spec_identifiers(spec, spec_name(spec), NULL)};
    answer = spec_post(spec, &post);
    (void)spec_same(spec, "Access-Control-Allow-Origin",
                    spec_header(spec, answer, "Access-Control-Allow-Origin"), "*");
    (void)spec_check(
        spec,
        strstr(spec_header(spec, answer, "Access-Control-Expose-Headers"), "Replay-Nonce") != NULL,
        "the nonce is hidden from a web application");
}

/* A newOrder that is refused, with this Accept-Language. */
static const struct spec_answer *refused_with(struct spec *spec, const struct spec_account *account,
                                              const char *header) {
    const char *headers[] = {header, NULL};
    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = account,
                                   .payload = spec_pack(spec, "{}"),
                                   .headers = header == NULL ? NULL : headers};

    return spec_post(spec, &post);
}

static void needs_no_accept_language(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_answer *with = refused_with(spec, account, "Accept-Language: de, *;q=0.1");
    const struct spec_answer *without = refused_with(spec, account, NULL);

    (void)spec_check(spec, with->status == without->status, "%u with, %u without", with->status,
                     without->status);
    (void)spec_same(spec, "type", spec_member(with->json, "type"),
                    spec_member(without->json, "type"));
    (void)spec_status(spec, directory_with(spec, "Accept-Language: tlh"), 200);
}

static void says_the_language_it_chose(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_answer *with = refused_with(spec, account, "Accept-Language: de");
    const struct spec_answer *without = refused_with(spec, account, NULL);

    (void)spec_check(spec,
                     strcmp(spec_member(with->json, "detail"), spec_member(without->json, "detail"))
                             == 0
                         || spec_header(spec, with, "Content-Language")[0] != '\0',
                     "another detail for another language without Content-Language");
}

static void refuses_text_that_is_not_utf8(struct spec *spec) {
    static const char payload[] = "{\"contact\":[\"mailto:\xc3\x28@example.test\"]}";
    const struct spec_post post = {.url = spec_url(spec, "newAccount"),
                                   .key = spec_key(spec, KEY_P256),
                                   .bytes = payload,
                                   .bytes_len = strlen(payload)};

    (void)spec_problem(spec, spec_post(spec, &post), 400, "malformed");
}

/* The media types a signed request may not have. */
static void refuses_the_media_type(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = account,
                                   .payload = spec_identifiers(spec, spec_name(spec), NULL),
                                   .content_type = spec_data(spec)};
    (void)spec_problem(spec, spec_post(spec, &post), 415, "malformed");
}

static void knows_a_media_type_with_parameter(struct spec *spec) {
    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = spec_account(spec, KEY_P256),
                                   .payload = spec_identifiers(spec, spec_name(spec), NULL),
                                   .content_type = "application/jose+json; charset=utf-8"};

    (void)spec_expect(spec, spec_post(spec, &post), "2xx or 415", "*");
}

static void account_is_not_read_by_get(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    (void)spec_problem(spec, spec_get(spec, account->url), 405, "malformed");
}

static void objects_are_not_read_by_get(struct spec *spec) {
    const struct spec_certificate *made = spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *authz = spec_fetch(spec, made->order->account, made->order->authz[0]);
    const char *urls[] = {made->order->url, made->order->authz[0],
                          spec_member(spec_challenge(authz->json, "http-01"), "url"), made->url};

    for (unsigned i = 0; i < COUNT(urls); i++) {
        (void)spec_problem(spec, spec_get(spec, urls[i]), 405, "malformed");
    }
}

static void makers_are_not_read_by_get(struct spec *spec) {
    static const char *const names[] = {"newAccount", "newOrder", "revokeCert", "keyChange"};

    for (unsigned i = 0; i < COUNT(names); i++) {
        (void)spec_problem(spec, spec_get(spec, spec_url(spec, names[i])), 405, "malformed");
    }
}

static void objects_are_read_by_post_as_get(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_certificate *certificate = spec_issue(spec, account, NULL);
    const struct spec_answer *authz = spec_fetch(spec, account, certificate->order->authz[0]);
    const char *urls[] = {account->url, certificate->order->url,
                          spec_member(spec_challenge(authz->json, "http-01"), "url"),
                          certificate->url};

    for (unsigned i = 0; i < COUNT(urls); i++) {
        (void)spec_fetch(spec, account, urls[i]);
    }
}

static void an_object_is_no_empty_payload(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const char *urls[] = {order->authz[0], order->url};

    for (unsigned i = 0; i < COUNT(urls); i++) {
        const struct spec_answer *answer =
            spec_post_json(spec, order->account, urls[i], spec_pack(spec, "{}"));
        (void)spec_check(spec, answer->status == 200 || answer->status / 100 == 4, "{} to %s: %u",
                         urls[i], answer->status);
        (void)spec_same(spec, "status afterwards",
                        spec_member(spec_fetch(spec, order->account, urls[i])->json, "status"),
                        "pending");
    }
}

static void other_methods_change_nothing(struct spec *spec) {
    static const char *const methods[] = {"PUT", "DELETE", "PATCH"};
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);

    for (unsigned i = 0; i < COUNT(methods); i++) {
        const struct spec_answer *answer = spec_request(spec, methods[i], order->url, NULL, "", 0);
        (void)spec_status(spec, answer, SPEC_4XX);
    }
    (void)spec_same(spec, "status afterwards",
                    spec_member(spec_fetch(spec, order->account, order->url)->json, "status"),
                    "pending");
}

/* A request in early data, where the server takes any, and its repetition. */
static void early_data_is_not_replayed(struct spec *spec) {
    struct spec_post post = {.url = spec_url(spec, "newOrder"),
                             .account = spec_account(spec, KEY_P256),
                             .payload = spec_identifiers(spec, spec_name(spec), NULL),
                             .nonce = spec_nonce(spec)};

    post.body = spec_jws(spec, &post);
    post.body_len = strlen(post.body);
    (void)spec_status(spec, spec_post(spec, &post), 201);
    struct wire_target host;
    const char *path = NULL;
    struct err err = {0};
    if (spec_over(spec) || !spec_split(spec_directory_url(spec), &host, &path, spec->target->tls)) {
        return;
    }
    AUTO(wire_close) struct wire *wire = wire_open(&host, spec_deadline_us(spec), &err);
    SSL_SESSION *session = wire == NULL ? NULL : SSL_get_session(wire_tls(wire));
    if (session != NULL && SSL_SESSION_get_max_early_data(session) > 0) {
        spec_skip(spec, "the server offers early data, which is not tried");
    }
    (void)spec_problem(spec, spec_post(spec, &post), 400, "badNonce");
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/5/1", .rows = "S-5-01", .area = "transport", .level = SPEC_MUST, .text = "Every body is valid UTF-8.", .watch = WATCH_UTF8},
    {.id = "rfc8555/5/2", .rows = "S-5-02", .area = "transport", .level = SPEC_SHOULD, .text = "A payload that is not UTF-8 is refused.", .run = refuses_text_that_is_not_utf8},
    {.id = "rfc8555/6.1/1", .rows = "S-6.1-01", .area = "transport", .level = SPEC_MUST, .text = "Everything is served over HTTPS, nothing in plain HTTP.", .run = everything_is_https},
    {.id = "rfc8555/6.1/2", .rows = "S-6.1-02", .area = "transport", .level = SPEC_SHOULD, .text = "TLS 1.2 and 1.3 are spoken, nothing older.", .run = speaks_only_modern_tls},
    {.id = "rfc8555/6.1/3", .rows = "S-6.1-03", .area = "transport", .level = SPEC_MAY, .text = "A request that is repeated, in early data or not, is badNonce.", .run = early_data_is_not_replayed},
    {.id = "rfc8555/6.1/4", .rows = "S-6.1-04", .area = "transport", .level = SPEC_SHOULD, .text = "Access-Control-Allow-Origin is *.", .run = allows_every_origin},
    {.id = "rfc8555/6.1/4b", .rows = "S-6.1-04", .area = "transport", .level = SPEC_SHOULD, .text = "A web application may post, and sees nonce and Location.", .run = a_web_application_may_post},
    {.id = "rfc8555/6.1/8", .rows = "S-6.1-08", .area = "transport", .level = SPEC_MUST, .text = "Answers do not depend on Accept-Language being there.", .run = needs_no_accept_language},
    {.id = "rfc8555/6.1/9", .rows = "S-6.1-09", .area = "transport", .level = SPEC_SHOULD, .text = "Where a language is chosen Content-Language says so.", .run = says_the_language_it_chose},
    {.id = "rfc8555/6.2/34", .rows = "S-6.2-34", .area = "transport", .level = SPEC_MUST, .text = "A JWS as application/json is 415.", .run = refuses_the_media_type, .data = "application/json"},
    {.id = "rfc8555/6.2/35", .rows = "S-6.2-35", .area = "transport", .level = SPEC_MUST, .text = "A JWS without Content-Type is 415.", .run = refuses_the_media_type, .data = SPEC_OMIT},
    {.id = "rfc8555/6.2/36", .rows = "S-6.2-36", .area = "transport", .level = SPEC_MUST, .text = "A JWS as a form is 415.", .run = refuses_the_media_type, .data = "application/x-www-form-urlencoded"},
    {.id = "rfc8555/6.2/37", .rows = "S-6.2-37", .area = "transport", .level = SPEC_MAY, .text = "The media type may have a parameter.", .run = knows_a_media_type_with_parameter},
    {.id = "rfc8555/6.3/1", .rows = "S-6.3-01", .area = "transport", .level = SPEC_MUST, .text = "GET of an account is 405.", .run = account_is_not_read_by_get},
    {.id = "rfc8555/6.3/3", .rows = "S-6.3-03", .area = "transport", .level = SPEC_MUST, .text = "GET of order, authorization, challenge and certificate is 405.", .needs = NEED_HTTP01, .run = objects_are_not_read_by_get},
    {.id = "rfc8555/6.3/4", .rows = "S-6.3-04", .area = "transport", .level = SPEC_MUST, .text = "GET of newAccount, newOrder, revokeCert and keyChange is 405.", .run = makers_are_not_read_by_get},
    {.id = "rfc8555/6.3/5", .rows = "S-6.3-05", .area = "transport", .level = SPEC_MUST, .text = "Account, order, authorization, challenge and certificate are read by POST-as-GET.", .needs = NEED_HTTP01, .run = objects_are_read_by_post_as_get},
    {.id = "rfc8555/6.3/11", .rows = "S-6.3-11", .area = "transport", .level = SPEC_MUST, .text = "A payload of {} to order or authorization changes nothing.", .run = an_object_is_no_empty_payload},
    {.id = "rfc8555/6.3/16", .rows = "S-6.3-16", .area = "transport", .level = SPEC_MUST, .text = "PUT, PATCH and DELETE have no effect.", .run = other_methods_change_nothing},
    {.id = "rfc8555/7.1/1", .rows = "S-7.1-01", .area = "transport", .level = SPEC_SHOULD, .text = "Every resource but the directory links to it as index.", .watch = WATCH_LINK_INDEX},
};
/* clang-format on */

const struct spec_area case_transport = {cases, COUNT(cases)};
