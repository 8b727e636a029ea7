/* One connection to a server, blocking with a deadline: HTTP/1.1 as written by hand, so that what
 * no well-behaved client library would send can be sent (RFC 9112). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/ossl.h"

#define WIRE_HEAD_MAX (64 * 1024)
#define WIRE_BODY_MAX (4 * 1024 * 1024)

struct wire;

struct wire_target {
    char host[254]; /* name or address, without brackets */
    char port[6];
    SSL_CTX *tls;              /* borrowed; NULL: plain TCP */
    const unsigned char *alpn; /* wire format; NULL: none */
    unsigned alpn_len;
};

/* Connect, and shake hands when target has tls, the server's name verified when tls verifies.
 * deadline_us is clock_wall_us.  ERR_UNREACHABLE, ERR_TLS, ERR_TIMEOUT. */
struct wire *wire_open(const struct wire_target *target, uint64_t deadline_us, struct err *err);
void wire_close(struct wire *wire);
AUTO_DEFINE(struct wire, wire_close)
/* Of the handshake, or NULL on plain TCP; borrowed. */
SSL *wire_tls(struct wire *wire);

/* The peer closed it, or said something nobody asked for. */
bool wire_stale(struct wire *wire);

/* ERR_UPSTREAM: an answer came first; wire_receive has it. */
MUST_CHECK bool wire_send(struct wire *wire, const void *data, size_t len, uint64_t deadline_us,
                          struct err *err);

/* An answer as it came.  wire_answer_done frees it. */
struct wire_answer {
    unsigned status;
    char *head; /* status line and headers, CRLF kept, NUL-terminated */
    char *body; /* NUL-terminated beyond body_len; chunks joined */
    size_t body_len;
    bool closes; /* the connection cannot be used again */
};
void wire_answer_done(struct wire_answer *answer);

/* Read one answer, interim ones (1xx) skipped.  no_body: it answers HEAD.
 * ERR_UNREACHABLE: closed before a whole answer; ERR_UPSTREAM: not HTTP; ERR_TIMEOUT. */
MUST_CHECK bool wire_receive(struct wire *wire, bool no_body, uint64_t deadline_us,
                             struct wire_answer *ret, struct err *err);
