/*
 * One slot per hash: a newcomer takes the place of who is there, so there is no list to keep and
 * never a record more than slots.
 *
 * A record read from SQLite may be older than a commit that came in the meantime; it is kept only
 * when `commits` has not moved since the reading began.  It may also be newer, when the writer has
 * committed but not yet come here: then the changes are made once more, in the same order, and
 * every change sets what it changes, so the end is the same.
 */
#include "server/store_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

enum kind { KIND_NONE, KIND_ORDER, KIND_AUTHZ, KIND_CERTIFICATE };

struct slot {
    enum kind kind;
    union {
        struct order order;
        struct authz authz;
        struct certificate certificate;
    };
};

struct store_cache {
    pthread_mutex_t lock;
    uint64_t commits;
    unsigned count;
    struct slot *slots[]; /* made when first needed, then used again */
};

struct store_cache *store_cache_new(unsigned slots, struct err *err) {
    struct store_cache *cache = calloc(1, sizeof(*cache) + slots * sizeof(struct slot *));

    assert((slots & (slots - 1)) == 0);

    if (cache == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the store's records");
        return NULL;
    }
    (void)pthread_mutex_init(&cache->lock, NULL);
    cache->count = slots;
    return cache;
}

static void clear(struct slot *slot) {
    switch (slot->kind) {
    case KIND_ORDER:
        order_done(&slot->order);
        break;
    case KIND_AUTHZ:
        authz_done(&slot->authz);
        break;
    case KIND_CERTIFICATE:
        certificate_done(&slot->certificate);
        break;
    case KIND_NONE:
        break;
    }
    slot->kind = KIND_NONE;
}

