/* One request and its answer, below httpd: what the listener keeps of it. */
#pragma once

#include <microhttpd.h>
#include <pthread.h>

#include "common/buf.h"
#include "common/httpd.h"
#include "common/tls.h"

#define HTTPD_HEADERS_MAX 16 /* headers of an answer */

struct httpd {
    struct httpd_options options;
    struct MHD_Daemon *daemon;
    struct tls_listener *tls;  /* NULL: plain */
    struct httpd_park *park;   /* NULL: handshakes wait in libmicrohttpd */
    struct httpd_pulse *pulse; /* there with park */
    struct httpd_door *door;   /* there with park: who accepts; NULL: libmicrohttpd does */
    int listen_fd;
    unsigned port;
    atomic_uint connections;
    struct later *later; /* for answers that are paced */

    pthread_mutex_t lock;
    pthread_cond_t drained;
    struct httpd_exchange *first; /* deferred and not answered */
    unsigned deferred;            /* on that list */
    unsigned unfinished;          /* deferred, answer not yet sent */
    bool stopping;
};

struct answer_header {
    char *name;
    char *value;
};

struct httpd_exchange {
    struct httpd *httpd;
    struct MHD_Connection *connection;
    struct tls_peer *peer;
    uint64_t started_us;
    char *path; /* as sent, cut at "?" */
    char method_text[24];
    enum http_method method;
    struct buf body;
    size_t discarded;
    bool too_large;
    bool has_query;
    bool begun;    /* first call of the handler is over */
    bool handled;  /* the program's handler has run */
    bool deferred; /* written by the listener thread only */
    bool aborted;  /* there will be no answer */
    void *data;
    void (*data_free)(void *);
    struct answer_header headers[HTTPD_HEADERS_MAX];
    unsigned header_count;
    unsigned status;
    struct MHD_Response *response; /* the answer, until it is queued */
    size_t response_len;           /* of its body */
    bool held;                     /* in the TLS session, until it is complete */
    struct httpd_exchange *previous, *next;
};

/* An exchange whose request line was read, uri with its query; NULL: no memory. */
struct httpd_exchange *httpd_exchange_new(struct httpd *httpd, struct MHD_Connection *connection,
                                          const char *uri);
void httpd_exchange_free(struct httpd_exchange *exchange);

/* Is it said once where the body ends?  Else it is logged: hang up. */
MUST_CHECK bool httpd_exchange_framed(const struct httpd_exchange *exchange);

/* Turn the answer into exchange->response, not yet sent; body is taken. */
void httpd_exchange_render(struct httpd_exchange *exchange, unsigned status, const char *type,
                           char *body, size_t len);
/* Content type and the answer's headers; response becomes exchange->response. */
void httpd_exchange_dress(struct httpd_exchange *exchange, struct MHD_Response *response,
                          const char *type);
/* What was rendered goes out; nothing was: the connection is closed. */
void httpd_exchange_send(struct httpd_exchange *exchange);
/* Answer every deferred exchange with 503, and let none be deferred from now on. */
void httpd_exchange_refuse_all(struct httpd *httpd);
