/* A hash table from text to a pointer: one thread at a time, growing, keys borrowed from values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

struct map;

/* seed  spreads the keys; any number.   NULL: no memory. */
struct map *map_new(uint64_t seed);
void map_free(struct map *map); /* values are the caller's */
AUTO_DEFINE(struct map, map_free)

/* key stays the caller's and must live, unchanged, as long as the entry.  False: no memory, or the
 * key is there already (nothing changed). */
MUST_CHECK bool map_put(struct map *map, const char *key, void *value);
void *map_get(const struct map *map, const char *key); /* NULL = absent */
void *map_take(struct map *map, const char *key);      /* removed; NULL = absent */
size_t map_count(const struct map *map);

/* Call fn for every value; fn must not change the map. */
void map_each(const struct map *map, void (*fn)(void *ctx, void *value), void *ctx);
