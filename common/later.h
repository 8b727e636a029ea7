/* Calls made some time from now, on a thread of their own that starts with the first. */
#pragma once

#include <stdint.h>

#include "common/err.h"

#define LATER_MAX 65536 /* calls waiting */

struct later;

/* stopped: its time has not come, but no later one will: clean up. */
typedef void later_call(void *ctx, bool stopped);

struct later *later_new(struct err *err);
/* Call fn(ctx) once, after so many real microseconds; from any thread.  false: LATER_MAX wait, the
 * room has stopped, or there is no memory; fn will not be called. */
MUST_CHECK bool later_add(struct later *later, uint64_t after_us, later_call *fn, void *ctx);
/* What waits is called now, with stopped; nothing is taken any more. */
void later_stop(struct later *later);
void later_free(struct later *later);
AUTO_DEFINE(struct later, later_free)
unsigned later_count(struct later *later); /* waiting */
