/* nfacme-client check: would this client serve, and does its state hold together?  Nothing is
 * changed; also while a client runs. */
#pragma once

#include "client/options.h"
#include "common/err.h"

#define CHECK_CLOCK_S 60       /* the ACME server's Date may be so far from our clock */
#define CHECK_EXPIRY_S 604800  /* an own certificate that ends so soon is a finding */
#define CHECK_ACCOUNTS_TOLD 20 /* of those whose key does not open */

struct check_options {
    const struct options *options;
    void (*finding)(void *ctx, const char *text); /* a line */
    void *ctx;
};

/* How many findings there were. */
unsigned check_run(const struct check_options *options);
