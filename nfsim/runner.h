/* One run: the fleet enrols by the scenario's schedule on one event loop, everything is counted,
 * and the result is ready to be rendered. */
#pragma once

#include <sys/types.h>

#include "common/clock.h"
#include "common/err.h"
#include "nfsim/result.h"
#include "nfsim/scenario.h"

#define RUNNER_FILES_PER_NF 8 /* its two multis and connections, and the producer's end */
#define RUNNER_FILES_SPARE 128
#define RUNNER_IDENTITIES_MAX 10000 /* read before the run; about 8 KiB each */

struct runner_options {
    struct scenario *scenario;               /* phases are overridden in place */
    const char *state;                       /* of the OAM */
    const char *api;                         /* of the shared client */
    const char *operator_root;               /* PEM file */
    const char *client_name;                 /* NULL: the registered shared client's */
    const char *out;                         /* folder of the bundle; NULL: no bundle */
    uint32_t nfs;                            /* 0 = by the scenario */
    double rate_per_s;                       /* 0 = by the scenario */
    uint64_t for_us;                         /* 0 = by the scenario */
    pid_t client_pid, server_pid, oam_pid;   /* 0 = not known */
    const char *client_admin, *server_admin; /* NULL = not known */
    bool plain;                              /* no rewritten progress line */
    const struct clock *clock;
    const char *command; /* for the bundle */
};

/*
 * Run it to its end, or until SIGINT or SIGTERM (blocked by the caller), and fill ret, expectations
 * judged.   ret borrows from options and from *ret_keep, which runner_keep_free frees after it.
 */
struct runner_keep;
MUST_CHECK bool runner_run(const struct runner_options *options, struct run_result *ret,
                           struct runner_keep **ret_keep, struct err *err);
void runner_keep_free(struct runner_keep *keep);
AUTO_DEFINE(struct runner_keep, runner_keep_free)

/* RUN_OK, RUN_FAILED (an expectation, or it was interrupted) or RUN_NOTHING. */
int runner_verdict(const struct run_result *result);

/* How many NFs may be under way: the scenario's wish within what the open files allow. */
uint32_t runner_max_in_flight(uint32_t wanted, unsigned files_max);
