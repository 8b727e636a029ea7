/* What nfacme-server does instead of serving: backup FILE, check. */
#pragma once

#include "server/options.h"

/* Do the command words[0] names; the exit code (enum run_exit).  Errors go to standard error. */
int command_run(const struct options *options, const char *const words[2]);
