/* Keys are in a hash table of chains under a lock: the admin listener adds and removes them while
 * requests look them up. */
#include "server/eab.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/json.h"
#include "common/jws.h"
#include "server/store.h"

#define BUCKETS 4096
#define KID_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

struct eab_key {
    struct eab_key *chain;
    char kid[EAB_KID_MAX + 1];
    unsigned char key[EAB_KEY_MAX];
    size_t len;
    bool stored; /* made at run time */
};

struct eab_keys {
    pthread_rwlock_t lock;
    unsigned count;
    struct eab_key *buckets[BUCKETS];
};

static void key_free(struct eab_key *key) { OPENSSL_clear_free(key, sizeof(*key)); }
AUTO_DEFINE(struct eab_key, key_free)

struct eab_keys *eab_keys_new(struct err *err) {
    struct eab_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for external account keys");
        return NULL;
    }
    (void)pthread_rwlock_init(&keys->lock, NULL);
    return keys;
}

void eab_keys_free(struct eab_keys *keys) {
    for (unsigned i = 0; keys != NULL && i < BUCKETS; i++) {
        while (keys->buckets[i] != NULL) {
            struct eab_key *key = keys->buckets[i];
            keys->buckets[i] = key->chain;
            key_free(key);
        }
    }
    if (keys != NULL) {
        (void)pthread_rwlock_destroy(&keys->lock);
        free(keys);
    }
}

/* ---- the table ---- */

/* Where the key is, or would be put.  Under the lock. */
static struct eab_key **place(struct eab_keys *keys, const char *kid) {
    uint32_t hash = 2166136261U; /* FNV-1a: kids are the operator's */

    for (const char *c = kid; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    }
    struct eab_key **at = &keys->buckets[hash % BUCKETS];
    while (*at != NULL && strcmp((*at)->kid, kid) != 0) {
        at = &(*at)->chain;
    }
    return at;
}

/* A key read from its text, not in the table.  ERR_INVALID. */
static struct eab_key *key_new(const char *kid, size_t kid_len, const char *text, bool stored,
                               struct err *err) {
    AUTO(key_free) struct eab_key *key = OPENSSL_zalloc(sizeof(*key));
    struct err why = {0};

    if (key == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for an external account key");
        return NULL;
    }
    if (kid_len == 0 || kid_len > EAB_KID_MAX) {
        (void)err_set(err, ERR_INVALID, "a kid has 1 to %d characters", EAB_KID_MAX);
        return NULL;
    }
    memcpy(key->kid, kid, kid_len);
    key->stored = stored;
    if (!b64_decode_into(text, strlen(text), key->key, sizeof(key->key), &key->len, &why)
        || key->len < EAB_KEY_MIN) {
        (void)err_set(err, ERR_INVALID, "the key is not base64url of %d to %d octets", EAB_KEY_MIN,
                      EAB_KEY_MAX);
        return NULL;
    }
    return TAKE(key);
}

/* key is taken. */
static bool insert(struct eab_keys *keys, struct eab_key *key, struct err *err) {
    (void)pthread_rwlock_wrlock(&keys->lock);
    struct eab_key **at = place(keys, key->kid);
    bool taken = *at != NULL, room = keys->count < EAB_KEYS_MAX;
    if (!taken && room) {
        *at = key;
        keys->count++;
    }
    (void)pthread_rwlock_unlock(&keys->lock);
    if (!taken && room) {
        return true;
    }
    key_free(key);
    return taken ? err_set(err, ERR_CONFLICT, "there is such a kid already")
                 : err_set(err, ERR_OVERLOAD, "there are %d keys already", EAB_KEYS_MAX);
}

static void drop(struct eab_keys *keys, const char *kid) {
    (void)pthread_rwlock_wrlock(&keys->lock);
    struct eab_key **at = place(keys, kid), *key = *at;
    if (key != NULL) {
        *at = key->chain;
        keys->count--;
    }
    (void)pthread_rwlock_unlock(&keys->lock);
    key_free(key);
}

bool eab_keys_add(struct eab_keys *keys, const char *text, struct err *err) {
    const char *colon = strrchr(text, ':'); /* base64url holds none */
    struct err why = {0};

    if (colon == NULL) {
        return err_set(err, ERR_CONFIG, "--eab takes KID:BASE64URL");
    }
    int kid_len = (int)(colon - text);
    struct eab_key *key = key_new(text, (size_t)kid_len, colon + 1, false, &why);
    if (key == NULL || !insert(keys, key, &why)) {
        return err_set(err, ERR_CONFIG, "--eab %.*s: %s", kid_len, text, why.detail);
    }
    return true;
}

static bool load_one(void *ctx, const struct eab_record *record, struct err *err) {
    struct err why = {0};
    struct eab_key *key = key_new(record->kid, strlen(record->kid), record->key, true, err);

    if (key == NULL) {
        return false;
    }
    return insert(ctx, key, &why) || why.kind == ERR_CONFLICT
           || err_set(err, why.kind, "%s", why.detail);
}

