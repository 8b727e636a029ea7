/* The crowd: starts each NF when its turn comes, bounds how many are under way, sheds who waited
 * too long, and tells the stats. */
#pragma once

#include "common/err.h"
#include "nfsim/arrival.h"
#include "nfsim/nf.h"
#include "nfsim/scenario.h"
#include "nfsim/stats.h"

struct crowd;

struct crowd_options { /* everything borrowed for its life */
    const struct nf_world *world;
    const struct scenario *scenario;
    const struct inventory_nf *ids;       /* nfs of them */
    const struct nf_identity *identities; /* nfs of them, or NULL */
    uint32_t nfs;
    uint32_t max_in_flight;
    uint64_t start_us; /* of the schedule */
    struct stats *stats;
};

struct crowd *crowd_new(const struct crowd_options *options, struct err *err);
/* Cancels NFs still under way. */
void crowd_free(struct crowd *crowd);
AUTO_DEFINE(struct crowd, crowd_free)

/* Run the world's loop until all have ended, or SIGINT or SIGTERM came (then what is under way
 * stays in flight). */
MUST_CHECK bool crowd_run(struct crowd *crowd, struct err *err);

/* Is NF index of nfs among the `sample` that are traced?  Spread evenly. */
bool crowd_sampled(uint32_t index, uint32_t nfs, uint32_t sample);
