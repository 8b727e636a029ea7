/* One validation tries the addresses of its name in turn until one accepts a connection; the
 * handshake with that one decides.  A deadline covers all of it; sockets never block. */
#include "server/va_tlsalpn01.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/loopback.h"
#include "server/va_query.h"
#include "server/va_tlsalpn01_cert.h"

#define DEFAULT_PORT 443
#define DEFAULT_TIMEOUT_MS 5000
#define WHERE_SIZE (100 + RESOLVER_ADDRESS_SIZE + 12)
#define CERTIFICATE_MAX 16384 /* octets of what the peer may send in its handshake */

static const unsigned char protocols[] = "\x0a"
                                         "acme-tls/1"; /* RFC 8737 6.2 */

struct handshake {
    struct handshake *next, *previous;
    struct va_tlsalpn01 *owner;
    const struct va_task *task;
    va_done *done;
    void *ctx;
    uint64_t deadline_us, begun_us;
    struct resolver_answer addresses;
    unsigned address; /* the one being tried */
    char sni[VA_SNI_SIZE];
    int fd; /* -1 = none */
    bool connected;
    SSL *ssl;
    struct loop_timer timer;
};

struct va_tlsalpn01 {
    struct loop *loop;
    struct va_targets *targets;
    struct va_observer observer;
    const struct clock *clock;
    SSL_CTX *context;
    unsigned port, timeout_ms;
    struct handshake *handshakes;
};

static SSL_CTX *context_new(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 /* 4 */
        || SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1) != 0) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); /* it is self-signed; we look ourselves */
    SSL_CTX_set_max_cert_list(context, CERTIFICATE_MAX);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

struct va_tlsalpn01 *va_tlsalpn01_new(const struct va_options *options, struct loop *loop,
                                      struct va_targets *targets, struct err *err) {
    AUTO(va_tlsalpn01_free) struct va_tlsalpn01 *owner = calloc(1, sizeof *owner);

    if (owner != NULL) {
        owner->context = context_new();
    }
    if (owner == NULL || owner->context == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for tls-alpn-01");
        return NULL;
    }
    owner->loop = loop;
    owner->targets = targets;
    owner->observer = options->observer;
    owner->clock = options->clock;
    owner->port = options->tlsalpn01_port != 0 ? options->tlsalpn01_port : DEFAULT_PORT;
    owner->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    return TAKE(owner);
}

/* Close what the current address has open. */
static void hang_up(struct handshake *handshake) {
    struct err ignored = {0};

    loop_timer_unset(handshake->owner->loop, &handshake->timer);
    SSL_free(handshake->ssl);
    handshake->ssl = NULL;
    if (handshake->fd >= 0) {
        (void)!loop_watch(handshake->owner->loop, handshake->fd, 0, NULL, NULL, &ignored);
        (void)close(handshake->fd);
        handshake->fd = -1;
    }
    ERR_clear_error();
}

static void handshake_free(struct handshake *handshake) {
    hang_up(handshake);
    *(handshake->previous != NULL ? &handshake->previous->next : &handshake->owner->handshakes) =
        handshake->next;
    if (handshake->next != NULL) {
        handshake->next->previous = handshake->previous;
    }
    free(handshake);
}

void va_tlsalpn01_free(struct va_tlsalpn01 *owner) {
    if (owner != NULL) {
        while (owner->handshakes != NULL) {
            handshake_free(owner->handshakes);
        }
        SSL_CTX_free(owner->context);
        free(owner);
    }
}

/* Report and forget; the handshake is gone afterwards.  err's kind ERR_NONE: valid. */
static void finish(struct handshake *handshake, const struct err *err) {
    const struct va_result result = {.valid = err->kind == ERR_NONE, .err = *err};
    va_done *done = handshake->done;
    void *ctx = handshake->ctx;

    handshake_free(handshake);
    done(ctx, &result);
}

static void try_address(struct handshake *handshake);

