#include "client/request.h"

#include "tests/unit/common/suite.h"

#include "acme_bed.h"
#include "common/key.h"
#include "common/log.h"
#include "loop_bed.h"

static struct httpc *httpc;
static struct upstream *upstream;
static struct trace *trace;
static struct clock real;
static EVP_PKEY *key;
static char directory_url_text[96];

static struct {
    unsigned count;
    unsigned status;
    char location[128];
    char body[512];
    bool json;
    uint32_t retry_after_s;
    struct err err;
} got;

static void begin(void) {
    struct err err = {0};

    log_level_set(LOG_ERROR);
    bed_loop_new();
    real = clock_real();
    acme_begin("127.0.0.1:0");
    (void)snprintf(directory_url_text, sizeof directory_url_text, "%s/directory", acme.base);
    trace = trace_open("client", NULL, NULL, &err);
    httpc = httpc_new(&(struct httpc_options){.loop = bed_loop, .connections_max = 4}, &err);
    ck_assert_ptr_nonnull(httpc);
    upstream = upstream_new(&(struct upstream_options){.loop = bed_loop,
                                                       .httpc = httpc,
                                                       .clock = &real,
                                                       .trace = trace,
                                                       .seed = 1,
                                                       .directory_url = directory_url_text,
                                                       .connections_max = 4},
                            &err);
    key = key_generate(KEY_P256, &err);
    ck_assert(upstream != NULL && key != NULL);
}

static void end(void) {
    upstream_free(upstream);
    httpc_free(httpc);
    acme_end();
    trace_close(trace);
    loop_free(bed_loop);
    EVP_PKEY_free(key);
}

static void done(void *ctx, const struct request_answer *answer, const struct err *err) {
    unsigned *left = ctx;

    ck_assert((answer == NULL) != (err == NULL));
    got.count++;
    if (answer != NULL) {
        got.status = answer->status;
        got.json = answer->json != NULL;
        got.retry_after_s = answer->retry_after_s;
        (void)snprintf(got.location, sizeof got.location, "%s",
                       answer->location == NULL ? "" : answer->location);
        (void)snprintf(got.body, sizeof got.body, "%s", answer->body);
        ck_assert_uint_gt(answer->sent_us, 0);
    } else {
        got.err = *err;
    }
    if (left == NULL || --*left == 0) {
        loop_stop(bed_loop);
    }
}

static void ask(enum stats_op op, const char *url, unsigned *left) {
    const struct request_spec spec = {.op = op,
                                      .url = url,
                                      .key = key,
                                      .kid = op == STATS_NEW_ACCOUNT ? NULL : "https://kid",
                                      .payload = op == STATS_NEW_ACCOUNT ? strdup("{}") : NULL,
                                      .done = done,
                                      .ctx = left};
    struct err err = {0};

    ck_assert_ptr_nonnull(request_start(upstream, &spec, &err));
}

static void ask_and_wait(enum stats_op op, const char *path) {
    char url[128];

    (void)snprintf(url, sizeof url, "%s%s", acme.base, path == NULL ? "" : path);
    ask(op, path == NULL ? NULL : url, NULL);
    bed_run();
}

START_TEST(directory_and_nonce_are_fetched_once_and_then_go_round) {
    begin();
    ask_and_wait(STATS_NEW_ACCOUNT, NULL);
    ck_assert_uint_eq(got.status, 201);
    ck_assert_str_ne(got.location, "");
    ask_and_wait(STATS_ORDER, "/order/1");
    ask_and_wait(STATS_ORDER, "/order/1");
    ck_assert_str_eq(acme_log(), "directory newNonce newAccount order order");
    ck_assert_uint_eq(acme.replays, 0);
    end();
}
END_TEST

START_TEST(the_protected_header_is_that_of_rfc8555_6_2) {
    begin();
    ask_and_wait(STATS_NEW_ACCOUNT, NULL);
    ck_assert_ptr_nonnull(strstr(acme.last_header, "\"jwk\""));
    ck_assert_ptr_null(strstr(acme.last_header, "\"kid\""));
    ck_assert_str_eq(acme.last_payload, "{}");
    ask_and_wait(STATS_ORDER, "/order/1");
    ck_assert_ptr_null(strstr(acme.last_header, "\"jwk\""));
    ck_assert_ptr_nonnull(strstr(acme.last_header, "\"kid\":\"https://kid\""));
    ck_assert_ptr_nonnull(strstr(acme.last_header, "/order/1\""));
    ck_assert_str_eq(acme.last_payload, ""); /* POST-as-GET, 6.3 */
    end();
}
END_TEST

START_TEST(bad_nonce_is_signed_again_with_the_nonce_of_the_answer) {
    begin();
    acme_expect("newAccount", 400, ACME_PROBLEM("badNonce", "old"), NULL);
    acme_expect("newAccount", 400, ACME_PROBLEM("badNonce", "old"), NULL);
    ask_and_wait(STATS_NEW_ACCOUNT, NULL);
    ck_assert_uint_eq(got.status, 201);
    ck_assert_str_eq(acme_log(), "directory newNonce newAccount newAccount newAccount");
    ck_assert_uint_eq(acme.replays, 0);
    end();
}
END_TEST

START_TEST(bad_nonce_without_end_is_given_up) {
    begin();
    for (unsigned i = 0; i <= REQUEST_NONCE_TRIES; i++) {
        acme_expect("order", 400, ACME_PROBLEM("badNonce", "old"), NULL);
    }
    ask_and_wait(STATS_ORDER, "/order/1");
    ck_assert_int_eq(got.err.kind, ERR_BAD_NONCE);
    ck_assert_uint_eq(got.count, 1);
    end();
}
END_TEST

