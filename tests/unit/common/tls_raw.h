/* One connection of a TLS client made of OpenSSL alone: what curl would hide. */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_bed.h"

struct raw {
    SSL_CTX *ctx;
    SSL_SESSION *session; /* offered, and the newest got */
    bool reused;
    char answer[1024]; /* "" = the server hung up */
    unsigned records;  /* of the answer */
    bool half_close;   /* close_notify follows the request */
    unsigned requests; /* sent at once; 0 = 1 */
};

static int on_session(SSL *ssl, SSL_SESSION *session) {
    struct raw *raw = SSL_get_app_data(ssl);

    SSL_SESSION_free(raw->session);
    raw->session = session;
    return 1;
}

static struct raw raw_new(const struct identity *identity) {
    struct raw raw = {.ctx = SSL_CTX_new(TLS_client_method())};

    SSL_CTX_set_session_cache_mode(raw.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(raw.ctx, on_session);
    if (identity != NULL) {
        ck_assert_int_eq(SSL_CTX_use_certificate(raw.ctx, sk_X509_value(identity->chain, 0)), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey(raw.ctx, identity->key), 1);
    }
    return raw;
}

static void raw_done(struct raw *raw) {
    SSL_SESSION_free(raw->session);
    SSL_CTX_free(raw->ctx);
}

/* One connection, one request; false: the handshake failed on our side. */
static bool raw_ask(struct raw *raw, unsigned port) {
    static const char more[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char last[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    SSL *ssl = SSL_new(raw->ctx);
    int len = 0;
    int got;

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)SSL_set_app_data(ssl, (char *)raw);
    ck_assert_int_eq(SSL_set_fd(ssl, fd), 1);
    if (raw->session != NULL) {
        ck_assert_int_eq(SSL_set_session(ssl, raw->session), 1);
    }
    bool connected = SSL_connect(ssl) == 1;
    if (connected) {
        raw->reused = SSL_session_reused(ssl) == 1;
        for (unsigned i = 1; i < raw->requests; i++) {
            (void)SSL_write(ssl, more, (int)strlen(more));
        }
        (void)SSL_write(ssl, last, (int)strlen(last));
        if (raw->half_close) {
            (void)SSL_shutdown(ssl);
        }
        while ((got = SSL_read(ssl, raw->answer + len, (int)sizeof(raw->answer) - 1 - len)) > 0) {
            raw->records++;
            len += got;
        }
        (void)SSL_shutdown(ssl);
    }
    raw->answer[len] = '\0';
    ERR_clear_error();
    SSL_free(ssl);
    (void)close(fd);
    return connected;
}
