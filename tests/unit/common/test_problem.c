#include "common/problem.h"

#include "common/acme.h"
#include "common/json.h"
#include "suite.h"

/* An independent transcription: what each kind must become on the wire. */
/* clang-format off */
static const struct {
    enum err_kind kind;
    const char *name;
    unsigned status;
    enum problem_retry retry;
    unsigned sbi_status;
    const char *cause;
} wanted[] = {
    {ERR_NONE, NULL, 500, RETRY_NEVER, 500, "UNSPECIFIED_NF_FAILURE"},
    {ERR_ACCOUNT_DOES_NOT_EXIST, "accountDoesNotExist", 400, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_ALREADY_REVOKED, "alreadyRevoked", 400, RETRY_NEVER, 409, "MODIFICATION_NOT_ALLOWED"},
    {ERR_BAD_CSR, "badCSR", 400, RETRY_NEVER, 400, "MANDATORY_IE_INCORRECT"},
    {ERR_BAD_NONCE, "badNonce", 400, RETRY_NEW_NONCE, 502, "INBOUND_SERVER_ERROR"},
    {ERR_BAD_PUBLIC_KEY, "badPublicKey", 400, RETRY_NEVER, 400, "MANDATORY_IE_INCORRECT"},
    {ERR_BAD_REVOCATION_REASON, "badRevocationReason", 400, RETRY_NEVER, 400, "OPTIONAL_IE_INCORRECT"},
    {ERR_BAD_SIGNATURE_ALGORITHM, "badSignatureAlgorithm", 400, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_CAA, "caa", 403, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_COMPOUND, "compound", 400, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_CONNECTION, "connection", 400, RETRY_LATER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_DNS, "dns", 400, RETRY_LATER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_EXTERNAL_ACCOUNT_REQUIRED, "externalAccountRequired", 403, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_INCORRECT_RESPONSE, "incorrectResponse", 403, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_INVALID_CONTACT, "invalidContact", 400, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_MALFORMED, "malformed", 400, RETRY_NEVER, 400, "INVALID_MSG_FORMAT"},
    {ERR_ORDER_NOT_READY, "orderNotReady", 403, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_RATE_LIMITED, "rateLimited", 429, RETRY_LATER, 429, "NF_CONGESTION_RISK"},
    {ERR_REJECTED_IDENTIFIER, "rejectedIdentifier", 403, RETRY_NEVER, 403, "MODIFICATION_NOT_ALLOWED"},
    {ERR_SERVER_INTERNAL, "serverInternal", 500, RETRY_LATER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_TLS, "tls", 400, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_UNAUTHORIZED, "unauthorized", 403, RETRY_NEVER, 403, "MODIFICATION_NOT_ALLOWED"},
    {ERR_UNSUPPORTED_CONTACT, "unsupportedContact", 400, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_UNSUPPORTED_IDENTIFIER, "unsupportedIdentifier", 400, RETRY_NEVER, 400, "MANDATORY_IE_INCORRECT"},
    {ERR_USER_ACTION_REQUIRED, "userActionRequired", 403, RETRY_NEVER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_INVALID_PROFILE, "invalidProfile", 400, RETRY_NEVER, 400, "OPTIONAL_IE_INCORRECT"},
    {ERR_ALREADY_REPLACED, "alreadyReplaced", 409, RETRY_NEVER, 409, "MODIFICATION_NOT_ALLOWED"},
    {ERR_NOT_FOUND, "malformed", 404, RETRY_NEVER, 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"},
    {ERR_METHOD_NOT_ALLOWED, "malformed", 405, RETRY_NEVER, 405, "UNSPECIFIED_MSG_FAILURE"},
    {ERR_CONFLICT, "malformed", 409, RETRY_NEVER, 409, "MODIFICATION_NOT_ALLOWED"},
    {ERR_TOO_LARGE, "malformed", 413, RETRY_NEVER, 413, "INCORRECT_LENGTH"},
    {ERR_MEDIA_TYPE, "malformed", 415, RETRY_NEVER, 415, "INVALID_MSG_FORMAT"},
    {ERR_FORBIDDEN, "unauthorized", 403, RETRY_NEVER, 403, "MODIFICATION_NOT_ALLOWED"},
    {ERR_CCA, "unauthorized", 403, RETRY_NEVER, 403, "CCA_VERIFICATION_FAILURE"},
    {ERR_MISSING, "malformed", 400, RETRY_NEVER, 400, "MANDATORY_IE_MISSING"},
    {ERR_INVALID, "malformed", 400, RETRY_NEVER, 400, "MANDATORY_IE_INCORRECT"},
    {ERR_NOT_IMPLEMENTED, "serverInternal", 501, RETRY_NEVER, 501, "UNSPECIFIED_NF_FAILURE"},
    {ERR_OVERLOAD, "serverInternal", 503, RETRY_LATER, 503, "NF_CONGESTION"},
    {ERR_UNREACHABLE, NULL, 500, RETRY_LATER, 504, "TARGET_NF_NOT_REACHABLE"},
    {ERR_UPSTREAM, NULL, 500, RETRY_LATER, 502, "INBOUND_SERVER_ERROR"},
    {ERR_TIMEOUT, NULL, 500, RETRY_LATER, 504, "TIMED_OUT_REQUEST"},
    {ERR_NO_MEMORY, NULL, 500, RETRY_LATER, 500, "INSUFFICIENT_RESOURCES"},
    {ERR_STORE, NULL, 500, RETRY_LATER, 500, "SYSTEM_FAILURE"},
    {ERR_CONFIG, NULL, 500, RETRY_NEVER, 500, "SYSTEM_FAILURE"},
};
/* clang-format on */

static json_t *read_back(char *text) {
    struct err err = {0};
    ck_assert_ptr_nonnull(text);
    json_t *json = json_read_object(text, strlen(text), &err);
    ck_assert_msg(json != NULL, "%s", text);
    free(text);
    return json;
}

static const char *member(const json_t *json, const char *name) {
    return json_string_value(json_object_get(json, name));
}

START_TEST(the_table_is_what_the_clauses_say) {
    ck_assert_uint_eq(COUNT(wanted), ERR__COUNT);
    for (unsigned i = 0; i < COUNT(wanted); i++) {
        const struct problem_type *type = problem_type((enum err_kind)i);
        const char *name = err_name(wanted[i].kind);
        ck_assert_int_eq(wanted[i].kind, (int)i);
        ck_assert_msg((type->name == NULL) == (wanted[i].name == NULL), "%s", name);
        ck_assert_msg(type->name == NULL || strcmp(type->name, wanted[i].name) == 0, "%s", name);
        ck_assert_msg(type->status == wanted[i].status, "%s", name);
        ck_assert_msg(type->retry == wanted[i].retry, "%s", name);
        ck_assert_msg(type->sbi_status == wanted[i].sbi_status, "%s", name);
        ck_assert_msg(strcmp(type->sbi_cause, wanted[i].cause) == 0, "%s", name);
    }
}
END_TEST

START_TEST(every_kind_renders_as_its_row_says_and_never_leaks_its_cause) {
    for (int kind = ERR_NONE + 1; kind < ERR__COUNT; kind++) {
        const struct problem_type *type = problem_type((enum err_kind)kind);
        struct err err = {.kind = (enum err_kind)kind, .detail = "what", .cause = "secret"};
        char *text = problem_render(&err);
        ck_assert_ptr_null(strstr(text, "secret"));
        AUTO(json_release) json_t *json = read_back(text);
        char urn[80];
        (void)snprintf(urn, sizeof(urn), "%s%s", ACME_ERROR_URN,
                       type->name == NULL ? "serverInternal" : type->name);
        ck_assert_str_eq(member(json, "type"), urn);
        ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), type->status);
        ck_assert_str_eq(member(json, "detail"),
                         type->name == NULL ? "an internal error of the server" : "what");

        text = problem_render_sbi(&err);
        ck_assert_ptr_null(strstr(text, "secret"));
        AUTO(json_release) json_t *sbi = read_back(text);
        ck_assert_int_eq(json_integer_value(json_object_get(sbi, "status")), type->sbi_status);
        ck_assert_str_eq(member(sbi, "cause"), type->sbi_cause);
        ck_assert_ptr_nonnull(member(sbi, "title"));
        bool ours = kind == ERR_NO_MEMORY || kind == ERR_STORE || kind == ERR_CONFIG;
        ck_assert_msg((member(sbi, "detail") == NULL) == ours, "%s", err_name(err.kind));
        ck_assert_msg((member(sbi, "acmeProblem") != NULL) == (kind <= ERR_ALREADY_REPLACED), "%s",
                      err_name(err.kind));
    }
}
END_TEST

