#include "common/httpd_door.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "tests/unit/common/suite.h"

#define GUESTS_MAX 8
#define SOON_MS 20000

static struct httpd_door *door;
static int listen_fd;
static struct sockaddr_in at;
static struct {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int fds[GUESTS_MAX];
    in_port_t ports[GUESTS_MAX];
    unsigned count;
} entered = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
static atomic_uint inside;

static unsigned count_inside(void *ctx) {
    (void)ctx;
    return atomic_load(&inside);
}

static void enter(void *ctx, int fd, const struct sockaddr *address, socklen_t len) {
    const struct sockaddr_in *peer = (const struct sockaddr_in *)(const void *)address;

    (void)ctx;
    ck_assert_uint_eq(len, sizeof(*peer));
    (void)pthread_mutex_lock(&entered.lock);
    entered.fds[entered.count] = fd;
    entered.ports[entered.count++] = peer->sin_port;
    atomic_fetch_add(&inside, 1);
    (void)pthread_cond_broadcast(&entered.came);
    (void)pthread_mutex_unlock(&entered.lock);
}

static void open_door(unsigned max, unsigned first_s) {
    struct err err = {0};
    socklen_t len = sizeof(at);

    at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(listen(listen_fd, 64), 0);
    ck_assert_int_eq(getsockname(listen_fd, (struct sockaddr *)&at, &len), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    door = httpd_door_open(&(struct httpd_door_options){.listen_fd = listen_fd,
                                                        .max = max,
                                                        .first_s = first_s,
                                                        .inside = count_inside,
                                                        .enter = enter},
                           &err);
    ck_assert_ptr_nonnull(door);
}

static void close_door(void) {
    httpd_door_free(door);
    for (unsigned i = 0; i < entered.count; i++) {
        (void)close(entered.fds[i]);
    }
    (void)close(listen_fd);
}

/* A guest who said that much; its port, to be known by, goes to ret_port. */
static int come(const char *text, size_t len, in_port_t *ret_port) {
    struct sockaddr_in own;
    socklen_t size = sizeof(own);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    ck_assert_int_eq(send(fd, text, len, 0), (ssize_t)len);
    *ret_port = own.sin_port;
    return fd;
}

static bool has_entered(in_port_t port, int *ret_fd) {
    for (unsigned i = 0; i < entered.count; i++) {
        if (entered.ports[i] == port) {
            *ret_fd = entered.fds[i];
            return true;
        }
    }
    return false;
}

/* Until it is inside; its descriptor there. */
static int await(in_port_t port) {
    int fd = -1;

    (void)pthread_mutex_lock(&entered.lock);
    while (!has_entered(port, &fd)) {
        (void)pthread_cond_wait(&entered.came, &entered.lock);
    }
    (void)pthread_mutex_unlock(&entered.lock);
    return fd;
}

static void await_waiting(unsigned count) {
    uint64_t deadline_us = clock_wall_us() + SOON_MS * 1000ULL;

    while (httpd_door_waiting(door) != count) {
        ck_assert_uint_lt(clock_wall_us(), deadline_us);
        (void)poll(NULL, 0, 1);
    }
}

static void check_hung_up(int fd) {
    char octet;
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    ck_assert_int_eq(poll(&ready, 1, SOON_MS), 1);
    ck_assert_int_le(recv(fd, &octet, 1, 0), 0);
    (void)close(fd);
}

static const char record[] = "\x16\x03\x01\x00\x06"
                             "abcdef";
#define RECORD_LEN (sizeof(record) - 1)

/* clang-format off */
static const struct {
    const char *what;
    const char *text;
    size_t len;
} whole[] = {
    {"a record", record, RECORD_LEN},
    {"a record and more", "\x16\x03\x01\x00\x02" "abcd", 9},
    {"no TLS", "GET / HTTP/1.1\r\n", 16},
};
/* clang-format on */

START_TEST(who_has_sent_a_record_or_never_will_is_let_in_with_all_of_it) {
    in_port_t port;
    char got[32];
    int lowest = 0;
    socklen_t size = sizeof(lowest);

    open_door(8, 60);
    int fd = come(whole[_i].text, whole[_i].len, &port);
    int in = await(port);
    ssize_t len = recv(in, got, sizeof(got), 0);
    ck_assert_msg(len == (ssize_t)whole[_i].len, "%s: %zd", whole[_i].what, len);
    ck_assert_mem_eq(got, whole[_i].text, whole[_i].len);
    ck_assert_int_eq(getsockopt(in, SOL_SOCKET, SO_RCVLOWAT, &lowest, &size), 0);
    ck_assert_int_eq(lowest, 1);
    ck_assert_uint_eq(httpd_door_waiting(door), 0);
    (void)close(fd);
    close_door();
}
END_TEST

START_TEST(a_record_in_single_octets_enters_when_it_is_whole) {
    in_port_t port, next;
    int ignored = -1;
    int others[3];

    open_door(8, 60);
    int fd = come(record, 1, &port);
    for (size_t i = 1; i < RECORD_LEN; i++) {
        /* others are let in meanwhile: what was sent before has been seen */
        if (i % 4 == 0) {
            others[i / 4] = come(record, RECORD_LEN, &next);
            (void)await(next);
            ck_assert(!has_entered(port, &ignored));
            ck_assert_uint_eq(httpd_door_waiting(door), 1);
        }
        ck_assert_int_eq(send(fd, record + i, 1, 0), 1);
    }
    (void)await(port);
    (void)close(fd);
    (void)close(others[1]);
    (void)close(others[2]);
    close_door();
}
END_TEST

START_TEST(a_record_longer_than_we_wait_for_enters_when_so_much_is_there) {
    static char text[HTTPD_DOOR_RECORD_MAX] = "\x16\x03\x01\xff\xff";
    in_port_t port;

    open_door(8, 60);
    int fd = come(text, sizeof(text) - 1, &port);
    await_waiting(1);
    ck_assert_int_eq(send(fd, "a", 1, 0), 1);
    (void)await(port);
    (void)close(fd);
    close_door();
}
END_TEST

START_TEST(who_leaves_is_forgotten) {
    in_port_t port;

    open_door(8, 60);
    int silent = come("", 0, &port);
    int talkative = come(record, 3, &port);
    await_waiting(2);
    (void)close(silent);
    (void)close(talkative);
    await_waiting(0);
    ck_assert_uint_eq(entered.count, 0);
    close_door();
}
END_TEST

START_TEST(who_says_nothing_or_too_little_is_hung_up_on_in_time) {
    in_port_t port;
    uint64_t start_us = clock_wall_us();

    open_door(8, 1);
    int silent = come("", 0, &port);
    int slow = come(record, 7, &port);
    check_hung_up(silent);
    ck_assert_uint_ge(clock_wall_us() - start_us, 900000);
    check_hung_up(slow);
    ck_assert_uint_eq(httpd_door_waiting(door), 0);
    ck_assert_uint_eq(entered.count, 0);
    close_door();
}
END_TEST

START_TEST(at_the_maximum_who_waited_longest_makes_room) {
    in_port_t port;
    int fds[4];

    open_door(3, 60);
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = come("", 0, &port);
        await_waiting(i + 1);
    }
    fds[3] = come(record, RECORD_LEN, &port);
    (void)await(port);
    check_hung_up(fds[0]);
    ck_assert_uint_eq(httpd_door_waiting(door), 2);
    for (unsigned i = 1; i < 4; i++) {
        (void)close(fds[i]);
    }
    close_door();
}
END_TEST

