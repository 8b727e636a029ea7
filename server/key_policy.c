/*
 * Compromised keys are a set with open addressing that doubles when half full.  Fermat's method
 * factors a modulus of two primes that lie close together: with a = ceil(sqrt(n)), a^2 - n is soon
 * a square.  A key made as it should be is never found in FERMAT_ROUNDS.
 */
#include "server/key_policy.h"

#include <openssl/core_names.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/key.h"
#include "common/ossl.h"

#define DIGEST_OCTETS 32
#define SLOTS_MIN 256
#define FERMAT_ROUNDS 100
#define LINE_SIZE 256

struct key_policy {
    pthread_rwlock_t lock;
    unsigned count, size; /* size: slots, a power of two */
    unsigned char (*slots)[DIGEST_OCTETS];
    bool *used;
};

struct key_policy *key_policy_new(struct err *err) {
    struct key_policy *policy = calloc(1, sizeof(*policy));

    if (policy == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for compromised keys");
        return NULL;
    }
    (void)pthread_rwlock_init(&policy->lock, NULL);
    return policy;
}

void key_policy_free(struct key_policy *policy) {
    if (policy != NULL) {
        (void)pthread_rwlock_destroy(&policy->lock);
        free(policy->slots);
        free(policy->used);
        free(policy);
    }
}

/* ---- the set; under the lock ---- */

/* Where digest is, or would go; there is always a free slot. */
static unsigned slot_of(const struct key_policy *policy, const unsigned char *digest) {
    unsigned at = 0;

    memcpy(&at, digest, sizeof(at)); /* a hash already */
    for (at &= policy->size - 1; policy->used[at]; at = (at + 1) & (policy->size - 1)) {
        if (memcmp(policy->slots[at], digest, DIGEST_OCTETS) == 0) {
            break;
        }
    }
    return at;
}

static bool grow(struct key_policy *policy) {
    struct key_policy larger = {.size = policy->size == 0 ? SLOTS_MIN : policy->size * 2};

    larger.slots = calloc(larger.size, sizeof(*larger.slots));
    larger.used = calloc(larger.size, sizeof(*larger.used));
    if (larger.slots == NULL || larger.used == NULL) {
        free(larger.slots);
        free(larger.used);
        return false;
    }
    for (unsigned i = 0; i < policy->size; i++) {
        if (policy->used[i]) {
            unsigned at = slot_of(&larger, policy->slots[i]);
            memcpy(larger.slots[at], policy->slots[i], DIGEST_OCTETS);
            larger.used[at] = true;
        }
    }
    free(policy->slots);
    free(policy->used);
    policy->slots = larger.slots;
    policy->used = larger.used;
    policy->size = larger.size;
    return true;
}

static bool add(struct key_policy *policy, const unsigned char *digest) {
    if (policy->count * 2 >= policy->size
        && (policy->count >= KEY_POLICY_BLOCKED_MAX || !grow(policy))) {
        return false;
    }
    unsigned at = slot_of(policy, digest);
    if (!policy->used[at]) {
        memcpy(policy->slots[at], digest, DIGEST_OCTETS);
        policy->used[at] = true;
        policy->count++;
    }
    return true;
}

bool key_policy_block(struct key_policy *policy, const unsigned char spki_sha256[32]) {
    (void)pthread_rwlock_wrlock(&policy->lock);
    bool added = add(policy, spki_sha256);
    (void)pthread_rwlock_unlock(&policy->lock);
    return added;
}

unsigned key_policy_blocked(struct key_policy *policy) {
    (void)pthread_rwlock_rdlock(&policy->lock);
    unsigned count = policy->count;
    (void)pthread_rwlock_unlock(&policy->lock);
    return count;
}

/* ---- the file ---- */

static int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)((at - digits) & 15);
}

