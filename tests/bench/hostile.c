/* Peers that mean no good: they connect and stay idle, bare or after a TLS handshake, or send one
 * byte a second of a ClientHello or of a request.  Whoever is hung up on comes again a second
 * later. Prints "ready" when all are there, and ends with SIGTERM. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/loop.h"
#include "common/ossl.h"
#include "common/run.h"

#define SECOND_US 1000000
#define STEP_US 1000000 /* between two bytes */
#define RUSH 200        /* connections begun at a time: the crowd comes fast, not at once */
#define TEXT_SIZE 512

enum habit { IDLE_BARE, IDLE_TLS, SLOW_BARE, SLOW_TLS, HABIT__COUNT };

struct crowd;
struct peer {
    struct crowd *crowd;
    enum habit habit;
    int fd; /* -1: not connected */
    SSL *ssl;
    bool there, counted; /* connected, and shaken hands where it does; was so once */
    unsigned sent;
    struct loop_timer timer;
};

struct crowd {
    struct loop *loop;
    SSL_CTX *tls;
    struct sockaddr_in server;
    struct peer *peers;
    unsigned count, begun, arrived;
    uint64_t hung_up;
    unsigned char hello[TEXT_SIZE]; /* a ClientHello */
    size_t hello_len;
};

static void peer_connect(void *ctx);

static void peer_drop(struct peer *peer) {
    struct err err = {0};

    if (peer->fd >= 0) {
        bool forgotten = loop_watch(peer->crowd->loop, peer->fd, 0, NULL, NULL, &err);
        (void)forgotten;
        SSL_free(peer->ssl);
        (void)close(peer->fd);
    }
    loop_timer_unset(peer->crowd->loop, &peer->timer);
    peer->fd = -1;
    peer->ssl = NULL;
    peer->there = false;
}

/* Hung up on: it comes again. */
static void peer_again(struct peer *peer) {
    peer->crowd->hung_up++;
    peer_drop(peer);
    loop_timer_set(peer->crowd->loop, &peer->timer, loop_now_us(peer->crowd->loop) + SECOND_US,
                   peer_connect, peer);
}

static void begin_next(struct crowd *crowd) {
    if (crowd->begun < crowd->count) {
        peer_connect(&crowd->peers[crowd->begun++]);
    }
}

static void peer_step(void *ctx) {
    static const char request[] = "POST /new-order HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    struct peer *peer = ctx;
    const struct crowd *crowd = peer->crowd;
    const char *byte = peer->sent < sizeof(request) - 1 ? &request[peer->sent] : "a";
    bool sent = false;

    if (peer->habit == SLOW_TLS) {
        sent = SSL_write(peer->ssl, byte, 1) == 1;
    } else {
        sent = send(peer->fd, &crowd->hello[peer->sent % crowd->hello_len], 1, MSG_NOSIGNAL) == 1;
    }
    peer->sent++;
    if (!sent) {
        peer_again(peer);
        return;
    }
    loop_timer_set(crowd->loop, &peer->timer, loop_now_us(crowd->loop) + STEP_US, peer_step, peer);
}

static void peer_there(struct peer *peer) {
    struct crowd *crowd = peer->crowd;

    peer->there = true;
    peer->sent = 0;
    if (peer->habit == SLOW_BARE || peer->habit == SLOW_TLS) {
        loop_timer_set(crowd->loop, &peer->timer, loop_now_us(crowd->loop) + STEP_US, peer_step,
                       peer);
    }
    if (peer->counted) {
        return;
    }
    peer->counted = true;
    begin_next(crowd);
    if (++crowd->arrived == crowd->count) {
        (void)printf("ready %u\n", crowd->count);
        (void)fflush(stdout);
    }
}

/* The handshake goes on; true when it is done. */
static bool peer_shake(struct peer *peer) {
    int result = SSL_do_handshake(peer->ssl);
    int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(peer->ssl, result);

    if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        peer_again(peer);
    }
    return result == 1;
}

static void peer_ready(void *ctx, uint32_t events) {
    struct peer *peer = ctx;
    char text[TEXT_SIZE];
    struct err err = {0};
    ssize_t got = 0;

    (void)events;
    if (!peer->there && peer->ssl != NULL) {
        if (!peer_shake(peer)) {
            return;
        }
        peer_there(peer);
    }
    if (peer->there) { /* session tickets, or the end */
        if (peer->ssl != NULL) {
            int read = SSL_read(peer->ssl, text, sizeof(text));
            bool wait = read > 0 || SSL_get_error(peer->ssl, read) == SSL_ERROR_WANT_READ;
            got = wait ? 1 : 0;
        } else {
            got = recv(peer->fd, text, sizeof(text), MSG_DONTWAIT);
            got = got < 0 && errno == EAGAIN ? 1 : got;
        }
        if (got <= 0) {
            peer_again(peer);
        }
        return;
    }
    peer_there(peer); /* a bare connection is made */
    if (!loop_watch(peer->crowd->loop, peer->fd, EPOLLIN, peer_ready, peer, &err)) {
        peer_again(peer);
    }
}

static bool peer_tls(struct peer *peer) {
    peer->ssl = SSL_new(peer->crowd->tls);
    if (peer->ssl == NULL || SSL_set_fd(peer->ssl, peer->fd) != 1) {
        return false;
    }
    SSL_set_connect_state(peer->ssl);
    return true;
}

