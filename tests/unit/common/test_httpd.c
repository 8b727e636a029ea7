#include "common/httpd.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "http_bed.h"

static struct loop *loop;
static struct httpc *httpc;
static struct httpd *httpd;
static struct answerer answerer;
static atomic_uint handled;
static atomic_uint data_freed;
static char url[64];

static void free_data(void *data) {
    free(data);
    atomic_fetch_add(&data_freed, 1);
}

static void answer_format(struct httpd_exchange *exchange) {
    size_t len;
    const char *body = httpd_body(exchange, &len);
    const char *query = httpd_query(exchange, "q");
    const char *header = httpd_header(exchange, "x-question");
    char *text = NULL;
    int text_len = asprintf(
        &text, "%s %d %s q=%s x=%s n=%u body=%s len=%zu large=%d", httpd_method_text(exchange),
        httpd_method(exchange), httpd_path(exchange), query != NULL ? query : "-",
        header != NULL ? header : "-", httpd_header_count(exchange, "X-QUESTION"), body, len,
        httpd_body_too_large(exchange));

    ck_assert_int_gt(text_len, 0);
    ck_assert_uint_le(httpd_started_us(exchange), clock_wall_us());
    ck_assert_uint_gt(httpd_started_us(exchange), clock_wall_us() - 10000000);
    httpd_header_add(exchange, "X-Test", httpd_peer_address(exchange));
    httpd_answer(exchange, httpd_body_too_large(exchange) ? 413 : 200, "text/plain", text,
                 (size_t)text_len);
}

/* The path says what to do. */
static void handle(void *ctx, struct httpd_exchange *exchange) {
    const char *path = httpd_path(exchange);

    (void)ctx;
    atomic_fetch_add(&handled, 1);
    httpd_data_set(exchange, malloc(10), free_data);
    if (strcmp(path, "/later") == 0 || strcmp(path, "/never") == 0) {
        if (!httpd_defer(exchange)) {
            bed_answer_text(exchange, 503, "full");
        } else if (strcmp(path, "/later") == 0) {
            bed_answerer_take(&answerer, exchange);
        }
    } else if (strcmp(path, "/at-once") == 0) {
        /* deferred, and answered before the handler returns */
        ck_assert(httpd_defer(exchange));
        bed_answer_text(exchange, 200, "at once");
    } else if (strcmp(path, "/empty") == 0) {
        httpd_answer(exchange, 204, NULL, NULL, 0);
    } else if (strcmp(path, "/split") == 0) {
        httpd_header_add(exchange, "x-test", "a\r\nInjected: b");
        httpd_answer(exchange, 200, NULL, NULL, 0);
    } else if (strcmp(path, "/forgotten") != 0) {
        answer_format(exchange);
    }
}

static void start(struct httpd_options options) {
    struct err err = {0};

    options.listen = options.listen != NULL ? options.listen : "127.0.0.1:0";
    options.body_max = 1000;
    options.handler = handle;
    log_level_set(LOG_ERROR);
    httpd = httpd_start(&options, &err);
    ck_assert_msg(httpd != NULL, "%s (%s)", err.detail, err.cause);
    loop = loop_new(&err);
    httpc = httpc_new(&(struct httpc_options){.loop = loop, .connections_max = 2000}, &err);
    ck_assert_ptr_nonnull(httpc);
    bed_answerer_start(&answerer);
}

static void stop(void) {
    bed_answerer_stop(&answerer);
    httpc_free(httpc);
    httpd_stop(httpd);
    loop_free(loop);
    ck_assert_uint_eq(atomic_load(&handled), atomic_load(&data_freed));
}

static const char *at(const char *path) {
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", httpd_port(httpd), path);
    return url;
}

/* ---- requests and answers ---- */

/* clang-format off */
static const struct {
    const char *method, *path, *body, *want;
    unsigned status;
} plain[] = {
    {"GET", "/a/b", NULL, "GET 1 /a/b q=- x=- n=0 body= len=0 large=0", 200},
    {"GET", "/a%2Fb?q=1%202&r=3", NULL, "GET 1 /a%2Fb q=1 2 x=- n=0 body= len=0 large=0", 200},
    {"HEAD", "/a", NULL, "", 200},
    {"POST", "/", "text", "POST 4 / q=- x=- n=0 body=text len=4 large=0", 200},
    {"POST", "/", "", "POST 4 / q=- x=- n=0 body= len=0 large=0", 200},
    {"PUT", "/x", "text", "PUT 8 /x q=- x=- n=0 body=text len=4 large=0", 200},
    {"DELETE", "/x", NULL, "DELETE 16 /x q=- x=- n=0 body= len=0 large=0", 200},
    {"PATCH", "/x", "text", "PATCH 32 /x q=- x=- n=0 body=text len=4 large=0", 200},
    {"GET", "/empty", NULL, "", 204},
    {"GET", "/later", NULL, "later", 200},
    {"GET", "/at-once", NULL, "at once", 200},
    {"GET", "/forgotten", NULL, "", 500},
    {"GET", "/split", NULL, "", 200},
};
/* clang-format on */

