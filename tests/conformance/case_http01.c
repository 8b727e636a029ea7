/* RFC 8555 section 8.3: http-01. */
#include <string.h>

#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

static const struct spec_trial *trial_new(struct spec *spec) {
    return spec_trial(spec, spec_order(spec, spec_account(spec, KEY_P256), NULL), "http-01");
}

/* The path is answered with that status line and body. */
static void answer_with(struct spec *spec, const char *path, const char *status, const char *header,
                        const char *body) {
    spec_http01_raw(spec, path,
                    spec_text(spec,
                              "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                              status, header, strlen(body), body),
                    0);
}

static void the_query_is_a_get_of_the_name(struct spec *spec) {
    const struct spec_trial *trial = trial_new(spec);
    const char *path = spec_http01_path(spec, trial->token);

    spec_http01(spec, trial->token, trial->key_authorization);
    (void)spec_try_valid(spec, trial);
    const struct spec_http01_seen seen = spec_http01_seen(spec, path);
    const char *line = spec_text(spec, "GET %s HTTP/1.1\r\n", path);
    const char *host = spec_text(spec, "\r\nHost: %s", trial->name), *at = strstr(seen.head, host);
    (void)spec_check(spec, seen.count > 0, "the port was not asked");
    (void)spec_check(spec, strncmp(seen.head, line, strlen(line)) == 0, "asked \"%.200s\"",
                     seen.head);
    (void)spec_check(spec, at != NULL && (at[strlen(host)] == '\r' || at[strlen(host)] == ':'),
                     "no Host of %s in \"%.300s\"", trial->name, seen.head);
}

/* What is served instead of the key authorization, by the token and the thumbprint. */
enum wrong { WRONG_THUMBPRINT, WRONG_TOKEN_ALONE, WRONG_THUMBPRINT_ALONE, WRONG_MORE, WRONG_INNER };

static void what_is_wrong_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_new(spec);
    const char *good = trial->key_authorization, *dot = strchr(good, '.');
    const char *other = spec_key_authorization(spec, spec_account(spec, KEY_P256), trial->token);
    const char *texts[] = {[WRONG_THUMBPRINT] = other,
                           [WRONG_TOKEN_ALONE] = trial->token,
                           [WRONG_THUMBPRINT_ALONE] = dot == NULL ? "" : dot + 1,
                           [WRONG_MORE] = spec_text(spec, "%sx", good),
                           [WRONG_INNER] = spec_text(spec, "<p>%s</p>", good)};

    spec_http01(spec, trial->token, texts[*(const enum wrong *)spec_data(spec)]);
    (void)spec_try_invalid(spec, trial, "incorrectResponse|unauthorized");
}

static void white_space_behind_is_ignored(struct spec *spec) {
    const struct spec_trial *trial = trial_new(spec);

    spec_http01(spec, trial->token, spec_text(spec, "%s \r\n\t", trial->key_authorization));
    (void)spec_try_valid(spec, trial);
}

static void redirects_are_followed(struct spec *spec) {
    static const char *const statuses[] = {"301 Moved Permanently", "302 Found",
                                           "307 Temporary Redirect", "308 Permanent Redirect"};
    const struct spec_trial *trial = trial_new(spec);
    const char *path = spec_http01_path(spec, trial->token);

    for (unsigned i = 0; i < COUNT(statuses); i++) {
        const char *next = spec_text(spec, "/elsewhere/%s/%u", trial->token, i);
        answer_with(spec, path, statuses[i], spec_text(spec, "Location: %s\r\n", next), "");
        path = next;
    }
    answer_with(spec, path, "200 OK", "", trial->key_authorization);
    (void)spec_try_valid(spec, trial);
    (void)spec_check(spec, spec_http01_seen(spec, path).count > 0, "%s was not asked", path);
}

static void a_failed_request_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_new(spec);

    answer_with(spec, spec_http01_path(spec, trial->token), spec_data(spec), "",
                trial->key_authorization);
    (void)spec_try_invalid(spec, trial, "incorrectResponse|unauthorized|connection");
}