START_TEST(when_all_are_inside_the_next_enters_after_one_has_left) {
    in_port_t ports[3];
    int fds[3], ignored = -1;

    open_door(2, 60);
    for (unsigned i = 0; i < 2; i++) {
        fds[i] = come(record, RECORD_LEN, &ports[i]);
        (void)await(ports[i]);
    }
    fds[2] = come(record, RECORD_LEN, &ports[2]);
    (void)poll(NULL, 0, 50);
    (void)pthread_mutex_lock(&entered.lock);
    ck_assert(!has_entered(ports[2], &ignored));
    (void)pthread_mutex_unlock(&entered.lock);
    atomic_fetch_sub(&inside, 1);
    (void)await(ports[2]);
    for (unsigned i = 0; i < 3; i++) {
        (void)close(fds[i]);
    }
    close_door();
}
END_TEST

START_TEST(closing_hangs_up_on_all_that_wait) {
    in_port_t port;
    int fds[3];

    open_door(8, 60);
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = come(record, i, &port);
    }
    await_waiting(3);
    httpd_door_close(door);
    for (unsigned i = 0; i < 3; i++) {
        check_hung_up(fds[i]);
    }
    close_door();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("httpd_door");
    TCase *tcase = tcase_create("door");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, who_has_sent_a_record_or_never_will_is_let_in_with_all_of_it, 0,
                        (int)COUNT(whole));
    tcase_add_test(tcase, a_record_in_single_octets_enters_when_it_is_whole);
    tcase_add_test(tcase, a_record_longer_than_we_wait_for_enters_when_so_much_is_there);
    tcase_add_test(tcase, who_leaves_is_forgotten);
    tcase_add_test(tcase, who_says_nothing_or_too_little_is_hung_up_on_in_time);
    tcase_add_test(tcase, at_the_maximum_who_waited_longest_makes_room);
    tcase_add_test(tcase, when_all_are_inside_the_next_enters_after_one_has_left);
    tcase_add_test(tcase, closing_hangs_up_on_all_that_wait);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
