/*
 * A nonce is one AES-128 block: the pool's 64-bit mark and a 64-bit counter, enciphered under the
 * pool's key.  A block cipher is a permutation nobody without the key can tell from chance, so a
 * text not made here deciphers to the right mark with a chance of 2^-64: enciphering a counter that
 * carries redundancy authenticates it.  Nothing is kept for a nonce before it is spent.
 *
 * Spent ones are bits in a ring over the last `window` counters.  Issuing counter c frees the bit
 * of c - window; was that one never spent, it is counted as evicted, and refused from then on.
 */
#include "server/nonce.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/ossl.h"
#include "common/rng.h"

#define NONCE_BLOCK 16
#define NONCE_KEY 16

struct nonce_pool {
    pthread_mutex_t lock;
    EVP_CIPHER_CTX *encipher, *decipher;
    uint64_t mark;
    uint64_t next;   /* counter of the next nonce; the first is 1 */
    uint32_t window; /* a power of two */
    uint64_t *spent; /* window bits, by counter modulo window */
    struct nonce_counts counts;
};

static EVP_CIPHER_CTX *cipher_new(const unsigned char key[NONCE_KEY], int encipher) {
    AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (ctx == NULL || EVP_CipherInit_ex(ctx, EVP_aes_128_ecb(), NULL, key, NULL, encipher) != 1
        || EVP_CIPHER_CTX_set_padding(ctx, 0) != 1) {
        return NULL;
    }
    return TAKE(ctx);
}

struct nonce_pool *nonce_pool_new(uint32_t window, struct err *err) {
    unsigned char key[NONCE_KEY];
    AUTO(nonce_pool_free) struct nonce_pool *pool = calloc(1, sizeof(*pool));

    assert(window >= 64 && window <= NONCE_WINDOW_MAX && (window & (window - 1)) == 0);
    if (pool == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for nonces");
        return NULL;
    }
    (void)pthread_mutex_init(&pool->lock, NULL);
    rng_secret(key, sizeof(key));
    rng_secret(&pool->mark, sizeof(pool->mark));
    pool->encipher = cipher_new(key, 1);
    pool->decipher = cipher_new(key, 0);
    OPENSSL_cleanse(key, sizeof(key));
    pool->window = window;
    pool->next = 1;
    pool->spent = calloc(window / 64, sizeof(*pool->spent));
    if (pool->encipher == NULL || pool->decipher == NULL || pool->spent == NULL) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not set up the nonce cipher");
        return NULL;
    }
    return TAKE(pool);
}

void nonce_pool_free(struct nonce_pool *pool) {
    if (pool == NULL) {
        return;
    }
    EVP_CIPHER_CTX_free(pool->encipher);
    EVP_CIPHER_CTX_free(pool->decipher);
    free(pool->spent);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static bool is_spent(const struct nonce_pool *pool, uint64_t counter) {
    uint64_t place = counter & (pool->window - 1);
    return (pool->spent[place / 64] >> (place % 64) & 1) != 0;
}

static void spent_set(struct nonce_pool *pool, uint64_t counter, bool spent) {
    uint64_t place = counter & (pool->window - 1);
    uint64_t bit = 1ULL << (place % 64);

    if (spent) {
        pool->spent[place / 64] |= bit;
    } else {
        pool->spent[place / 64] &= ~bit;
    }
}

static void cipher(EVP_CIPHER_CTX *ctx, const uint64_t in[2], uint64_t out[2]) {
    int len = 0;
    /* one whole block in an initialised ECB context without padding cannot fail */
    int done =
        EVP_CipherUpdate(ctx, (unsigned char *)out, &len, (const unsigned char *)in, NONCE_BLOCK);
    assert(done == 1 && len == NONCE_BLOCK);
    (void)done;
}

void nonce_issue(struct nonce_pool *pool, char text[NONCE_SIZE]) {
    uint64_t block[2];

    (void)pthread_mutex_lock(&pool->lock);
    uint64_t counter = pool->next++;
    if (counter > pool->window && !is_spent(pool, counter)) {
        pool->counts.evicted++;
    }
    spent_set(pool, counter, false);
    cipher(pool->encipher, (const uint64_t[2]){pool->mark, counter}, block);
    pool->counts.issued++;
    (void)pthread_mutex_unlock(&pool->lock);
    b64_encode_into(block, sizeof(block), text, NONCE_SIZE);
}

/* Under the lock: which count a deciphered block adds to. */
static uint64_t *judge(struct nonce_pool *pool, const uint64_t plain[2]) {
    uint64_t counter = plain[1];

    if (plain[0] != pool->mark || counter == 0 || counter >= pool->next) {
        return &pool->counts.unknown;
    }
    if (pool->next - counter > pool->window) {
        return &pool->counts.aged;
    }
    if (is_spent(pool, counter)) {
        return &pool->counts.again;
    }
    spent_set(pool, counter, true);
    return &pool->counts.spent;
}

bool nonce_spend(struct nonce_pool *pool, const char *text, struct err *err) {
    uint64_t block[2] = {0}, plain[2] = {0};
    AUTO(free) unsigned char *data = NULL;
    size_t len = 0;
    struct err why = {0};

    if (!b64_decode(text, strlen(text), &data, &len, &why)) {
        return err_set(err, ERR_MALFORMED, "the nonce is not base64url");
    }
    (void)pthread_mutex_lock(&pool->lock);
    uint64_t *count = &pool->counts.unknown;
    if (len == sizeof(block)) {
        memcpy(block, data, sizeof(block));
        cipher(pool->decipher, block, plain);
        count = judge(pool, plain);
    }
    ++*count;
    bool good = count == &pool->counts.spent;
    (void)pthread_mutex_unlock(&pool->lock);
    return good || err_set(err, ERR_BAD_NONCE, "the nonce is unknown, used or too old");
}

struct nonce_counts nonce_counts(struct nonce_pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    struct nonce_counts counts = pool->counts;
    (void)pthread_mutex_unlock(&pool->lock);
    return counts;
}