static void peer_connect(void *ctx) {
    struct peer *peer = ctx;
    struct crowd *crowd = peer->crowd;
    const bool tls = peer->habit == IDLE_TLS || peer->habit == SLOW_TLS;
    struct err err = {0};

    ERR_clear_error();
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool begun =
        peer->fd >= 0
        && (connect(peer->fd, (const struct sockaddr *)&crowd->server, sizeof(crowd->server)) == 0
            || errno == EINPROGRESS)
        && (!tls || peer_tls(peer))
        && loop_watch(crowd->loop, peer->fd, tls ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLOUT,
                      peer_ready, peer, &err);
    if (!begun) {
        peer_again(peer);
    }
}

/* ---- the crowd ---- */

/* What a client of ours would say first, to be said slowly. */
static bool make_hello(struct crowd *crowd) {
    SSL *ssl = SSL_new(crowd->tls);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());

    if (ssl == NULL || in == NULL || out == NULL) {
        return false;
    }
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    int len = BIO_read(out, crowd->hello, sizeof(crowd->hello));
    crowd->hello_len = len > 0 ? (size_t)len : 0;
    SSL_free(ssl);
    return len > 0;
}

static bool crowd_begin(struct crowd *crowd, const unsigned counts[HABIT__COUNT]) {
    unsigned next = 0;

    for (unsigned i = 0; i < HABIT__COUNT; i++) {
        crowd->count += counts[i];
    }
    crowd->peers = calloc(crowd->count + 1, sizeof(*crowd->peers));
    for (unsigned i = 0; crowd->peers != NULL && i < HABIT__COUNT; i++) {
        for (unsigned n = 0; n < counts[i]; n++) {
            crowd->peers[next++] = (struct peer){.crowd = crowd, .habit = i, .fd = -1};
        }
    }
    for (unsigned i = 0; crowd->peers != NULL && i < RUSH; i++) {
        begin_next(crowd);
    }
    return crowd->peers != NULL && crowd->count > 0;
}

static void crowd_end(struct crowd *crowd) {
    for (unsigned i = 0; i < crowd->count; i++) {
        peer_drop(&crowd->peers[i]);
    }
    free(crowd->peers);
    SSL_CTX_free(crowd->tls);
    (void)fprintf(stderr, "hung up on %llu times\n", (unsigned long long)crowd->hung_up);
}

static void signalled(void *ctx, uint32_t events) {
    (void)events;
    loop_stop(ctx);
}

static bool watch_signals(struct loop *loop, struct err *err) {
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 && loop_watch(loop, fd, EPOLLIN, signalled, loop, err);
}

/* clang-format off */
static const struct config_key keys[] = {
    {.path = "port", .type = CONFIG_INT, .fallback = "0", .min = 0, .max = 65535, .option = "--port", .argument = "N", .help = "The server's, on 127.0.0.1."},
    {.path = "idle_bare", .type = CONFIG_INT, .fallback = "0", .max = 100000, .option = "--idle-bare", .argument = "N", .help = "Connections without a word."},
    {.path = "idle_tls", .type = CONFIG_INT, .fallback = "0", .max = 100000, .option = "--idle-tls", .argument = "N", .help = "Connections idle after the handshake."},
    {.path = "slow_bare", .type = CONFIG_INT, .fallback = "0", .max = 100000, .option = "--slow-bare", .argument = "N", .help = "A ClientHello, a byte a second."},
    {.path = "slow_tls", .type = CONFIG_INT, .fallback = "0", .max = 100000, .option = "--slow-tls", .argument = "N", .help = "A request, a byte a second, inside TLS."},
    {0}};
/* clang-format on */

static const struct config_program program = {
    .name = "hostile",
    .synopsis = "--port N [OPTION]...",
    .purpose = "Connections that do nothing useful, to see whether a server's limits hold.",
    .keys = keys};

static bool hostile(const struct config *config, struct err *err) {
    AUTO(loop_free) struct loop *loop = loop_new(err);
    struct crowd crowd = {.loop = loop,
                          .tls = SSL_CTX_new(TLS_client_method()),
                          .server = {.sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)config_int(config, "port")),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    const unsigned counts[HABIT__COUNT] = {[IDLE_BARE] = (unsigned)config_int(config, "idle_bare"),
                                           [IDLE_TLS] = (unsigned)config_int(config, "idle_tls"),
                                           [SLOW_BARE] = (unsigned)config_int(config, "slow_bare"),
                                           [SLOW_TLS] = (unsigned)config_int(config, "slow_tls")};

    if (loop == NULL || crowd.tls == NULL || !make_hello(&crowd) || !watch_signals(loop, err)) {
        return err_set(err, ERR_NO_MEMORY, "could not begin");
    }
    if (!crowd_begin(&crowd, counts)) {
        return err_set(err, ERR_CONFIG, "no peers");
    }
    loop_run(loop);
    crowd_end(&crowd);
    return true;
}

int main(int argc, char **argv) {
    AUTO(config_free) struct config *config = NULL;
    struct err err = {0};

    run_signals_block();
    (void)run_files_max();
    switch (config_start(&program, argc, argv, &config)) {
    case CONFIG_EXIT_OK:
        return RUN_OK;
    case CONFIG_EXIT_USAGE:
        return RUN_USAGE;
    case CONFIG_RUN:
        break;
    }
    if (!hostile(config, &err)) {
        run_complain("hostile", &err);
        return RUN_SETUP;
    }
    return RUN_OK;
}
