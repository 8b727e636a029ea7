#include "common/httpc.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "httpc_bed.h"

/* ---- connections ---- */

START_TEST(a_fresh_request_has_a_connection_of_its_own) {
    struct httpc_request request = {.method = "GET", .url = at("/echo")};

    ck_assert(!bed_ask(loop, httpc, &request).times.reused);
    ck_assert(bed_ask(loop, httpc, &request).times.reused);
    request.fresh = true;
    ck_assert(!bed_ask(loop, httpc, &request).times.reused);
    ck_assert(!bed_ask(loop, httpc, &request).times.reused);
    request.fresh = false;
    ck_assert_uint_eq(bed_ask(loop, httpc, &request).status, 200);
    ck_assert_uint_le(httpc_connections_made(httpc), 4);
    ck_assert_uint_ge(httpc_connections_made(httpc), 3);
}
END_TEST

START_TEST(more_requests_than_connections_wait_inside) {
    struct reply reply = {.loop = loop, .left = 200};
    struct err err = {0};

    httpc_free(httpc);
    new_client(3);
    struct httpc_request request = {.method = "GET", .url = at("/echo")};
    for (unsigned i = 0; i < 200; i++) {
        ck_assert_ptr_nonnull(httpc_start(httpc, &request, bed_done, &reply, &err));
    }
    loop_run(loop);
    ck_assert_uint_eq(reply.status, 200);
    ck_assert_uint_le(httpc_connections_made(httpc), 3);
}
END_TEST

START_TEST(times_are_in_order) {
    struct httpc_request request = {.method = "GET", .url = at("/echo")};
    uint64_t before = clock_wall_us();

    for (unsigned i = 0; i < 3; i++) {
        struct httpc_times times = bed_ask(loop, httpc, &request).times;
        ck_assert_uint_ge(times.start_us, before);
        ck_assert_uint_ge(times.connected_us, times.start_us);
        ck_assert_uint_ge(times.sent_us, times.connected_us);
        ck_assert_uint_ge(times.done_us, times.sent_us);
        ck_assert_uint_le(times.done_us, clock_wall_us());
        ck_assert_int_eq(times.reused, i > 0);
    }
}
END_TEST

START_TEST(a_connection_the_server_closed_is_replaced) {
    struct err err = {0};
    struct httpd_options options = {
        .listen = "127.0.0.1:0", .idle_timeout_s = 1, .handler = handle};
    struct httpd *other = httpd_start(&options, &err);

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/echo", httpd_port(other));
    ck_assert_uint_eq(bed_get(loop, httpc, url).status, 200);
    struct loop_timer tick = {0};
    while (httpd_connections(other) > 0) {
        loop_timer_set(loop, &tick, clock_wall_us() + 1000, (loop_call *)loop_stop, loop);
        loop_run(loop);
    }
    ck_assert_uint_eq(bed_get(loop, httpc, url).status, 200);
    ck_assert_uint_eq(httpc_connections_made(httpc), 2);
    httpd_stop(other);
}
END_TEST

/* ---- failures ---- */

/* A bound socket; listening, it accepts nothing by itself. */
static int socket_bound(bool listening, uint16_t *ret_port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    if (listening) {
        ck_assert_int_eq(listen(fd, 5), 0);
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

START_TEST(a_closed_port_is_unreachable) {
    uint16_t port;
    int fd = socket_bound(false, &port);

    (void)snprintf(url, sizeof(url), "http%s://127.0.0.1:%u/", _i == 0 ? "" : "s", port);
    struct reply reply = bed_get(loop, httpc, url);
    ck_assert_int_eq(reply.err.kind, ERR_UNREACHABLE);
    ck_assert_uint_eq(reply.status, 0);
    (void)close(fd);
}
END_TEST

START_TEST(a_silent_server_times_out) {
    uint16_t port;
    int fd = socket_bound(true, &port);
    uint64_t start = clock_wall_us();

    (void)snprintf(url, sizeof(url), "http%s://127.0.0.1:%u/", _i == 0 ? "" : "s", port);
    struct httpc_request request = {.method = "GET", .url = url, .timeout_ms = 150};
    struct reply reply = bed_ask(loop, httpc, &request);
    ck_assert_int_eq(reply.err.kind, ERR_TIMEOUT);
    ck_assert_uint_ge(clock_wall_us() - start, 140000);
    (void)close(fd);
}
END_TEST

/* Accepts one connection, reads a little, says the text and hangs up. */
struct breaker {
    int fd;
    const char *text;
};

static void *breaker_run(void *ctx) {
    const struct breaker *breaker = ctx;
    char octets[1024];
    int fd = accept(breaker->fd, NULL, NULL);

    (void)recv(fd, octets, sizeof(octets), 0);
    (void)send(fd, breaker->text, strlen(breaker->text), MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_RDWR);
    (void)close(fd);
    return NULL;
}

static const char *const broken[] = {
    "",
    "HTTP/1.1 200 OK\r\nContent-Le",
    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    "SSH-2.0-nothing\r\n",
};

START_TEST(an_answer_broken_off_is_no_answer) {
    uint16_t port;
    struct breaker breaker = {socket_bound(true, &port), broken[_i]};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, breaker_run, &breaker), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    struct reply reply = bed_get(loop, httpc, url);
    ck_assert_msg(reply.err.kind == ERR_UNREACHABLE, "%s: %d %u", broken[_i], (int)reply.err.kind,
                  reply.status);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    (void)close(breaker.fd);
}
END_TEST

/* Header lines, or whole 1xx answers, until the client has had enough. */
static void *headers_run(void *ctx) {
    const struct breaker *breaker = ctx;
    char octets[1024];
    int fd = accept(breaker->fd, NULL, NULL);

    (void)recv(fd, octets, sizeof(octets), 0);
    (void)send(fd, "HTTP/1.1 200 OK\r\n", breaker->text[0] == 'H' ? 0 : 17, MSG_NOSIGNAL);
    while (send(fd, breaker->text, strlen(breaker->text), MSG_NOSIGNAL) > 0) {
    }
    (void)close(fd);
    return NULL;
}

START_TEST(headers_without_an_end_are_too_large) {
    static const char *const texts[] = {"Link: <https://a/>;rel=\"up\"\r\n",
                                        "HTTP/1.1 100 Continue\r\nLink: <https://a/>\r\n\r\n"};
    uint16_t port;
    struct breaker breaker = {socket_bound(true, &port), texts[_i]};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, headers_run, &breaker), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    struct reply reply = bed_get(loop, httpc, url);
    ck_assert_int_eq(reply.err.kind, ERR_TOO_LARGE);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    (void)close(breaker.fd);
}
END_TEST

