/* Chance as an argument: seeded and repeatable.  Keys, nonces and tokens use rng_secret instead. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state[4]; /* xoshiro256** */
};

struct rng rng_seeded(uint64_t seed);
uint64_t rng_next(struct rng *rng);
/* Uniform in [0, below); below > 0. */
uint64_t rng_below(struct rng *rng, uint64_t below);
/* Uniform in [0, 1). */
double rng_unit(struct rng *rng);
/* A version 4 UUID in lower case, TS 29.571. */
void rng_uuid(struct rng *rng, char text[37]);

/* Octets from the system's CSPRNG; aborts the process when there is none. */
void rng_secret(void *out, size_t len);
/* 128 secret bits as 22 base64url characters: unguessable resource ids. */
#define RNG_ID_SIZE 23
void rng_id(char text[RNG_ID_SIZE]);
