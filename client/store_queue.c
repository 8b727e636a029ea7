#include "client/store_queue.h"

void store_queue_init(struct store_queue *queue) {
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_cond_init(&queue->wake, NULL);
    queue->last = &queue->first;
}

void store_queue_done(struct store_queue *queue) {
    (void)pthread_mutex_destroy(&queue->lock);
    (void)pthread_cond_destroy(&queue->wake);
}

void store_queue_stop(struct store_queue *queue) {
    (void)pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    (void)pthread_cond_signal(&queue->wake);
    (void)pthread_mutex_unlock(&queue->lock);
}

/* False when max items wait already. */
bool store_queue_add(struct store_queue *queue, struct store_node *node, unsigned max) {
    bool fits = false;

    (void)pthread_mutex_lock(&queue->lock);
    if (queue->count < max) {
        node->next = NULL;
        *queue->last = node;
        queue->last = &node->next;
        fits = true;
        if (queue->count++ == 0) {
            (void)pthread_cond_signal(&queue->wake);
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return fits;
}

/* Return when there is something, or nothing will come any more. */
void store_queue_wait(struct store_queue *queue) {
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->stopping) {
        (void)pthread_cond_wait(&queue->wake, &queue->lock);
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

/* At most max items, waiting for the first; NULL when stopping and empty. */
struct store_node *store_queue_take(struct store_queue *queue, unsigned max) {
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->stopping) {
        (void)pthread_cond_wait(&queue->wake, &queue->lock);
    }
    struct store_node *list = queue->first;
    struct store_node **end = &queue->first;
    for (unsigned i = 0; i < max && *end != NULL; i++) {
        end = &(*end)->next;
        queue->count--;
    }
    if (list != NULL) {
        struct store_node *rest = *end;
        *end = NULL;
        queue->first = rest;
        queue->last = rest == NULL ? &queue->first : queue->last;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return list;
}

/* Append a whole list; completions are as many as the requests they answer. */
void store_queue_append(struct store_queue *queue, struct store_node *list) {
    (void)pthread_mutex_lock(&queue->lock);
    *queue->last = list;
    while (*queue->last != NULL) {
        queue->last = &(*queue->last)->next;
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

/* Everything there is, without waiting. */
struct store_node *store_queue_poll(struct store_queue *queue) {
    (void)pthread_mutex_lock(&queue->lock);
    struct store_node *list = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    (void)pthread_mutex_unlock(&queue->lock);
    return list;
}
