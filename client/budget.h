/* A token bucket: so much a second, and a burst of a second's worth after a rest. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct budget {
    double rate; /* a second; 0 = unlimited */
    double burst;
    double tokens;
    uint64_t last_us;
};

struct budget budget_of(double rate, double burst, uint64_t now_us);
/* One token; else how long until there is one. */
bool budget_take(struct budget *budget, uint64_t now_us, uint64_t *ret_wait_us);
/* What budget_take would say. */
bool budget_has(struct budget *budget, uint64_t now_us, uint64_t *ret_wait_us);
