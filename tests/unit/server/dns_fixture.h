/* A name server on a loopback port that answers by table, on its own thread. */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define DNS_NOERROR 0
#define DNS_SERVFAIL 2
#define DNS_NXDOMAIN 3
#define DNS_SILENT 99

struct dns_row {
    const char *name;
    const char *a, *aaaa; /* textual addresses or NULL */
    int code;
};

struct dns_fixture {
    const struct dns_row *rows; /* ended by a NULL name; a name not there does not exist */
    int fd, stop_fd;
    pthread_t thread;
    char address[32]; /* "127.0.0.1:PORT" */
    /* writes further records behind what is there, counts them in packet[7], returns their octets */
    size_t (*more)(unsigned char *packet, size_t end, const char *name, unsigned type);
    atomic_uint asked;
};

/* The question's name in text; returns the octets of name, type and class. */
static size_t dns_question(const unsigned char *packet, size_t len, char name[256]) {
    size_t at = 12, out = 0;

    while (at < len && packet[at] != 0) {
        size_t label = packet[at++];
        ck_assert(at + label < len && out + label + 2 < 256);
        memcpy(name + out, packet + at, label);
        out += label;
        name[out++] = '.';
        at += label;
    }
    name[out == 0 ? 0 : out - 1] = '\0';
    ck_assert(at + 5 <= len);
    return at + 5;
}

static size_t dns_record(unsigned char *out, unsigned type, const void *data, size_t len) {
    const unsigned char head[] = {0xc0, 12, 0, (unsigned char)type, 0, 1, 0, 0,
                                  0,    60, 0, (unsigned char)len};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, data, len);
    return sizeof head + len;
}

/* Turn the query in packet into its answer; 0: stay silent. */
static size_t dns_answer(const struct dns_fixture *dns, unsigned char packet[512], size_t len) {
    char name[256];
    size_t end = dns_question(packet, len, name);
    unsigned type = packet[end - 3];
    const struct dns_row *row = dns->rows;
    unsigned char octets[16];

    while (row->name != NULL && strcasecmp(row->name, name) != 0) {
        row++;
    }
    int code = row->name == NULL ? DNS_NXDOMAIN : row->code;
    if (code == DNS_SILENT) {
        return 0;
    }
    packet[2] = 0x84; /* a final answer */
    packet[3] = (unsigned char)code;
    memset(packet + 6, 0, 6);
    if (type == 1 && row->a != NULL && inet_pton(AF_INET, row->a, octets) == 1) {
        packet[7] = 1;
        end += dns_record(packet + end, 1, octets, 4);
    } else if (type == 28 && row->aaaa != NULL && inet_pton(AF_INET6, row->aaaa, octets) == 1) {
        packet[7] = 1;
        end += dns_record(packet + end, 28, octets, 16);
    } else if (dns->more != NULL) {
        end += dns->more(packet, end, name, type);
    }
    return end;
}

static void *dns_serve(void *ctx) {
    struct dns_fixture *dns = ctx;

    for (;;) {
        struct pollfd fds[] = {{dns->fd, POLLIN, 0}, {dns->stop_fd, POLLIN, 0}};
        unsigned char packet[512];
        struct sockaddr_in peer;
        socklen_t peer_len = sizeof peer;

        if (poll(fds, 2, -1) < 0 || fds[1].revents != 0) {
            return NULL;
        }
        ssize_t len =
            recvfrom(dns->fd, packet, sizeof packet - 64, 0, (struct sockaddr *)&peer, &peer_len);
        if (len < 17) {
            continue;
        }
        atomic_fetch_add(&dns->asked, 1);
        size_t answer = dns_answer(dns, packet, (size_t)len);
        if (answer > 0) {
            (void)sendto(dns->fd, packet, answer, 0, (struct sockaddr *)&peer, peer_len);
        }
    }
}

__attribute__((unused)) static void dns_start(struct dns_fixture *dns, const struct dns_row *rows) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;

    *dns = (struct dns_fixture){.rows = rows};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    dns->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    dns->stop_fd = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_eq(bind(dns->fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(dns->fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(dns->address, sizeof dns->address, "127.0.0.1:%u", ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&dns->thread, NULL, dns_serve, dns), 0);
}

__attribute__((unused)) static void dns_stop(struct dns_fixture *dns) {
    ck_assert_int_eq(eventfd_write(dns->stop_fd, 1), 0);
    ck_assert_int_eq(pthread_join(dns->thread, NULL), 0);
    (void)close(dns->fd);
    (void)close(dns->stop_fd);
}
