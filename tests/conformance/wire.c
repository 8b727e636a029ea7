#include "tests/conformance/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"

struct wire {
    int fd;
    SSL *tls;
    struct buf in; /* read and not yet taken */
};

void wire_close(struct wire *wire) {
    if (wire == NULL) {
        return;
    }
    SSL_free(wire->tls);
    if (wire->fd >= 0) {
        (void)close(wire->fd);
    }
    buf_done(&wire->in);
    free(wire);
}

SSL *wire_tls(struct wire *wire) { return wire->tls; }

bool wire_stale(struct wire *wire) {
    struct pollfd poller = {.fd = wire->fd, .events = POLLIN};
    return wire->in.len > 0 || poll(&poller, 1, 0) != 0;
}

static bool await(int fd, short events, uint64_t deadline_us, struct err *err) {
    for (;;) {
        uint64_t now = clock_wall_us();
        struct pollfd poller = {.fd = fd, .events = events};
        int ready =
            now >= deadline_us ? 0 : poll(&poller, 1, (int)((deadline_us - now) / 1000 + 1));
        if (ready > 0) {
            return true;
        }
        if (ready == 0) {
            return err_set(err, ERR_TIMEOUT, "the server did not %s in time",
                           events == POLLIN ? "answer" : "read");
        }
        if (errno != EINTR) {
            return err_set(err, ERR_UNREACHABLE, "poll: %s", strerror(errno));
        }
    }
}

static bool tcp_connect(const struct addrinfo *address, uint64_t deadline_us, int *ret_fd,
                        struct err *err) {
    int one = 1, failure = 0;
    socklen_t size = sizeof(failure);
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return err_set(err, ERR_UNREACHABLE, "no socket: %s", strerror(errno));
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0
        || (errno == EINPROGRESS && await(fd, POLLOUT, deadline_us, err)
            && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0)) {
        *ret_fd = fd;
        return true;
    }
    (void)err_set(err, ERR_UNREACHABLE, "connect: %s", strerror(failure != 0 ? failure : errno));
    (void)close(fd);
    return false;
}

/* What SSL_connect, SSL_read or SSL_write waits for; false when it failed for good. */
static bool tls_await(struct wire *wire, int result, uint64_t deadline_us, struct err *err) {
    int why = SSL_get_error(wire->tls, result);

    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        return await(wire->fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_us, err);
    }
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    ERR_clear_error();
    return err_set(err, why == SSL_ERROR_ZERO_RETURN ? ERR_UNREACHABLE : ERR_TLS, "TLS: %s",
                   reason != NULL ? reason : "connection closed");
}

static bool handshake(struct wire *wire, const struct wire_target *target, uint64_t deadline_us,
                      struct err *err) {
    bool address = target->host[strspn(target->host, "0123456789.")] == '\0'
                   || strchr(target->host, ':') != NULL;
    int done = 0;

    wire->tls = SSL_new(target->tls);
    if (wire->tls == NULL || SSL_set_fd(wire->tls, wire->fd) != 1) {
        return err_set(err, ERR_TLS, "no TLS session");
    }
    if (address) {
        (void)X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(wire->tls), target->host);
    } else {
        (void)SSL_set1_host(wire->tls, target->host);
        (void)SSL_set_tlsext_host_name(wire->tls, target->host);
    }
    if (target->alpn != NULL) {
        (void)SSL_set_alpn_protos(wire->tls, target->alpn, target->alpn_len);
    }
    ERR_clear_error();
    while ((done = SSL_connect(wire->tls)) != 1) {
        if (!tls_await(wire, done, deadline_us, err)) {
            return false;
        }
    }
    return true;
}

struct wire *wire_open(const struct wire_target *target, uint64_t deadline_us, struct err *err) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    AUTO(wire_close) struct wire *wire = calloc(1, sizeof(*wire));

    if (wire == NULL || getaddrinfo(target->host, target->port, &hints, &found) != 0) {
        (void)err_set(err, ERR_UNREACHABLE, "no address of %s", target->host);
        if (wire != NULL) {
            wire->fd = -1;
        }
        return NULL;
    }
    *wire = (struct wire){.fd = -1, .in = buf_new(WIRE_HEAD_MAX + WIRE_BODY_MAX)};
    bool connected = tcp_connect(found, deadline_us, &wire->fd, err);
    freeaddrinfo(found);
    if (!connected || (target->tls != NULL && !handshake(wire, target, deadline_us, err))) {
        return NULL;
    }
    return TAKE(wire);
}

