#include "client/alpn_door.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/endpoint.h"
#include "common/clock.h"
#include "common/ossl.h"

#define NAME_SIZE 256
#define ACCEPTS_MAX 64  /* connections taken in one turn of the loop */
#define PAUSE_US 100000 /* out of descriptors: nobody is taken for so long */

static const unsigned char protocol[] = "\x0a"
                                        "acme-tls/1"; /* RFC 8737 section 6.2 */

struct visitor {
    struct visitor *next, *previous;
    struct alpn_door *door;
    struct loop_timer timer;
    SSL *ssl;
    int fd;
    bool shaken; /* the handshake is done: wait for the peer to close */
};

struct alpn_door {
    struct alpn_door_options options;
    SSL_CTX *context;
    struct visitor *visitors;
    unsigned count, port;
    int fd;
    struct loop_timer pause;
};

static void visitor_free(struct visitor *visitor) {
    struct alpn_door *door = visitor->door;
    struct err ignored = {0};

    *(visitor->previous != NULL ? &visitor->previous->next : &door->visitors) = visitor->next;
    if (visitor->next != NULL) {
        visitor->next->previous = visitor->previous;
    }
    door->count--;
    loop_timer_unset(door->options.loop, &visitor->timer);
    (void)!loop_watch(door->options.loop, visitor->fd, 0, NULL, NULL, &ignored);
    SSL_free(visitor->ssl);
    (void)close(visitor->fd);
    free(visitor);
    ERR_clear_error();
}

static void too_late(void *ctx) { visitor_free(ctx); }

/* Without ALPN it is no validation. */
static int greeted(SSL *ssl, int *alert, void *ctx) {
    const unsigned char *ignored = NULL;
    size_t len = 0;

    (void)ctx;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &ignored,
                                  &len)
        == 1) {
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static int protocol_chosen(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned offered_len, void *ctx) {
    (void)ssl;
    (void)ctx;
    return SSL_select_next_proto((unsigned char **)out, out_len, protocol, sizeof protocol - 1,
                                 offered, offered_len)
                   == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int certificate_wanted(SSL *ssl, void *ctx) {
    const struct alpn_door *door = ctx;
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char name[NAME_SIZE];
    size_t len = sni == NULL ? 0 : strlen(sni);
    X509 *cert = NULL;

    if (len == 0 || len >= sizeof name) {
        return 0;
    }
    for (size_t i = 0; i <= len; i++) {
        name[i] = (char)tolower((unsigned char)sni[i]);
    }
    cert = door->options.pick(door->options.ctx, name);
    return cert != NULL && SSL_use_certificate(ssl, cert) == 1
           && SSL_use_PrivateKey(ssl, door->options.key) == 1;
}

static SSL_CTX *context_new(struct alpn_door *door) {
    AUTO(SSL_CTX_free) SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1
        || SSL_CTX_set_num_tickets(context, 0) != 1) {
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_client_hello_cb(context, greeted, door);
    SSL_CTX_set_alpn_select_cb(context, protocol_chosen, door);
    SSL_CTX_set_cert_cb(context, certificate_wanted, door);
    return TAKE(context);
}

static void on_ready(void *ctx, uint32_t events) {
    struct visitor *visitor = ctx;
    char ignored[256];
    struct err err = {0};

    (void)events;
    ERR_clear_error();
    int ret = visitor->shaken ? SSL_read(visitor->ssl, ignored, sizeof ignored)
                              : SSL_accept(visitor->ssl);
    int reason = ret > 0 ? SSL_ERROR_NONE : SSL_get_error(visitor->ssl, ret);
    if (reason == SSL_ERROR_NONE && !visitor->shaken) {
        visitor->shaken = true; /* closing first could cost the peer our last message */
        reason = SSL_ERROR_WANT_READ;
    }
    if ((reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
        || !loop_watch(visitor->door->options.loop, visitor->fd,
                       reason == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT, on_ready, visitor,
                       &err)) {
        visitor_free(visitor);
    }
}

static void welcome(struct alpn_door *door, int fd) {
    struct visitor *visitor = door->count < ALPN_DOOR_MAX ? calloc(1, sizeof *visitor) : NULL;

    if (visitor == NULL) {
        (void)close(fd);
        return;
    }
    *visitor = (struct visitor){.next = door->visitors, .door = door, .fd = fd};
    if (visitor->next != NULL) {
        visitor->next->previous = visitor;
    }
    door->visitors = visitor;
    door->count++;
    visitor->ssl = SSL_new(door->context);
    if (visitor->ssl == NULL || SSL_set_fd(visitor->ssl, fd) != 1) {
        visitor_free(visitor);
        return;
    }
    loop_timer_set(door->options.loop, &visitor->timer, clock_wall_us() + ALPN_DOOR_PATIENCE_US,
                   too_late, visitor);
    on_ready(visitor, 0);
}

static void on_visit(void *ctx, uint32_t events);

static void reopen(void *ctx) {
    struct alpn_door *door = ctx;
    struct err ignored = {0};

    (void)!loop_watch(door->options.loop, door->fd, EPOLLIN, on_visit, door, &ignored);
}

static void on_visit(void *ctx, uint32_t events) {
    struct alpn_door *door = ctx;
    struct err ignored = {0};

    (void)events;
    for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            welcome(door, fd);
        } else if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) {
            return;
        } else {
            (void)!loop_watch(door->options.loop, door->fd, 0, NULL, NULL, &ignored);
            loop_timer_set(door->options.loop, &door->pause, clock_wall_us() + PAUSE_US, reopen,
                           door);
            return;
        }
    }
}

struct alpn_door *alpn_door_open(const struct alpn_door_options *options, struct err *err) {
    AUTO(alpn_door_close) struct alpn_door *door = calloc(1, sizeof *door);
    struct endpoint endpoint;

    if (door != NULL) {
        door->options = *options;
        door->fd = -1;
        door->context = context_new(door);
    }
    if (door == NULL || door->context == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    if (!endpoint_parse(options->listen, true, &endpoint, err)) {
        return NULL;
    }
    door->fd = endpoint_listen(&endpoint, &door->port, err);
    if (door->fd < 0 || !loop_watch(options->loop, door->fd, EPOLLIN, on_visit, door, err)) {
        return NULL;
    }
    return TAKE(door);
}

void alpn_door_close(struct alpn_door *door) {
    struct err ignored = {0};

    if (door == NULL) {
        return;
    }
    while (door->visitors != NULL) {
        visitor_free(door->visitors);
    }
    loop_timer_unset(door->options.loop, &door->pause);
    if (door->fd >= 0) {
        (void)!loop_watch(door->options.loop, door->fd, 0, NULL, NULL, &ignored);
        (void)close(door->fd);
    }
    SSL_CTX_free(door->context);
    free(door);
}

unsigned alpn_door_port(const struct alpn_door *door) { return door->port; }
