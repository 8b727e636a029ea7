/* What GET /metrics says of the server: requests and validations (meter.h), faults, and what the
 * other rooms count, at this moment.  docs/server.md has the table of all of them. */
#pragma once

#include "server/admin.h"

void admin_metrics(const struct admin_options *options, struct buf *buf);
