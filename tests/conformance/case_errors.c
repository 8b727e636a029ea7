/* RFC 8555 sections 6.6 and 6.7: problem documents. */
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/areas.h"

#define LIMIT_TRIES 200
#define WAIT_MAX_S 20

static void get_of_an_order_is_malformed(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_problem(spec, spec_get(spec, order->url), 405, "malformed");
}

static void unauthorized_is_401_or_403(struct spec *spec) {
    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = spec_account(spec, KEY_P256),
                                   .header_url = spec_url(spec, "newAccount"),
                                   .payload = spec_identifiers(spec, spec_name(spec), NULL)};

    (void)spec_expect(spec, spec_post(spec, &post), "401 or 403", "unauthorized");
}

/* newOrder until it is refused; the last answer. */
static const struct spec_answer *reach_the_limit(struct spec *spec,
                                                 const struct spec_account *account) {
    const struct spec_answer *answer = account->answer;

    for (unsigned i = 0; i < LIMIT_TRIES && !spec_over(spec) && answer->status / 100 == 2; i++) {
        answer = spec_post_json(spec, account, spec_url(spec, "newOrder"),
                                spec_identifiers(spec, spec_name(spec), NULL));
    }
    (void)spec_problem(spec, answer, SPEC_4XX, "rateLimited");
    return answer;
}

static void a_limit_is_rate_limited(struct spec *spec) {
    (void)reach_the_limit(spec, spec_account(spec, KEY_P256));
}

/* Seconds of Retry-After; a date counts as 1. */
static unsigned long retry_after(struct spec *spec, const struct spec_answer *answer) {
    const char *text = spec_header(spec, answer, "Retry-After");
    bool date = strstr(text, "GMT") != NULL;
    unsigned long seconds = strtoul(text, NULL, 10);

    (void)spec_check(spec, date || seconds > 0, "Retry-After is \"%s\"", text);
    return date ? 1 : seconds;
}

static void a_limit_has_retry_after(struct spec *spec) {
    const struct spec_answer *answer = reach_the_limit(spec, spec_account(spec, KEY_P256));

    (void)retry_after(spec, answer);
}

static void help_of_a_limit_is_a_link(struct spec *spec) {
    const struct spec_answer *answer = reach_the_limit(spec, spec_account(spec, KEY_P256));
    const char *help = spec_link(spec, answer, "help", NULL);

    (void)spec_check(spec, help[0] == '\0' || strstr(help, "://") != NULL, "help is \"%s\"", help);
}

static void a_limit_ends(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_answer *answer = reach_the_limit(spec, account);
    unsigned long seconds = retry_after(spec, answer);

    if (!spec_check(spec, seconds <= WAIT_MAX_S, "Retry-After of %lu s is too long to wait for",
                    seconds)) {
        return;
    }
    spec_wait_ms(spec, (unsigned)seconds * 1000 + 200);
    answer = spec_post_json(spec, account, spec_url(spec, "newOrder"),
                            spec_identifiers(spec, spec_name(spec), NULL));
    (void)spec_status(spec, answer, 201);
}

/* Two names that cannot be ordered: what came. */
static const struct spec_answer *two_bad_identifiers(struct spec *spec) {
    return spec_post_json(spec, spec_account(spec, KEY_P256), spec_url(spec, "newOrder"),
                          spec_pack(spec, "{s:[{s:s, s:s}, {s:s, s:s}]}", "identifiers", "type",
                                    "dns", "value", "_bad.", "type", "zz", "value", "b"));
}

static void subproblems_are_problems(struct spec *spec) {
    const struct spec_answer *answer = two_bad_identifiers(spec);
    const json_t *list = json_object_get(answer->json, "subproblems"), *one;
    size_t i;

    (void)spec_problem(spec, answer, SPEC_4XX, "*");
    (void)spec_check(spec, list == NULL || json_is_array(list), "subproblems is no array");
    json_array_foreach(list, i, one) {
        const json_t *identifier = json_object_get(one, "identifier");
        (void)spec_check(spec, spec_member(one, "type")[0] != '\0', "subproblem %zu has no type",
                         i);
        (void)spec_check(spec,
                         identifier == NULL
                             || (spec_member(identifier, "type")[0] != '\0'
                                 && json_is_string(json_object_get(identifier, "value"))),
                         "the identifier of subproblem %zu lacks type or value", i);
    }
}

