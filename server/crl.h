/* The issuing CA's certificate revocation list, RFC 5280 section 5: complete, version 2, signed
 * again when something was revoked and well before it runs out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/err.h"
#include "server/ca.h"

#define CRL_ENTRIES_MAX 1000000 /* revoked certificates one list holds */

/* One revoked certificate, not yet expired (or expired: listing it is harmless). */
struct crl_entry {
    char serial[X509_SERIAL_SIZE]; /* lower-case hex */
    int64_t revoked_at_s;
    int reason; /* RFC 5280 5.3.1; 0, 7, 8 and CRL_REASON_NONE (OpenSSL: -1): no reasonCode */
};

/* Takes one entry; copied.  false and err: stop, the list cannot take it. */
typedef bool crl_sink(void *sink_ctx, const struct crl_entry *entry, struct err *err);
/* Hands every revoked certificate whose notAfter is that time or later to sink(sink_ctx, …), in any
 * order; stops with false when the sink does.  Called on the thread that refreshes, never on two at
 * once. */
typedef bool crl_source(void *ctx, int64_t expiring_after_s, crl_sink *sink, void *sink_ctx,
                        struct err *err);

struct crl_options {
    const struct ca *ca;       /* borrowed for the life: issuer and key */
    crl_source *source;        /* what the store says is revoked */
    void *ctx;                 /* for source */
    const struct clock *clock; /* borrowed for the life */
    int64_t lifetime_s;        /* nextUpdate - thisUpdate; 0 = one day */
    const char *state_file;    /* where the number, and when a list was signed on schedule, outlive
                                  the process; borrowed for the life; NULL: nowhere */
};

struct crl;

/* Signs the first list from source, and starts the thread that renews it at half its lifetime. */
struct crl *crl_new(const struct crl_options *options, struct err *err);
void crl_free(struct crl *crl);
AUTO_DEFINE(struct crl, crl_free)

/*
 * Read source again and sign a list with a higher CRL number; readers see the old list until the
 * new one is there.  Call it before a revocation is acknowledged.  Concurrent calls share work: a
 * call returns once a list has been signed whose reading began after the call.
 */
MUST_CHECK bool crl_refresh(struct crl *crl, struct err *err);

/* A copy of the current list, DER; caller owns, free(); NULL: no memory.
 * ret_this_update_s   or NULL. */
unsigned char *crl_der(struct crl *crl, size_t *ret_len, int64_t *ret_this_update_s);

/* The current list's CRL number: grows with every list, across restarts too. */
uint64_t crl_number(struct crl *crl);

struct crl_counts {
    uint64_t made, failed; /* lists signed; readings or signings that failed */
    size_t octets;         /* of the current list */
    int64_t this_update_s;
};
struct crl_counts crl_counts(struct crl *crl);
