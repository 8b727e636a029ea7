/* Names to addresses, and to other records, on an event loop, by c-ares; the only room that
 * includes ares.h. */
#pragma once

#include "common/err.h"
#include "common/loop.h"
#include "server/dns_answer.h"

#define RESOLVER_FAMILY_MAX 4 /* addresses of each family */
#define RESOLVER_ADDRESSES_MAX (2 * RESOLVER_FAMILY_MAX)
#define RESOLVER_ADDRESS_SIZE 46

struct resolver;

struct resolver_answer {
    unsigned count; /* at least 1, best first (RFC 6724) */
    char address[RESOLVER_ADDRESSES_MAX][RESOLVER_ADDRESS_SIZE]; /* "127.0.0.1", "::1" */
};

/*
 * server       "ADDR:PORT" or "[ADDR]:PORT", asked alone and without the hosts file; NULL: as the
 *              system is configured.   Search domains are never tried.
 * timeout_ms   of one name, about: two tries fit.
 */
struct resolver *resolver_new(struct loop *loop, const char *server, unsigned timeout_ms,
                              struct err *err);
/* On the loop's thread or once it has stopped; what is under way is dropped without calling back.
 */
void resolver_free(struct resolver *resolver);
AUTO_DEFINE(struct resolver, resolver_free)

/* answer is NULL and err filled with ERR_DNS when there is no address. */
typedef void resolver_done(void *ctx, const struct resolver_answer *answer, const struct err *err);

/* Ask for A and AAAA; done is called once on the loop's thread, possibly before this returns. */
void resolver_start(struct resolver *resolver, const char *name, resolver_done *done, void *ctx);

/*
 * What a name has of a type; its aliases are followed, also where the server does not (at most
 * DNS_ALIASES_MAX).  answer is borrowed for the call.
 * NOERROR and NXDOMAIN are answers, with records or without.  Anything else, or none in time, is
 * answer NULL and ERR_DNS, whose detail names question and server; rcode: what it was, 0 = nothing
 * came.
 */
typedef void resolver_asked(void *ctx, const struct dns_answer *answer, unsigned rcode,
                            const struct err *err);
/* Over TCP where the answer does not fit into a datagram.  asked is called once on the loop's
 * thread, possibly before this returns. */
void resolver_ask(struct resolver *resolver, const char *name, unsigned type, resolver_asked *asked,
                  void *ctx);
/* The server that is asked, "ADDR:PORT" as given, or "the system's name server". */
const char *resolver_server(const struct resolver *resolver);
