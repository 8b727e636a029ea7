#include "client/budget.h"

struct budget budget_of(double rate, double burst, uint64_t now_us) {
    burst = burst < 1 ? 1 : burst;
    return (struct budget){.rate = rate, .burst = burst, .tokens = burst, .last_us = now_us};
}

bool budget_has(struct budget *budget, uint64_t now_us, uint64_t *ret_wait_us) {
    if (budget->rate <= 0) {
        return true;
    }
    if (now_us > budget->last_us) {
        budget->tokens += (double)(now_us - budget->last_us) / 1e6 * budget->rate;
        budget->tokens = budget->tokens < budget->burst ? budget->tokens : budget->burst;
        budget->last_us = now_us;
    }
    if (budget->tokens >= 1) {
        return true;
    }
    *ret_wait_us = (uint64_t)((1 - budget->tokens) / budget->rate * 1e6) + 1;
    return false;
}

bool budget_take(struct budget *budget, uint64_t now_us, uint64_t *ret_wait_us) {
    if (!budget_has(budget, now_us, ret_wait_us)) {
        return false;
    }
    budget->tokens -= budget->rate <= 0 ? 0 : 1;
    return true;
}
