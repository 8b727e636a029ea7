#include "client/fairqueue.h"

#include <stdlib.h>
#include <string.h>

#include "client/map.h"

#define PRIORITIES 32

static const unsigned turns[FAIRQUEUE_CLASSES] = {8, 4, 2, 1};

struct tenant;

/* What one tenant has waiting in one class; in its class's ring while there is something. */
struct fairqueue_lane {
    struct tenant *tenant;
    unsigned class_of;
    struct fairqueue_item *first, *last;
    struct fairqueue_lane *next, *prev;
};

struct tenant {
    char name[FAIRQUEUE_TENANT_SIZE];
    unsigned count;
    struct fairqueue_lane lanes[FAIRQUEUE_CLASSES];
};

struct fairqueue {
    struct map *tenants;
    struct fairqueue_lane *ring[FAIRQUEUE_CLASSES]; /* whose turn it is */
    unsigned left[FAIRQUEUE_CLASSES];
    unsigned count;
};

struct fairqueue *fairqueue_new(uint64_t seed) {
    AUTO(fairqueue_free) struct fairqueue *queue = calloc(1, sizeof *queue);

    if (queue == NULL || (queue->tenants = map_new(seed)) == NULL) {
        return NULL;
    }
    return TAKE(queue);
}

static void tenant_free(void *ctx, void *value) {
    (void)ctx;
    free(value);
}

void fairqueue_free(struct fairqueue *queue) {
    if (queue == NULL) {
        return;
    }
    if (queue->tenants != NULL) {
        map_each(queue->tenants, tenant_free, NULL);
    }
    map_free(queue->tenants);
    free(queue);
}

static void ring_add(struct fairqueue *queue, struct fairqueue_lane *lane) {
    struct fairqueue_lane **ring = &queue->ring[lane->class_of];

    if (*ring == NULL) {
        lane->next = lane->prev = lane;
        *ring = lane;
        return;
    }
    lane->next = *ring; /* behind everybody */
    lane->prev = (*ring)->prev;
    lane->prev->next = lane;
    lane->next->prev = lane;
}

static void ring_remove(struct fairqueue *queue, struct fairqueue_lane *lane) {
    struct fairqueue_lane **ring = &queue->ring[lane->class_of];

    if (lane->next == lane) {
        *ring = NULL;
    } else {
        lane->next->prev = lane->prev;
        lane->prev->next = lane->next;
        *ring = *ring == lane ? lane->next : *ring;
    }
    lane->next = lane->prev = NULL;
}

static struct tenant *tenant_of(struct fairqueue *queue, const char *name) {
    struct tenant *tenant = map_get(queue->tenants, name);

    if (tenant != NULL || (tenant = calloc(1, sizeof *tenant)) == NULL) {
        return tenant;
    }
    memcpy(tenant->name, name, strnlen(name, sizeof tenant->name - 1));
    for (unsigned i = 0; i < FAIRQUEUE_CLASSES; i++) {
        tenant->lanes[i].tenant = tenant;
        tenant->lanes[i].class_of = i;
    }
    if (!map_put(queue->tenants, tenant->name, tenant)) {
        free(tenant);
        return NULL;
    }
    return tenant;
}

bool fairqueue_add(struct fairqueue *queue, struct fairqueue_item *item, const char *tenant_name,
                   unsigned class_of) {
    struct tenant *tenant = tenant_of(queue, tenant_name);

    if (tenant == NULL) {
        return false;
    }
    struct fairqueue_lane *lane =
        &tenant->lanes[class_of < FAIRQUEUE_CLASSES ? class_of : FAIRQUEUE_CLASSES - 1];
    *item = (struct fairqueue_item){.last = lane->last, .lane = lane};
    if (lane->last == NULL) {
        lane->first = item;
        ring_add(queue, lane);
    } else {
        lane->last->next = item;
    }
    lane->last = item;
    tenant->count++;
    queue->count++;
    return true;
}

void fairqueue_remove(struct fairqueue *queue, struct fairqueue_item *item) {
    struct fairqueue_lane *lane = item->lane;

    if (lane == NULL) {
        return;
    }
    *(item->last == NULL ? &lane->first : &item->last->next) = item->next;
    *(item->next == NULL ? &lane->last : &item->next->last) = item->last;
    *item = (struct fairqueue_item){0};
    queue->count--;
    if (lane->first == NULL) {
        ring_remove(queue, lane);
    }
    if (--lane->tenant->count == 0) {
        (void)map_take(queue->tenants, lane->tenant->name);
        free(lane->tenant);
    }
}

/* The class whose turn it is; one more round when all that have work have had their turns. */
static unsigned class_next(struct fairqueue *queue) {
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < FAIRQUEUE_CLASSES; i++) {
            if (queue->ring[i] != NULL && queue->left[i] > 0) {
                queue->left[i]--;
                return i;
            }
        }
        memcpy(queue->left, turns, sizeof queue->left);
    }
    return FAIRQUEUE_CLASSES;
}

struct fairqueue_item *fairqueue_next(struct fairqueue *queue) {
    const unsigned class_of = queue->count == 0 ? FAIRQUEUE_CLASSES : class_next(queue);

    if (class_of == FAIRQUEUE_CLASSES) {
        return NULL;
    }
    struct fairqueue_lane *lane = queue->ring[class_of];
    struct fairqueue_item *item = lane->first;
    queue->ring[class_of] = lane->next;
    fairqueue_remove(queue, item);
    return item;
}

unsigned fairqueue_count(const struct fairqueue *queue) { return queue->count; }

unsigned fairqueue_class(unsigned priority) {
    return priority >= PRIORITIES ? FAIRQUEUE_CLASSES - 1
                                  : priority / (PRIORITIES / FAIRQUEUE_CLASSES);
}