static void ask_plain(int i) {
    struct httpc_request request = {
        .method = plain[i].method,
        .url = at(plain[i].path),
        .body = plain[i].body,
        .body_len = plain[i].body != NULL ? strlen(plain[i].body) : 0,
    };

    struct reply reply = bed_ask(loop, httpc, &request);
    ck_assert_msg(reply.status == plain[i].status, "%s %s: %u %s", plain[i].method, plain[i].path,
                  reply.status, reply.err.detail);
    ck_assert_str_eq(reply.body, plain[i].want);
}

START_TEST(a_request_reaches_the_handler_and_its_answer_comes_back) {
    start((struct httpd_options){0});
    ask_plain(_i);
    ask_plain(_i);
    ck_assert_uint_eq(httpc_connections_made(httpc), 1);
    ck_assert_uint_eq(atomic_load(&handled), 2);
    stop();
}
END_TEST

START_TEST(epoll_and_a_pool_of_threads_serve_the_same) {
    start((struct httpd_options){.many_idle = true, .threads = 2});
    for (int i = 0; i < (int)COUNT(plain); i++) {
        ask_plain(i);
    }
    stop();
}
END_TEST

START_TEST(polling_threads_serve_the_same) {
    start((struct httpd_options){.threads = 2});
    for (int i = 0; i < (int)COUNT(plain); i++) {
        ask_plain(i);
    }
    stop();
}
END_TEST

START_TEST(headers_are_found_in_any_case_and_counted) {
    static const char *const headers[] = {"X-Question: one", "x-qUESTION: two", NULL};

    start((struct httpd_options){0});
    struct reply reply = bed_ask(
        loop, httpc, &(struct httpc_request){.method = "GET", .url = at("/"), .headers = headers});
    ck_assert_str_eq(reply.body, "GET 1 / q=- x=one n=2 body= len=0 large=0");
    ck_assert_int_eq(strncmp(reply.header, "127.0.0.1:", 10), 0);
    stop();
}
END_TEST

START_TEST(a_header_value_with_a_line_feed_is_not_sent) {
    start((struct httpd_options){0});
    log_level_set(LOG_ERROR);
    ck_assert_str_eq(bed_get(loop, httpc, at("/split")).header, "");
    stop();
}
END_TEST

START_TEST(ipv6_is_listened_on) {
    start((struct httpd_options){.listen = "[::1]:0"});
    (void)snprintf(url, sizeof(url), "http://[::1]:%u/", httpd_port(httpd));
    struct reply reply = bed_get(loop, httpc, url);
    ck_assert_uint_eq(reply.status, 200);
    ck_assert_int_eq(strncmp(reply.header, "[::1]:", 6), 0);
    stop();
}
END_TEST

static const char *const bad_addresses[] = {"", ":80", "127.0.0.1", "203.0.113.1:0", "127.0.0.1:x"};

START_TEST(an_address_that_cannot_be_listened_on_is_named) {
    struct err err = {0};
    struct httpd_options options = {.listen = bad_addresses[_i], .handler = handle};

    ck_assert_ptr_null(httpd_start(&options, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.detail, bad_addresses[_i]));
}
END_TEST

/* ---- bodies ---- */

static const struct {
    size_t len;
    unsigned status;
} sizes[] = {{999, 200}, {1000, 200}, {1001, 413}, {5000, 413}, {900000, 413}, {5000000, 413}};

START_TEST(a_body_beyond_the_maximum_reaches_the_handler_as_too_large) {
    char *body = malloc(sizes[_i].len);

    memset(body, 'x', sizes[_i].len);
    start((struct httpd_options){0});
    struct httpc_request request = {
        .method = "POST", .url = at("/"), .body = body, .body_len = sizes[_i].len};
    struct reply reply = bed_ask(loop, httpc, &request);
    ck_assert_uint_eq(reply.status, sizes[_i].status);
    reply = bed_get(loop, httpc, at("/")); /* the connection goes on */
    ck_assert_uint_eq(reply.status, 200);
    ck_assert_uint_eq(httpc_connections_made(httpc), 1);
    free(body);
    stop();
}
END_TEST

