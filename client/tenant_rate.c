#include "client/tenant_rate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/budget.h"
#include "client/map.h"
#include "common/rng.h"

struct tenant {
    char nf[37];
    struct budget budget;
    struct tenant *next, *prev; /* by when they asked last */
};

struct tenant_rate {
    double rate, burst;
    pthread_mutex_t lock;
    struct map *tenants;
    struct tenant latest; /* head of the ring; its prev is the longest quiet one */
};

struct tenant_rate *tenant_rate_new(double rate, double burst) {
    AUTO(tenant_rate_free) struct tenant_rate *rates = calloc(1, sizeof *rates);
    uint64_t seed = 0;

    if (rates == NULL) {
        return NULL;
    }
    rng_secret(&seed, sizeof seed);
    rates->rate = rate;
    rates->burst = burst;
    rates->latest.next = rates->latest.prev = &rates->latest;
    (void)pthread_mutex_init(&rates->lock, NULL);
    rates->tenants = map_new(seed);
    return rates->tenants == NULL ? NULL : TAKE(rates);
}

void tenant_rate_free(struct tenant_rate *rates) {
    if (rates == NULL) {
        return;
    }
    for (struct tenant *at = rates->latest.next, *next = NULL; at != &rates->latest; at = next) {
        next = at->next;
        free(at);
    }
    map_free(rates->tenants);
    (void)pthread_mutex_destroy(&rates->lock);
    free(rates);
}

static void unlink_one(struct tenant *tenant) {
    tenant->next->prev = tenant->prev;
    tenant->prev->next = tenant->next;
}

static struct tenant *tenant_new(struct tenant_rate *rates, const char *nf, uint64_t now_us) {
    struct tenant *tenant = NULL;

    if (map_count(rates->tenants) >= TENANT_RATE_MAX) {
        tenant = rates->latest.prev;
        unlink_one(tenant);
        (void)map_take(rates->tenants, tenant->nf);
    } else if ((tenant = calloc(1, sizeof *tenant)) == NULL) {
        return NULL;
    }
    memset(tenant->nf, 0, sizeof tenant->nf);
    memcpy(tenant->nf, nf, strnlen(nf, sizeof tenant->nf - 1));
    tenant->budget = budget_of(rates->rate, rates->burst, now_us);
    if (!map_put(rates->tenants, tenant->nf, tenant)) {
        free(tenant);
        return NULL;
    }
    return tenant;
}

static bool take(struct tenant_rate *rates, const char *nf, uint64_t now_us, uint64_t *wait_us) {
    struct tenant *tenant = map_get(rates->tenants, nf);

    if (tenant != NULL) {
        unlink_one(tenant);
    } else if ((tenant = tenant_new(rates, nf, now_us)) == NULL) {
        *wait_us = 1;
        return false;
    }
    tenant->next = rates->latest.next;
    tenant->prev = &rates->latest;
    tenant->next->prev = tenant->prev->next = tenant;
    return budget_take(&tenant->budget, now_us, wait_us);
}

bool tenant_rate_take(struct tenant_rate *rates, const char *nf, uint64_t now_us, struct err *err) {
    uint64_t wait_us = 0;

    if (rates->rate <= 0) {
        return true;
    }
    (void)pthread_mutex_lock(&rates->lock);
    const bool good = take(rates, nf, now_us, &wait_us);
    (void)pthread_mutex_unlock(&rates->lock);
    if (good) {
        return true;
    }
    err->retry_after_s = (uint32_t)(wait_us / 1000000) + 1;
    return err_set(err, ERR_RATE_LIMITED, "this NF asks more often than %.0f times a second",
                   rates->rate);
}
