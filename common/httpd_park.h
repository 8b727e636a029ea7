/* Handshakes that wait for the peer, kept away from libmicrohttpd: with epoll it asks a handshake
 * that cannot go on again and again. */
#pragma once

#include <microhttpd.h>

#include "common/err.h"
#include "common/loop.h"
#include "common/tls.h"

struct httpd_park;

#define HTTPD_HANDSHAKE_S 10 /* from its first wait to its end; then we hang up */

/* What httpd keeps of a connection; peer is its socket context. */
struct httpd_connection {
    struct tls_peer peer; /* first */
    struct MHD_Connection *connection;
    struct httpd_park *park;
    int fd;
    bool pulse; /* not a peer's (httpd_pulse.h): goes on every HTTPD_PULSE_US, and never ends */
    /* the park's: */
    struct loop_timer timer;
    uint64_t due_us; /* 0: has not waited yet */
    struct httpd_connection *previous, *next;
};

struct httpd_park *httpd_park_start(struct err *err);
/* Hangs up on those that wait; from then on nobody is taken in. */
void httpd_park_stop(struct httpd_park *park);
/* httpd_park_stop, and frees; libmicrohttpd has ended. */
void httpd_park_free(struct httpd_park *park);
AUTO_DEFINE(struct httpd_park, httpd_park_free)

/* Let it wait, suspended, until its peer has sent more or the time is over; from a callback of
 * libmicrohttpd for this connection. */
void httpd_park_wait(struct httpd_connection *waiting);
