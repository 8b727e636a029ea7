/* http-01, RFC 8555 section 8.3: one plain HTTP responder answers for all NFs. */
#pragma once

#include "client/solver.h"
#include "common/err.h"

#define SOLVER_HTTP01_MAX 100000 /* answers published at a time */

/* Listen on ADDR:PORT (plain HTTP).  ERR_CONFIG.  Caller owns. */
struct solver_http01 *solver_http01_start(const char *listen, uint64_t seed, struct err *err);
/* No task may be presented any more. */
void solver_http01_stop(struct solver_http01 *solver);
AUTO_DEFINE(struct solver_http01, solver_http01_stop)
unsigned solver_http01_port(const struct solver_http01 *solver);

extern const struct solver solver_http01_row;
