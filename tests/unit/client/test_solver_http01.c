#include "client/solver_http01.h"

#include "tests/unit/common/suite.h"

#include "common/httpc.h"
#include "loop_bed.h"

#define TOKEN "abcdefghijklmnopqrstuvwxyz0123456789"

static struct solver_http01 *responder;
static struct solvers solvers;
static struct httpc *httpc;
static struct enrolment enrolment = {.thumbprint = "the-thumbprint"};
static unsigned status;
static char body[256];

static void begin(void) {
    struct err err = {0};

    bed_loop_new();
    responder = solver_http01_start("127.0.0.1:0", 1, &err);
    ck_assert_msg(responder != NULL, "%s", err.detail);
    solvers = (struct solvers){.count = 1, .order = {ACME_CHALLENGE_HTTP01}, .http01 = responder};
    httpc = httpc_new(&(struct httpc_options){.loop = bed_loop}, &err);
    ck_assert_ptr_nonnull(httpc);
}

static void end(void) {
    httpc_free(httpc);
    solver_http01_stop(responder);
    loop_free(bed_loop);
}

static void answered(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    (void)ctx;
    ck_assert_msg(answer != NULL, "%s", err == NULL ? "" : err->detail);
    status = answer->status;
    (void)snprintf(body, sizeof body, "%s", answer->body_len == 0 ? "" : answer->body);
    loop_stop(bed_loop);
}

static void ask(const char *method, const char *path) {
    char url[256];
    struct err err = {0};

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", solver_http01_port(responder), path);
    ck_assert_ptr_nonnull(httpc_start(httpc, &(struct httpc_request){.method = method, .url = url},
                                      answered, NULL, &err));
    bed_run();
}

static void presented(void *ctx, const struct err *err) {
    ck_assert_ptr_null(err);
    *(bool *)ctx = true;
}

START_TEST(an_answer_is_there_from_present_to_withdraw) {
    bool done = false;
    struct err err = {0};
    struct solver_task task = {
        .token = strdup(TOKEN), .enrolment = &enrolment, .done = presented, .ctx = &done};

    begin();
    ask("GET", "/.well-known/acme-challenge/" TOKEN);
    ck_assert_uint_eq(status, 404);
    ck_assert(solver_http01_row.present(&solvers, &task, &err));
    ck_assert(done);
    ck_assert_str_eq(task.payload, "{}");
    ask("GET", "/.well-known/acme-challenge/" TOKEN);
    ck_assert_uint_eq(status, 200);
    ck_assert_str_eq(body, TOKEN ".the-thumbprint"); /* RFC 8555 8.1 */
    ask("GET", "/.well-known/acme-challenge/other");
    ck_assert_uint_eq(status, 404);
    ask("POST", "/.well-known/acme-challenge/" TOKEN);
    ck_assert_uint_eq(status, 404);
    solver_http01_row.withdraw(&solvers, &task);
    ask("GET", "/.well-known/acme-challenge/" TOKEN);
    ck_assert_uint_eq(status, 404);
    solver_task_done(&task);
    end();
}
END_TEST

START_TEST(a_token_that_is_none_is_refused) {
    static const char *const bad[] = {NULL, "", "short"};

    begin();
    for (size_t i = 0; i < COUNT(bad); i++) {
        bool done = false;
        struct err err = {0};
        struct solver_task task = {.token = bad[i] == NULL ? NULL : strdup(bad[i]),
                                   .enrolment = &enrolment,
                                   .done = presented,
                                   .ctx = &done};
        ck_assert(!solver_http01_row.present(&solvers, &task, &err));
        ck_assert_int_eq(err.kind, ERR_UPSTREAM);
        ck_assert(!done);
        solver_http01_row.withdraw(&solvers, &task);
        solver_task_done(&task);
    }
    end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {an_answer_is_there_from_present_to_withdraw,
                                  a_token_that_is_none_is_refused};

    return suite_run("client/solver_http01", tests, COUNT(tests));
}
