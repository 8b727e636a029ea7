#include <check.h>
#include <string.h>

#include "common/health.h"
#include "common/httpc.h"

#include "suite.h"

static bool is_ready(void *ctx) { return *(bool *)ctx; }

static void add_metrics(void *ctx, struct buf *buf) {
    (void)ctx;
    (void)buf_text(buf, "nfacme_test_total 7\n");
}

struct got {
    struct loop *loop;
    unsigned status;
    char body[8192];
};

static void take(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct got *got = ctx;

    (void)err;
    got->status = answer == NULL ? 0 : answer->status;
    (void)snprintf(got->body, sizeof(got->body), "%s", answer == NULL ? "" : answer->body);
    loop_stop(got->loop);
}

static void ask(struct health *health, const char *method, const char *path, struct got *got) {
    struct err err = {0};
    char url[128];
    struct loop *loop = loop_new(&err);
    struct httpc *httpc = httpc_new(&(struct httpc_options){.loop = loop}, &err);

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", health_port(health), path);
    got->loop = loop;
    ck_assert_ptr_nonnull(
        httpc_start(httpc, &(struct httpc_request){.method = method, .url = url}, take, got, &err));
    loop_run(loop);
    httpc_free(httpc);
    loop_free(loop);
}

static const struct {
    const char *name, *method, *path;
    bool ready;
    unsigned status;
    const char *holds;
} rows[] = {
    {"alive", "GET", "/healthz", false, 200, "ok\n"},
    {"ready", "GET", "/readyz", true, 200, "ok\n"},
    {"not ready", "GET", "/readyz", false, 503, "cannot be written"},
    {"the program's metrics", "GET", "/metrics", true, 200, "nfacme_test_total 7\n"},
    {"the process's metrics", "GET", "/metrics", true, 200, "process_cpu_seconds_total"},
    {"another page", "GET", "/secrets", true, 404, "no such page"},
    {"another method", "POST", "/healthz", true, 405, "GET or HEAD"},
};

static void check_row(size_t i) {
    struct err err = {0};
    bool ready = rows[i].ready;
    struct got got = {0};
    struct health *health = health_start(&(struct health_options){.listen = "127.0.0.1:0",
                                                                  .ready = is_ready,
                                                                  .metrics = add_metrics,
                                                                  .ctx = &ready,
                                                                  .program = "test"},
                                         &err);

    ck_assert_msg(health != NULL, "%s", err.detail);
    ask(health, rows[i].method, rows[i].path, &got);
    ck_assert_msg(got.status == rows[i].status, "%s: %u", rows[i].name, got.status);
    ck_assert_msg(strstr(got.body, rows[i].holds) != NULL, "%s: %s", rows[i].name, got.body);
    health_stop(health);
}

START_TEST(every_page_answers_as_its_row_says) {
    for (size_t i = 0; i < COUNT(rows); i++) {
        check_row(i);
    }
}
END_TEST

static void other(void *ctx, struct httpd_exchange *exchange) {
    (void)ctx;
    httpd_answer(exchange, 204, NULL, NULL, 0);
}

START_TEST(a_program_may_serve_further_pages) {
    struct err err = {0};
    bool ready = true;
    struct got got = {0};
    struct health *health = health_start(&(struct health_options){.listen = "127.0.0.1:0",
                                                                  .ready = is_ready,
                                                                  .metrics = add_metrics,
                                                                  .other = other,
                                                                  .ctx = &ready,
                                                                  .program = "test"},
                                         &err);

    ask(health, "GET", "/faults", &got);
    ck_assert_uint_eq(got.status, 204);
    ask(health, "GET", "/healthz", &got);
    ck_assert_uint_eq(got.status, 200);
    health_stop(health);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {every_page_answers_as_its_row_says,
                                  a_program_may_serve_further_pages};
    return suite_run("common/health", tests, COUNT(tests));
}
