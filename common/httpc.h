/* HTTPS client on an event loop; the only room that includes curl.h.
 *
 * One struct httpc is one identity and one connection pool.  libcurl does not compare identities
 * set by callback when it reuses connections, so NFs never share an httpc. */
#pragma once

#include <stddef.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/ossl.h"

struct httpc;

struct httpc_options {
    struct loop *loop;        /* everything below happens on its thread */
    X509_STORE *trust;        /* server authentication; borrowed, kept for the httpc's life; NULL:
                                 plain http only, or with no_verify */
    X509_CHAIN *chain;        /* own certificate, leaf first; borrowed for the life; or NULL */
    EVP_PKEY *key;            /* likewise */
    unsigned connections_max; /* per host; further requests wait inside; 0 = 1 */
    bool no_verify;           /* http-01 redirects to https only, RFC 8555 8.3 */
    bool keep_session;        /* TLS resumption within this httpc */
    const char *user_agent;   /* RFC 8555 6.1; borrowed */
    const char *peer_uuid; /* the server is an NF known by this id (SAN urn:uuid:, TS 33.310), not
                              by the URL's host; borrowed for the life; or NULL */
    const struct clock *clock; /* at which certificates must be valid; borrowed; NULL: real */
};
struct httpc *httpc_new(const struct httpc_options *options, struct err *err);
/* Other trust, chain and key for the connections to come, which keep what they need of them; those
 * there are, and TLS sessions that are resumed, stay.  On the loop's thread, or before it runs. */
void httpc_identify(struct httpc *httpc, X509_STORE *trust, X509_CHAIN *chain, EVP_PKEY *key);
/* Cancels what is under way without calling back. */
void httpc_free(struct httpc *httpc);
AUTO_DEFINE(struct httpc, httpc_free)

struct httpc_request {
    const char *method; /* "GET", "POST", "PUT", "HEAD", "DELETE" */
    const char *url;
    const char *const *headers; /* NULL-terminated "Name: value"; copied */
    const void *body;           /* copied */
    size_t body_len;
    unsigned timeout_ms;         /* whole exchange; 0 = 30 s */
    unsigned connect_timeout_ms; /* 0 = 10 s */
    size_t answer_max;           /* octets of body; 0 = 1 MiB; more fails with ERR_TOO_LARGE */
    const char *address;         /* connect here instead of resolving the URL's host; or NULL */
    bool fresh;                  /* new connection, closed afterwards */
};

struct httpc_times {       /* clock_wall_us */
    uint64_t start_us;     /* handed in */
    uint64_t connected_us; /* TCP and TLS done; = start when reused */
    uint64_t sent_us;      /* request written */
    uint64_t done_us;      /* answer read */
    bool reused;           /* no new connection was made */
};

struct httpc_answer {
    unsigned status;
    const char *body; /* NUL-terminated; borrowed for the call back */
    size_t body_len;
    struct httpc_times times;
    const void *headers; /* for httpc_header */
};

/* First header of that name (case-insensitive), or NULL; borrowed for the call back. */
const char *httpc_header(const struct httpc_answer *answer, const char *name);
/* Next header of that name after `after` (NULL: the first), e.g. several Link. */
const char *httpc_header_next(const struct httpc_answer *answer, const char *name,
                              const char *after);
/* Retry-After in seconds, from delta-seconds or an HTTP date (RFC 9110 10.2.3); 0 = absent. */
uint32_t httpc_retry_after_s(const struct httpc_answer *answer, int64_t now_s);

/* answer is NULL and err filled (ERR_UNREACHABLE, ERR_TLS, ERR_TIMEOUT, ERR_TOO_LARGE) when there
 * was no complete answer; any HTTP status is an answer. */
typedef void httpc_done(void *ctx, const struct httpc_answer *answer, const struct err *err);

struct httpc_call;
/* Start; done is called once, later, on the loop's thread.  The handle is valid until then.
 * Any httpc function may be called from done, httpc_free too.
 * NULL and err: nothing was started (ERR_INVALID: neither http nor https; ERR_NO_MEMORY). */
struct httpc_call *httpc_start(struct httpc *httpc, const struct httpc_request *request,
                               httpc_done *done, void *ctx, struct err *err);
/* Stop it; done is not called. */
void httpc_cancel(struct httpc_call *call);

/* Connections opened so far; for tests and reports. */
unsigned httpc_connections_made(const struct httpc *httpc);
