/* dns-01 by signed updates of a name server (RFC 2136, RFC 8945), and looking whether name servers
 * serve a record. */
#pragma once

#include "client/dns01_runner.h"
#include "client/endpoint.h"
#include "common/loop.h"

#define DNS01_CHECKS_MAX 16

struct dns01_server_options {
    struct loop *loop;
    struct endpoint server; /* of the updates */
    const char *zone;
    struct dns_key key;
    uint32_t ttl_s;
    unsigned checks_count; /* who must serve a record before it counts as there */
    struct endpoint checks[DNS01_CHECKS_MAX];
};
struct dns01_server;

/* What the options point to is borrowed for the life.  Caller owns. */
struct dns01_server *dns01_server_new(const struct dns01_server_options *options, struct err *err);
void dns01_server_free(struct dns01_server *server);
AUTO_DEFINE(struct dns01_server, dns01_server_free)

/* All three operations. */
struct dns01_runner dns01_server_runner(struct dns01_server *server);