/* x509 NULL: it did not come to one. */
static void observe(const struct handshake *handshake, X509 *x509, const struct err *err) {
    struct va_query query = {.type = ACME_CHALLENGE_TLSALPN01,
                             .identifier = &handshake->task->identifier,
                             .asked = handshake->sni,
                             .connected = handshake->connected,
                             .err = err};
    unsigned char *der = NULL;
    const struct va_tlsalpn01 *owner = handshake->owner;

    if (owner->observer.query == NULL) {
        return;
    }
    int len = x509 == NULL ? 0 : i2d_X509(x509, &der);
    query.answer = der;
    query.answer_len = len > 0 ? (size_t)len : 0;
    va_query_tell(&owner->observer, &query, &handshake->addresses, handshake->address, owner->port,
                  handshake->begun_us, owner->clock);
    OPENSSL_free(der);
}

/* "name:port (address)" for details. */
static void where(const struct handshake *handshake, char text[WHERE_SIZE]) {
    (void)snprintf(text, WHERE_SIZE, "%.90s:%u (%s)", handshake->task->identifier.value,
                   handshake->owner->port, handshake->addresses.address[handshake->address]);
}

static uint64_t left_us(const struct handshake *handshake) {
    uint64_t now_us = clock_wall_us();
    return now_us >= handshake->deadline_us ? 0 : handshake->deadline_us - now_us;
}

/* No connection: the name's next address, or the end. */
static void unconnected(struct handshake *handshake, const char *why) {
    struct err err = {0};
    char at[WHERE_SIZE];

    where(handshake, at);
    (void)err_set(&err, ERR_CONNECTION, "%s: %.60s", at, why);
    observe(handshake, NULL, &err);
    hang_up(handshake);
    if (handshake->address + 1 < handshake->addresses.count && left_us(handshake) > 0) {
        handshake->address++;
        try_address(handshake);
    } else {
        finish(handshake, &err);
    }
}

static void failed(struct handshake *handshake, X509 *x509, enum err_kind kind, const char *why) {
    struct err err = {0};
    char at[WHERE_SIZE];

    where(handshake, at);
    (void)err_set(&err, kind, "%s: %.90s", at, why);
    observe(handshake, x509, &err);
    finish(handshake, &err);
}

static void on_time(void *ctx) {
    struct handshake *handshake = ctx;

    if (handshake->connected) {
        failed(handshake, NULL, ERR_CONNECTION, "the handshake was not done in time");
    } else {
        unconnected(handshake, "no answer in time");
    }
}

/* The handshake is done: what was agreed, and who is it? */
static void check(struct handshake *handshake) {
    const unsigned char *protocol = NULL;
    unsigned len = 0;
    struct err err = {0};

    SSL_get0_alpn_selected(handshake->ssl, &protocol, &len);
    X509 *x509 = SSL_get0_peer_certificate(handshake->ssl);
    if (len != sizeof protocols - 2 || memcmp(protocol, protocols + 1, len) != 0) {
        failed(handshake, x509, ERR_UNAUTHORIZED, "does not speak acme-tls/1");
    } else if (x509 == NULL) {
        failed(handshake, NULL, ERR_INCORRECT_RESPONSE, "showed no certificate");
    } else if (!va_tlsalpn01_fits(x509, handshake->task, &err)) {
        failed(handshake, x509, err.kind, err.detail);
    } else {
        observe(handshake, x509, &err);
        (void)SSL_shutdown(handshake->ssl); /* 3: closed, and nothing else is sent */
        finish(handshake, &err);
    }
}

static void broken(struct handshake *handshake, int reason) {
    unsigned long code = ERR_peek_error();
    const char *text = ERR_reason_error_string(code);

    if (reason == SSL_ERROR_SSL && code != 0 && !ERR_SYSTEM_ERROR(code)) {
        failed(handshake, NULL, ERR_TLS, text == NULL ? "the handshake failed" : text);
    } else {
        failed(handshake, NULL, ERR_CONNECTION, "closed the connection during the handshake");
    }
}

static bool watch(struct handshake *handshake, uint32_t events);

static void advance(struct handshake *handshake) {
    ERR_clear_error();
    int ret = SSL_connect(handshake->ssl);
    int reason = ret == 1 ? SSL_ERROR_NONE : SSL_get_error(handshake->ssl, ret);

    if (reason == SSL_ERROR_NONE) {
        check(handshake);
    } else if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
        if (!watch(handshake, reason == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT)) {
            failed(handshake, NULL, ERR_SERVER_INTERNAL, "could not be waited for");
        }
    } else {
        broken(handshake, reason);
    }
}

