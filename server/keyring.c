/*
 * A hash table with chains, and a list through all entries in order of use.  Whoever misses reads
 * the store without the lock; in the meantime the account may have been changed and forgotten, so
 * what was read is kept only when `forgotten`, the count of forgettings, has not moved.
 */
#include "server/keyring.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "server/store.h"
#include "server/terms.h"

struct node {
    struct node *chain;
    struct node *newer, *older;
    struct keyring_entry entry;
};

struct keyring {
    pthread_mutex_t lock;
    struct store *store;
    unsigned size, count;
    uint64_t forgotten;
    struct node *newest, *oldest;
    uint32_t mask; /* buckets - 1, a power of two less one */
    struct node **buckets;
};

void keyring_entry_done(struct keyring_entry *entry) {
    EVP_PKEY_free(entry->key);
    *entry = (struct keyring_entry){0};
}

struct keyring *keyring_new(struct store *store, unsigned size, struct err *err) {
    AUTO(keyring_free) struct keyring *keyring = calloc(1, sizeof(*keyring));
    uint32_t buckets = 64;

    while (buckets < size) {
        buckets *= 2;
    }
    if (keyring != NULL) {
        (void)pthread_mutex_init(&keyring->lock, NULL);
        keyring->store = store;
        keyring->size = size;
        keyring->mask = buckets - 1;
        keyring->buckets = calloc(buckets, sizeof(struct node *));
    }
    if (keyring == NULL || keyring->buckets == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for account keys");
        return NULL;
    }
    return TAKE(keyring);
}

void keyring_free(struct keyring *keyring) {
    if (keyring == NULL) {
        return;
    }
    while (keyring->newest != NULL) {
        struct node *node = keyring->newest;
        keyring->newest = node->older;
        keyring_entry_done(&node->entry);
        free(node);
    }
    free(keyring->buckets);
    (void)pthread_mutex_destroy(&keyring->lock);
    free(keyring);
}

/* FNV-1a: ids end in chance nobody outside chooses. */
static struct node **bucket(const struct keyring *keyring, const char *id) {
    uint32_t hash = 2166136261U;
    for (; *id != '\0'; id++) {
        hash = (hash ^ (unsigned char)*id) * 16777619U;
    }
    return &keyring->buckets[hash & keyring->mask];
}

static struct node *find(const struct keyring *keyring, const char *id) {
    struct node *node = *bucket(keyring, id);
    while (node != NULL && strcmp(node->entry.id, id) != 0) {
        node = node->chain;
    }
    return node;
}

static void list_remove(struct keyring *keyring, struct node *node) {
    *(node->newer == NULL ? &keyring->newest : &node->newer->older) = node->older;
    *(node->older == NULL ? &keyring->oldest : &node->older->newer) = node->newer;
    node->newer = node->older = NULL;
}

static void list_push(struct keyring *keyring, struct node *node) {
    node->older = keyring->newest;
    *(keyring->newest == NULL ? &keyring->oldest : &keyring->newest->newer) = node;
    keyring->newest = node;
}

static void drop(struct keyring *keyring, struct node *node) {
    struct node **place = bucket(keyring, node->entry.id);
    while (*place != node) {
        place = &(*place)->chain;
    }
    *place = node->chain;
    list_remove(keyring, node);
    keyring_entry_done(&node->entry);
    free(node);
    keyring->count--;
}

static bool entry_copy(const struct keyring_entry *from, struct keyring_entry *ret) {
    if (EVP_PKEY_up_ref(from->key) != 1) {
        return false;
    }
    *ret = *from;
    return true;
}

/* Under the lock.  A full memory only costs speed: the account is then not kept. */
static void keep(struct keyring *keyring, const struct keyring_entry *entry) {
    if (find(keyring, entry->id) != NULL) {
        return;
    }
    struct node *node = calloc(1, sizeof(*node));
    if (node == NULL || !entry_copy(entry, &node->entry)) {
        free(node);
        return;
    }
    if (keyring->count == keyring->size) {
        drop(keyring, keyring->oldest);
    }
    struct node **place = bucket(keyring, entry->id);
    node->chain = *place;
    *place = node;
    list_push(keyring, node);
    keyring->count++;
}

/* True when kept; *ret_forgotten tells at which count of forgettings. */
static bool get_kept(struct keyring *keyring, const char *id, struct keyring_entry *ret,
                     uint64_t *ret_forgotten) {
    (void)pthread_mutex_lock(&keyring->lock);
    struct node *node = find(keyring, id);
    bool kept = node != NULL && entry_copy(&node->entry, ret);
    if (kept) {
        list_remove(keyring, node);
        list_push(keyring, node);
    }
    *ret_forgotten = keyring->forgotten;
    (void)pthread_mutex_unlock(&keyring->lock);
    return kept;
}

static bool get_stored(struct keyring *keyring, const char *id, struct keyring_entry *ret,
                       struct err *err) {
    AUTO(account_done) struct account account = {0};
    struct keyring_entry entry = {0};

    if (!store_account_get(keyring->store, id, &account, err)) {
        if (err->kind == ERR_NOT_FOUND) {
            *err = (struct err){0};
            return err_set(err, ERR_ACCOUNT_DOES_NOT_EXIST, "there is no such account");
        }
        return false;
    }
    AUTO(json_release) json_t *jwk = json_read_object(account.jwk, strlen(account.jwk), err);
    entry.key = jwk == NULL ? NULL : jwk_read(jwk, err);
    if (entry.key == NULL) {
        return false;
    }
    (void)snprintf(entry.id, sizeof(entry.id), "%s", account.id);
    (void)snprintf(entry.thumbprint, sizeof(entry.thumbprint), "%s", account.thumbprint);
    entry.status = account.status;
    entry.prepared = account.prepared;
    entry.terms = terms_mark_of(account.terms);
    *ret = entry;
    return true;
}

bool keyring_get(struct keyring *keyring, const char *id, struct keyring_entry *ret,
                 struct err *err) {
    uint64_t forgotten = 0;

    if (get_kept(keyring, id, ret, &forgotten)) {
        return true;
    }
    if (!get_stored(keyring, id, ret, err)) {
        return false;
    }
    (void)pthread_mutex_lock(&keyring->lock);
    if (keyring->forgotten == forgotten) {
        keep(keyring, ret);
    }
    (void)pthread_mutex_unlock(&keyring->lock);
    return true;
}

void keyring_put(struct keyring *keyring, const struct keyring_entry *entry) {
    (void)pthread_mutex_lock(&keyring->lock);
    keep(keyring, entry);
    (void)pthread_mutex_unlock(&keyring->lock);
}

void keyring_forget(struct keyring *keyring, const char *id) {
    (void)pthread_mutex_lock(&keyring->lock);
    struct node *node = find(keyring, id);
    if (node != NULL) {
        drop(keyring, node);
    }
    keyring->forgotten++;
    (void)pthread_mutex_unlock(&keyring->lock);
}
