/* What nfacme-client does instead of serving. */
#pragma once

#include "common/config.h"

/* Do the command of the first word; the exit code (enum run_exit).  Errors go to standard error.
 * Takes config. */
int command_run(struct config *config);
