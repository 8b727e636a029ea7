#include <stdatomic.h>

#include "common/log.h"
#include "http_bed.h"
#include "tests/unit/common/suite.h"

static struct loop *loop;
static struct httpc *httpc;
static struct httpd *httpd;
static char url[64];

/* The path says how: what is before the dash, deferred or not. */
static void handle(void *ctx, struct httpd_exchange *exchange) {
    const char *path = httpd_path(exchange);
    struct httpd_pace pace = {0};

    (void)ctx;
    if (strstr(path, "-deferred") != NULL) {
        ck_assert(httpd_defer(exchange));
    }
    if (strncmp(path, "/abort", 6) == 0) {
        httpd_abort(exchange);
        return;
    }
    pace.delay_us = strstr(path, "late") != NULL ? 150000 : 0;
    pace.delay_us = strstr(path, "never") != NULL ? 3600000000 : pace.delay_us;
    pace.octets_per_s = strstr(path, "slow") != NULL ? 40 : strstr(path, "drip") != NULL;
    httpd_answer_paced(exchange, 200, "text/plain", strdup("drop by drop"), 12, &pace);
}

static struct identity ca, server;
static X509_STORE *trust;

static void start(bool tls) {
    struct err err = {0};
    log_level_set(LOG_ERROR);
    ca = bed_ca("root");
    server = bed_server(&ca);
    httpd = httpd_start(&(struct httpd_options){.listen = "127.0.0.1:0",
                                                .body_max = 1000,
                                                .many_idle = tls,
                                                .threads = tls ? 2 : 1,
                                                .cert_pem = tls ? server.cert_pem : NULL,
                                                .key_pem = tls ? server.key_pem : NULL,
                                                .handler = handle},
                        &err);
    ck_assert_msg(httpd != NULL, "%s", err.detail);
    loop = loop_new(&err);
    trust = x509_trust(ca.chain, &err);
    httpc = httpc_new(&(struct httpc_options){.loop = loop, .trust = trust, .connections_max = 8},
                      &err);
    ck_assert_ptr_nonnull(httpc);
    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%u", tls ? "https" : "http",
                   httpd_port(httpd));
}

static void stop(void) {
    httpc_free(httpc);
    httpd_stop(httpd);
    loop_free(loop);
    X509_STORE_free(trust);
    bed_identity_done(&ca);
    bed_identity_done(&server);
}

static struct reply ask(const char *path) {
    char at[128];
    (void)snprintf(at, sizeof(at), "%s%s", url, path);
    return bed_get(loop, httpc, at);
}

/* clang-format off */
static const struct { const char *path; uint64_t least_us, most_us; } rows[] = {
    {"/plain",              0,      5000000},
    {"/late",               150000, 5000000},
    {"/late-deferred",      150000, 5000000},
    {"/slow",               250000, 5000000}, /* 11 octets after the first, 40 a second */
    {"/slow-deferred",      250000, 5000000},
    {"/slow-late-deferred", 400000, 5000000},
};
/* clang-format on */

START_TEST(a_paced_answer_comes_whole_and_no_sooner) {
    start(_i % 2 != 0);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        uint64_t start_us = clock_wall_us();
        struct reply reply = ask(rows[i].path);
        uint64_t took_us = clock_wall_us() - start_us;
        ck_assert_msg(reply.status == 200, "%s: %u %s", rows[i].path, reply.status,
                      reply.err.detail);
        ck_assert_str_eq(reply.body, "drop by drop");
        ck_assert_msg(took_us >= rows[i].least_us && took_us <= rows[i].most_us, "%s: %llu us",
                      rows[i].path, (unsigned long long)took_us);
    }
    stop();
}
END_TEST

START_TEST(an_abort_closes_the_connection_without_an_answer) {
    static const char *const paths[] = {"/abort", "/abort-deferred"};

    start(_i % 2 != 0);
    for (unsigned i = 0; i < COUNT(paths); i++) {
        struct reply reply = ask(paths[i]);
        ck_assert_uint_eq(reply.status, 0);
        ck_assert_int_eq(reply.err.kind, ERR_UNREACHABLE);
        ck_assert_uint_eq(ask("/plain").status, 200);
    }
    stop();
}
END_TEST

START_TEST(stopping_does_not_wait_for_what_is_paced) {
    static const char *const paths[] = {"/never", "/never-deferred", "/drip", "/drip-deferred"};
    char at[COUNT(paths)][128];
    struct reply replies[COUNT(paths)];
    struct err err = {0};

    start(_i % 2 != 0);
    uint64_t start_us = clock_wall_us();
    for (unsigned i = 0; i < COUNT(paths); i++) {
        replies[i] = (struct reply){.loop = loop, .left = 99};
        (void)snprintf(at[i], sizeof(at[i]), "%s%s", url, paths[i]);
        struct httpc_request request = {.method = "GET", .url = at[i], .timeout_ms = 20000};
        ck_assert(httpc_start(httpc, &request, bed_done, &replies[i], &err) != NULL);
    }
    struct reply late = ask("/late"); /* by its end the others are under way */
    ck_assert_msg(late.status == 200, "%s (%s)", late.err.detail, late.err.cause);
    httpd_stop(httpd);
    ck_assert_uint_lt(clock_wall_us() - start_us, 6000000);
    httpc_free(httpc);
    loop_free(loop);
    X509_STORE_free(trust);
    bed_identity_done(&ca);
    bed_identity_done(&server);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_paced_answer_comes_whole_and_no_sooner,
                                  an_abort_closes_the_connection_without_an_answer,
                                  stopping_does_not_wait_for_what_is_paced};
    Suite *suite = suite_create("common/httpd_pace");
    TCase *tcase = tcase_create("plain and TLS");

    tcase_set_timeout(tcase, 60);
    for (unsigned i = 0; i < COUNT(tests); i++) {
        tcase_add_loop_test(tcase, tests[i], 0, 2);
    }
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
