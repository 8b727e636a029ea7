/* Through a listener: only there handshakes wait. */
#include "common/httpd_park.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/httpd.h"
#include "common/log.h"
#include "http_bed.h"

#define SOON_MS 20000

static struct httpd *httpd;
static struct identity ca, server;
static SSL_CTX *context;

static void handle(void *ctx, struct httpd_exchange *exchange) {
    (void)ctx;
    bed_answer_text(exchange, 200, "here");
}

static void start(unsigned threads) {
    struct err err = {0};

    log_level_set(LOG_ERROR);
    (void)signal(SIGPIPE, SIG_IGN);
    ca = bed_ca("ca");
    server = bed_server(&ca);
    context = SSL_CTX_new(TLS_client_method());
    httpd = httpd_start(&(struct httpd_options){.listen = "127.0.0.1:0",
                                                .cert_pem = server.cert_pem,
                                                .key_pem = server.key_pem,
                                                .many_idle = true,
                                                .threads = threads,
                                                .handler = handle},
                        &err);
    ck_assert_msg(httpd != NULL, "%s (%s)", err.detail, err.cause);
}

static void stop(void) {
    httpd_stop(httpd);
    SSL_CTX_free(context);
    bed_identity_done(&ca);
    bed_identity_done(&server);
}

/* A client whose octets we carry ourselves. */
struct client {
    SSL *ssl;
    BIO *in, *out; /* the session's */
    int fd;
};

static struct client client_new(int version) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)httpd_port(httpd)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct client client = {.ssl = SSL_new(context),
                            .in = BIO_new(BIO_s_mem()),
                            .out = BIO_new(BIO_s_mem()),
                            .fd = socket(AF_INET, SOCK_STREAM, 0)};

    ck_assert_int_eq(SSL_set_max_proto_version(client.ssl, version), 1);
    SSL_set_bio(client.ssl, client.in, client.out);
    SSL_set_connect_state(client.ssl);
    ck_assert_int_eq(connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return client;
}

static void client_done(struct client *client) {
    SSL_free(client->ssl);
    (void)close(client->fd);
}

/* Send what the session has to say, in pieces of that many octets. */
static void say(struct client *client, int piece) {
    char text[16384];
    int len;

    while ((len = BIO_read(client->out, text, piece)) > 0) {
        ck_assert_int_eq(send(client->fd, text, (size_t)len, 0), len);
        if (piece == 1) {
            (void)poll(NULL, 0, 1); /* a packet of its own */
        }
    }
}

/* Hear some octets; false: the server hung up. */
static bool hear(struct client *client) {
    char text[4096];
    struct pollfd ready = {.fd = client->fd, .events = POLLIN};

    ck_assert_int_eq(poll(&ready, 1, SOON_MS), 1);
    ssize_t got = recv(client->fd, text, sizeof(text), 0);
    return got > 0 && BIO_write(client->in, text, (int)got) == got;
}

/* The hello is out and an answer to it has come: now the server waits for us. */
static struct client client_half(int version) {
    struct client client = client_new(version);

    ck_assert_int_ne(SSL_do_handshake(client.ssl), 1);
    say(&client, 16384);
    ck_assert(hear(&client));
    return client;
}

static struct client client_inside(void) {
    struct client client = client_new(TLS1_2_VERSION);

    while (SSL_do_handshake(client.ssl) != 1) {
        say(&client, 16384);
        ck_assert(hear(&client));
    }
    return client;
}

static void ask(struct client *client, const char *path) {
    char request[128];
    int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);

    ck_assert_int_eq(SSL_write(client->ssl, request, len), len);
    say(client, 16384);
}

static void answered(struct client *client) {
    char answer[512];

    while (SSL_read(client->ssl, answer, sizeof(answer)) <= 0) {
        ck_assert(hear(client));
    }
}

#define EVENTS_MAX 128 /* libmicrohttpd's */

/* A burst that the listener's thread sees at once: it only runs when we do not. */
START_TEST(as_many_requests_at_once_as_it_takes_events_are_answered_soon) {
    struct client clients[EVENTS_MAX];
    const struct sched_param param = {0};
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    ck_assert_int_eq(sched_setscheduler(0, SCHED_IDLE, &param), 0);
    start(1); /* its threads inherit both */
    ck_assert_int_eq(sched_setscheduler(0, SCHED_OTHER, &param), 0);
    for (unsigned i = 0; i < EVENTS_MAX; i++) {
        clients[i] = client_inside();
    }
    for (unsigned round = 0; round < 10; round++) {
        (void)poll(NULL, 0, 20); /* it has gone to sleep: the case is one of sleep */
        uint64_t start_us = clock_wall_us();
        for (unsigned i = 0; i < EVENTS_MAX; i++) {
            ask(&clients[i], "/");
        }
        for (unsigned i = 0; i < EVENTS_MAX; i++) {
            answered(&clients[i]);
        }
        ck_assert_uint_lt(clock_wall_us() - start_us, 10000000);
    }
    for (unsigned i = 0; i < EVENTS_MAX; i++) {
        client_done(&clients[i]);
    }
    stop();
}
END_TEST

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

