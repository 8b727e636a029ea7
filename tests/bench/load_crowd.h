/* Many flows at once, each followed by the next, until a time or a number of certificates. */
#pragma once

#include "tests/bench/load_flow.h"

enum crowd_accounts { CROWD_PER_FLOW, CROWD_SHARED, CROWD_MIX };

struct crowd_options {
    struct flow_bed bed;
    unsigned flows;        /* under way at a time */
    uint64_t certificates; /* flows in all; 0: until seconds have passed */
    unsigned seconds;
    enum crowd_accounts accounts; /* CROWD_MIX: every other flow has its own */
    unsigned shared;              /* accounts, for those that share */
    unsigned orders_at_once;      /* so many of the flows share one account more */
    unsigned names;               /* dns names in an order */
    enum load_kind kinds[LOAD_KIND__COUNT];
    unsigned kind_count; /* orders take them in turn */
    uint64_t seed;
    pid_t pid;
};

/* Runs until the last flow is over; false: nothing was heard for CROWD_STUCK_S while flows were
 * under way, or no account could be made. */
#define CROWD_STUCK_S 30
MUST_CHECK bool crowd_run(const struct crowd_options *options, struct err *err);
