#include "tests/conformance/responder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/conformance/responder_parts.h"
#include "tests/conformance/spec_internal.h"

#define WELL_KNOWN "/.well-known/acme-challenge/"
#define HEAD_SIZE 4096
#define PATHS_MAX 65536
#define CALLS_MAX 256 /* connections at a time */
#define CALL_MS 20000 /* a connection's life */

struct path {
    struct path *next;
    char *name, *octets, *head;
    unsigned delay_ms, seen;
};

struct responder {
    struct responder_alpn *alpn; /* NULL: not asked for */
    struct responder_dns *dns;
    int http01;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* of paths */
    struct path *paths;
    unsigned path_count;
    atomic_bool stop;
    atomic_uint calls;
};

struct call {
    struct responder *responder;
    int fd;
};

static struct path *path_find(struct responder *responder, const char *name, size_t len) {
    struct path *path = responder->paths;

    while (path != NULL && (strlen(path->name) != len || strncmp(path->name, name, len) != 0)) {
        path = path->next;
    }
    return path;
}

static bool pause_ms(struct responder *responder, unsigned ms) {
    for (unsigned done = 0; done < ms && !atomic_load(&responder->stop); done += 20) {
        (void)poll(NULL, 0, 20);
    }
    return !atomic_load(&responder->stop);
}

static bool read_head(int fd, char head[HEAD_SIZE]) {
    size_t len = 0;

    while (len + 1 < HEAD_SIZE) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        if (poll(&poller, 1, CALL_MS) <= 0) {
            return false;
        }
        ssize_t got = recv(fd, head + len, HEAD_SIZE - 1 - len, 0);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        head[len] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL) {
            return true;
        }
    }
    return false;
}

static void write_all(int fd, const char *octets) {
    size_t len = strlen(octets);

    while (len > 0) {
        struct pollfd poller = {.fd = fd, .events = POLLOUT};
        ssize_t sent = poll(&poller, 1, CALL_MS) <= 0
                           ? -1
                           : send(fd, octets, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0) {
            return;
        }
        octets += sent;
        len -= (size_t)sent;
    }
}

/* What is kept for the path asked for; caller owns. */
static char *look_up(struct responder *responder, const char *head, unsigned *ret_delay_ms) {
    const char *name = strchr(head, ' ');
    char *octets = NULL;

    *ret_delay_ms = 0;
    name = name == NULL ? head : name + 1;
    (void)pthread_mutex_lock(&responder->lock);
    struct path *path = path_find(responder, name, strcspn(name, " \r\n"));
    if (path != NULL) {
        path->seen++;
        free(path->head);
        path->head = strdup(head);
        octets = strdup(path->octets);
        *ret_delay_ms = path->delay_ms;
    }
    (void)pthread_mutex_unlock(&responder->lock);
    return octets;
}

static void *answer_call(void *context) {
    struct call *call = context;
    char head[HEAD_SIZE] = "";
    unsigned delay_ms = 0;

    if (read_head(call->fd, head)) {
        AUTO(free) char *octets = look_up(call->responder, head, &delay_ms);
        if (pause_ms(call->responder, delay_ms)) {
            write_all(call->fd, octets != NULL ? octets
                                               : "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                                                 "Connection: close\r\n\r\n");
        }
    }
    (void)shutdown(call->fd, SHUT_WR);
    (void)close(call->fd);
    (void)atomic_fetch_sub(&call->responder->calls, 1);
    free(call);
    return NULL;
}

static void take_call(struct responder *responder, int fd) {
    struct call *call = calloc(1, sizeof(*call));
    pthread_attr_t attributes;
    pthread_t thread;

    if (call == NULL || atomic_load(&responder->calls) >= CALLS_MAX) {
        (void)close(fd);
        free(call);
        return;
    }
    *call = (struct call){responder, fd};
    (void)atomic_fetch_add(&responder->calls, 1);
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, answer_call, call) != 0) {
        (void)atomic_fetch_sub(&responder->calls, 1);
        (void)close(fd);
        free(call);
    }
    (void)pthread_attr_destroy(&attributes);
}

static void *serve(void *context) {
    struct responder *responder = context;

    while (!atomic_load(&responder->stop)) {
        struct pollfd poller = {.fd = responder->http01, .events = POLLIN};
        if (poll(&poller, 1, 100) <= 0) {
            continue;
        }
        int fd = accept4(responder->http01, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            take_call(responder, fd);
        }
    }
    return NULL;
}

bool responder_listen(unsigned port, int *ret_fd, struct err *err) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0
        || listen(fd, 128) != 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return err_set(err, ERR_CONFIG, "port %u of 127.0.0.1: %s", port, strerror(errno));
    }
    *ret_fd = fd;
    return true;
}

