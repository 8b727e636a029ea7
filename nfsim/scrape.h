/* ACME requests by operation, from the metrics of the client (or, without one, of the server). */
#pragma once

#include "common/err.h"
#include "common/loop.h"
#include "nfsim/result.h"

#define SCRAPE_OPERATIONS_MAX 32

struct scrape {
    size_t count;
    struct result_count operations[SCRAPE_OPERATIONS_MAX];
};

/* Read an admin listener's /metrics; runs the loop until the answer is there.
 * ERR_UPSTREAM or why it could not be reached. */
MUST_CHECK bool scrape_requests(struct loop *loop, const char *admin_url, struct scrape *ret,
                                struct err *err);
/* The same from text in the Prometheus exposition format. */
void scrape_read(const char *text, struct scrape *ret);

/* after - before, operations that counted nothing left out; a counter that went back (the program
 * was started anew) counts from zero.  Caller owns, free(); NULL: none. */
struct result_count *scrape_difference(const struct scrape *before, const struct scrape *after,
                                       size_t *ret_count);
