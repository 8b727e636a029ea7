#include "httpc_bed.h"

/* ---- requests ---- */

/* clang-format off */
static const struct { const char *method, *type, *body, *want; } sent[] = {
    {"GET", NULL, NULL, "GET type=- expect=0 agent=nfacme-test/1 len=0"},
    {"POST", "application/jose+json", "body", "POST type=application/jose+json expect=0 agent=nfacme-test/1 len=4"},
    {"POST", NULL, "body", "POST type=- expect=0 agent=nfacme-test/1 len=4"},
    {"POST", NULL, NULL, "POST type=- expect=0 agent=nfacme-test/1 len=0"},
    {"PUT", "application/pkcs10", "body", "PUT type=application/pkcs10 expect=0 agent=nfacme-test/1 len=4"},
    {"DELETE", NULL, NULL, "DELETE type=- expect=0 agent=nfacme-test/1 len=0"},
    {"HEAD", NULL, NULL, ""},
};
/* clang-format on */

static void send_row(size_t row) {
    char type[64];
    const char *headers[] = {NULL, NULL};

    if (sent[row].type != NULL) {
        (void)snprintf(type, sizeof(type), "Content-Type: %s", sent[row].type);
        headers[0] = type;
    }
    struct reply reply =
        bed_ask(loop, httpc,
                &(struct httpc_request){.method = sent[row].method,
                                        .url = at("/echo"),
                                        .headers = headers,
                                        .body = sent[row].body,
                                        .body_len = sent[row].body != NULL ? 4 : 0});
    ck_assert_msg(reply.status == 200, "%s: %s", sent[row].method, reply.err.detail);
    ck_assert_str_eq(reply.body, sent[row].want);
}

/* Each after each: a handle keeps nothing of its last request. */
START_TEST(requests_go_out_as_given_whatever_went_before) {
    for (size_t first = 0; first < COUNT(sent); first++) {
        for (size_t second = 0; second < COUNT(sent); second++) {
            send_row(first);
            send_row(second);
        }
    }
    ck_assert_uint_eq(httpc_connections_made(httpc), 1);
}
END_TEST

START_TEST(a_long_body_is_sent_without_expect) {
    size_t len = 3 * 1024 * 1024;
    char *body = calloc(1, len);
    struct reply reply =
        bed_ask(loop, httpc,
                &(struct httpc_request){
                    .method = "POST", .url = at("/echo"), .body = body, .body_len = len});

    ck_assert_str_eq(reply.body, "POST type=- expect=0 agent=nfacme-test/1 len=3145728");
    free(body);
}
END_TEST

static const char *const bad_urls[] = {"", "ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1/",
                                       "httpx://a/"};

START_TEST(only_http_and_https_are_spoken) {
    struct err err = {0};
    struct httpc_request request = {.method = "GET", .url = bad_urls[_i]};

    ck_assert_ptr_null(httpc_start(httpc, &request, bed_done, NULL, &err));
    ck_assert_int_eq(err.kind, ERR_INVALID);
}
END_TEST

START_TEST(a_url_without_a_host_fails_later) {
    ck_assert_int_eq(bed_get(loop, httpc, "http:///x y").err.kind, ERR_UNREACHABLE);
}
END_TEST

START_TEST(redirects_are_not_followed) {
    struct reply reply = bed_get(loop, httpc, at("/redirect"));

    ck_assert_uint_eq(reply.status, 302);
    ck_assert_str_eq(reply.header, "here");
    ck_assert_str_eq(reply.body, "elsewhere");
}
END_TEST

START_TEST(the_environments_proxy_is_ignored) {
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    (void)setenv("all_proxy", "http://127.0.0.1:1", 1);
    ck_assert_uint_eq(bed_get(loop, httpc, at("/echo")).status, 200);
}
END_TEST

static const char *const addresses[] = {"127.0.0.1", "localhost"};

START_TEST(an_address_stands_in_for_the_hosts) {
    struct httpc_request request = {
        .method = "GET", .url = url, .address = addresses[_i], .fresh = true};

    (void)snprintf(url, sizeof(url), "http://nf.invalid:%u/echo", httpd_port(httpd));
    ck_assert_uint_eq(bed_ask(loop, httpc, &request).status, 200);
    request.address = NULL; /* the next request does not inherit it */
    ck_assert_int_eq(bed_ask(loop, httpc, &request).err.kind, ERR_UNREACHABLE);
}
END_TEST

START_TEST(an_ipv6_address_needs_no_brackets) {
    struct err err = {0};
    struct httpd *other =
        httpd_start(&(struct httpd_options){.listen = "[::1]:0", .handler = handle}, &err);

    ck_assert_ptr_nonnull(other);
    (void)snprintf(url, sizeof(url), "http://nf.invalid:%u/echo", httpd_port(other));
    for (unsigned i = 0; i < 2; i++) {
        struct httpc_request request = {
            .method = "GET", .url = url, .address = i == 0 ? "::1" : "[::1]"};
        ck_assert_uint_eq(bed_ask(loop, httpc, &request).status, 200);
    }
    httpd_stop(other);
}
END_TEST

