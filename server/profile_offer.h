/* Which profiles are offered now: all, but what an operator withdraws while the server runs.
 * Nothing here waits; any thread may ask and set. */
#pragma once

#include <stdatomic.h>

#include "server/profile.h"

struct profile_offer {
    bool silent;           /* the server speaks of no profiles: orders neither name nor show one */
    atomic_uint withdrawn; /* bit i: profiles[i] */
};

/* offer may be NULL: nothing is withdrawn, and profiles are spoken of. */
bool profile_offer_silent(const struct profile_offer *offer);
bool profile_offered(const struct profile_offer *offer, const struct profile *profile);
/* The same as a check; ERR_INVALID_PROFILE. */
MUST_CHECK bool profile_offer_check(const struct profile_offer *offer,
                                    const struct profile *profile, struct err *err);
/* profile is of profiles[]. */
void profile_offer_set(struct profile_offer *offer, const struct profile *profile, bool offered);
