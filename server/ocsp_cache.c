#include "server/ocsp_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/ocsp_request.h"

struct entry {
    struct ocsp_status status;
    struct ocsp_answer answer; /* der points behind id */
    size_t id_len;
    unsigned char octets[]; /* id, der */
};

struct ocsp_cache {
    pthread_mutex_t lock;
    struct entry *entries[OCSP_CACHE_MAX];
};

struct ocsp_cache *ocsp_cache_new(struct err *err) {
    struct ocsp_cache *cache = calloc(1, sizeof *cache);

    if (cache == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for OCSP answers");
        return NULL;
    }
    (void)pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void ocsp_cache_free(struct ocsp_cache *cache) {
    if (cache == NULL) {
        return;
    }
    for (unsigned i = 0; i < OCSP_CACHE_MAX; i++) {
        free(cache->entries[i]);
    }
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* FNV-1a: serials are random and only those we issued come here. */
static struct entry **place_of(struct ocsp_cache *cache, struct der id) {
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < id.len; i++) {
        hash = (hash ^ id.at[i]) * 16777619U;
    }
    return &cache->entries[(hash ^ hash >> 16) % OCSP_CACHE_MAX];
}

static bool fits(const struct entry *entry, struct der id, const struct ocsp_status *status,
                 int64_t now_s) {
    return entry != NULL && der_is(id, entry->octets, entry->id_len)
           && entry->status.known == status->known
           && entry->status.revoked_at_s == status->revoked_at_s
           && entry->status.reason == status->reason && now_s >= entry->answer.this_update_s
           && now_s < entry->answer.fresh_until_s;
}

bool ocsp_cache_get(struct ocsp_cache *cache, struct der id, const struct ocsp_status *status,
                    int64_t now_s, struct ocsp_answer *ret) {
    unsigned char *copy = NULL;

    (void)pthread_mutex_lock(&cache->lock);
    const struct entry *entry = *place_of(cache, id);
    if (fits(entry, id, status, now_s) && (copy = malloc(entry->answer.len)) != NULL) {
        memcpy(copy, entry->answer.der, entry->answer.len);
        *ret = entry->answer;
        ret->der = copy;
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return copy != NULL;
}

void ocsp_cache_put(struct ocsp_cache *cache, struct der id, const struct ocsp_status *status,
                    const struct ocsp_answer *answer) {
    struct entry *entry =
        id.len > OCSP_CERT_ID_MAX ? NULL : malloc(sizeof *entry + id.len + answer->len);

    if (entry == NULL) {
        return;
    }
    *entry = (struct entry){.status = *status, .answer = *answer, .id_len = id.len};
    memcpy(entry->octets, id.at, id.len);
    memcpy(entry->octets + id.len, answer->der, answer->len);
    entry->answer.der = entry->octets + id.len;
    (void)pthread_mutex_lock(&cache->lock);
    struct entry **place = place_of(cache, id);
    struct entry *old = *place;
    *place = entry;
    (void)pthread_mutex_unlock(&cache->lock);
    free(old);
}
