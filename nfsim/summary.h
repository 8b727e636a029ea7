/* The end of a run on standard output: the table of the nine steps, totals, costs, failures and
 * what was expected. */
#pragma once

#include <stdio.h>

#include "nfsim/result.h"

void summary_print(const struct run_result *result, FILE *out);
