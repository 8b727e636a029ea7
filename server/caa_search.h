/* CAA records looked for, from a name up to the top (RFC 8659 section 3), and judged. */
#pragma once

#include "server/caa.h"
#include "server/resolver.h"
#include "server/va.h"

struct caa_search;

/* Lives on loop's thread; resolver is borrowed for the life, and of options the lists. */
struct caa_search *caa_search_new(const struct va_options *options, struct loop *loop,
                                  struct resolver *resolver, struct err *err);
/* Once the loop has stopped: what is under way is dropped without calling back; batches are told.
 */
void caa_search_free(struct caa_search *caa_search);
AUTO_DEFINE(struct caa_search, caa_search_free)

/* err's kind is ERR_NONE when it may be issued; ERR_CAA, or ERR_DNS when a look-up failed: that is
 * no permission. */
typedef void caa_done(void *ctx, const struct err *err);

/* One question; on the loop's thread.  Borrowed until done, which is called once, possibly before
 * this returns. */
void caa_search_start(struct caa_search *caa_search, const struct caa_question *question,
                      caa_done *done, void *ctx);

/* Several, copied; from any thread.  done is called on the loop's thread; dropped instead by
 * caa_search_free. */
struct caa_batch {
    const struct caa_question *questions;
    unsigned count; /* at least 1 */
    /* refused: the first one that is; NULL: all may be issued */
    void (*done)(void *ctx, const struct caa_question *refused, const struct err *err);
    void (*dropped)(void *ctx);
    void *ctx;
};
#define CAA_BATCHES_MAX 4096 /* under way */
/* ERR_OVERLOAD */
MUST_CHECK bool caa_search_post(struct caa_search *caa_search, const struct caa_batch *batch,
                                struct err *err);