START_TEST(rfc8555_6_2_bad_signature_algorithm_lists_the_algorithms) {
    struct err err = {.kind = ERR_BAD_SIGNATURE_ALGORITHM, .detail = "HS256"};
    AUTO(json_release) json_t *json = read_back(problem_render(&err));
    const json_t *list = json_object_get(json, "algorithms");
    ck_assert_uint_eq(json_array_size(list), 5);
    ck_assert_str_eq(json_string_value(json_array_get(list, 0)), "ES256");
}
END_TEST

START_TEST(ts29571_invalid_params_name_the_member) {
    struct err err = {.kind = ERR_MISSING, .detail = "is missing", .param = "nfType"};
    AUTO(json_release) json_t *json = read_back(problem_render_sbi(&err));
    const json_t *one = json_array_get(json_object_get(json, "invalidParams"), 0);
    ck_assert_str_eq(member(one, "param"), "nfType");
    ck_assert_str_eq(member(one, "reason"), "is missing");
}
END_TEST

START_TEST(a_detail_that_is_not_text_is_still_json) {
    struct err err = {.kind = ERR_MALFORMED, .detail = "a\xff\"\n\x1b[2Jb\xe2\x82\xac"};
    AUTO(json_release) json_t *json = read_back(problem_render(&err));
    ck_assert_str_eq(member(json, "detail"), "a?\"??[2Jb\xe2\x82\xac");
}
END_TEST

