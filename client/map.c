#include "client/map.h"

#include <stdlib.h>
#include <string.h>

#define MAP_BUCKETS_FIRST 64u

struct map_entry {
    struct map_entry *next;
    uint64_t hash;
    const char *key;
    void *value;
};

struct map {
    struct map_entry **buckets;
    size_t size; /* a power of two */
    size_t count;
    uint64_t seed;
};

static uint64_t map_hash(const struct map *map, const char *key) {
    uint64_t hash = map->seed ^ UINT64_C(0xcbf29ce484222325);

    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    return hash;
}

struct map *map_new(uint64_t seed) {
    struct map *map = calloc(1, sizeof *map);

    if (map == NULL) {
        return NULL;
    }
    map->seed = seed;
    map->size = MAP_BUCKETS_FIRST;
    map->buckets = calloc(map->size, sizeof(struct map_entry *));
    if (map->buckets == NULL) {
        free(map);
        return NULL;
    }
    return map;
}

void map_free(struct map *map) {
    if (map == NULL) {
        return;
    }
    for (size_t i = 0; i < map->size; i++) {
        for (struct map_entry *entry = map->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free(map->buckets);
    free(map);
}

static struct map_entry **map_place(const struct map *map, const char *key, uint64_t hash) {
    struct map_entry **place = &map->buckets[hash & (map->size - 1)];

    while (*place != NULL && ((*place)->hash != hash || strcmp((*place)->key, key) != 0)) {
        place = &(*place)->next;
    }
    return place;
}

/* Twice the buckets; when memory is short the table stays as it is and only gets slower. */
static void map_grow(struct map *map) {
    size_t size = map->size * 2;
    struct map_entry **buckets = calloc(size, sizeof(struct map_entry *));

    if (buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < map->size; i++) {
        for (struct map_entry *entry = map->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            entry->next = buckets[entry->hash & (size - 1)];
            buckets[entry->hash & (size - 1)] = entry;
        }
    }
    free(map->buckets);
    map->buckets = buckets;
    map->size = size;
}

bool map_put(struct map *map, const char *key, void *value) {
    uint64_t hash = map_hash(map, key);

    if (*map_place(map, key, hash) != NULL) {
        return false;
    }
    struct map_entry *entry = malloc(sizeof *entry);
    if (entry == NULL) {
        return false;
    }
    if (map->count >= map->size) {
        map_grow(map);
    }
    struct map_entry **bucket = &map->buckets[hash & (map->size - 1)];
    *entry = (struct map_entry){.next = *bucket, .hash = hash, .key = key, .value = value};
    *bucket = entry;
    map->count++;
    return true;
}

void *map_get(const struct map *map, const char *key) {
    struct map_entry *entry = *map_place(map, key, map_hash(map, key));

    return entry == NULL ? NULL : entry->value;
}

void *map_take(struct map *map, const char *key) {
    struct map_entry **place = map_place(map, key, map_hash(map, key));
    struct map_entry *entry = *place;

    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    *place = entry->next;
    map->count--;
    free(entry);
    return value;
}

size_t map_count(const struct map *map) { return map->count; }

void map_each(const struct map *map, void (*fn)(void *ctx, void *value), void *ctx) {
    for (size_t i = 0; i < map->size; i++) {
        for (struct map_entry *entry = map->buckets[i]; entry != NULL; entry = entry->next) {
            fn(ctx, entry->value);
        }
    }
}