START_TEST(a_handshake_octet_by_octet_comes_to_its_end) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    char answer[512];
    int got = 0;

    start(2);
    struct client client = client_new(versions[_i]);
    while (SSL_do_handshake(client.ssl) != 1) {
        say(&client, 1);
        ck_assert(hear(&client));
    }
    ck_assert_int_eq(SSL_write(client.ssl, request, sizeof(request) - 1), sizeof(request) - 1);
    say(&client, 1);
    while ((got = SSL_read(client.ssl, answer, sizeof(answer) - 1)) <= 0) {
        ck_assert(hear(&client));
    }
    answer[got] = '\0';
    ck_assert_ptr_nonnull(strstr(answer, "200 OK"));
    client_done(&client);
    stop();
}
END_TEST

START_TEST(a_handshake_that_does_not_go_on_is_hung_up_on_in_time) {
    struct client clients[COUNT(versions)];

    start(1);
    for (size_t i = 0; i < COUNT(versions); i++) {
        clients[i] = client_half(versions[i]);
    }
    uint64_t start_us = clock_wall_us();
    for (size_t i = 0; i < COUNT(versions); i++) {
        while (hear(&clients[i])) {
        }
        ck_assert_uint_ge(clock_wall_us() - start_us, (HTTPD_HANDSHAKE_S - 1) * 1000000ULL);
        client_done(&clients[i]);
    }
    stop();
}
END_TEST

START_TEST(who_leaves_while_it_waits_is_forgotten) {
    uint64_t deadline_us = clock_wall_us() + SOON_MS * 1000ULL;

    start(2);
    for (unsigned i = 0; i < 20; i++) {
        struct client client = client_half(versions[i % 2]);
        client_done(&client);
    }
    while (httpd_connections(httpd) > 0) {
        ck_assert_uint_lt(clock_wall_us(), deadline_us);
        (void)poll(NULL, 0, 1);
    }
    stop();
}
END_TEST

#define CROWD 64

START_TEST(stopping_hangs_up_on_all_that_wait) {
    struct client clients[CROWD];

    start(2);
    for (unsigned i = 0; i < CROWD; i++) {
        clients[i] = client_half(versions[i % 2]);
    }
    uint64_t start_us = clock_wall_us();
    stop();
    ck_assert_uint_lt(clock_wall_us() - start_us, (HTTPD_HANDSHAKE_S - 2) * 1000000ULL);
    for (unsigned i = 0; i < CROWD; i++) {
        while (hear(&clients[i])) {
        }
        client_done(&clients[i]);
    }
}
END_TEST

static atomic_bool over;
static unsigned stop_port;

/* Comes, begins a handshake and stays. */
static void *come(void *ctx) {
    struct client *clients = ctx;
    unsigned count = 0;

    while (count < CROWD && !atomic_load(&over)) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)stop_port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        char hello[2048];
        struct client *client = &clients[count];
        client->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
            (void)close(client->fd);
            break;
        }
        (void)SSL_do_handshake(client->ssl);
        int len = BIO_read(client->out, hello, sizeof(hello));
        (void)send(client->fd, hello, (size_t)len, 0);
        count++;
    }
    for (unsigned i = 0; i < count; i++) {
        (void)close(clients[i].fd);
    }
    return NULL;
}

START_TEST(they_come_while_it_stops) {
    struct client clients[CROWD] = {0};
    pthread_t thread;

    for (unsigned round = 0; round < 4; round++) {
        start(2);
        atomic_store(&over, false);
        stop_port = httpd_port(httpd);
        for (unsigned i = 0; i < CROWD; i++) {
            clients[i].ssl = SSL_new(context);
            clients[i].in = BIO_new(BIO_s_mem());
            clients[i].out = BIO_new(BIO_s_mem());
            SSL_set_bio(clients[i].ssl, clients[i].in, clients[i].out);
            SSL_set_connect_state(clients[i].ssl);
        }
        ck_assert_int_eq(pthread_create(&thread, NULL, come, clients), 0);
        while (httpd_connections(httpd) < 8) {
            (void)poll(NULL, 0, 1);
        }
        stop();
        atomic_store(&over, true);
        (void)pthread_join(thread, NULL);
        for (unsigned i = 0; i < CROWD; i++) {
            SSL_free(clients[i].ssl);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("httpd_park");
    TCase *tcase = tcase_create("park");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_handshake_octet_by_octet_comes_to_its_end, 0,
                        (int)COUNT(versions));
    tcase_add_test(tcase, a_handshake_that_does_not_go_on_is_hung_up_on_in_time);
    tcase_add_test(tcase, who_leaves_while_it_waits_is_forgotten);
    tcase_add_test(tcase, stopping_hangs_up_on_all_that_wait);
    tcase_add_test(tcase, as_many_requests_at_once_as_it_takes_events_are_answered_soon);
    tcase_add_test(tcase, they_come_while_it_stops);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
