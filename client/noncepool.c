#include "client/noncepool.h"

#include <stdlib.h>
#include <string.h>

struct noncepool {
    unsigned first, count;
    char text[NONCEPOOL_MAX][NONCEPOOL_TEXT_SIZE];
};

struct noncepool *noncepool_new(void) {
    return calloc(1, sizeof(struct noncepool));
}

void noncepool_free(struct noncepool *pool) { free(pool); }

static bool noncepool_wellformed(const char *nonce, size_t len) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    return len > 0 && len < NONCEPOOL_TEXT_SIZE && strspn(nonce, letters) == len;
}

bool noncepool_put(struct noncepool *pool, const char *nonce) {
    size_t len = nonce == NULL ? 0 : strlen(nonce);

    if (nonce == NULL || !noncepool_wellformed(nonce, len)) {
        return false;
    }
    if (pool->count == NONCEPOOL_MAX) {
        pool->first = (pool->first + 1) % NONCEPOOL_MAX;
        pool->count--;
    }
    memcpy(pool->text[(pool->first + pool->count) % NONCEPOOL_MAX], nonce, len + 1);
    pool->count++;
    return true;
}

bool noncepool_take(struct noncepool *pool, char ret[NONCEPOOL_TEXT_SIZE]) {
    if (pool->count == 0) {
        return false;
    }
    memcpy(ret, pool->text[pool->first], NONCEPOOL_TEXT_SIZE);
    pool->first = (pool->first + 1) % NONCEPOOL_MAX;
    pool->count--;
    return true;
}

void noncepool_flush(struct noncepool *pool) { pool->count = 0; }

unsigned noncepool_count(const struct noncepool *pool) { return pool->count; }