void store_cache_free(struct store_cache *cache) {
    if (cache == NULL) {
        return;
    }
    for (unsigned i = 0; i < cache->count; i++) {
        if (cache->slots[i] != NULL) {
            clear(cache->slots[i]);
            free(cache->slots[i]);
        }
    }
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* ---- copies ---- */

static bool text_copy(const char *text, char **ret) {
    *ret = text == NULL ? NULL : strdup(text);
    return (text == NULL) == (*ret == NULL);
}

static bool order_copy(const struct order *from, struct order *ret) {
    AUTO(order_done) struct order copy = *from;

    copy.identifiers = calloc(from->count + 1, sizeof(*copy.identifiers));
    copy.authzs = calloc(from->count + 1, sizeof(*copy.authzs));
    if (!text_copy(from->error, &copy.error) || copy.identifiers == NULL || copy.authzs == NULL) {
        return false;
    }
    memcpy(copy.identifiers, from->identifiers, from->count * sizeof(*copy.identifiers));
    memcpy(copy.authzs, from->authzs, from->count * sizeof(*copy.authzs));
    *ret = copy;
    copy = (struct order){0};
    return true;
}

static bool authz_copy(const struct authz *from, struct authz *ret) {
    bool whole = true;

    *ret = *from;
    for (unsigned i = 0; i < from->count; i++) {
        const struct challenge *challenge = &from->challenges[i];
        whole = text_copy(challenge->error, &ret->challenges[i].error) && whole;
        whole = text_copy(challenge->response, &ret->challenges[i].response) && whole;
    }
    if (!whole) {
        authz_done(ret);
    }
    return whole;
}

/* ---- slots; under the lock ---- */

/* FNV-1a: ids and serials end in chance nobody outside chooses.  NULL: nothing is kept. */
static struct slot **place(struct store_cache *cache, const char *id) {
    uint32_t hash = 2166136261U;

    for (; *id != '\0'; id++) {
        hash = (hash ^ (unsigned char)*id) * 16777619U;
    }
    return cache->count == 0 ? NULL : &cache->slots[(hash ^ hash >> 16) & (cache->count - 1)];
}

static const char *slot_id(const struct slot *slot) {
    return slot->kind == KIND_ORDER   ? slot->order.id
           : slot->kind == KIND_AUTHZ ? slot->authz.id
                                      : slot->certificate.serial;
}

static struct slot *find(struct store_cache *cache, enum kind kind, const char *id) {
    struct slot **at = place(cache, id), *slot = at == NULL ? NULL : *at;
    bool found = slot != NULL && slot->kind == kind && strcmp(slot_id(slot), id) == 0;
    return found ? slot : NULL;
}

/* Its slot is given back. */
static void forget(struct store_cache *cache, enum kind kind, const char *id) {
    if (find(cache, kind, id) != NULL) {
        struct slot **at = place(cache, id);
        clear(*at);
        free(*at);
        *at = NULL;
    }
}

/* The enrolment is over: what it is made of is rarely read again. */
static void forget_order(struct store_cache *cache, const char *id) {
    const struct slot *slot = find(cache, KIND_ORDER, id);

    for (unsigned i = 0; slot != NULL && i < slot->order.count; i++) {
        forget(cache, KIND_AUTHZ, slot->order.authzs[i]);
    }
    forget(cache, KIND_ORDER, id);
}

/* The slot for an id, empty; NULL when it cannot be kept. */
static struct slot *vacate(struct store_cache *cache, const char *id) {
    struct slot **slot = place(cache, id);

    if (slot == NULL) {
        return NULL;
    }
    if (*slot == NULL) {
        *slot = calloc(1, sizeof(**slot));
    } else {
        clear(*slot);
    }
    return *slot;
}

static void keep_order(struct store_cache *cache, const struct order *order) {
    struct slot *slot = order->count > STORE_CACHE_NAMES ? NULL : vacate(cache, order->id);
    if (slot != NULL && order_copy(order, &slot->order)) {
        slot->kind = KIND_ORDER;
    }
}

static void keep_authz(struct store_cache *cache, const struct authz *authz) {
    struct slot *slot = vacate(cache, authz->id);
    if (slot != NULL && authz_copy(authz, &slot->authz)) {
        slot->kind = KIND_AUTHZ;
    }
}

static void keep_certificate(struct store_cache *cache, const struct certificate *certificate) {
    struct slot *slot = vacate(cache, certificate->serial);
    char *chain_pem = slot == NULL ? NULL : strdup(certificate->chain_pem);
    if (chain_pem == NULL) {
        return;
    }
    slot->certificate = *certificate;
    slot->certificate.chain_pem = chain_pem;
    slot->certificate.reason = -1; /* not revoked, as it is inserted */
    slot->kind = KIND_CERTIFICATE;
}

/* ---- what was committed; the words of store_sql.c once more ---- */

static void order_insert(struct store_cache *cache, const struct store_op *op) {
    const struct order *order = op->new_order.order;

    keep_order(cache, order);
    for (unsigned i = 0; i < op->new_order.authz_count && order->count <= STORE_CACHE_NAMES; i++) {
        keep_authz(cache, &op->new_order.authzs[i]);
    }
}

static void orders_cancel(struct store_cache *cache, const struct store_op *op) {
    for (unsigned i = 0; i < cache->count; i++) {
        struct slot *slot = cache->slots[i];
        if (slot != NULL && slot->kind == KIND_ORDER
            && strcmp(slot->order.account, op->account) == 0) {
            clear(slot);
        }
    }
}

static void challenge_move(struct store_cache *cache, const struct store_op *op) {
    struct slot *slot = find(cache, KIND_AUTHZ, op->authz);
    struct challenge *challenge =
        slot == NULL ? NULL : authz_challenge(&slot->authz, op->challenge.type);

    if (challenge == NULL) {
        return;
    }
    free(challenge->error);
    free(challenge->response);
    challenge->response = NULL;
    challenge->status = (enum challenge_status)op->to;
    challenge->validated_us = op->challenge.validated_us;
    if (!text_copy(op->challenge.error, &challenge->error)
        || !text_copy(op->challenge.response, &challenge->response)) {
        clear(slot);
    }
}

static void authz_move(struct store_cache *cache, const struct store_op *op) {
    struct slot *slot = find(cache, KIND_AUTHZ, op->authz);

    if (slot == NULL) {
        return;
    }
    slot->authz.status = (enum authz_status)op->to;
    if (op->granted.expires_us != 0) {
        slot->authz.expires_us = op->granted.expires_us;
    }
    if (op->granted.types != NULL) {
        slot->authz.types = *op->granted.types;
        slot->authz.token_exp_s = op->granted.token_exp_s;
        (void)snprintf(slot->authz.jkt, sizeof slot->authz.jkt, "%s",
                       op->granted.jkt == NULL ? "" : op->granted.jkt);
    }
}

static void order_authorised(struct store_cache *cache, const struct store_op *op) {
    struct slot *slot = find(cache, KIND_ORDER, op->order);
    if (slot == NULL || slot->order.status != ORDER_PENDING) {
        return;
    }
    if (op->authorised.expires_us != 0 && op->authorised.expires_us < slot->order.expires_us) {
        slot->order.expires_us = op->authorised.expires_us;
    }
    if (op->authorised.ret_ready) {
        slot->order.status = ORDER_READY;
    }
}

static void order_move(struct store_cache *cache, const struct store_op *op) {
    struct slot *slot = find(cache, KIND_ORDER, op->order);
    if (slot != NULL) {
        slot->order.status = (enum order_status)op->to;
        (void)snprintf(slot->order.serial, sizeof(slot->order.serial), "%s",
                       op->serial == NULL ? "" : op->serial);
    }
}

static void change(struct store_cache *cache, const struct store_op *op) {
    switch (op->kind) {
    case STORE_ORDER_INSERT:
        order_insert(cache, op);
        break;
    case STORE_ORDERS_CANCEL:
    case STORE_ORDERS_FAIL:
        orders_cancel(cache, op);
        break;
    case STORE_CHALLENGE_MOVE:
        challenge_move(cache, op);
        break;
    case STORE_AUTHZ_MOVE:
        authz_move(cache, op);
        break;
    case STORE_ORDER_AUTHORISED:
        order_authorised(cache, op);
        break;
    case STORE_AUTHZ_INSERT:
        keep_authz(cache, op->new_authz);
        break;
    case STORE_ORDER_REJECT:
    case STORE_ORDER_FAIL: /* or nothing happened: reading it tells */
        forget(cache, KIND_ORDER, op->order);
        break;
    case STORE_ORDER_MOVE:
        order_move(cache, op);
        break;
    case STORE_CERTIFICATE_INSERT:
        keep_certificate(cache, op->certificate);
        break;
    case STORE_REVOKE:
        forget(cache, KIND_CERTIFICATE, op->revoke.serial);
        break;
    case STORE_ACCOUNT_INSERT: /* the keyring's */
    case STORE_ACCOUNT_CHANGE:
    case STORE_ACCOUNT_KEY:
    case STORE_EAB_INSERT: /* the bindings' */
    case STORE_EAB_DELETE:
    case STORE_EAB_USE:
    case STORE_SETTING:
    case STORE_TOKEN_USE:
    case STORE_SWEEP:   /* what has ended stays ended; it goes when the slot is wanted */
    case STORE_REPLACE: /* the order knows it from its beginning */
    case STORE_REPLACED:
    case STORE_WINDOW:
    case STORE_FINALIZING_INSERT:
    case STORE_FINALIZING_DELETE:
    case STORE_OP__COUNT:
        break;
    }
}

void store_cache_commit(struct store_cache *cache, const struct store_tx *first) {
    (void)pthread_mutex_lock(&cache->lock);
    for (const struct store_tx *tx = first; tx != NULL; tx = tx->next) {
        for (unsigned i = 0; tx->err.kind == ERR_NONE && i < tx->count; i++) {
            change(cache, &tx->ops[i]);
        }
    }
    cache->commits++;
    (void)pthread_mutex_unlock(&cache->lock);
}

/* ---- readers ---- */

bool store_cache_order_get(struct store_cache *cache, const char *account, const char *id,
                           struct order *ret, uint64_t *ret_seen) {
    (void)pthread_mutex_lock(&cache->lock);
    const struct slot *slot = find(cache, KIND_ORDER, id);
    bool kept =
        slot != NULL && strcmp(slot->order.account, account) == 0 && order_copy(&slot->order, ret);
    *ret_seen = cache->commits;
    (void)pthread_mutex_unlock(&cache->lock);
    return kept;
}

bool store_cache_authz_get(struct store_cache *cache, const char *account, const char *id,
                           struct authz *ret, uint64_t *ret_seen) {
    (void)pthread_mutex_lock(&cache->lock);
    const struct slot *slot = find(cache, KIND_AUTHZ, id);
    bool kept =
        slot != NULL && strcmp(slot->authz.account, account) == 0 && authz_copy(&slot->authz, ret);
    *ret_seen = cache->commits;
    (void)pthread_mutex_unlock(&cache->lock);
    return kept;
}

bool store_cache_certificate_take(struct store_cache *cache, const char *serial,
                                  struct certificate *ret) {
    (void)pthread_mutex_lock(&cache->lock);
    struct slot *slot = find(cache, KIND_CERTIFICATE, serial);
    const bool kept = slot != NULL;
    if (kept) {
        *ret = slot->certificate;
        slot->certificate.chain_pem = NULL; /* moved */
        forget(cache, KIND_CERTIFICATE, serial);
        forget_order(cache, ret->order);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return kept;
}

void store_cache_order_put(struct store_cache *cache, const struct order *order, uint64_t seen) {
    (void)pthread_mutex_lock(&cache->lock);
    if (cache->commits == seen) {
        keep_order(cache, order);
    }
    (void)pthread_mutex_unlock(&cache->lock);
}

void store_cache_authz_put(struct store_cache *cache, const struct authz *authz, uint64_t seen) {
    (void)pthread_mutex_lock(&cache->lock);
    if (cache->commits == seen) {
        keep_authz(cache, authz);
    }
    (void)pthread_mutex_unlock(&cache->lock);
}
