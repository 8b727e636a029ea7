#include "client/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/loopback.h"

#define HOST_SIZE 64
#define BACKLOG 512

bool endpoint_parse(const char *text, bool any_port, struct endpoint *ret, struct err *err) {
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(text, ':');
    const bool brackets = colon != NULL && colon > text + 1 && text[0] == '[' && colon[-1] == ']';
    const size_t len = colon == NULL ? 0 : (size_t)(colon - text) - (brackets ? 2 : 0);
    struct addrinfo *found = NULL;
    char host[HOST_SIZE];

    if (len == 0 || len >= sizeof host || (!brackets && memchr(text, ':', len) != NULL)) {
        return err_set(err, ERR_CONFIG, "not an address and port: \"%.80s\"", text);
    }
    memcpy(host, text + (brackets ? 1 : 0), len);
    host[len] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
        return err_set(err, ERR_CONFIG, "not an address and port: \"%.80s\"", text);
    }
    *ret = (struct endpoint){.len = found->ai_addrlen};
    memcpy(&ret->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    /* at the same place in sockaddr_in */
    return any_port || ((const struct sockaddr_in6 *)&ret->address)->sin6_port != 0
           || err_set(err, ERR_CONFIG, "no port: \"%.80s\"", text);
}

int endpoint_listen(const struct endpoint *endpoint, unsigned *ret_port, struct err *err) {
    struct sockaddr_in6 bound = {0};
    socklen_t len = sizeof bound;
    int on = 1;
    int fd = socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0
        || bind(fd, (const struct sockaddr *)&endpoint->address, endpoint->len) != 0
        || listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
        (void)err_set(err, ERR_CONFIG, "cannot listen: %s", strerrordesc_np(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return -1;
    }
    loopback_tune(fd, (const struct sockaddr *)&endpoint->address);
    *ret_port = ntohs(bound.sin6_port);
    return fd;
}

int endpoint_connect(const struct endpoint *endpoint, struct err *err) {
    const struct sockaddr *address = (const struct sockaddr *)&endpoint->address;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0) {
        loopback_tune(fd, address);
    }
    if (fd < 0 || (connect(fd, address, endpoint->len) != 0 && errno != EINPROGRESS)) {
        (void)err_set(err, ERR_UNREACHABLE, "no connection: %s", strerrordesc_np(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return -1;
    }
    return fd;
}