/* Has the server answered before it read everything?  What it says stays in the buffer. */
static bool answered(struct wire *wire) {
    char chunk[4096];
    struct pollfd poller = {.fd = wire->fd, .events = POLLIN};

    if (poll(&poller, 1, 0) <= 0) {
        return wire->in.len > 0;
    }
    ERR_clear_error();
    ssize_t got = wire->tls != NULL ? SSL_read(wire->tls, chunk, sizeof(chunk))
                                    : recv(wire->fd, chunk, sizeof(chunk), 0);
    return (got > 0 && buf_add(&wire->in, chunk, (size_t)got)) || wire->in.len > 0;
}

bool wire_send(struct wire *wire, const void *data, size_t len, uint64_t deadline_us,
               struct err *err) {
    const char *next = data;

    while (len > 0) {
        size_t once = len < 16384 ? len : 16384;
        ssize_t sent;
        if (answered(wire)) {
            return err_set(err, ERR_UPSTREAM, "answered before everything was read");
        }
        ERR_clear_error();
        if (wire->tls != NULL) {
            sent = SSL_write(wire->tls, next, (int)once);
            if (sent <= 0 && !tls_await(wire, (int)sent, deadline_us, err)) {
                return false;
            }
        } else {
            sent = send(wire->fd, next, once, MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN) {
                return err_set(err, ERR_UNREACHABLE, "send: %s", strerror(errno));
            }
            if (sent < 0 && !await(wire->fd, POLLOUT, deadline_us, err)) {
                return false;
            }
        }
        if (sent > 0) {
            next += sent;
            len -= (size_t)sent;
        }
    }
    return true;
}

/* Read something more; *ret_end: the peer closed. */
static bool more(struct wire *wire, uint64_t deadline_us, bool *ret_end, struct err *err) {
    char chunk[16384];

    for (;;) {
        ssize_t got;
        ERR_clear_error();
        if (wire->tls != NULL) {
            got = SSL_read(wire->tls, chunk, sizeof(chunk));
            if (got <= 0) {
                int why = SSL_get_error(wire->tls, (int)got);
                if (why == SSL_ERROR_ZERO_RETURN || why == SSL_ERROR_SYSCALL
                    || why == SSL_ERROR_SSL) {
                    *ret_end = true;
                    return true;
                }
                if (!tls_await(wire, (int)got, deadline_us, err)) {
                    return false;
                }
                continue;
            }
        } else {
            got = recv(wire->fd, chunk, sizeof(chunk), 0);
            if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
                *ret_end = true;
                return true;
            }
            if (got < 0) {
                if (!await(wire->fd, POLLIN, deadline_us, err)) {
                    return false;
                }
                continue;
            }
        }
        return buf_add(&wire->in, chunk, (size_t)got)
               || err_set(err, ERR_TOO_LARGE, "the answer is larger than %d octets", WIRE_BODY_MAX);
    }
}

static void consume(struct wire *wire, size_t len) {
    wire->in.len -= len;
    memmove(wire->in.data, wire->in.data + len, wire->in.len + 1);
}

/* At least len octets in the buffer. */
static bool fill(struct wire *wire, size_t len, uint64_t deadline_us, struct err *err) {
    bool end = false;

    while (wire->in.len < len) {
        if (!more(wire, deadline_us, &end, err)) {
            return false;
        }
        if (end) {
            return err_set(err, ERR_UNREACHABLE, "the connection was closed %s",
                           wire->in.len == 0 ? "without an answer" : "in the middle of an answer");
        }
    }
    return true;
}

/* A line with its CRLF at the front of the buffer; *ret_len counts them. */
static bool line(struct wire *wire, const char *mark, uint64_t deadline_us, size_t *ret_len,
                 struct err *err) {
    char *found = NULL;

    while (wire->in.len == 0 || (found = strstr(wire->in.data, mark)) == NULL) {
        if (wire->in.len > WIRE_HEAD_MAX) {
            return err_set(err, ERR_UPSTREAM, "no end of the headers");
        }
        if (!fill(wire, wire->in.len + 1, deadline_us, err)) {
            return false;
        }
    }
    *ret_len = (size_t)(found - wire->in.data) + strlen(mark);
    return true;
}