struct responder *responder_start(const struct responder_options *options, struct err *err) {
    AUTO(responder_stop) struct responder *responder = calloc(1, sizeof(*responder));

    if (responder == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    responder->http01 = -1;
    (void)pthread_mutex_init(&responder->lock, NULL);
    if (options->http01_port != 0
        && !responder_listen(options->http01_port, &responder->http01, err)) {
        return NULL;
    }
    if ((options->tlsalpn01_port != 0
         && (responder->alpn = responder_alpn_start(options->tlsalpn01_port, err)) == NULL)
        || (options->dns_port != 0
            && (responder->dns = responder_dns_start(options->dns_port, err)) == NULL)) {
        return NULL;
    }
    responder->running =
        responder->http01 >= 0 && pthread_create(&responder->thread, NULL, serve, responder) == 0;
    return TAKE(responder);
}

void responder_stop(struct responder *responder) {
    if (responder == NULL) {
        return;
    }
    atomic_store(&responder->stop, true);
    if (responder->running) {
        (void)pthread_join(responder->thread, NULL);
    }
    while (atomic_load(&responder->calls) > 0) {
        (void)poll(NULL, 0, 10);
    }
    if (responder->http01 >= 0) {
        (void)close(responder->http01);
    }
    responder_alpn_stop(responder->alpn);
    responder_dns_stop(responder->dns);
    while (responder->paths != NULL) {
        struct path *path = responder->paths;
        responder->paths = path->next;
        free(path->name);
        free(path->octets);
        free(path->head);
        free(path);
    }
    (void)pthread_mutex_destroy(&responder->lock);
    free(responder);
}

void spec_http01_raw(struct spec *spec, const char *path, const char *octets, unsigned delay_ms) {
    struct responder *responder = spec->target->responder;

    if (responder == NULL || responder->http01 < 0) {
        spec_skip(spec, "no --http01-port");
    }
    if (spec_over(spec)) {
        return;
    }
    (void)pthread_mutex_lock(&responder->lock);
    struct path *kept = path_find(responder, path, strlen(path));
    if (kept == NULL && responder->path_count < PATHS_MAX) {
        kept = calloc(1, sizeof(*kept));
        if (kept != NULL) {
            *kept = (struct path){.next = responder->paths, .name = strdup(path)};
            responder->paths = kept;
            responder->path_count++;
        }
    }
    if (kept != NULL) {
        free(kept->octets);
        kept->octets = strdup(octets);
        kept->delay_ms = delay_ms;
    }
    (void)pthread_mutex_unlock(&responder->lock);
}

const char *spec_http01_path(struct spec *spec, const char *token) {
    return spec_text(spec, WELL_KNOWN "%s", token);
}

const char *spec_http01_url(struct spec *spec, const char *path) {
    return spec_text(spec, "http://127.0.0.1:%u%s", spec->target->http01_port, path);
}

void spec_http01(struct spec *spec, const char *token, const char *text) {
    spec_http01_raw(spec, spec_http01_path(spec, token),
                    spec_text(spec,
                              "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                              "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                              strlen(text), text),
                    0);
}

struct spec_http01_seen spec_http01_seen(struct spec *spec, const char *path) {
    struct responder *responder = spec->target->responder;
    struct spec_http01_seen seen = {.head = ""};

    if (responder == NULL) {
        return seen;
    }
    (void)pthread_mutex_lock(&responder->lock);
    const struct path *kept = path_find(responder, path, strlen(path));
    if (kept != NULL && kept->head != NULL) {
        seen.count = kept->seen;
        seen.head = spec_text(spec, "%s", kept->head);
    }
    (void)pthread_mutex_unlock(&responder->lock);
    return seen;
}

struct responder_alpn *responder_alpn_of(struct spec *spec) {
    struct responder *responder = spec->target->responder;

    if (responder == NULL || responder->alpn == NULL) {
        spec_skip(spec, "no --tlsalpn01-port");
        return NULL;
    }
    return responder->alpn;
}

struct responder_dns *responder_dns_of(struct spec *spec) {
    struct responder *responder = spec->target->responder;

    if (responder == NULL || responder->dns == NULL) {
        spec_skip(spec, "no --dns-port");
        return NULL;
    }
    return responder->dns;
}

void responder_publish(struct spec *spec, const char *type, const char *name, const char *token,
                       const char *key_authorization) {
    if (strcmp(type, "http-01") == 0) {
        spec_http01(spec, token, key_authorization);
    } else if (strcmp(type, "tls-alpn-01") == 0) {
        spec_alpn_good(spec, name, key_authorization);
    } else if (strcmp(type, "dns-01") == 0) {
        spec_dns(spec, spec_dns01_name(spec, name), "TXT",
                 spec_dns01_value(spec, key_authorization));
    } else {
        spec_fail(spec, "no responder answers %s for %s", type, name);
    }
}
