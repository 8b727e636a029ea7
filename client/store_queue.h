/* A queue between the loop and a store thread. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* First member of whatever is queued. */
struct store_node {
    struct store_node *next;
};

struct store_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    unsigned count;
    struct store_node *first, **last;
};

void store_queue_init(struct store_queue *queue);
void store_queue_done(struct store_queue *queue);
/* Nothing will be added any more: who waits returns when it is empty. */
void store_queue_stop(struct store_queue *queue);
/* False when max items wait already. */
bool store_queue_add(struct store_queue *queue, struct store_node *node, unsigned max);
/* Return when there is something, or nothing will come any more. */
void store_queue_wait(struct store_queue *queue);
/* At most max items, waiting for the first; NULL when stopping and empty. */
struct store_node *store_queue_take(struct store_queue *queue, unsigned max);
/* Append a whole list. */
void store_queue_append(struct store_queue *queue, struct store_node *list);
/* Everything there is, without waiting; NULL: nothing. */
struct store_node *store_queue_poll(struct store_queue *queue);
