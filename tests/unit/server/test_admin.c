#include "server/admin.h"

#include <stdio.h>

#include "common/httpc.h"
#include "server/store_memory.h"
#include "tests/unit/common/suite.h"

struct page {
    struct loop *loop;
    unsigned status;
    char body[16384];
};

static void on_page(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct page *page = ctx;
    ck_assert_msg(answer != NULL, "%s", err->detail);
    page->status = answer->status;
    (void)snprintf(page->body, sizeof(page->body), "%s", answer->body);
    loop_stop(page->loop);
}

START_TEST(health_readiness_and_metrics_are_pages) {
    static const struct {
        const char *method, *path;
        unsigned status;
        const char *holds;
    } rows[] = {
        {"GET", "/healthz", 200, "ok\n"},
        {"GET", "/readyz", 200, "ok\n"},
        {"GET", "/metrics", 200,
         "nfacme_server_requests_total{operation=\"newOrder\",outcome=\"problem\"} 1\n"},
        {"GET", "/metrics", 200, "nfacme_server_commits_total 0\n"},
        {"GET", "/metrics", 200, "nfacme_server_commit_records_total 0\n"},
        {"GET", "/metrics", 200, "nfacme_server_nonces_total{outcome=\"issued\"} 1\n"},
        {"GET", "/metrics", 200, "process_cpu_seconds_total"},
        {"GET", "/other", 404, "/metrics"},
        {"POST", "/ca", 405, "urn:ietf:params:acme:error:malformed"},
        {"POST", "/healthz", 405, "GET"},
    };
    struct err err = {0};
    struct page page = {.loop = loop_new(&err)};
    AUTO(meter_free) struct meter *meter = meter_new(&err);
    AUTO(nonce_pool_free) struct nonce_pool *nonces = nonce_pool_new(64, &err);
    AUTO(store_close) struct store *store = store_memory_open(&err);
    struct clock clock = clock_real();
    AUTO(va_free)
    struct va *va = va_new(&(struct va_options){.clock = &clock, .resolve_to = "127.0.0.1"}, &err);
    struct admin_options options = {
        .listen = "127.0.0.1:0",
        .meter = meter,
        .nonces = nonces,
        .store = store,
        .va = va,
        .acme = httpd_start(&(struct httpd_options){.listen = "127.0.0.1:0"}, &err)};
    AUTO(admin_stop) struct admin *admin = admin_start(&options, &err);
    AUTO(httpc_free)
    struct httpc *httpc = httpc_new(&(struct httpc_options){.loop = page.loop}, &err);

    ck_assert_msg(admin != NULL && httpc != NULL && va != NULL, "%s", err.detail);
    meter_request(meter, METER_NEW_ORDER, true);
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
    const TTest *const tests[] = {health_readiness_and_metrics_are_pages};
    return suite_run("server/admin", tests, COUNT(tests));
}
