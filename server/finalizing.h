/* Orders that are issued some time after they were finalized (RFC 8555 7.4, "processing"): what the
 * store remembers of them is gone on with at its time, also after a restart. */
#pragma once

#include "common/later.h"
#include "server/wfe.h"

struct finalizing;

/* Of one web front end; options are borrowed for the life. */
struct finalizing *finalizing_new(const struct wfe_options *options, struct err *err);
/* What waits stays in the store, and nothing is begun any more; what is under way ends by itself,
 * before the store stops. */
void finalizing_stop(struct finalizing *finalizing);
void finalizing_free(struct finalizing *finalizing);
AUTO_DEFINE(struct finalizing, finalizing_free)

/* Is there room for one more? */
bool finalizing_room(struct finalizing *finalizing);
/* Issue that order, which is processing in the store, at due_us of the clock. */
void finalizing_add(struct finalizing *finalizing, const char *account, const char *order,
                    uint64_t due_us);
/* Call fn(ctx) soon, on the thread that issues them.  false: stopped, or no room. */
MUST_CHECK bool finalizing_post(struct finalizing *finalizing, later_call *fn, void *ctx);
/* Add what an earlier life had not done. */
MUST_CHECK bool finalizing_resume(struct finalizing *finalizing, struct err *err);
/* Orders whose time has not come yet. */
unsigned finalizing_count(const struct finalizing *finalizing);
