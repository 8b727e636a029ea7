/* Live progress on standard error: one line rewritten on a terminal, else a line now and then. */
#pragma once

#include "common/loop.h"
#include "nfsim/stats.h"

struct progress;

/* stats is borrowed for its life.  total = NFs to come.  plain: never rewrite a line.
 * NULL: no memory; every function then does nothing. */
struct progress *progress_start(struct loop *loop, const struct stats *stats, uint32_t total,
                                bool plain);
/* The last line, and no more. */
void progress_stop(struct progress *progress);