static void not_offered_for_wildcards(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_text(spec, "*.%s", spec_name(spec));
    const struct spec_answer *answer = spec_post_json(spec, account, spec_url(spec, "newOrder"),
                                                      spec_identifiers(spec, name, NULL));
    const char *type = spec_data(spec);

    if (answer->status == 400 || answer->status == 403) { /* not offered in any way */
        (void)spec_problem(spec, answer, SPEC_4XX, "rejectedIdentifier|unsupportedIdentifier");
        return;
    }
    (void)spec_status(spec, answer, 201);
    const char *url =
        json_string_value(json_array_get(json_object_get(answer->json, "authorizations"), 0));
    const struct spec_answer *authz = spec_fetch(spec, account, url == NULL ? "" : url);
    (void)spec_check(spec, json_is_true(json_object_get(authz->json, "wildcard")),
                     "the authorization is not marked as a wildcard's");
    (void)spec_check(spec, json_is_null(spec_challenge(authz->json, type)),
                     "%s is offered for a wildcard", type);
}

/* clang-format off */
#define HTTP01 .area = "challenge", .needs = NEED_HTTP01
#define WRONG(value) .run = what_is_wrong_fails, .data = &(const enum wrong){value}
static const struct spec_case cases[] = {
    {.id = "rfc8555/8.3/3", .rows = "S-8.3-03 S-8.3-04", HTTP01, .level = SPEC_MUST, .text = "The name's host is asked for the token's path.", .run = the_query_is_a_get_of_the_name},
    {.id = "rfc8555/8.3/5", .rows = "S-8.3-05", HTTP01, .level = SPEC_MUST, .text = "Another account's key authorization fails.", WRONG(WRONG_THUMBPRINT)},
    {.id = "rfc8555/8.3/6", .rows = "S-8.3-06", HTTP01, .level = SPEC_SHOULD, .text = "White space behind the key authorization is ignored.", .run = white_space_behind_is_ignored},
    {.id = "rfc8555/8.3/7", .rows = "S-8.3-07", HTTP01, .level = SPEC_SHOULD, .text = "Redirects are followed.", .run = redirects_are_followed},
    {.id = "rfc8555/8.3/8", .rows = "S-8.3-08", HTTP01, .level = SPEC_MUST, .text = "The right body with 404 fails.", .run = a_failed_request_fails, .data = "404 Not Found"},
    {.id = "rfc8555/8.3/8-500", .rows = "S-8.3-08", HTTP01, .level = SPEC_MUST, .text = "The right body with 500 fails.", .run = a_failed_request_fails, .data = "500 Internal Server Error"},
    {.id = "rfc8555/8.3/9", .rows = "S-8.3-09", HTTP01, .level = SPEC_MUST, .text = "A character behind the key authorization fails.", WRONG(WRONG_MORE)},
    {.id = "rfc8555/8.3/9-within", .rows = "S-8.3-09", HTTP01, .level = SPEC_MUST, .text = "A key authorization within a page fails.", WRONG(WRONG_INNER)},
    {.id = "rfc8555/8.3/10", .rows = "S-8.3-10", HTTP01, .level = SPEC_MUST, .text = "The token alone fails.", WRONG(WRONG_TOKEN_ALONE)},
    {.id = "rfc8555/8.3/10-thumbprint", .rows = "S-8.3-10", HTTP01, .level = SPEC_MUST, .text = "The thumbprint alone fails.", WRONG(WRONG_THUMBPRINT_ALONE)},
    {.id = "rfc8555/8.3/12", .rows = "S-8.3-12", HTTP01, .level = SPEC_SHOULD, .text = "http-01 is not offered for wildcards.", .run = not_offered_for_wildcards, .data = "http-01"},
    {.id = "rfc8737/4/3", .rows = "X-8737-4-03", .area = "tls-alpn", .level = SPEC_MUST, .text = "tls-alpn-01 is not offered for wildcards.", .run = not_offered_for_wildcards, .data = "tls-alpn-01"},
};
/* clang-format on */

const struct spec_area case_http01 = {cases, COUNT(cases)};