START_TEST(a_body_without_end_is_hung_up_on) {
    size_t len = 16 * 1024 * 1024;
    char *body = calloc(1, len);

    start((struct httpd_options){0});
    struct httpc_request request = {
        .method = "POST", .url = at("/"), .body = body, .body_len = len};
    struct reply reply = bed_ask(loop, httpc, &request);
    ck_assert_uint_eq(reply.status, 0);
    ck_assert_int_eq(reply.err.kind, ERR_UNREACHABLE);
    ck_assert_uint_eq(atomic_load(&handled), 0);
    free(body);
    stop();
}
END_TEST

/* ---- raw octets ---- */

static int raw_connect(void) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)httpd_port(httpd)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Until the server closes; the answer's first octets into text. */
static void raw_read(int fd, char *text, size_t size) {
    size_t len = 0;
    ssize_t got;

    do {
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&pollfd, 1, 10000), 1);
        got = recv(fd, text + len, size - 1 - len, 0);
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0 && len < size - 1);
    text[len] = '\0';
}

static const char *const malformed[] = {
    "GET\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nbroken\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
};

START_TEST(a_malformed_request_never_reaches_the_handler) {
    char text[1024];

    start((struct httpd_options){.idle_timeout_s = 2});
    int fd = raw_connect();
    ck_assert_int_gt(send(fd, malformed[_i], strlen(malformed[_i]), MSG_NOSIGNAL), 0);
    raw_read(fd, text, sizeof(text));
    ck_assert_msg(text[0] == '\0' || strncmp(text, "HTTP/1.1 4", 10) == 0
                      || strncmp(text, "HTTP/1.0 4", 10) == 0,
                  "%s", text);
    ck_assert_uint_eq(atomic_load(&handled), 0);
    (void)close(fd);
    stop();
}
END_TEST

START_TEST(a_connection_without_requests_is_closed_after_the_idle_timeout) {
    char text[64];

    start((struct httpd_options){.idle_timeout_s = 1});
    int fd = raw_connect();
    raw_read(fd, text, sizeof(text));
    ck_assert_str_eq(text, "");
    (void)close(fd);
    stop();
}
END_TEST

START_TEST(a_body_in_chunks_arrives_whole) {
    static const char request[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                  "Connection: close\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    char text[1024];

    start((struct httpd_options){0});
    int fd = raw_connect();
    ck_assert_int_gt(send(fd, request, strlen(request), MSG_NOSIGNAL), 0);
    raw_read(fd, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "body=abcdefg len=7"));
    (void)close(fd);
    stop();
}
END_TEST

START_TEST(head_tells_the_length_and_sends_no_body) {
    static const char request[] = "HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    char text[1024];

    start((struct httpd_options){0});
    int fd = raw_connect();
    ck_assert_int_gt(send(fd, request, strlen(request), MSG_NOSIGNAL), 0);
    raw_read(fd, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "Content-Length: 41\r\n"));
    ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    (void)close(fd);
    stop();
}
END_TEST

/* ---- deferral ---- */

static struct reply ask_many(const char *path, unsigned count) {
    struct reply reply = {.loop = loop, .left = count};
    struct httpc_request request = {.method = "GET", .url = at(path), .timeout_ms = 60000};
    struct err err = {0};

    for (unsigned i = 0; i < count; i++) {
        ck_assert_ptr_nonnull(httpc_start(httpc, &request, bed_done, &reply, &err));
    }
    loop_run(loop);
    return reply;
}

START_TEST(a_thousand_deferred_at_once_are_all_answered) {
    answerer.hold = 1000;
    start((struct httpd_options){.many_idle = _i == 1, .connections_max = 1200});
    struct reply reply = ask_many("/later", 1000);
    ck_assert_uint_eq(reply.status, 200);
    ck_assert_uint_eq(atomic_load(&handled), 1000);
    ck_assert_uint_eq(httpd_deferred(httpd), 0);
    ck_assert_uint_eq(httpd_connections(httpd), 1000);
    stop();
}
END_TEST

START_TEST(deferral_and_answer_race_and_nothing_is_lost) {
    start((struct httpd_options){.threads = 2, .many_idle = _i == 1});
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_uint_eq(ask_many("/later", 50).status, 200);
        ck_assert_uint_eq(ask_many("/at-once", 20).status, 200);
    }
    ck_assert_uint_eq(atomic_load(&handled), 20 * 70);
    stop();
}
END_TEST

