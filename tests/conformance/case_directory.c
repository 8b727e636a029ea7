/* RFC 8555 section 7.1.1: the directory. */
#include <ctype.h>
#include <string.h>

#include "tests/conformance/areas.h"

static const char *const resources[] = {"newNonce", "newAccount", "newOrder", "revokeCert",
                                        "keyChange"};

static void directory_is_json(struct spec *spec) {
    const struct spec_answer *answer = spec_get(spec, spec_directory_url(spec));

    (void)spec_status(spec, answer, 200);
    (void)spec_check(spec, json_is_object(answer->json), "the body is no JSON object");
    (void)spec_same(spec, "Content-Type", spec_header(spec, answer, "Content-Type"),
                    "application/json");
}

static void has_the_five_urls(struct spec *spec) {
    for (unsigned i = 0; i < COUNT(resources); i++) {
        const char *url = spec_member(spec_directory(spec), resources[i]);
        (void)spec_check(spec, spec_is_url(url), "%s is \"%s\", expected an https URL",
                         resources[i], url);
    }
}

static void reads_by_post_as_get(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_answer *answer = spec_fetch(spec, account, spec_directory_url(spec));

    (void)spec_check(spec, json_equal(answer->json, spec_directory(spec)),
                     "POST-as-GET gives another object than GET");
}

static void answers_directory_and_nonce(struct spec *spec) {
    (void)spec_status(spec, spec_get(spec, spec_directory_url(spec)), 200);
    (void)spec_nonce(spec);
}

static void offers_newauthz_only_when_it_works(struct spec *spec) {
    const char *url = spec_member(spec_directory(spec), "newAuthz");

    if (url[0] == '\0') {
        (void)spec_check(spec, json_object_get(spec_directory(spec), "newAuthz") == NULL,
                         "newAuthz is there and no text");
        return;
    }
    const struct spec_answer *answer = spec_post_json(
        spec, spec_account(spec, KEY_P256), url,
        spec_pack(spec, "{s:{s:s, s:s}}", "identifier", "type", "dns", "value", spec_name(spec)));
    (void)spec_check(spec, answer->status != 404 && answer->status != 405 && answer->status != 501,
                     "newAuthz is offered and answers %u", answer->status);
}

static const json_t *meta(struct spec *spec, const char *member) {
    return json_object_get(json_object_get(spec_directory(spec), "meta"), member);
}

static void meta_is_an_object(struct spec *spec) {
    const json_t *value = json_object_get(spec_directory(spec), "meta");

    (void)spec_check(spec, value == NULL || json_is_object(value), "meta is no object");
}

static void meta_terms_is_a_url(struct spec *spec) {
    const char *url = json_string_value(meta(spec, "termsOfService"));

    (void)spec_check(
        spec, meta(spec, "termsOfService") == NULL || (url != NULL && strstr(url, "://") != NULL),
        "termsOfService is no URL");
}

static void meta_website_is_a_url(struct spec *spec) {
    const char *url = json_string_value(meta(spec, "website"));

    (void)spec_check(
        spec,
        meta(spec, "website") == NULL
            || (url != NULL
                && (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0)),
        "website is no HTTP URL");
}

static bool is_host(const char *text) {
    for (const char *c = text; c != NULL && *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.') {
            return false;
        }
    }
    return text != NULL && text[0] != '\0' && text[0] != '.' && text[0] != '-';
}

static void meta_caa_is_hostnames(struct spec *spec) {
    const json_t *list = meta(spec, "caaIdentities"), *one;
    size_t i;

    (void)spec_check(spec, list == NULL || json_is_array(list), "caaIdentities is no array");
    json_array_foreach(list, i, one) {
        (void)spec_check(spec, is_host(json_string_value(one)), "caaIdentities[%zu] is no hostname",
                         i);
    }
}

static void meta_eab_is_a_boolean(struct spec *spec) {
    const json_t *value = meta(spec, "externalAccountRequired");

    (void)spec_check(spec, value == NULL || json_is_boolean(value),
                     "externalAccountRequired is no boolean");
}