static void several_bad_identifiers_are_subproblems(struct spec *spec) {
    const struct spec_answer *answer = two_bad_identifiers(spec);

    (void)spec_check(spec, json_array_size(json_object_get(answer->json, "subproblems")) == 2,
                     "%zu subproblems for two bad identifiers",
                     json_array_size(json_object_get(answer->json, "subproblems")));
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.3/2", .rows = "S-6.3-02", .area = "errors", .level = SPEC_MUST, .text = "The 405 for GET has type malformed.", .run = get_of_an_order_is_malformed},
    {.id = "rfc8555/6.4/4", .rows = "S-6.4-04", .area = "errors", .level = SPEC_MUST, .text = "unauthorized comes with 401 or 403.", .run = unauthorized_is_401_or_403},
    {.id = "rfc8555/6.6/1", .rows = "S-6.6-01", .area = "errors", .level = SPEC_MUST, .text = "A rate limit is reported as rateLimited.", .needs = NEED_LIMITS, .run = a_limit_is_rate_limited},
    {.id = "rfc8555/6.6/2", .rows = "S-6.6-02", .area = "errors", .level = SPEC_SHOULD, .text = "rateLimited has Retry-After.", .needs = NEED_LIMITS, .run = a_limit_has_retry_after},
    {.id = "rfc8555/6.6/3", .rows = "S-6.6-03", .area = "errors", .level = SPEC_MAY, .text = "The help link of rateLimited is a URL.", .needs = NEED_LIMITS, .run = help_of_a_limit_is_a_link},
    {.id = "rfc8555/6.6/4", .rows = "S-6.6-04", .area = "errors", .level = SPEC_MUST, .text = "After Retry-After the request succeeds.", .needs = NEED_LIMITS, .deadline_s = 60, .run = a_limit_ends},
    {.id = "rfc8555/6.7/1", .rows = "S-6.7-01", .area = "errors", .level = SPEC_SHOULD, .text = "Errors are application/problem+json.", .watch = WATCH_PROBLEM_MEDIA},
    {.id = "rfc8555/6.7/2", .rows = "S-6.7-02", .area = "errors", .level = SPEC_MUST, .text = "ACME error types are registered ones.", .watch = WATCH_PROBLEM_TYPE_KNOWN},
    {.id = "rfc8555/6.7/3", .rows = "S-6.7-03", .area = "errors", .level = SPEC_MUST, .text = "The type of a problem is a string.", .watch = WATCH_PROBLEM_TYPE_TEXT},
    {.id = "rfc8555/6.7/4", .rows = "S-6.7-04", .area = "errors", .level = SPEC_SHOULD, .text = "Problems have a detail.", .watch = WATCH_PROBLEM_DETAIL},
    {.id = "rfc8555/6.7/5", .rows = "S-6.7-05", .area = "errors", .level = SPEC_MUST, .text = "The status member is the HTTP status.", .watch = WATCH_PROBLEM_STATUS},
    {.id = "rfc8555/6.7/6", .rows = "S-6.7-06", .area = "errors", .level = SPEC_SHOULD, .text = "No request of this run draws a 5xx.", .watch = WATCH_NO_5XX},
    {.id = "rfc8555/6.7/8", .rows = "S-6.7-08", .area = "errors", .level = SPEC_MUST, .text = "Every 405 has Allow.", .watch = WATCH_ALLOW},
    {.id = "rfc8555/6.7.1/1", .rows = "S-6.7.1-01", .area = "errors", .level = SPEC_MUST, .text = "identifier is never at the top level of a problem.", .watch = WATCH_PROBLEM_IDENTIFIER},
    {.id = "rfc8555/6.7.1/2", .rows = "S-6.7.1-02", .area = "errors", .level = SPEC_MUST, .text = "subproblems is an array of problems.", .run = subproblems_are_problems},
    {.id = "rfc8555/6.7.1/3", .rows = "S-6.7.1-03", .area = "errors", .level = SPEC_MAY, .text = "Several bad identifiers are reported as subproblems.", .run = several_bad_identifiers_are_subproblems},
    {.id = "rfc8555/6.7.1/4", .rows = "S-6.7.1-02", .area = "errors", .level = SPEC_MUST, .text = "Every subproblem of the run has the form.", .watch = WATCH_PROBLEM_SUBPROBLEMS},
};
/* clang-format on */

const struct spec_area case_errors = {cases, COUNT(cases)};
