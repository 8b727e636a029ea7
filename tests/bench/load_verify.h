/* Ask a server for everything it acknowledged before. */
#pragma once

#include "common/loop.h"
#include "tests/bench/load_facts.h"
#include "tests/bench/load_wire.h"

/* at_once requests under way.  *ret_missing: facts that are not there as recorded; the first few
 * are printed.  false: the server or the facts could not be read. */
MUST_CHECK bool verify_run(struct loop *loop, struct wire *wire, const struct fact_list *list,
                           unsigned at_once, uint64_t *ret_missing, struct err *err);
