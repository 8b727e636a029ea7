#include <arpa/inet.h>
#include <check.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/loopback.h"

static const struct {
    const char *text;
    bool here;
} addresses[] = {
    {"127.0.0.1", true},    {"127.255.1.2", true},
    {"::1", true},          {"::ffff:127.3.4.5", true},
    {"0.0.0.0", false},     {"126.255.255.255", false},
    {"::", false},          {"::2", false},
    {"10.0.0.1", false},    {"::ffff:128.0.0.1", false},
    {"::127.0.0.1", false},
};

static struct addrinfo *parse(const char *text) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    ck_assert_int_eq(getaddrinfo(text, "80", &hints, &found), 0);
    return found;
}

static void congestion(int fd, char ret[32]) {
    socklen_t len = 31;

    memset(ret, 0, 32);
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, ret, &len), 0);
}

START_TEST(only_sockets_of_this_machine_are_tuned) {
    struct addrinfo *address = parse(addresses[_i].text);
    char before[32], after[32];
    int fd = socket(address->ai_family, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(loopback_is(address->ai_addr), addresses[_i].here);
    congestion(fd, before);
    loopback_tune(fd, address->ai_addr);
    congestion(fd, after);
    ck_assert_str_eq(after, addresses[_i].here ? "reno" : before);
    (void)close(fd);
    freeaddrinfo(address);
}
END_TEST

START_TEST(a_socket_that_is_no_tcp_socket_is_left_alone) {
    struct sockaddr unix_address = {.sa_family = AF_UNIX};
    struct addrinfo *address = parse("127.0.0.1");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ck_assert(!loopback_is(&unix_address));
    loopback_tune(fd, &unix_address);
    loopback_tune(fd, address->ai_addr); /* refused by the system: no harm */
    (void)close(fd);
    freeaddrinfo(address);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loopback");
    TCase *tcase = tcase_create("loopback");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tcase, only_sockets_of_this_machine_are_tuned, 0, (int)COUNT(addresses));
    tcase_add_test(tcase, a_socket_that_is_no_tcp_socket_is_left_alone);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
