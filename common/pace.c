#include "common/pace.h"

#include <time.h>

#include "common/clock.h"

uint64_t pace_rest_us(uint64_t started_us, uint64_t now_us) {
    const uint64_t since_us = now_us - started_us; /* huge when the clock was set back: no rest */
    return since_us < PACE_APART_US ? PACE_APART_US - since_us : 0;
}

void pace_rest(uint64_t started_us) {
    const uint64_t rest_us = pace_rest_us(started_us, clock_wall_us());

    if (rest_us > 0) {
        const struct timespec rest = {.tv_nsec = (long)rest_us * 1000};
        (void)nanosleep(&rest, NULL);
    }
}
