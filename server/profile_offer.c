#include "server/profile_offer.h"

#include <stddef.h>

static unsigned bit_of(const struct profile *profile) { return 1U << (profile - profiles); }

bool profile_offer_silent(const struct profile_offer *offer) {
    return offer != NULL && offer->silent;
}

bool profile_offered(const struct profile_offer *offer, const struct profile *profile) {
    return offer == NULL || (atomic_load(&offer->withdrawn) & bit_of(profile)) == 0;
}

bool profile_offer_check(const struct profile_offer *offer, const struct profile *profile,
                         struct err *err) {
    return profile_offered(offer, profile)
           || err_set(err, ERR_INVALID_PROFILE, "profile %s is no longer offered", profile->name);
}

void profile_offer_set(struct profile_offer *offer, const struct profile *profile, bool offered) {
    if (offered) {
        (void)atomic_fetch_and(&offer->withdrawn, ~bit_of(profile));
    } else {
        (void)atomic_fetch_or(&offer->withdrawn, bit_of(profile));
    }
}
