/* Problem documents, both directions, from one table: RFC 8555 section 6.7 / RFC 9457 towards ACME
 * clients, TS 29.571 ProblemDetails towards NFs. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "common/err.h"

enum problem_retry {
    RETRY_NEVER,     /* the request is wrong */
    RETRY_NEW_NONCE, /* at once, with the nonce of the answer */
    RETRY_LATER      /* after Retry-After or a back-off */
};

struct problem_type {
    const char *name;         /* of the ACME URN, or NULL: leaves as serverInternal, its detail stays here */
    unsigned status;          /* HTTP status on the ACME side */
    enum problem_retry retry; /* what an ACME client does with it */
    unsigned sbi_status;      /* HTTP status on the NF-facing side */
    const char *sbi_cause;    /* TS 29.500 table 5.2.7.2-1 */
};

/* Never NULL; kind in [0, ERR__COUNT). */
const struct problem_type *problem_type(enum err_kind kind);

/* An ACME problem document as JSON text (caller owns, free(); NULL: no memory).
 * badSignatureAlgorithm also lists `algorithms`, as section 6.2 demands. */
char *problem_render(const struct err *err);

/* The same with `subproblems`, section 6.7.1: an array of problem_sub_new's; borrowed. */
char *problem_render_with(const struct err *err, json_t *subproblems);
/* A subproblem about an identifier; caller owns; NULL: no memory. */
json_t *problem_sub_new(const struct err *err, const char *type, const char *value);

/* A TS 29.571 ProblemDetails: type, title, status, detail, cause, invalidParams when err->param is
 * set; an ACME kind also as "acmeProblem": its URN.  Caller owns, free(); NULL: no memory. */
char *problem_render_sbi(const struct err *err);

/*
 * Read a problem document (either side) that came with an HTTP status into err, which is filled in
 * any case: an unknown or absent type becomes ERR_UPSTREAM (or ERR_RATE_LIMITED for 429,
 * ERR_OVERLOAD for 503) with the peer's detail.
 * body  borrowed; any bytes.   retry_after_s  from the header, 0 = none.
 */
void problem_read(struct err *err, unsigned status, const char *body, size_t len,
                  uint32_t retry_after_s);

/* The algorithms this build verifies, as RFC 8555 section 6.2 wants them listed. */
extern const char *const problem_algorithms[];
