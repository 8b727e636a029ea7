/* acmespec's own judgement: which cases are chosen, what a result means, how answers are matched.
 */
#include "tests/conformance/runner.h"

#include <stdio.h>
#include <string.h>

#include "common/run.h"
#include "tests/conformance/spec_internal.h"
#include "tests/unit/common/suite.h"

static void nothing(struct spec *spec) { (void)spec; }

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.5/1", .rows = "S-6.5-01 S-6.5-02", .area = "nonce", .level = SPEC_MUST, .text = "t", .run = nothing},
    {.id = "rfc8555/6.5/10", .rows = "S-6.5-10", .area = "nonce", .level = SPEC_SHOULD, .text = "t", .run = nothing},
    {.id = "rfc8555/6.51/1", .rows = "S-6.51-01", .area = "jws", .level = SPEC_MAY, .text = "t", .needs = NEED_EAB, .run = nothing},
};
static const struct { const char *only; unsigned needing; const char *chosen; } choices[] = {
    {NULL, 0, "111"},
    {"rfc8555/6.5", 0, "110"},
    {"rfc8555/6.5/1", 0, "100"},
    {"nonce", 0, "110"},
    {"S-6.5-02", 0, "100"},
    {"S-6.5", 0, "000"},
    {NULL, NEED_EAB, "001"},
    {"nonce", NEED_EAB, "000"},
};
/* clang-format on */

START_TEST(words_choose_cases) {
    for (unsigned i = 0; i < COUNT(choices); i++) {
        const struct selection selection = {.only = &choices[i].only,
                                            .only_count = choices[i].only != NULL,
                                            .needing = choices[i].needing};
        for (unsigned c = 0; c < COUNT(cases); c++) {
            ck_assert_msg(selection_wants(&selection, &cases[c]) == (choices[i].chosen[c] == '1'),
                          "%s: %s", choices[i].only, cases[c].id);
        }
    }
}
END_TEST

