/* How often a tenant may ask: a budget each, of those seen lately.  Any thread. */
#pragma once

#include <stdint.h>

#include "common/err.h"

#define TENANT_RATE_MAX 16384 /* tenants remembered; the longest quiet one gives way */

struct tenant_rate;

/* rate  requests a second, 0 = no limit;  burst  at once.  NULL: no memory. */
struct tenant_rate *tenant_rate_new(double rate, double burst);
void tenant_rate_free(struct tenant_rate *rate);
AUTO_DEFINE(struct tenant_rate, tenant_rate_free)

/* One more request of that tenant; ERR_RATE_LIMITED, with retry_after_s. */
MUST_CHECK bool tenant_rate_take(struct tenant_rate *rate, const char *nf, uint64_t now_us,
                                 struct err *err);