/* ---- answers ---- */

static void links_done(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    static const char *const want[] = {"<a>;rel=\"index\"", "<b>;rel=\"alternate\"",
                                       "<c>;rel=\"alternate\""};
    const char *link = NULL;
    unsigned count = 0;

    (void)ctx;
    (void)err;
    ck_assert_ptr_nonnull(answer);
    while ((link = httpc_header_next(answer, "lInK", link)) != NULL) {
        ck_assert_uint_lt(count, COUNT(want));
        ck_assert_str_eq(link, want[count]);
        count++;
    }
    ck_assert_uint_eq(count, COUNT(want));
    ck_assert_str_eq(httpc_header(answer, "link"), want[0]);
    ck_assert_ptr_null(httpc_header(answer, "absent"));
    ck_assert_ptr_null(httpc_header_next(answer, "absent", NULL));
    loop_stop(loop);
}

START_TEST(several_headers_of_one_name_are_all_found) {
    struct err err = {0};
    struct httpc_request request = {.method = "GET", .url = at("/links")};

    ck_assert_ptr_nonnull(httpc_start(httpc, &request, links_done, NULL, &err));
    loop_run(loop);
}
END_TEST

#define NOW_S 1795435200 /* Mon, 23 Nov 2026 12:00:00 GMT */

/* clang-format off */
static const struct { const char *value; uint32_t want; } retries[] = {
    {NULL, 0},
    {"0", 0},
    {"7", 7},
    {"3600", 3600},
    {"99999999999999999999", UINT32_MAX},
    {"-1", 0},
    {"soon", 0},
    {"Mon,%2023%20Nov%202026%2012:00:30%20GMT", 30},       /* IMF-fixdate */
    {"Monday,%2023-Nov-26%2012:00:30%20GMT", 30},          /* RFC 850 */
    {"Mon%20Nov%2023%2012:00:30%202026", 30},              /* asctime */
    {"Mon,%2023%20Nov%202026%2011:00:00%20GMT", 0},        /* past */
};
/* clang-format on */

static void retry_done(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    (void)err;
    ck_assert_ptr_nonnull(answer);
    *(uint32_t *)ctx = httpc_retry_after_s(answer, NOW_S);
    loop_stop(loop);
}

START_TEST(retry_after_is_read_as_seconds_or_date) { /* RFC 9110 section 10.2.3 */
    struct err err = {0};
    char path[100] = "/retry";
    uint32_t got = 12345;

    if (retries[_i].value != NULL) {
        (void)snprintf(path, sizeof(path), "/retry?v=%s", retries[_i].value);
    }
    struct httpc_request request = {.method = "GET", .url = at(path)};
    ck_assert_ptr_nonnull(httpc_start(httpc, &request, retry_done, &got, &err));
    loop_run(loop);
    ck_assert_uint_eq(got, retries[_i].want);
}
END_TEST

static const struct {
    const char *octets;
    size_t max;
    enum err_kind kind;
} lengths[] = {
    {"1000", 1000, ERR_NONE},       {"1001", 1000, ERR_TOO_LARGE}, {"100000", 1000, ERR_TOO_LARGE},
    {"1048576", 0, ERR_NONE},       {"1048577", 0, ERR_TOO_LARGE}, {"0", 1, ERR_NONE},
    {"3000000", 3000000, ERR_NONE},
};

START_TEST(an_answer_beyond_its_maximum_fails) {
    char path[40];

    (void)snprintf(path, sizeof(path), "/octets?v=%s", lengths[_i].octets);
    struct httpc_request request = {
        .method = "GET", .url = at(path), .answer_max = lengths[_i].max};
    struct reply reply = bed_ask(loop, httpc, &request);
    ck_assert_int_eq(reply.err.kind, lengths[_i].kind);
    ck_assert_uint_eq(reply.status, lengths[_i].kind == ERR_NONE ? 200 : 0);
    ck_assert_uint_eq(bed_get(loop, httpc, at("/echo")).status, 200); /* and life goes on */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("httpc_call");
    TCase *tcase = tcase_create("httpc_call");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, several_headers_of_one_name_are_all_found);
    tcase_add_loop_test(tcase, retry_after_is_read_as_seconds_or_date, 0, (int)COUNT(retries));
    tcase_add_loop_test(tcase, an_answer_beyond_its_maximum_fails, 0, (int)COUNT(lengths));
    tcase_add_test(tcase, requests_go_out_as_given_whatever_went_before);
    tcase_add_test(tcase, a_long_body_is_sent_without_expect);
    tcase_add_loop_test(tcase, only_http_and_https_are_spoken, 0, (int)COUNT(bad_urls));
    tcase_add_test(tcase, a_url_without_a_host_fails_later);
    tcase_add_test(tcase, redirects_are_not_followed);
    tcase_add_test(tcase, the_environments_proxy_is_ignored);
    tcase_add_loop_test(tcase, an_address_stands_in_for_the_hosts, 0, (int)COUNT(addresses));
    tcase_add_test(tcase, an_ipv6_address_needs_no_brackets);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
