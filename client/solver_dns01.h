/* dns-01, RFC 8555 section 8.4: a TXT record of _acme-challenge.NAME, put there and taken away by a
 * runner (a name server's updates, or a hook).
 *
 * What is published is on disk first and stays there until it was withdrawn, so a crash leaves
 * nothing behind: at start what no enrolment can need again is withdrawn, the rest when its
 * enrolment is settled.  Each answer is a record value of its own; the others of its name stay. */
#pragma once

#include "client/dns01_runner.h"
#include "client/publication.h"
#include "client/solver.h"
#include "common/loop.h"

#define SOLVER_DNS01_MAX 100000 /* answers published or being withdrawn at a time */

struct solver_dns01_options {
    struct loop *loop;
    struct store *store;
    struct dns01_runner change; /* adds and removes */
    struct dns01_runner look;   /* start NULL: nobody looks whether a record is served */
    unsigned at_a_time;         /* runs under way */
    unsigned tries_max;   /* of a run that fails, before it counts as refused; 0 = until late */
    uint64_t patience_us; /* of publishing, until the record is served */
    uint64_t seed;        /* of the back-off's jitter */
};
/* Takes up what an earlier life left; before the loop runs.  Borrowed: all.  Caller owns. */
struct solver_dns01 *solver_dns01_start(const struct solver_dns01_options *options,
                                        struct err *err);
/* After the loop and the store: runs under way are cancelled, what is published stays on disk. */
void solver_dns01_stop(struct solver_dns01 *solver);
AUTO_DEFINE(struct solver_dns01, solver_dns01_stop)

/* The enrolment of that row needs no challenge any more: what an earlier life published for it
 * goes. Cheap when there is nothing. */
void solver_dns01_settled(struct solver_dns01 *solver, int64_t row);

/* Answers that are published or on their way there or back. */
size_t solver_dns01_count(const struct solver_dns01 *solver);

extern const struct solver solver_dns01_row;