/* TCP is there. */
static void begin(struct handshake *handshake) {
    struct va_tlsalpn01 *owner = handshake->owner;

    handshake->connected = true;
    loop_timer_set(owner->loop, &handshake->timer, handshake->deadline_us, on_time, handshake);
    handshake->ssl = SSL_new(owner->context);
    if (handshake->ssl == NULL || SSL_set_fd(handshake->ssl, handshake->fd) != 1
        || SSL_set_tlsext_host_name(handshake->ssl, handshake->sni) != 1) {
        failed(handshake, NULL, ERR_SERVER_INTERNAL, "no memory for a handshake");
        return;
    }
    advance(handshake);
}

static void on_ready(void *ctx, uint32_t events) {
    struct handshake *handshake = ctx;
    int error = 0;
    socklen_t len = sizeof error;

    (void)events;
    if (handshake->ssl != NULL) {
        advance(handshake);
    } else if (getsockopt(handshake->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        unconnected(handshake, error == 0 ? "no connection" : strerrordesc_np(error));
    } else {
        begin(handshake);
    }
}

static bool watch(struct handshake *handshake, uint32_t events) {
    struct err ignored = {0};

    return loop_watch(handshake->owner->loop, handshake->fd, events, on_ready, handshake, &ignored);
}

static socklen_t socket_address(const char *text, unsigned port, struct sockaddr_storage *ret) {
    struct sockaddr_in *ip4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)ret;

    *ret = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &ip4->sin_addr) == 1) {
        ip4->sin_family = AF_INET;
        ip4->sin_port = htons((uint16_t)port);
        return sizeof *ip4;
    }
    (void)inet_pton(AF_INET6, text, &ip6->sin6_addr);
    ip6->sin6_family = AF_INET6;
    ip6->sin6_port = htons((uint16_t)port);
    return sizeof *ip6;
}

static void try_address(struct handshake *handshake) {
    const struct va_tlsalpn01 *owner = handshake->owner;
    const unsigned rest = handshake->addresses.count - handshake->address;
    struct sockaddr_storage address;
    socklen_t len =
        socket_address(handshake->addresses.address[handshake->address], owner->port, &address);

    handshake->begun_us = clock_wall_us();
    handshake->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (handshake->fd < 0) {
        unconnected(handshake, strerrordesc_np(errno));
        return;
    }
    loopback_tune(handshake->fd, (struct sockaddr *)&address);
    /* leave time for the other addresses */
    loop_timer_set(owner->loop, &handshake->timer, handshake->begun_us + left_us(handshake) / rest,
                   on_time, handshake);
    if (connect(handshake->fd, (struct sockaddr *)&address, len) != 0 && errno != EINPROGRESS) {
        unconnected(handshake, strerrordesc_np(errno));
    } else if (!watch(handshake, EPOLLOUT)) {
        failed(handshake, NULL, ERR_SERVER_INTERNAL, "could not be waited for");
    }
}

static void on_addresses(void *ctx, const struct resolver_answer *answer, const struct err *err) {
    struct handshake *handshake = ctx;

    if (answer == NULL) {
        const struct err why = *err;
        observe(handshake, NULL, &why);
        finish(handshake, &why);
        return;
    }
    handshake->addresses = *answer;
    try_address(handshake);
}

void va_tlsalpn01_start(struct va_tlsalpn01 *owner, const struct va_task *task, va_done *done,
                        void *ctx) {
    struct handshake *handshake = calloc(1, sizeof *handshake);

    if (handshake == NULL || task->identifier.type == ACME_ID_NF_INSTANCE) {
        struct va_result result = {0};
        free(handshake);
        (void)err_set(&result.err, handshake == NULL ? ERR_NO_MEMORY : ERR_UNAUTHORIZED,
                      "tls-alpn-01 validates dns and ip identifiers only");
        done(ctx, &result);
        return;
    }
    *handshake = (struct handshake){
        .next = owner->handshakes,
        .owner = owner,
        .task = task,
        .done = done,
        .ctx = ctx,
        .begun_us = clock_wall_us(),
        .deadline_us = clock_wall_us() + (uint64_t)owner->timeout_ms * 1000,
        .fd = -1,
    };
    if (handshake->next != NULL) {
        handshake->next->previous = handshake;
    }
    owner->handshakes = handshake;
    va_tlsalpn01_sni(&task->identifier, handshake->sni);
    va_targets_find(owner->targets, task->identifier.value, on_addresses, handshake);
}
