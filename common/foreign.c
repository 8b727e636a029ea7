#include "common/foreign.h"

#include <pthread.h>

#include "common/ossl.h"

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Every key of our own is a provider's. */
bool foreign_key(const EVP_PKEY *key) { return EVP_PKEY_get0_provider(key) == NULL; }

void foreign_lock(const EVP_PKEY *key) {
    if (foreign_key(key)) {
        (void)pthread_mutex_lock(&one_at_a_time);
    }
}

void foreign_unlock(const EVP_PKEY *key) {
    if (foreign_key(key)) {
        (void)pthread_mutex_unlock(&one_at_a_time);
    }
}

bool foreign_sign(EVP_PKEY *key, const EVP_MD *md, const void *data, size_t len,
                  unsigned char *signature, size_t *ret_len) {
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    foreign_lock(key);
    bool good = ctx != NULL && EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1
                && EVP_DigestSign(ctx, signature, ret_len, data, len) == 1;
    foreign_unlock(key);
    return good;
}