bool eab_keys_load(struct eab_keys *keys, struct store *store, struct err *err) {
    return store_eab_each(store, load_one, keys, err);
}

bool eab_keys_any(struct eab_keys *keys) {
    (void)pthread_rwlock_rdlock(&keys->lock);
    bool any = keys->count > 0;
    (void)pthread_rwlock_unlock(&keys->lock);
    return any;
}

void eab_keys_options(struct eab_keys *keys, void (*sink)(void *ctx, const char *kid), void *ctx) {
    (void)pthread_rwlock_rdlock(&keys->lock);
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (const struct eab_key *key = keys->buckets[i]; key != NULL; key = key->chain) {
            if (!key->stored) {
                sink(ctx, key->kid);
            }
        }
    }
    (void)pthread_rwlock_unlock(&keys->lock);
}

/* ---- at run time ---- */

/* In the table first, as that is what can be full; nobody can use it before it is in the store. */
bool eab_keys_make(struct eab_keys *keys, struct store *store, const char *kid, const char *key,
                   unsigned uses, uint64_t now_us, struct err *err) {
    struct eab_record record = {.kid = kid, .key = key, .uses = uses, .created_us = now_us};
    struct store_tx tx = {0};

    if (strspn(kid, KID_CHARACTERS) != strlen(kid)) {
        return err_set(err, ERR_INVALID, "a kid has letters, digits and -._~ only");
    }
    struct eab_key *made = key_new(kid, strlen(kid), key, true, err);
    if (made == NULL || !insert(keys, made, err)) {
        return false;
    }
    store_tx_add(&tx, STORE_EAB_INSERT)->eab = &record;
    if (!store_write(store, &tx, err)) {
        drop(keys, kid);
        return false;
    }
    return true;
}

bool eab_keys_remove(struct eab_keys *keys, struct store *store, const char *kid, struct err *err) {
    struct store_tx tx = {0};

    (void)pthread_rwlock_rdlock(&keys->lock);
    const struct eab_key *key = *place(keys, kid);
    bool found = key != NULL, stored = found && key->stored;
    (void)pthread_rwlock_unlock(&keys->lock);
    if (!found) {
        return err_set(err, ERR_NOT_FOUND, "there is no such kid");
    }
    if (!stored) {
        return err_set(err, ERR_CONFLICT, "the key was given by an option");
    }
    store_tx_add(&tx, STORE_EAB_DELETE)->eab_kid = kid;
    if (!store_write(store, &tx, err)) {
        return false;
    }
    drop(keys, kid);
    return true;
}

/* ---- checking ---- */

/* The header, as 7.3.4 has it. */
static bool check_header(const struct jws *jws, const char *url, struct err *err) {
    if (jws->nonce != NULL) {
        return err_set(err, ERR_MALFORMED, "the external account binding has a nonce");
    }
    if (jws->url == NULL || strcmp(jws->url, url) != 0) {
        return err_set(err, ERR_MALFORMED, "the external account binding is for another url");
    }
    return jws->kid != NULL
           || err_set(err, ERR_MALFORMED, "the external account binding has no kid");
}

static bool check_mac(struct eab_keys *keys, const struct jws *jws, struct eab_bound *ret,
                      struct err *err) {
    struct err why = {0};

    (void)pthread_rwlock_rdlock(&keys->lock);
    const struct eab_key *key = *place(keys, jws->kid);
    bool good = key != NULL && jws_verify_mac(jws, key->key, key->len, &why);
    if (good) {
        (void)snprintf(ret->kid, sizeof(ret->kid), "%s", key->kid);
        ret->stored = key->stored;
    }
    (void)pthread_rwlock_unlock(&keys->lock);
    if (!good && why.kind == ERR_NONE) {
        return err_set(err, ERR_UNAUTHORIZED, "the external account binding's kid is unknown");
    }
    enum err_kind kind = why.kind == ERR_MALFORMED ? ERR_UNAUTHORIZED : why.kind;
    return good || err_set(err, kind, "the external account binding: %s", why.detail);
}

static bool check_payload(const struct jws *jws, const char *thumbprint, struct err *err) {
    char inner[JWK_THUMBPRINT_SIZE];
    AUTO(json_release)
    json_t *jwk = json_read_object((const char *)jws->payload, jws->payload_len, err);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = jwk == NULL ? NULL : jwk_read(jwk, err);

    if (key == NULL || !jwk_thumbprint(key, inner, err)) {
        return false;
    }
    return strcmp(inner, thumbprint) == 0
           || err_set(err, ERR_MALFORMED, "the external account binding is of another key");
}

bool eab_check(struct eab_keys *keys, const json_t *binding, const char *url,
               const char *thumbprint, struct eab_bound *ret, struct err *err) {
    AUTO(free) char *text = json_text(binding);
    AUTO(jws_done) struct jws jws = {0};

    if (text == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    return jws_read(text, strlen(text), &jws, err) && check_header(&jws, url, err)
           && check_mac(keys, &jws, ret, err) && check_payload(&jws, thumbprint, err);
}
