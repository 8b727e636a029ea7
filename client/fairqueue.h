/* Who is next: a queue for each tenant, served round robin, in classes of importance.
 *
 * Of every 15 turns the most important class that has work gets up to 8, the next 4, 2 and 1, so
 * that none starves however much comes before it.  Every operation is of constant time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"

#define FAIRQUEUE_CLASSES 4
#define FAIRQUEUE_TENANT_SIZE 64

struct fairqueue;
struct fairqueue_lane;

/* A place in the queue, in the caller's memory; {0} when it is not in one. */
struct fairqueue_item {
    struct fairqueue_item *next, *last;
    struct fairqueue_lane *lane;
};

struct fairqueue *fairqueue_new(uint64_t seed); /* NULL: no memory */
void fairqueue_free(struct fairqueue *queue);   /* items are their owners' */
AUTO_DEFINE(struct fairqueue, fairqueue_free)

/* At the end of the tenant's queue.  class_of: 0 is the most important.  False: no memory. */
MUST_CHECK bool fairqueue_add(struct fairqueue *queue, struct fairqueue_item *item,
                              const char *tenant, unsigned class_of);
/* Take the next one out; NULL when there is none. */
struct fairqueue_item *fairqueue_next(struct fairqueue *queue);
/* Take one out that need not be the next; harmless when it is not in the queue. */
void fairqueue_remove(struct fairqueue *queue, struct fairqueue_item *item);
unsigned fairqueue_count(const struct fairqueue *queue);

/* The class of a 3gpp-Sbi-Message-Priority, 0 to 31 (TS 29.500 6.8.2). */
unsigned fairqueue_class(unsigned priority);
