/* nfacme-server check: does a state directory hold together?  The database's pages and rules, every
 * certificate against the CA and its own row, and the audit log against the certificates. */
#pragma once

#include "server/ca.h"
#include "server/store_file.h"

struct check_options {            /* all borrowed */
    const char *database, *audit; /* paths; audit NULL: there is none */
    const struct ca *ca;
    store_finding *finding;
    void (*progress)(void *ctx, int64_t done, int64_t all); /* about every second; or NULL */
    void *ctx;                                              /* of both */
};

struct check_result {
    struct store_file_counts counts;
    int64_t findings;
    int64_t due;   /* certificates the audit log will hold after the next start */
    int64_t lines; /* of the audit log */
};

/* false: it could not be looked at.  What is wrong is told to finding, sentence by sentence. */
MUST_CHECK bool check_run(const struct check_options *options, struct check_result *ret,
                          struct err *err);
