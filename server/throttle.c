/*
 * Token buckets of `count` tokens that fill up within a window, kept as one time each: until when
 * the bucket owes (generic cell rate algorithm).  One more costs window / count; it is refused when
 * that would owe more than a window.  What is not remembered owes nothing, so forgetting the least
 * recently counted only ever lets more pass.
 *
 * Entries are an array made once; a hash table of chains and the list in order of use are indices
 * into it.  Keys are hashed with SHA-256, as strangers choose them.
 */
#include "server/throttle.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/kept.h"

#define DIGEST_OCTETS 16
#define NONE UINT32_MAX
#define US_PER_S 1000000
#define KEY_SIZE 320

static const char *const names[] = {[THROTTLE_ACCOUNTS] = "accounts",
                                    [THROTTLE_ORDERS] = "orders",
                                    [THROTTLE_IDENTIFIERS] = "identifiers",
                                    [THROTTLE_REQUESTS] = "requests"};
static_assert(COUNT(names) == THROTTLE__COUNT, "every limit has a name");

struct entry {
    unsigned char digest[DIGEST_OCTETS];
    uint64_t owes_until_us;
    uint32_t chain, newer, older;
};

struct throttle {
    struct throttle_options options;
    pthread_mutex_t lock;
    struct throttle_counts counts;
    uint32_t newest, oldest;
    uint32_t *buckets; /* THROTTLE_KEPT_MAX of them */
    struct entry *entries;
};

const char *throttle_name(enum throttle_limit limit) { return names[limit]; }

bool throttle_on(const struct throttle *throttle, enum throttle_limit limit) {
    return throttle != NULL && throttle->options.count[limit] != 0;
}

struct throttle *throttle_new(const struct throttle_options *options, struct err *err) {
    AUTO(throttle_free) struct throttle *throttle = calloc(1, sizeof(*throttle));
    bool any = false;

    if (throttle == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for rate throttle");
        return NULL;
    }
    throttle->options = *options;
    throttle->newest = throttle->oldest = NONE;
    (void)pthread_mutex_init(&throttle->lock, NULL);
    for (unsigned i = 0; i < THROTTLE__COUNT; i++) {
        any = any || options->count[i] != 0;
    }
    if (!any) {
        return TAKE(throttle);
    }
    throttle->buckets = malloc(THROTTLE_KEPT_MAX * sizeof(*throttle->buckets));
    throttle->entries = calloc(THROTTLE_KEPT_MAX, sizeof(*throttle->entries));
    if (throttle->buckets == NULL || throttle->entries == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for rate throttle");
        return NULL;
    }
    memset(throttle->buckets, 0xFF, THROTTLE_KEPT_MAX * sizeof(*throttle->buckets));
    return TAKE(throttle);
}

void throttle_free(struct throttle *throttle) {
    if (throttle != NULL) {
        (void)pthread_mutex_destroy(&throttle->lock);
        free(throttle->buckets);
        free(throttle->entries);
        free(throttle);
    }
}

/* ---- entries; under the lock ---- */

static uint32_t *bucket(struct throttle *throttle, const unsigned char *digest) {
    uint32_t at = 0;
    memcpy(&at, digest, sizeof(at));
    return &throttle->buckets[at % THROTTLE_KEPT_MAX];
}

static void list_remove(struct throttle *throttle, uint32_t at) {
    struct entry *entry = &throttle->entries[at];

    *(entry->newer == NONE ? &throttle->newest : &throttle->entries[entry->newer].older) =
        entry->older;
    *(entry->older == NONE ? &throttle->oldest : &throttle->entries[entry->older].newer) =
        entry->newer;
}

static void list_push(struct throttle *throttle, uint32_t at) {
    struct entry *entry = &throttle->entries[at];

    entry->newer = NONE;
    entry->older = throttle->newest;
    *(throttle->newest == NONE ? &throttle->oldest : &throttle->entries[throttle->newest].newer) =
        at;
    throttle->newest = at;
}

static struct entry *find(struct throttle *throttle, const unsigned char *digest) {
    uint32_t at = *bucket(throttle, digest);

    while (at != NONE && memcmp(throttle->entries[at].digest, digest, DIGEST_OCTETS) != 0) {
        at = throttle->entries[at].chain;
    }
    return at == NONE ? NULL : &throttle->entries[at];
}

/* Take the oldest out of its chain, for somebody new. */
static uint32_t recycle(struct throttle *throttle) {
    uint32_t at = throttle->oldest;
    uint32_t *place = bucket(throttle, throttle->entries[at].digest);

    while (*place != at) {
        place = &throttle->entries[*place].chain;
    }
    *place = throttle->entries[at].chain;
    list_remove(throttle, at);
    return at;
}

static struct entry *find_or_make(struct throttle *throttle, const unsigned char *digest) {
    struct entry *entry = find(throttle, digest);