START_TEST(what_one_side_renders_the_other_reads) {
    for (int kind = ERR_NONE + 1; kind < ERR__COUNT; kind++) {
        struct err err = {.kind = (enum err_kind)kind, .detail = "what", .param = "x"};
        AUTO(free) char *sbi = problem_render_sbi(&err);
        struct err back = {0};
        problem_read(&back, problem_type(err.kind)->sbi_status, sbi, strlen(sbi), 7);
        ck_assert_int_eq(back.kind, kind);
        ck_assert_uint_eq(back.retry_after_s, 7);

        AUTO(free) char *acme = problem_render(&err);
        struct err seen = {0};
        problem_read(&seen, problem_type(err.kind)->status, acme, strlen(acme), 0);
        const char *name = problem_type(err.kind)->name;
        ck_assert_str_eq(problem_type(seen.kind)->name, name == NULL ? "serverInternal" : name);
        ck_assert_uint_eq(problem_type(seen.kind)->status, problem_type(err.kind)->status);
        ck_assert_msg(kind > ERR_ALREADY_REPLACED || seen.kind == err.kind, "%s",
                      err_name(err.kind));
    }
}
END_TEST

/* clang-format off */
static const struct { const char *body; unsigned status; enum err_kind kind; const char *detail; } bodies[] = {
    {"", 500, ERR_UPSTREAM, "the peer answered 500"},
    {"<html>", 429, ERR_RATE_LIMITED, "the peer answered 429"},
    {"", 503, ERR_OVERLOAD, "the peer answered 503"},
    {"{\"type\":\"about:blank\",\"detail\":\"d\"}", 400, ERR_UPSTREAM, "d"},
    {"{\"type\":\"urn:ietf:params:acme:error:unheardOf\",\"detail\":\"d\"}", 400, ERR_UPSTREAM, "d"},
    {"{\"type\":\"urn:ietf:params:acme:error:badNonce\",\"detail\":\"d\"}", 400, ERR_BAD_NONCE, "d"},
    {"{\"type\":\"urn:ietf:params:acme:error:badNonce\"}", 503, ERR_BAD_NONCE, "the peer answered 503"},
    {"{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"d\"}", 404, ERR_NOT_FOUND, "d"},
    {"{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"d\"}", 401, ERR_UNAUTHORIZED, "d"},
    {"{\"type\":5,\"detail\":6}", 400, ERR_UPSTREAM, "the peer answered 400"},
    {"{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"a\\u001bb\"}", 429, ERR_RATE_LIMITED, "a?b"},
    {"[\"urn:ietf:params:acme:error:badNonce\"]", 400, ERR_UPSTREAM, "the peer answered 400"},
};
/* clang-format on */

START_TEST(any_octets_can_be_read_as_a_problem) {
    for (unsigned i = 0; i < COUNT(bodies); i++) {
        struct err err = {0};
        problem_read(&err, bodies[i].status, bodies[i].body, strlen(bodies[i].body), 0);
        ck_assert_msg(err.kind == bodies[i].kind, "row %u: %s", i, err_name(err.kind));
        ck_assert_str_eq(err.detail, bodies[i].detail);
    }
}
END_TEST

START_TEST(an_error_already_there_is_kept) {
    struct err err = {.kind = ERR_TIMEOUT};
    problem_read(&err, 400, "{}", 2, 9);
    ck_assert_int_eq(err.kind, ERR_TIMEOUT);
    ck_assert_uint_eq(err.retry_after_s, 0);
}
END_TEST

int main(void) {
    const TTest *tests[] = {the_table_is_what_the_clauses_say,
                            every_kind_renders_as_its_row_says_and_never_leaks_its_cause,
                            rfc8555_6_2_bad_signature_algorithm_lists_the_algorithms,
                            ts29571_invalid_params_name_the_member,
                            a_detail_that_is_not_text_is_still_json,
                            what_one_side_renders_the_other_reads,
                            any_octets_can_be_read_as_a_problem,
                            an_error_already_there_is_kept};
    return suite_run("problem", tests, COUNT(tests));
}
