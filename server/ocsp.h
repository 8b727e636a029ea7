/* OCSP responder, RFC 6960 and RFC 5019: says whether a certificate of the issuing CA is good,
 * revoked or unknown.  Answers are signed by a key of its own, which the CA certifies for a few
 * days at a time: strangers never make the CA's key (or its token) work. */
#pragma once

#include <stdint.h>

#include "common/clock.h"
#include "common/err.h"
#include "server/ca.h"

#define OCSP_LIFETIME_S 3600    /* nextUpdate - thisUpdate unless said otherwise */
#define OCSP_OWN_MAX 16         /* certificates of ours that no order led to */
#define OCSP_RESPONSE_MAX 16384 /* octets: OCSP_IDS_MAX answers and the certificate fit */

struct ocsp_status {
    bool known;           /* issued here */
    int64_t revoked_at_s; /* 0 = not revoked */
    int reason;           /* RFC 5280 5.3.1; -1 = none given */
};
/* What is known of a serial (lower-case hex) at this moment; any thread.  One never issued is not
 * an error but not known. */
typedef bool ocsp_source(void *ctx, const char *serial, struct ocsp_status *ret, struct err *err);

struct ocsp_options {
    const struct ca *ca; /* borrowed for the life: issuer and key */
    ocsp_source *source;
    void *ctx;
    const struct clock *clock; /* borrowed for the life */
    int64_t lifetime_s;        /* 0 = OCSP_LIFETIME_S */
};

struct ocsp;

/* Makes the first responder certificate. */
struct ocsp *ocsp_new(const struct ocsp_options *options, struct err *err);
void ocsp_free(struct ocsp *ocsp);
AUTO_DEFINE(struct ocsp, ocsp_free)

/* A certificate outside the source that is good: the server's own.  Before the first question. */
MUST_CHECK bool ocsp_own_add(struct ocsp *ocsp, const char *serial, struct err *err);

struct ocsp_answer {
    unsigned char *der; /* caller owns: free() */
    size_t len;
    bool kept; /* signed ahead (RFC 5019): may be given to anybody who asks the same */
    int64_t this_update_s, next_update_s;
    int64_t fresh_until_s; /* then another one is signed */
};

/*
 * Answer a request, whatever it is: what is not one gets malformedRequest, another CA's
 * certificates unauthorized, a store that fails tryLater (RFC 6960 2.3).
 * One certificate without a nonce: the answer signed for it before, as long as it is younger than
 * half its lifetime and the source still says the same: a revocation is seen once it is committed.
 * false: no memory.   Any thread; one signature at most.
 */
MUST_CHECK bool ocsp_answer(struct ocsp *ocsp, const unsigned char *request, size_t len,
                            struct ocsp_answer *ret, struct err *err);

struct ocsp_counts {
    uint64_t kept;    /* answered from what was signed before */
    uint64_t made;    /* signed for the question */
    uint64_t refused; /* answers that are errors */
};
struct ocsp_counts ocsp_counts(struct ocsp *ocsp);
