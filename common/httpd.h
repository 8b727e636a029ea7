/* HTTPS server; the only room that includes microhttpd.h (and gnutls for its handshakes).
 *
 * A handler runs once per request, with the whole body, on a listener thread, and does CPU work
 * only.  It answers in that call, or defers: the connection is suspended, the thread is free, and
 * any thread answers later, exactly once. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/x509.h"

enum http_method {
    HTTP_GET = 1,
    HTTP_HEAD = 2,
    HTTP_POST = 4,
    HTTP_PUT = 8,
    HTTP_DELETE = 16,
    HTTP_OTHER = 32
};

struct httpd;
struct httpd_exchange; /* one request and its answer */

typedef void httpd_handler(void *ctx, struct httpd_exchange *exchange);

struct httpd_options {
    const char *listen;   /* "127.0.0.1:0", "[::1]:14000" */
    const char *cert_pem; /* own chain and key, PEM text; NULL: plain HTTP */
    const char *key_pem;
    const char *client_trust_pem; /* require and verify a client certificate under these anchors:
                                     chain, time, clientAuth usage; refused inside the handshake,
                                     and verified again at the first request of a resumed session */
    const char *client_crl_pem;   /* revocation lists about them (x509_crl.h); NULL = none */
    bool many_idle;   /* epoll: thousands of idle connections; default poll: many new ones */
    unsigned threads; /* 0 = 1 */
    size_t body_max;  /* octets; a longer body reaches the handler as httpd_body_too_large */
    unsigned connections_max; /* 0 = from RLIMIT_NOFILE */
    unsigned deferred_max;    /* 0 = connections_max */
    unsigned idle_timeout_s;  /* 0 = 60 */
    const struct clock
        *clock; /* at which client certificates must be valid; borrowed; NULL: real */
    httpd_handler *handler;
    void *ctx;
};

/* Listening when it returns.  ERR_CONFIG names the address. */
struct httpd *httpd_start(const struct httpd_options *options, struct err *err);
/* Stop accepting; answers every deferred exchange with 503; waits for handlers; frees.  From the
 * call on nobody else may touch an exchange: end or silence those who would answer first. */
void httpd_stop(struct httpd *httpd);
AUTO_DEFINE(struct httpd, httpd_stop)
/* Other revocation lists from now on, for those connected too; of a listener that verifies client
 * certificates, from any thread. */
MUST_CHECK bool httpd_crls(struct httpd *httpd, const char *client_crl_pem, struct err *err);
/* tls_listener_reload, of a TLS listener. */
MUST_CHECK bool httpd_reload(struct httpd *httpd, const char *cert_pem, const char *key_pem,
                             const char *client_trust_pem, const char *client_crl_pem,
                             struct err *err);
unsigned httpd_port(const struct httpd *httpd);
unsigned httpd_connections(const struct httpd *httpd);
unsigned httpd_deferred(const struct httpd *httpd);
uint64_t httpd_handshakes_refused(const struct httpd *httpd);

/* The request; everything borrowed until the exchange is answered. */
enum http_method httpd_method(const struct httpd_exchange *exchange);
const char *httpd_method_text(const struct httpd_exchange *exchange);
const char *httpd_path(const struct httpd_exchange *exchange); /* undecoded; no query */
bool httpd_has_query(const struct httpd_exchange *exchange);   /* a "?" after the path */
const char *httpd_query(const struct httpd_exchange *exchange, const char *name); /* or NULL */
const char *httpd_header(const struct httpd_exchange *exchange,
                         const char *name); /* first, or NULL */
unsigned httpd_header_count(const struct httpd_exchange *exchange, const char *name);
const char *httpd_body(const struct httpd_exchange *exchange, size_t *ret_len); /* NUL-terminated */
bool httpd_body_too_large(const struct httpd_exchange *exchange);
uint64_t httpd_started_us(const struct httpd_exchange *exchange);      /* request line read */
const char *httpd_peer_address(const struct httpd_exchange *exchange); /* "127.0.0.1:4711" */
/* The verified client certificate, read once per connection; NULL on listeners without them. */
const struct x509_cert *httpd_peer(const struct httpd_exchange *exchange);

/* A slot for the program's own data, freed by free_fn when the exchange ends. */
void httpd_data_set(struct httpd_exchange *exchange, void *data, void (*free_fn)(void *));
void *httpd_data(const struct httpd_exchange *exchange);

/* Free the thread; answer later.  false: deferred_max is reached, answer now (503). */
MUST_CHECK bool httpd_defer(struct httpd_exchange *exchange);

/* Add a header to the answer; name and value copied (values holding CR or LF are refused). */
void httpd_header_add(struct httpd_exchange *exchange, const char *name, const char *value);
/*
 * Answer, from any thread once deferred.
 * type   content type, a literal, or NULL.   body   malloc'd, taken; NULL with len 0 is no body.
 * The exchange must not be touched afterwards.
 */
void httpd_answer(struct httpd_exchange *exchange, unsigned status, const char *type, char *body,
                  size_t len);
/* As httpd_answer, but late or slowly; no thread waits meanwhile. */
struct httpd_pace {
    uint64_t delay_us;     /* before the first octet; 0 = none */
    unsigned octets_per_s; /* of the body; 0 = as fast as it goes */
};
void httpd_answer_paced(struct httpd_exchange *exchange, unsigned status, const char *type,
                        char *body, size_t len, const struct httpd_pace *pace);
/* Close the connection instead of answering; when and whence as httpd_answer. */
void httpd_abort(struct httpd_exchange *exchange);
/* libmicrohttpd notices a peer that left only at answer time: cap how long you defer. */