static const char *head_value(const char *head, const char *name) {
    size_t len = strlen(name);

    for (const char *at = strstr(head, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
        at += 2;
        if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
            at += len + 1;
            return at + strspn(at, " \t");
        }
    }
    return NULL;
}

static bool body_add(struct buf *body, struct wire *wire, size_t len) {
    bool fits = buf_add(body, wire->in.data, len);

    consume(wire, len);
    return fits;
}

static bool chunks(struct wire *wire, uint64_t deadline_us, struct buf *body, struct err *err) {
    for (;;) {
        size_t head = 0;
        if (!line(wire, "\r\n", deadline_us, &head, err)) {
            return false;
        }
        char *end = NULL;
        unsigned long size = strtoul(wire->in.data, &end, 16);
        if (end == wire->in.data || size > WIRE_BODY_MAX) {
            return err_set(err, ERR_UPSTREAM, "a chunk size of the answer is wrong");
        }
        consume(wire, head);
        if (!fill(wire, size + 2, deadline_us, err)) {
            return false;
        }
        if (size == 0) {
            consume(wire, 2);
            return true;
        }
        (void)body_add(body, wire, size);
        consume(wire, 2);
    }
}

static bool to_the_end(struct wire *wire, uint64_t deadline_us, struct buf *body, struct err *err) {
    for (bool end = false; !end;) {
        if (!more(wire, deadline_us, &end, err)) {
            return false;
        }
    }
    return wire->in.len == 0 || body_add(body, wire, wire->in.len);
}

static bool body_receive(struct wire *wire, const char *head, bool no_body, uint64_t deadline_us,
                         struct buf *body, struct err *err) {
    const char *length = head_value(head, "Content-Length");
    const char *coding = head_value(head, "Transfer-Encoding");

    if (no_body) {
        return true;
    }
    if (coding != NULL && strncasecmp(coding, "chunked", 7) == 0) {
        return chunks(wire, deadline_us, body, err);
    }
    if (length == NULL) {
        return to_the_end(wire, deadline_us, body, err);
    }
    unsigned long size = strtoul(length, NULL, 10);
    if (size > WIRE_BODY_MAX) {
        return err_set(err, ERR_TOO_LARGE, "an answer of %lu octets", size);
    }
    return fill(wire, size, deadline_us, err) && (size == 0 || body_add(body, wire, size));
}

void wire_answer_done(struct wire_answer *answer) {
    free(answer->head);
    free(answer->body);
    *answer = (struct wire_answer){0};
}

bool wire_receive(struct wire *wire, bool no_body, uint64_t deadline_us, struct wire_answer *ret,
                  struct err *err) {
    AUTO(buf_done) struct buf body = buf_new(WIRE_BODY_MAX);
    AUTO(free) char *head = NULL;
    unsigned long status = 0;
    size_t len = 0;

    do {
        if (!line(wire, "\r\n\r\n", deadline_us, &len, err)) {
            return false;
        }
        free(head);
        head = strndup(wire->in.data, len);
        consume(wire, len);
        if (head == NULL || strncmp(head, "HTTP/1.", 7) != 0 || strlen(head) < 12) {
            return err_set(err, ERR_UPSTREAM, "the answer is not HTTP/1.1");
        }
        status = strtoul(head + 9, NULL, 10);
    } while (status >= 100 && status < 200);
    if (!body_receive(wire, head, no_body || status == 204 || status == 304, deadline_us, &body,
                      err)
        || !buf_text(&body, "")) {
        return false;
    }
    const char *connection = head_value(head, "Connection");
    ret->status = (unsigned)status;
    ret->closes = connection != NULL && strncasecmp(connection, "close", 5) == 0;
    ret->body_len = body.len;
    ret->head = TAKE(head);
    ret->body = buf_take(&body);
    return ret->body != NULL || err_set(err, ERR_NO_MEMORY, "no memory");
}
