/* RFC 7766: two octets of length, then the message, both ways.  TCP: an update is not repeated by
 * accident, an answer is never cut, and nobody off the path can answer. */
#include "client/dns_exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

#define LENGTH_LEN 2

struct dns_exchange {
    struct loop *loop;
    dns_exchange_done *done;
    void *ctx;
    struct loop_timer timer;
    int fd;
    bool reading;
    uint8_t length[LENGTH_LEN]; /* of the answer */
    uint8_t *data;              /* what is sent, then the answer */
    size_t at, len;
};

void dns_exchange_cancel(struct dns_exchange *exchange) {
    struct err ignored = {0};

    if (exchange != NULL) {
        loop_timer_unset(exchange->loop, &exchange->timer);
        (void)!loop_watch(exchange->loop, exchange->fd, 0, NULL, NULL, &ignored);
        (void)close(exchange->fd);
        free(exchange->data);
        free(exchange);
    }
}

/* Tell, and be gone. */
static void finish(struct dns_exchange *exchange, const struct err *err) {
    dns_exchange_done *done = exchange->done;
    void *ctx = exchange->ctx;
    uint8_t *data = exchange->data;
    const size_t len = exchange->len;

    exchange->data = NULL;
    dns_exchange_cancel(exchange);
    done(ctx, err == NULL ? data : NULL, err == NULL ? len : 0, err);
    free(data);
}

static void broken(struct dns_exchange *exchange, const char *why) {
    struct err err = {0};

    (void)err_set(&err, ERR_UNREACHABLE, "the name server: %s", why);
    finish(exchange, &err);
}

static void too_late(void *ctx) {
    finish(ctx,
           &(struct err){.kind = ERR_TIMEOUT, .detail = "the name server did not answer in time"});
}

static bool watch(struct dns_exchange *exchange, uint32_t events, struct err *err);

/* The length is whole: make room for the message. */
static bool begin_message(struct dns_exchange *exchange) {
    exchange->len = (size_t)exchange->length[0] << 8 | exchange->length[1];
    exchange->at = 0;
    exchange->data = exchange->len == 0 ? NULL : malloc(exchange->len);
    return exchange->data != NULL;
}

static void on_sent(struct dns_exchange *exchange) {
    struct err err = {0};

    free(exchange->data);
    exchange->data = NULL;
    exchange->reading = true;
    exchange->at = 0;
    exchange->len = LENGTH_LEN;
    if (!watch(exchange, EPOLLIN, &err)) {
        finish(exchange, &err);
    }
}

static void receive(struct dns_exchange *exchange) {
    for (;;) {
        uint8_t *place = exchange->data == NULL ? exchange->length : exchange->data;
        ssize_t got = recv(exchange->fd, place + exchange->at, exchange->len - exchange->at, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            broken(exchange, got == 0 ? "closed the connection" : strerrordesc_np(errno));
            return;
        }
        exchange->at += (size_t)got;
        if (exchange->at < exchange->len) {
            continue;
        }
        if (exchange->data != NULL) {
            finish(exchange, NULL);
            return;
        }
        if (!begin_message(exchange)) {
            broken(exchange, "an empty answer");
            return;
        }
    }
}

static void on_ready(void *ctx, uint32_t events) {
    struct dns_exchange *exchange = ctx;

    (void)events;
    if (exchange->reading) {
        receive(exchange);
        return;
    }
    ssize_t sent = send(exchange->fd, exchange->data + exchange->at, exchange->len - exchange->at,
                        MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        broken(exchange, strerrordesc_np(errno));
        return;
    }
    exchange->at += sent < 0 ? 0 : (size_t)sent;
    if (exchange->at == exchange->len) {
        on_sent(exchange);
    }
}

static bool watch(struct dns_exchange *exchange, uint32_t events, struct err *err) {
    return loop_watch(exchange->loop, exchange->fd, events, on_ready, exchange, err);
}

struct dns_exchange *dns_exchange_start(struct loop *loop, const struct endpoint *server,
                                        const uint8_t *wire, size_t len, dns_exchange_done *done,
                                        void *ctx, struct err *err) {
    struct dns_exchange *exchange = calloc(1, sizeof *exchange);
    uint8_t *data = len > UINT16_MAX ? NULL : malloc(LENGTH_LEN + len);
    int fd = exchange == NULL || data == NULL ? -1 : endpoint_connect(server, err);

    if (fd < 0) {
        free(exchange);
        free(data);
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    data[0] = (uint8_t)(len >> 8);
    data[1] = (uint8_t)len;
    memcpy(data + LENGTH_LEN, wire, len);
    *exchange = (struct dns_exchange){
        .loop = loop, .done = done, .ctx = ctx, .fd = fd, .data = data, .len = LENGTH_LEN + len};
    if (!watch(exchange, EPOLLOUT, err)) {
        dns_exchange_cancel(exchange);
        return NULL;
    }
    loop_timer_set(loop, &exchange->timer, clock_wall_us() + DNS_EXCHANGE_PATIENCE_US, too_late,
                   exchange);
    return exchange;
}
