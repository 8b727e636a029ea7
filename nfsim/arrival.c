#include "nfsim/arrival.h"

#include <math.h>
#include <stdio.h>

struct arrival arrival_new(const struct scenario_phase *phases, unsigned phases_count,
                           uint32_t offered_max, uint64_t start_us) {
    return (struct arrival){.phases = phases,
                            .phases_count = phases_count,
                            .offered_max = offered_max,
                            .phase_start_us = start_us};
}

static uint64_t constant_due_us(const struct arrival *arrival, const struct scenario_phase *phase) {
    return arrival->phase_start_us
           + (uint64_t)llround((double)arrival->phase_offered * 1e6 / phase->rate_per_s);
}

/* Has the phase offered all it may, or is its time over at due_us? */
static bool phase_over(const struct arrival *arrival, const struct scenario_phase *phase,
                       uint64_t due_us) {
    return (phase->count != 0 && arrival->phase_offered >= phase->count)
           || (phase->for_us != 0 && due_us >= arrival->phase_start_us + phase->for_us);
}

/* The next phase begins when this one was to end, however late we are. */
static void phase_next(struct arrival *arrival, const struct scenario_phase *phase,
                       uint64_t due_us) {
    arrival->phase_start_us = phase->for_us != 0 ? arrival->phase_start_us + phase->for_us : due_us;
    arrival->phase++;
    arrival->phase_offered = 0;
}

enum arrival_next arrival_peek(struct arrival *arrival, uint32_t live, uint64_t now_us,
                               uint64_t *ret_due_us) {
    while (arrival->phase < arrival->phases_count && arrival->offered < arrival->offered_max) {
        const struct scenario_phase *phase = &arrival->phases[arrival->phase];
        const bool closed = phase->arrival == SCENARIO_CLOSED;
        uint64_t due_us = now_us;

        if (!closed) {
            due_us = constant_due_us(arrival, phase);
        } else if (now_us < arrival->phase_start_us) {
            due_us = arrival->phase_start_us;
        }
        if (phase_over(arrival, phase, due_us)) {
            phase_next(arrival, phase, due_us);
            continue;
        }
        if (closed && live >= phase->concurrency) {
            return ARRIVAL_FULL;
        }
        *ret_due_us = due_us;
        return ARRIVAL_DUE;
    }
    return ARRIVAL_END;
}

uint32_t arrival_take(struct arrival *arrival) {
    arrival->phase_offered++;
    return arrival->offered++;
}

void arrival_text(const struct scenario_phase *phases, unsigned phases_count, char *text,
                  size_t size) {
    size_t len = 0;

    for (unsigned i = 0; i < phases_count && len < size; i++) {
        const char *between = i == 0 ? "" : ", then ";
        if (phases[i].arrival == SCENARIO_CLOSED) {
            len += (size_t)snprintf(text + len, size - len, "%sclosed loop of %u", between,
                                    phases[i].concurrency);
        } else {
            len += (size_t)snprintf(text + len, size - len, "%sconstant %g/s", between,
                                    phases[i].rate_per_s);
        }
    }
}