START_TEST(busy_is_waited_out_as_retry_after_says) {
    uint64_t start_us = 0;

    begin();
    acme_expect("order", 429, ACME_PROBLEM("rateLimited", "slow"), "1");
    acme_expect("order", 503, "down", NULL);
    start_us = clock_wall_us();
    ask_and_wait(STATS_ORDER, "/order/1");
    ck_assert_uint_eq(got.status, 200);
    ck_assert_uint_ge(clock_wall_us() - start_us, 1000000);
    end();
}
END_TEST

START_TEST(a_refusal_ends_the_request_with_the_servers_reason) {
    begin();
    acme_expect("order", 403, ACME_PROBLEM("unauthorized", "not yours"), NULL);
    ask_and_wait(STATS_ORDER, "/order/1");
    ck_assert_int_eq(got.err.kind, ERR_UNAUTHORIZED);
    ck_assert_str_eq(got.err.detail, "not yours");
    end();
}
END_TEST

START_TEST(a_server_that_fails_is_asked_a_few_times_only) {
    begin();
    acme_expect("order", 500, ACME_PROBLEM("serverInternal", "x"), "1");
    ask_and_wait(STATS_ORDER, "/order/1");
    ck_assert_uint_eq(got.status, 200);
    end();
}
END_TEST

/* clang-format off */
static const struct { const char *name, *path; enum stats_op op; unsigned status; const char *body; } lies[] = {
    {"not JSON",        "/order/1", STATS_ORDER, 200, "hello"},
    {"an array",        "/order/1", STATS_ORDER, 200, "[]"},
    {"no Location",     NULL,       STATS_NEW_ACCOUNT, 201, "{\"status\":\"valid\"}"},
    {"a chain as JSON", "/certificate/1", STATS_CERTIFICATE, 200, "{}"},
};
/* clang-format on */

START_TEST(an_answer_that_is_none_is_the_servers_fault) {
    for (size_t i = 0; i < COUNT(lies); i++) {
        memset(&got, 0, sizeof got);
        acme.steps_count = 0;
        memset(acme.spent, 0, sizeof acme.spent);
        begin();
        acme_expect(i == 0 || i == 1 ? "order"
                    : i == 2         ? "newAccount"
                                     : "certificate",
                    lies[i].status, lies[i].body, NULL);
        ask_and_wait(lies[i].op, lies[i].path);
        ck_assert_msg(got.err.kind == ERR_UPSTREAM, "%s: %s", lies[i].name, err_name(got.err.kind));
        end();
    }
}
END_TEST

START_TEST(a_chain_is_text_and_not_json) {
    begin();
    ask_and_wait(STATS_CERTIFICATE, "/certificate/1");
    ck_assert_uint_eq(got.status, 200);
    ck_assert(!got.json);
    ck_assert_str_eq(got.body, ACME_CHAIN);
    end();
}
END_TEST

static void come_back(void *ctx) { acme_begin(ctx); }

START_TEST(a_server_that_is_down_is_waited_for) {
    char listen[64];
    struct loop_timer timer = {0};

    begin();
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", httpd_port(acme.httpd));
    acme_end();
    loop_timer_set(bed_loop, &timer, clock_wall_us() + 300000, come_back, listen);
    ask_and_wait(STATS_NEW_ACCOUNT, NULL);
    ck_assert_uint_eq(got.status, 201);
    end();
}
END_TEST

START_TEST(many_requests_share_the_nonces_that_go_round) {
    enum { MANY = 60 };
    unsigned left = MANY;
    char url[128];

    begin();
    (void)snprintf(url, sizeof url, "%s/order/1", acme.base);
    for (unsigned i = 0; i < MANY; i++) {
        ask(STATS_ORDER, url, &left);
    }
    bed_run();
    ck_assert_uint_eq(got.count, MANY);
    ck_assert_uint_eq(acme.replays, 0);
    ck_assert_uint_le(acme.nonces, MANY + 4); /* at most one newNonce per connection */
    end();
}
END_TEST

START_TEST(a_cancelled_request_calls_nobody) {
    struct err err = {0};
    char url[128];

    begin();
    (void)snprintf(url, sizeof url, "%s/order/1", acme.base);
    struct request *request = request_start(
        upstream,
        &(struct request_spec){.op = STATS_ORDER, .url = url, .key = key, .kid = "k", .done = done},
        &err);
    ck_assert(request_waiting(request));
    request_cancel(request);
    ask_and_wait(STATS_ORDER, "/order/2");
    ck_assert_uint_eq(got.count, 1);
    end();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        directory_and_nonce_are_fetched_once_and_then_go_round,
        the_protected_header_is_that_of_rfc8555_6_2,
        bad_nonce_is_signed_again_with_the_nonce_of_the_answer,
        bad_nonce_without_end_is_given_up,
        busy_is_waited_out_as_retry_after_says,
        a_refusal_ends_the_request_with_the_servers_reason,
        a_server_that_fails_is_asked_a_few_times_only,
        an_answer_that_is_none_is_the_servers_fault,
        a_chain_is_text_and_not_json,
        a_server_that_is_down_is_waited_for,
        many_requests_share_the_nonces_that_go_round,
        a_cancelled_request_calls_nobody,
    };

    return suite_run("client/request", tests, COUNT(tests));
}