static void urls_are_distinct(struct spec *spec) {
    const char *name, *other;
    json_t *value, *second;

    json_object_foreach((json_t *)spec_directory(spec), name, value) {
        const char *url = json_string_value(value);
        if (url == NULL) {
            continue;
        }
        (void)spec_check(spec, strcmp(url, spec_directory_url(spec)) != 0,
                         "%s is the directory's URL", name);
        json_object_foreach((json_t *)spec_directory(spec), other, second) {
            const char *url2 = json_string_value(second);
            (void)spec_check(spec,
                             strcmp(name, other) == 0 || url2 == NULL || strcmp(url, url2) != 0,
                             "%s and %s are one URL", name, other);
        }
    }
}

/* Names of the IANA registry; another name whose value is no URL would mislead a client. */
static void members_are_registered(struct spec *spec) {
    static const char *const known[] = {"newNonce",   "newAccount", "newOrder",    "newAuthz",
                                        "revokeCert", "keyChange",  "renewalInfo", "meta"};
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)spec_directory(spec), name, value) {
        bool found = false;
        for (unsigned i = 0; i < COUNT(known); i++) {
            found = found || strcmp(name, known[i]) == 0;
        }
        (void)spec_check(spec, found || json_is_string(value),
                         "\"%s\" is not registered and no text", name);
    }
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.3/12", .rows = "S-6.3-12", .area = "directory", .level = SPEC_MUST, .text = "The directory is read with GET.", .run = directory_is_json},
    {.id = "rfc8555/6.3/13", .rows = "S-6.3-13", .area = "directory", .level = SPEC_MUST, .text = "The directory is read with POST-as-GET.", .run = reads_by_post_as_get},
    {.id = "rfc8555/7.1/3", .rows = "S-7.1-03", .area = "directory", .level = SPEC_MUST, .text = "The server has a directory and newNonce.", .run = answers_directory_and_nonce},
    {.id = "rfc8555/7.1.1/1", .rows = "S-7.1.1-01", .area = "directory", .level = SPEC_MUST, .text = "The directory is a JSON object, 200, application/json.", .run = directory_is_json},
    {.id = "rfc8555/7.1.1/2", .rows = "S-7.1.1-02", .area = "directory", .level = SPEC_MUST, .text = "newNonce, newAccount, newOrder, revokeCert and keyChange are URLs.", .run = has_the_five_urls},
    {.id = "rfc8555/7.1.1/3", .rows = "S-7.1.1-03", .area = "directory", .level = SPEC_MUST, .text = "newAuthz is offered only when it is served.", .run = offers_newauthz_only_when_it_works},
    {.id = "rfc8555/7.1.1/4", .rows = "S-7.1.1-04", .area = "directory", .level = SPEC_MUST, .text = "meta is an object.", .run = meta_is_an_object},
    {.id = "rfc8555/7.1.1/5", .rows = "S-7.1.1-05", .area = "directory", .level = SPEC_MUST, .text = "meta.termsOfService is a URL.", .run = meta_terms_is_a_url},
    {.id = "rfc8555/7.1.1/6", .rows = "S-7.1.1-06", .area = "directory", .level = SPEC_MUST, .text = "meta.website is an HTTP URL.", .run = meta_website_is_a_url},
    {.id = "rfc8555/7.1.1/7", .rows = "S-7.1.1-07", .area = "directory", .level = SPEC_MUST, .text = "meta.caaIdentities is an array of hostnames.", .run = meta_caa_is_hostnames},
    {.id = "rfc8555/7.1.1/8", .rows = "S-7.1.1-08", .area = "directory", .level = SPEC_MUST, .text = "meta.externalAccountRequired is a boolean.", .run = meta_eab_is_a_boolean},
    {.id = "rfc8555/7.1.1/9", .rows = "S-7.1.1-09", .area = "directory", .level = SPEC_MUST, .text = "The directory's URLs differ from each other and from its own.", .run = urls_are_distinct},
    {.id = "rfc8555/7.1.1/10", .rows = "S-7.1.1-10", .area = "directory", .level = SPEC_MUST, .text = "Members beside the registered ones are URLs.", .run = members_are_registered},
};
/* clang-format on */

const struct spec_area case_directory = {cases, COUNT(cases)};