START_TEST(a_server_that_speaks_no_tls_fails_as_tls) {
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", httpd_port(httpd));
    ck_assert_int_eq(bed_get(loop, httpc, url).err.kind, ERR_TLS);
}
END_TEST

/* ---- cancelling and freeing ---- */

static struct httpc_call *calls[10];
static unsigned dones;

static void cancel_others(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    (void)answer;
    (void)err;
    dones++;
    for (unsigned i = 0; i < COUNT(calls); i++) {
        httpc_cancel(calls[i]); /* itself among them: nothing happens */
    }
    if (ctx != NULL) {
        httpc_free(httpc);
        new_client(0);
    }
    loop_stop(loop);
}

START_TEST(others_can_be_cancelled_and_all_freed_in_the_callback) {
    struct err err = {0};

    httpc_free(httpc);
    new_client(10);
    struct httpc_request request = {.method = "GET", .url = at("/echo")};
    for (unsigned i = 0; i < COUNT(calls); i++) {
        calls[i] = httpc_start(httpc, &request, cancel_others, _i == 0 ? NULL : &request, &err);
    }
    loop_run(loop);
    ck_assert_uint_eq(dones, 1);
    ck_assert_uint_eq(bed_get(loop, httpc, at("/echo")).status, 200);
    ck_assert_uint_eq(dones, 1);
}
END_TEST

static void never(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    (void)ctx;
    (void)answer;
    (void)err;
    ck_abort_msg("a cancelled request called back");
}

START_TEST(what_is_under_way_is_freed_without_calling_back) {
    struct err err = {0};
    struct loop_timer tick = {0};
    struct httpc_request request = {.method = "GET", .url = at("/never")};
    struct httpc_call *call = NULL;

    httpc_free(httpc);
    new_client(5);
    for (unsigned i = 0; i < 10; i++) {
        call = httpc_start(httpc, &request, never, NULL, &err);
        ck_assert_ptr_nonnull(call);
    }
    while (httpd_deferred(httpd) < 5) {
        loop_timer_set(loop, &tick, clock_wall_us() + 1000, (loop_call *)loop_stop, loop);
        loop_run(loop);
    }
    httpc_cancel(call);
    httpc_free(httpc);
    new_client(0);
    ck_assert_uint_eq(bed_get(loop, httpc, at("/echo")).status, 200);
}
END_TEST

struct chain {
    unsigned left;
};

static void chain_done(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct chain *chain = ctx;
    struct httpc_request request = {.method = "GET", .url = at("/echo")};
    struct err ignored = {0};

    (void)err;
    ck_assert_ptr_nonnull(answer);
    if (--chain->left == 0) {
        loop_stop(loop);
    } else {
        ck_assert_ptr_nonnull(httpc_start(httpc, &request, chain_done, chain, &ignored));
    }
}

START_TEST(a_callback_may_start_the_next_request) {
    struct chain chain = {100};
    struct httpc_request request = {.method = "GET", .url = at("/echo")};
    struct err err = {0};

    ck_assert_ptr_nonnull(httpc_start(httpc, &request, chain_done, &chain, &err));
    loop_run(loop);
    ck_assert_uint_le(httpc_connections_made(httpc), 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("httpc");
    TCase *tcase = tcase_create("httpc");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_closed_port_is_unreachable, 0, 2);
    tcase_add_loop_test(tcase, a_silent_server_times_out, 0, 2);
    tcase_add_loop_test(tcase, an_answer_broken_off_is_no_answer, 0, (int)COUNT(broken));
    tcase_add_loop_test(tcase, headers_without_an_end_are_too_large, 0, 2);
    tcase_add_test(tcase, a_server_that_speaks_no_tls_fails_as_tls);
    tcase_add_loop_test(tcase, others_can_be_cancelled_and_all_freed_in_the_callback, 0, 2);
    tcase_add_test(tcase, what_is_under_way_is_freed_without_calling_back);
    tcase_add_test(tcase, a_callback_may_start_the_next_request);
    tcase_add_test(tcase, a_fresh_request_has_a_connection_of_its_own);
    tcase_add_test(tcase, more_requests_than_connections_wait_inside);
    tcase_add_test(tcase, times_are_in_order);
    tcase_add_test(tcase, a_connection_the_server_closed_is_replaced);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
