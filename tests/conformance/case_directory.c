/* RFC 8555 section 7.1.1: the directory. */
#include <string.h>

#include "tests/conformance/areas.h"

static void directory_is_json(struct spec *spec) {
    const struct spec_answer *answer = spec_get(spec, spec_directory_url(spec));

    (void)spec_status(spec, answer, 200);
    (void)spec_check(spec, json_is_object(answer->json), "the body is no JSON object");
    (void)spec_same(spec, "Content-Type", spec_header(spec, answer, "Content-Type"),
                    "application/json");
}

static void has_the_five_urls(struct spec *spec) {
    static const char *const names[] = {"newNonce", "newAccount", "newOrder", "revokeCert",
                                        "keyChange"};

    for (unsigned i = 0; i < COUNT(names); i++) {
        const char *url = spec_member(spec_directory(spec), names[i]);
        (void)spec_check(spec, spec_is_url(url), "%s is \"%s\", expected an https URL", names[i],
                         url);
    }
}

static void reads_by_post_as_get(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_answer *answer = spec_fetch(spec, account, spec_directory_url(spec));

    (void)spec_check(spec, json_equal(answer->json, spec_directory(spec)),
                     "POST-as-GET gives another object than GET");
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.3/1", .rows = "S-6.3-12", .area = "directory", .level = SPEC_MUST, .text = "The directory is read with GET.", .run = directory_is_json},
    {.id = "rfc8555/6.3/2", .rows = "S-6.3-13", .area = "directory", .level = SPEC_MUST, .text = "The directory is read with POST-as-GET.", .run = reads_by_post_as_get},
    {.id = "rfc8555/7.1.1/1", .rows = "S-7.1.1-01", .area = "directory", .level = SPEC_MUST, .text = "The directory is a JSON object, 200, application/json.", .run = directory_is_json},
    {.id = "rfc8555/7.1.1/2", .rows = "S-7.1.1-02", .area = "directory", .level = SPEC_MUST, .text = "newNonce, newAccount, newOrder, revokeCert and keyChange are URLs.", .run = has_the_five_urls},
};
/* clang-format on */

const struct spec_area case_directory = {cases, COUNT(cases)};
