/* The solvers as configured, together: opened and closed. */
#pragma once

#include "client/options.h"
#include "client/solver.h"
#include "common/loop.h"

struct store;

/* http-01, tls-alpn-01, dns-01 and the order of preference; tkauth-01 is the caller's.  Before the
 * loop runs.  ERR_CONFIG.  On failure solvers_close is due all the same. */
MUST_CHECK bool solvers_open(const struct options *options, struct loop *loop, struct store *store,
                             struct solvers *ret, struct err *err);
/* After the loop and the store. */
void solvers_close(struct solvers *solvers);