START_TEST(an_unknown_word_and_a_double_id_are_errors) {
    const struct spec_case twice[] = {cases[0], cases[0]};
    const struct spec_area area = {cases, COUNT(cases)}, doubled = {twice, COUNT(twice)};
    const char *const words[] = {"nonsense"};
    struct selection selection = {.only = words, .only_count = 1};
    struct run_list list = {0};
    struct err err = {0};

    ck_assert(!runner_select(&area, 1, &selection, &list, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    err = (struct err){0};
    selection.only_count = 0;
    ck_assert(!runner_select(&doubled, 1, &selection, &list, &err));
    ck_assert_ptr_nonnull(strstr(err.detail, cases[0].id));
}
END_TEST

/* clang-format off */
static const struct { enum spec_level level; enum outcome_status status; bool expected, strict, fails; } results[] = {
    {SPEC_MUST,   OUTCOME_PASS, false, false, false},
    {SPEC_MUST,   OUTCOME_FAIL, false, false, true},
    {SPEC_MUST,   OUTCOME_SKIP, false, true,  false},
    {SPEC_SHOULD, OUTCOME_FAIL, false, false, false},
    {SPEC_SHOULD, OUTCOME_FAIL, false, true,  true},
    {SPEC_MAY,    OUTCOME_FAIL, false, true,  false},
    {SPEC_MUST,   OUTCOME_FAIL, true,  false, false},
    {SPEC_MUST,   OUTCOME_PASS, true,  false, true},
    {SPEC_MUST,   OUTCOME_SKIP, true,  false, false},
};
/* clang-format on */

START_TEST(a_result_fails_by_level_and_expectation) {
    for (unsigned i = 0; i < COUNT(results); i++) {
        const struct spec_case row = {.level = results[i].level};
        struct outcome outcome = {
            .row = &row, .status = results[i].status, .expected = results[i].expected};
        const struct run_list list = {&outcome, 1};
        int code = results[i].fails                    ? RUN_FAILED
                   : results[i].status == OUTCOME_SKIP ? RUN_NOTHING
                                                       : RUN_OK;
        ck_assert_msg(outcome_fails(&outcome, results[i].strict) == results[i].fails, "row %u", i);
        ck_assert_int_eq(runner_exit(&list, results[i].strict), code);
    }
}
END_TEST

START_TEST(expectations_name_cases) {
    struct outcome outcomes[] = {{.row = &cases[0]}, {.row = &cases[1]}};
    struct run_list list = {outcomes, COUNT(outcomes)};
    struct err err = {0};

    ck_assert(runner_expect(&list, "# known\n\nrfc8555/6.5/10 # why\n", &err));
    ck_assert(!outcomes[0].expected && outcomes[1].expected);
    ck_assert(!runner_expect(&list, "rfc8555/6.5/2\n", &err));
    ck_assert_ptr_nonnull(strstr(err.detail, "rfc8555/6.5/2"));
}
END_TEST

/* clang-format off */
static const struct { unsigned status; const char *type, *wanted, *types; bool fits; } answers[] = {
    {400, "malformed", "400",              "malformed",             true},
    {400, "malformed", "400 or 401",       "badNonce or malformed", true},
    {400, "malformed", "400",              "badNonce",              false},
    {400, "malformed", "401 or 403",       "malformed",             false},
    {400, "mal",       "400",              "malformed",             false},
    {400, NULL,        "400",              "malformed",             false},
    {400, NULL,        "400",              "-",                     true},
    {403, "x",         "4xx",              "*",                     true},
    {201, NULL,        "400 or 201",       "malformed",             true},
    {204, NULL,        "400 or 2xx",       "malformed",             true},
    {201, NULL,        "400",              "malformed",             false},
    {500, "x",         "any, no fetch",    "-",                     true},
    {0,   NULL,        "400 or close",     "-",                     true},
    {0,   NULL,        "400",              "-",                     false},
};
/* clang-format on */

START_TEST(answers_are_matched_as_the_catalogue_writes_them) {
    for (unsigned i = 0; i < COUNT(answers); i++) {
        const struct spec_case row = {.id = "x", .text = "x"};
        struct spec_target target = {0};
        struct spec spec;
        spec_init(&spec, &row, &target);
        struct spec_answer *answer = spec_no_answer(&spec, "POST", "https://a.test/x", "closed");
        answer->status = answers[i].status;
        if (answers[i].type != NULL) {
            answer->json =
                spec_pack(&spec, "{s:s}", "type",
                          spec_text(&spec, "urn:ietf:params:acme:error:%s", answers[i].type));
        }
        ck_assert_msg(spec_expect(&spec, answer, answers[i].wanted, answers[i].types)
                          == answers[i].fits,
                      "row %u: %s", i, spec.reason);
        ck_assert_int_eq(spec.verdict, answers[i].fits ? VERDICT_PASS : VERDICT_FAIL);
        spec_done(&spec);
    }
}
END_TEST

START_TEST(the_first_failure_is_the_reason) {
    const struct spec_case row = {.id = "x", .text = "x"};
    struct spec_target target = {.directory_url = "https://a.test/"};
    struct spec spec;

    spec_init(&spec, &row, &target);
    spec_fail(&spec, "first");
    spec_fail(&spec, "second");
    spec_skip(&spec, "third");
    ck_assert_str_eq(spec.reason, "first");
    ck_assert_int_eq(spec.verdict, VERDICT_FAIL);
    ck_assert_uint_eq(spec_get(&spec, "https://a.test/")->status,
                      0); /* nothing is asked any more */
    spec_done(&spec);
}
END_TEST

START_TEST(links_and_headers_are_read) {
    static const char head[] = "HTTP/1.1 200 OK\r\nlink: <https://a/1>;rel=\"alternate\", "
                               "<https://a/2>; rel=\"alternate\"\r\nReplay-Nonce: x\r\n"
                               "Link: <https://a/d>;rel=\"index\"\r\nreplay-nonce: y\r\n\r\n";
    const struct spec_case row = {.id = "x", .text = "x"};
    struct spec_target target = {0};
    struct spec spec;
    const struct spec_answer answer = {.head = head};

    spec_init(&spec, &row, &target);
    ck_assert_str_eq(spec_header(&spec, &answer, "Replay-Nonce"), "x");
    ck_assert_uint_eq(spec_headers(&answer, "Replay-Nonce"), 2);
    ck_assert_str_eq(spec_header(&spec, &answer, "Nonce"), "");
    ck_assert_str_eq(spec_link(&spec, &answer, "index", NULL), "https://a/d");
    ck_assert_str_eq(spec_link(&spec, &answer, "alternate", NULL), "https://a/1");
    ck_assert_str_eq(spec_link(&spec, &answer, "alternate", "https://a/1"), "https://a/2");
    ck_assert_str_eq(spec_link(&spec, &answer, "alternate", "https://a/2"), "");
    ck_assert_str_eq(spec_link(&spec, &answer, "up", NULL), "");
    spec_done(&spec);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {words_choose_cases,
                                  an_unknown_word_and_a_double_id_are_errors,
                                  a_result_fails_by_level_and_expectation,
                                  expectations_name_cases,
                                  answers_are_matched_as_the_catalogue_writes_them,
                                  the_first_failure_is_the_reason,
                                  links_and_headers_are_read};
    return suite_run("conformance/runner", tests, COUNT(tests));
}
