#include "common/rng.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/b64.h"

/* splitmix64 fills xoshiro's state, as its authors advise: no seed gives an all-zero state. */
static uint64_t split(uint64_t *seed) {
    uint64_t z = *seed += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

struct rng rng_seeded(uint64_t seed) {
    struct rng rng;
    for (unsigned i = 0; i < 4; i++) {
        rng.state[i] = split(&seed);
    }
    return rng;
}

static uint64_t rotate(uint64_t x, unsigned by) { return (x << by) | (x >> (64 - by)); }

uint64_t rng_next(struct rng *rng) {
    uint64_t *s = rng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t below) {
    assert(below > 0);
    /* the lowest 2^64 mod below numbers would make the small results likelier */
    uint64_t biased = (0 - below) % below;
    uint64_t drawn;
    do {
        drawn = rng_next(rng);
    } while (drawn < biased);
    return drawn % below;
}

double rng_unit(struct rng *rng) { return (double)(rng_next(rng) >> 11) * 0x1p-53; }

void rng_uuid(struct rng *rng, char text[37]) {
    uint64_t high = rng_next(rng);
    uint64_t low = rng_next(rng);

    high = (high & ~0xf000ULL) | 0x4000;                /* version 4 */
    low = (low & 0x3fffffffffffffffULL) | (1ULL << 63); /* variant 10 */
    (void)snprintf(text, 37, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
                   (unsigned)(high >> 16) & 0xffff, (unsigned)high & 0xffff,
                   (unsigned)(low >> 48) & 0xffff, (unsigned long long)low & 0xffffffffffffULL);
}

void rng_secret(void *out, size_t len) {
    unsigned char *at = out;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            abort(); /* no secret must ever be made of anything else */
        }
    }
}

void rng_id(char text[RNG_ID_SIZE]) {
    unsigned char octets[16];
    rng_secret(octets, sizeof(octets));
    b64_encode_into(octets, sizeof(octets), text, RNG_ID_SIZE);
}