static bool read_digest(const char *line, size_t len, unsigned char digest[DIGEST_OCTETS]) {
    if (len != (size_t)2 * DIGEST_OCTETS) {
        return false;
    }
    for (unsigned i = 0; i < DIGEST_OCTETS; i++) {
        int high = hex_digit(line[2 * i]), low = hex_digit(line[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        digest[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool key_policy_read(struct key_policy *policy, const char *path, struct err *err) {
    unsigned char digest[DIGEST_OCTETS];
    char line[LINE_SIZE];
    bool whole = true;
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return err_set(err, ERR_CONFIG, "%s: the list of blocked keys cannot be read", path);
    }
    for (unsigned number = 1; whole && fgets(line, sizeof(line), file) != NULL; number++) {
        size_t len = strcspn(line, " \t\r\n");
        if (len == 0 || line[0] == '#') {
            continue;
        }
        if (!read_digest(line, len, digest)) {
            whole = err_set(err, ERR_CONFIG, "%s:%u: not the hex SHA-256 of a public key", path,
                            number);
        } else if (!key_policy_block(policy, digest)) {
            whole = err_set(err, ERR_CONFIG, "%s:%u: more than %d blocked keys, or no memory", path,
                            number, KEY_POLICY_BLOCKED_MAX);
        }
    }
    (void)fclose(file);
    return whole;
}

/* ---- close primes ---- */

/* floor(sqrt(n)) by Newton's method from above.  false: no memory. */
static bool root_of(BIGNUM *root, const BIGNUM *n, BN_CTX *ctx) {
    AUTO(BN_free) BIGNUM *next = BN_new();
    bool good =
        next != NULL && BN_one(root) == 1 && BN_lshift(root, root, (BN_num_bits(n) + 1) / 2) == 1;

    while (good) {
        good = BN_div(next, NULL, n, root, ctx) == 1 && BN_add(next, next, root) == 1
               && BN_rshift1(next, next) == 1;
        if (good && BN_cmp(next, root) >= 0) {
            return true;
        }
        good = good && BN_copy(root, next) != NULL;
    }
    return false;
}

/* Squares end in one of 12 of the 64 values of six bits, which spares most roots. */
static bool may_be_square(const BIGNUM *n) {
    unsigned low = 0;

    for (int bit = 0; bit < 6; bit++) {
        low |= (unsigned)BN_is_bit_set(n, bit) << bit;
    }
    return (0x0202021202030213ULL >> low & 1) != 0;
}

static bool is_square(const BIGNUM *n, BN_CTX *ctx) {
    AUTO(BN_free) BIGNUM *root = BN_new();

    if (!may_be_square(n)) {
        return false;
    }
    return root != NULL && root_of(root, n, ctx) && BN_sqr(root, root, ctx) == 1
           && BN_cmp(root, n) == 0;
}

/* Of b = a^2 - n: the next a adds 2a + 1. */
static bool primes_are_close(const BIGNUM *n, BN_CTX *ctx) {
    AUTO(BN_free) BIGNUM *a = BN_new();
    AUTO(BN_free) BIGNUM *b = BN_new();
    bool good = a != NULL && b != NULL && root_of(a, n, ctx) && BN_add_word(a, 1) == 1
                && BN_sqr(b, a, ctx) == 1 && BN_sub(b, b, n) == 1;

    for (unsigned i = 0; good && i < FERMAT_ROUNDS; i++) {
        if (is_square(b, ctx)) {
            return true;
        }
        good = BN_add(b, b, a) == 1 && BN_add_word(a, 1) == 1 && BN_add(b, b, a) == 1;
    }
    return false;
}

static bool rsa_is_close(EVP_PKEY *key) {
    AUTO(BN_free) BIGNUM *n = NULL;
    BN_CTX *ctx = BN_CTX_new();
    bool close = ctx != NULL && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1
                 && primes_are_close(n, ctx);

    BN_CTX_free(ctx);
    return close;
}

/* ---- judgement ---- */

static bool is_blocked(struct key_policy *policy, EVP_PKEY *key, bool *ret, struct err *err) {
    unsigned char digest[DIGEST_OCTETS];

    if (key_policy_blocked(policy) == 0) {
        *ret = false;
        return true;
    }
    if (!key_spki_sha256(key, digest, err)) {
        return false;
    }
    (void)pthread_rwlock_rdlock(&policy->lock);
    *ret = policy->used[slot_of(policy, digest)];
    (void)pthread_rwlock_unlock(&policy->lock);
    return true;
}

bool key_policy_check(struct key_policy *policy, EVP_PKEY *key, enum key_use use, struct err *err) {
    enum err_kind kind = use == KEY_USE_ACCOUNT ? ERR_BAD_PUBLIC_KEY : ERR_BAD_CSR;
    enum key_type curve = KEY_P256;
    bool blocked = false;

    if (use == KEY_USE_CERTIFICATE && key_curve(key, &curve) && curve == KEY_P521) {
        return err_set(err, kind, "certificates are not issued for keys on P-521");
    }
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && rsa_is_close(key)) {
        return err_set(err, kind, "the primes of the RSA key lie too close together");
    }
    if (!is_blocked(policy, key, &blocked, err)) {
        return false;
    }
    return !blocked || err_set(err, kind, "the key is known to be compromised");
}