START_TEST(beyond_the_maximum_of_deferred_the_handler_is_told) {
    answerer.hold = 100;
    start((struct httpd_options){.deferred_max = 5});
    struct reply reply = {.loop = loop, .left = 1};
    struct httpc_request request = {.method = "GET", .url = at("/later")};
    struct err err = {0};
    for (unsigned i = 0; i < 6; i++) { /* five wait, one comes back */
        ck_assert_ptr_nonnull(httpc_start(httpc, &request, bed_done, &reply, &err));
    }
    loop_run(loop);
    ck_assert_uint_eq(reply.status, 503);
    ck_assert_uint_eq(httpd_deferred(httpd), 5);
    stop();
}
END_TEST

static void *stop_run(void *ctx) {
    (void)ctx;
    httpd_stop(httpd);
    return NULL;
}

START_TEST(stopping_answers_what_is_deferred_with_503) {
    struct reply reply = {.left = 50};
    struct err err = {0};
    pthread_t thread;

    start((struct httpd_options){.threads = 1 + (unsigned)_i % 2, .many_idle = _i / 2 == 1});
    bed_answerer_stop(&answerer);
    reply.loop = loop;
    struct httpc_request request = {.method = "GET", .url = at("/never")};
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_ptr_nonnull(httpc_start(httpc, &request, bed_done, &reply, &err));
    }
    struct loop_timer tick = {0};
    while (httpd_deferred(httpd) < 50) {
        loop_timer_set(loop, &tick, clock_wall_us() + 1000, (loop_call *)loop_stop, loop);
        loop_run(loop);
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_run, NULL), 0);
    loop_run(loop);
    ck_assert_uint_eq(reply.status, 503);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(atomic_load(&handled), 50);
    ck_assert_uint_eq(atomic_load(&data_freed), 50);
    httpc_free(httpc);
    loop_free(loop);
}
END_TEST

START_TEST(a_peer_that_left_while_deferred_is_cleaned_up) {
    static const char request[] = "GET /never HTTP/1.1\r\nHost: a\r\n\r\n";

    start((struct httpd_options){0});
    int fd = raw_connect();
    ck_assert_int_gt(send(fd, request, strlen(request), MSG_NOSIGNAL), 0);
    struct loop_timer tick = {0};
    while (httpd_deferred(httpd) < 1) {
        loop_timer_set(loop, &tick, clock_wall_us() + 1000, (loop_call *)loop_stop, loop);
        loop_run(loop);
    }
    (void)close(fd);
    stop();
    ck_assert_uint_eq(atomic_load(&data_freed), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("httpd");
    TCase *tcase = tcase_create("httpd");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, a_request_reaches_the_handler_and_its_answer_comes_back, 0,
                        (int)COUNT(plain));
    tcase_add_test(tcase, epoll_and_a_pool_of_threads_serve_the_same);
    tcase_add_test(tcase, polling_threads_serve_the_same);
    tcase_add_test(tcase, headers_are_found_in_any_case_and_counted);
    tcase_add_test(tcase, a_header_value_with_a_line_feed_is_not_sent);
    tcase_add_test(tcase, ipv6_is_listened_on);
    tcase_add_loop_test(tcase, an_address_that_cannot_be_listened_on_is_named, 0,
                        (int)COUNT(bad_addresses));
    tcase_add_loop_test(tcase, a_body_beyond_the_maximum_reaches_the_handler_as_too_large, 0,
                        (int)COUNT(sizes));
    tcase_add_test(tcase, a_body_without_end_is_hung_up_on);
    tcase_add_loop_test(tcase, a_malformed_request_never_reaches_the_handler, 0,
                        (int)COUNT(malformed));
    tcase_add_test(tcase, a_connection_without_requests_is_closed_after_the_idle_timeout);
    tcase_add_test(tcase, a_body_in_chunks_arrives_whole);
    tcase_add_test(tcase, head_tells_the_length_and_sends_no_body);
    tcase_add_loop_test(tcase, a_thousand_deferred_at_once_are_all_answered, 0, 2);
    tcase_add_loop_test(tcase, deferral_and_answer_race_and_nothing_is_lost, 0, 2);
    tcase_add_test(tcase, beyond_the_maximum_of_deferred_the_handler_is_told);
    tcase_add_loop_test(tcase, stopping_answers_what_is_deferred_with_503, 0, 4);
    tcase_add_test(tcase, a_peer_that_left_while_deferred_is_cleaned_up);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
