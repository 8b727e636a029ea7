/* What an enrolment remembers: its history, and what the ACME server said last. */
#include "client/engine.h"

#include "tests/unit/common/suite.h"

#include "engine_bed.h"

static void take_id(void *ctx, struct store_found *found, const struct err *err) {
    (void)ctx;
    ck_assert(err == NULL && found->found_enrolment);
    bed_text(nf.id, sizeof nf.id, found->enrolment.id);
    loop_stop(bed_loop);
}

/* The id of the store's first enrolment: answers that are problems do not tell it. */
static const char *first_id(void) {
    struct err err = {0};

    ck_assert(store_find(bed.store, 1, take_id, NULL, &err));
    bed_run();
    return nf.id;
}

/* "STATE STATE(cause) …" of the last answer's history; instants that never run backwards. */
static const char *told_history(void) {
    static char text[1024];
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read_object(nf.body, strlen(nf.body), &err);
    const json_t *line = NULL;
    const char *last = "";
    size_t i = 0, len = 0;

    text[0] = '\0';
    json_array_foreach(json_object_get(json, "history"), i, line) {
        const char *cause = json_string_value(json_object_get(line, "cause"));
        const char *at = json_string_value(json_object_get(line, "at"));
        ck_assert_msg(strcmp(last, at) <= 0, "%s", nf.body);
        last = at;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s%s%s%s", i == 0 ? "" : " ",
                                json_string_value(json_object_get(line, "state")),
                                cause == NULL ? "" : "(", cause == NULL ? "" : cause,
                                cause == NULL ? "" : ")");
    }
    ck_assert_str_eq(nf_member("since"), last);
    return text;
}

/* A member of the resource's problem document; "" when absent. */
static const char *told_problem(const char *name) {
    static char text[512];
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read_object(nf.body, strlen(nf.body), &err);
    const json_t *problem = json_object_get(json, "problem");

    bed_text(text, sizeof text, json_string_value(json_object_get(problem, name)));
    return text;
}

START_TEST(an_enrolment_tells_its_history_also_after_a_restart) {
    bed_begin();
    ck_assert_uint_eq(nf_enrol("20", NULL), 201);
    ck_assert_str_eq(told_history(), "AUTHORISED ACCOUNT ORDERED CHALLENGED VALIDATING READY");
    bed_client_end();
    bed_client_begin();
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(told_history(), "AUTHORISED ACCOUNT ORDERED CHALLENGED VALIDATING READY");
    ck_assert_uint_eq(nf_csr("a request", "20"), 200);
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(told_history(), "AUTHORISED ACCOUNT ORDERED CHALLENGED VALIDATING READY"
                                     " FINALIZING ISSUED");
    ck_assert_str_eq(told_problem("type"), "");
    bed_end();
}
END_TEST

START_TEST(what_the_server_said_last_is_shown_until_it_is_got_over) {
    bed_begin();
    acme_expect("newOrder", 503, ACME_PROBLEM("rateLimited", "slow down"), "1");
    ck_assert_uint_eq(nf_enrol("0", NULL), 202);
    while (told_problem("type")[0] == '\0') {
        ck_assert_uint_eq(nf_get(NULL), 200);
        ck_assert_str_ne(nf_member("state"), "READY");
    }
    ck_assert_str_eq(told_problem("type"), "urn:ietf:params:acme:error:rateLimited");
    ck_assert_str_eq(told_problem("detail"), "slow down");
    ck_assert_uint_eq(nf_get("20"), 200);
    ck_assert_str_eq(told_problem("type"), "");
    ck_assert_str_eq(told_history(), "AUTHORISED ACCOUNT ORDERED(after rateLimited) CHALLENGED"
                                     " VALIDATING READY");
    bed_end();
}
END_TEST

START_TEST(a_failure_keeps_its_problem_and_is_counted_by_its_cause) {
    struct metric *failed = stats_failed(ERR_REJECTED_IDENTIFIER);
    struct metric *said = stats_problem(ERR_REJECTED_IDENTIFIER);

    bed_begin();
    ck_assert_int_eq(metric_get(failed), 0);
    acme_expect("newOrder", 400, ACME_PROBLEM("rejectedIdentifier", "not here"), NULL);
    ck_assert_uint_eq(nf_enrol("20", "key"), 403);
    ck_assert_int_eq(metric_get(failed), 1);
    ck_assert_int_eq(metric_get(said), 1);
    bed_client_end();
    bed_client_begin();
    AUTO(buf_done) struct buf metrics = buf_new(65536);
    ck_assert(stats_render(&metrics));
    ck_assert_ptr_nonnull(strstr(metrics.data, "\nnfacme_client_enrolments_failed_total{cause="
                                               "\"rejectedIdentifier\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(metrics.data, "\nnfacme_client_acme_problems_total{type="
                                               "\"rejectedIdentifier\"} 1\n"));
    (void)first_id();
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_str_eq(nf_member("state"), "FAILED");
    ck_assert_str_eq(told_problem("detail"), "not here");
    ck_assert_str_eq(told_history(), "AUTHORISED ACCOUNT FAILED(rejectedIdentifier: not here)");
    bed_end();
}
END_TEST

START_TEST(a_refused_csr_stands_in_the_history) {
    bed_begin();
    (void)nf_enrol("20", NULL);
    acme_expect("finalize", 400, ACME_PROBLEM("badCSR", "it asks for another name"), NULL);
    acme_expect("order", 0, "ready", NULL);
    ck_assert_uint_eq(nf_csr("a bad request", "20"), 400);
    ck_assert_uint_eq(nf_get(NULL), 200);
    ck_assert_ptr_nonnull(
        strstr(told_history(), " FINALIZING READY(badCSR: it asks for another name)"));
    ck_assert_str_eq(told_problem("type"), "urn:ietf:params:acme:error:badCSR");
    bed_end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        an_enrolment_tells_its_history_also_after_a_restart,
        what_the_server_said_last_is_shown_until_it_is_got_over,
        a_failure_keeps_its_problem_and_is_counted_by_its_cause,
        a_refused_csr_stands_in_the_history,
    };

    return suite_run("client/engine_notes", tests, COUNT(tests));
}
