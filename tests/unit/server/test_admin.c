#include "server/admin.h"

#include <stdio.h>

#include "common/httpc.h"
#include "server/history.h"
#include "server/store_memory.h"
#include "tests/unit/common/suite.h"

struct page {
    struct loop *loop;
    unsigned status;
    char body[131072];
};

static void on_page(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct page *page = ctx;
    ck_assert_msg(answer != NULL, "%s", err->detail);
    page->status = answer->status;
    (void)snprintf(page->body, sizeof(page->body), "%s", answer->body);
    loop_stop(page->loop);
}

static void ask_something(struct history *history) {
    const struct acme_identifier identifier = {.type = ACME_ID_DNS, .value = "a.example"};
    const struct err err = {.kind = ERR_NONE};

    history_query(history, &(struct va_query){.type = ACME_CHALLENGE_HTTP01,
                                              .identifier = &identifier,
                                              .at_us = 1000000,
                                              .asked = "http://a.example/x",
                                              .err = &err});
}

static const struct {
    const char *method, *path;
    unsigned status;
    const char *holds;
} rows[] = {
    {"GET", "/healthz", 200, "ok\n"},
    {"GET", "/readyz", 200, "ok\n"},
    {"GET", "/metrics", 200,
     "nfacme_server_requests_total{operation=\"newOrder\",outcome=\"badNonce\"} 1\n"},
    {"GET", "/metrics", 200, "nfacme_server_commits_total 0\n"},
    {"GET", "/metrics", 200, "nfacme_server_commit_records_total 0\n"},
    {"GET", "/metrics", 200, "nfacme_server_nonces_total{outcome=\"issued\"} 1\n"},
    {"GET", "/metrics", 200, "process_cpu_seconds_total"},
    {"GET", "/other", 404, "/metrics"},
    {"GET", "/history?identifier=a.example", 200, "\"asked\":\"http://a.example/x\""},
    {"GET", "/history?identifier=b.example", 404, "nothing is known"},
    {"GET", "/history?identifier=", 400, "identifier=VALUE"},
    {"GET", "/history", 400, "identifier=VALUE"},
    {"POST", "/history?identifier=a.example", 405, "malformed"},
    {"POST", "/ca", 405, "urn:ietf:params:acme:error:malformed"},
    {"POST", "/healthz", 405, "GET"},
};

START_TEST(health_readiness_metrics_and_history_are_pages) {
    struct err err = {0};
    struct page page = {.loop = loop_new(&err)};
    AUTO(meter_free) struct meter *meter = meter_new(&err);
    AUTO(nonce_pool_free) struct nonce_pool *nonces = nonce_pool_new(64, &err);
    AUTO(store_close) struct store *store = store_memory_open(&err);
    struct clock clock = clock_real();
    AUTO(va_free)
    struct va *va = va_new(&(struct va_options){.clock = &clock, .resolve_to = "127.0.0.1"}, &err);
    AUTO(history_free) struct history *history = history_new(4, &err);
    struct admin_options options = {
        .listen = "127.0.0.1:0",
        .meter = meter,
        .nonces = nonces,
        .store = store,
        .va = va,
        .history = history,
        .acme = httpd_start(&(struct httpd_options){.listen = "127.0.0.1:0"}, &err)};
    AUTO(admin_stop) struct admin *admin = admin_start(&options, &err);
    AUTO(httpc_free)
    struct httpc *httpc = httpc_new(&(struct httpc_options){.loop = page.loop}, &err);

    ck_assert_msg(admin != NULL && httpc != NULL && va != NULL, "%s", err.detail);
    meter_request(meter, METER_NEW_ORDER, ERR_BAD_NONCE, 1000);
    ask_something(history);
    nonce_issue(nonces, (char[NONCE_SIZE]){0});
    for (unsigned i = 0; i < COUNT(rows); i++) {
        char url[128];
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", admin_port(admin), rows[i].path);
        struct httpc_request request = {.method = rows[i].method, .url = url};
        ck_assert(httpc_start(httpc, &request, on_page, &page, &err) != NULL);
        loop_run(page.loop);
        ck_assert_msg(page.status == rows[i].status, "%s: %u", rows[i].path, page.status);
        ck_assert_msg(strstr(page.body, rows[i].holds) != NULL, "%s: %s", rows[i].path, page.body);
    }
    httpc_free(TAKE(httpc));
    loop_free(page.loop);
    admin_stop(TAKE(admin));
    httpd_stop((struct httpd *)options.acme);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {health_readiness_metrics_and_history_are_pages};
    return suite_run("server/admin", tests, COUNT(tests));
}
