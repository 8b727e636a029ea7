/* The operators' commands: list, show, retry and withdraw, asked of the admin listener of the
 * nfacme-client that runs. */
#pragma once

#include "common/config.h"

/* The exit code (enum run_exit): RUN_FAILED when it was refused, RUN_SETUP when nobody answers. */
int remote_run(const struct config *config);
