/* When NFs intend to start: an absolute schedule, start + i / rate, never "now + gap", so that a
 * late start does not push the later ones (latency is counted from the intended start). */
#pragma once

#include <stdint.h>

#include "nfsim/scenario.h"

struct arrival {
    const struct scenario_phase *phases; /* borrowed */
    unsigned phases_count;
    uint32_t offered_max; /* NFs in the fleet: each starts once */
    /* where it is */
    unsigned phase;
    uint32_t offered;        /* so far, in all phases */
    uint32_t phase_offered;  /* so far, in this phase */
    uint64_t phase_start_us; /* intended */
};

/* Begin at start_us. */
struct arrival arrival_new(const struct scenario_phase *phases, unsigned phases_count,
                           uint32_t offered_max, uint64_t start_us);

enum arrival_next {
    ARRIVAL_DUE,  /* *ret_due_us is when the next one intends to start */
    ARRIVAL_FULL, /* closed loop: one must end first */
    ARRIVAL_END   /* no more */
};

/*
 * What comes next.  Does not take it.
 * live     how many of all phases are under way; bounds a closed loop.
 * now_us   intended start of a closed-loop arrival; ends a closed phase with a time.
 */
enum arrival_next arrival_peek(struct arrival *arrival, uint32_t live, uint64_t now_us,
                               uint64_t *ret_due_us);

/* Take the one that was due; returns its place in the schedule, from 0. */
uint32_t arrival_take(struct arrival *arrival);

/* "constant 50/s", "closed loop of 16, then constant 5/s". */
void arrival_text(const struct scenario_phase *phases, unsigned phases_count, char *text,
                  size_t size);
