/* The door of a TLS listener: connections wait here, each a descriptor and a few words, until the
 * peer has sent the first record of its handshake.  Only then a session is made for them.  Peers
 * that connect and say nothing, or one octet at a time, cost next to nothing; no octet wakes us
 * before the record is whole (SO_RCVLOWAT). */
#pragma once

#include <sys/socket.h>

#include "common/err.h"

#define HTTPD_DOOR_RECORD_MAX 4096 /* octets of a first record we wait for; a longer one begins */

struct httpd_door_options {
    int listen_fd;    /* listening and non-blocking; borrowed */
    unsigned max;     /* connections: waiting and inside */
    unsigned first_s; /* so long a peer may take; then we hang up */
    /* Called on the door's thread.  inside: how many were let in and are still there.  enter: takes
     * fd, non-blocking, nothing read from it. */
    unsigned (*inside)(void *ctx);
    void (*enter)(void *ctx, int fd, const struct sockaddr *address, socklen_t len);
    void *ctx;
};

struct httpd_door;

/* Accepting when it returns.  At the maximum who has waited longest makes room for who comes; when
 * all are inside, new ones stay in the kernel's queue. */
struct httpd_door *httpd_door_open(const struct httpd_door_options *options, struct err *err);
/* Hangs up on those that wait; from then on enter is not called. */
void httpd_door_close(struct httpd_door *door);
/* httpd_door_close, and frees. */
void httpd_door_free(struct httpd_door *door);
AUTO_DEFINE(struct httpd_door, httpd_door_free)
unsigned httpd_door_waiting(const struct httpd_door *door);
