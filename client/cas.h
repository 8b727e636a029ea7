/* The ACME servers there are, in the order they are preferred.  One thread. */
#pragma once

#include <stdint.h>

#include "client/upstream.h"

#define CAS_MAX 8

struct ca {
    const char *directory; /* its URL; borrowed */
    struct upstream *upstream;
};
struct cas {
    unsigned count; /* at least 1 */
    struct ca list[CAS_MAX];
};

/* The one with that directory; NULL, "" and what is not there any more: the first. */
const struct ca *cas_of(const struct cas *cas, const char *directory);
/* For new work: the first that has not been down for after_us, else the first. */
const struct ca *cas_choose(const struct cas *cas, uint64_t now_us, uint64_t after_us);
/* Has it been down for that long? */
bool cas_down(const struct ca *ca, uint64_t now_us, uint64_t after_us);