    if (entry != NULL) {
        uint32_t at = (uint32_t)(entry - throttle->entries);
        list_remove(throttle, at);
        list_push(throttle, at);
        return entry;
    }
    uint32_t at =
        throttle->counts.kept < THROTTLE_KEPT_MAX ? throttle->counts.kept++ : recycle(throttle);
    uint32_t *place = bucket(throttle, digest);
    entry = &throttle->entries[at];
    memcpy(entry->digest, digest, DIGEST_OCTETS);
    entry->owes_until_us = 0;
    entry->chain = *place;
    *place = at;
    list_push(throttle, at);
    return entry;
}

/* ---- counting ---- */

static bool digest_of(enum throttle_limit limit, const char *key,
                      unsigned char digest[EVP_MAX_MD_SIZE]) {
    char text[KEY_SIZE];
    int len = snprintf(text, sizeof(text), "%d %s", (int)limit, key);
    return len > 0 && len < KEY_SIZE && kept_hash(KEPT_SHA256, text, (size_t)len, digest);
}

/* How long the key must wait for one more; 0: it need not. */
static uint64_t wait_us(struct throttle *throttle, enum throttle_limit limit,
                        const unsigned char *digest, uint64_t now_us) {
    const struct throttle_options *options = &throttle->options;
    const struct entry *entry = find(throttle, digest);
    uint64_t cost_us = options->window_us / options->count[limit];

    if (entry == NULL || entry->owes_until_us <= now_us) {
        return 0;
    }
    uint64_t owes_us = entry->owes_until_us - now_us + cost_us;
    return owes_us > options->window_us ? owes_us - options->window_us : 0;
}

static void count(struct throttle *throttle, enum throttle_limit limit, const unsigned char *digest,
                  uint64_t now_us) {
    struct entry *entry = find_or_make(throttle, digest);
    uint64_t from_us = entry->owes_until_us > now_us ? entry->owes_until_us : now_us;

    entry->owes_until_us = from_us + throttle->options.window_us / throttle->options.count[limit];
}

bool throttle_take(struct throttle *throttle, enum throttle_limit limit, const char *const *keys,
                   unsigned key_count, uint64_t now_us, struct err *err) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint64_t longest_us = 0;

    if (!throttle_on(throttle, limit)) {
        return true;
    }
    (void)pthread_mutex_lock(&throttle->lock);
    for (unsigned i = 0; i < key_count; i++) {
        uint64_t us =
            digest_of(limit, keys[i], digest) ? wait_us(throttle, limit, digest, now_us) : 0;
        longest_us = us > longest_us ? us : longest_us;
    }
    for (unsigned i = 0; longest_us == 0 && i < key_count; i++) {
        if (digest_of(limit, keys[i], digest)) {
            count(throttle, limit, digest, now_us);
        }
    }
    throttle->counts.refused[limit] += longest_us != 0;
    (void)pthread_mutex_unlock(&throttle->lock);
    if (longest_us == 0) {
        return true;
    }
    (void)err_set(err, ERR_RATE_LIMITED, "too many %s: the limit is %u in %llu s", names[limit],
                  throttle->options.count[limit],
                  (unsigned long long)(throttle->options.window_us / US_PER_S));
    err->retry_after_s = (uint32_t)((longest_us + US_PER_S - 1) / US_PER_S);
    return false;
}

void throttle_give_back(struct throttle *throttle, enum throttle_limit limit, const char *key) {
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (!throttle_on(throttle, limit) || !digest_of(limit, key, digest)) {
        return;
    }
    (void)pthread_mutex_lock(&throttle->lock);
    struct entry *entry = find(throttle, digest);
    uint64_t cost_us = throttle->options.window_us / throttle->options.count[limit];
    if (entry != NULL && entry->owes_until_us >= cost_us) {
        entry->owes_until_us -= cost_us;
    }
    (void)pthread_mutex_unlock(&throttle->lock);
}

void throttle_address(const char *peer, char text[THROTTLE_ADDRESS_SIZE]) {
    static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF}; /* IPv4 in IPv6 */
    unsigned char octets[16];
    const char *colon = strrchr(peer, ':');
    bool bracket = *peer == '[';
    int len = colon == NULL ? (int)strlen(peer) : (int)(colon - peer);

    (void)snprintf(text, THROTTLE_ADDRESS_SIZE, "%.*s", bracket ? len - 2 : len, peer + bracket);
    if (inet_pton(AF_INET6, text, octets) == 1 && memcmp(octets, mapped, sizeof(mapped)) != 0) {
        memset(octets + 8, 0, 8);
        (void)inet_ntop(AF_INET6, octets, text, THROTTLE_ADDRESS_SIZE);
    }
}

struct throttle_counts throttle_counts(struct throttle *throttle) {
    struct throttle_counts counts = {0};

    if (throttle != NULL) {
        (void)pthread_mutex_lock(&throttle->lock);
        counts = throttle->counts;
        (void)pthread_mutex_unlock(&throttle->lock);
    }
    return counts;
}
