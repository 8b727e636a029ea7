/* A sealed record is  version (1 octet) | IV (12) | ciphertext | tag (16).  The additional data is
 * the version octet and the record's name.  IVs are random: with one IV per account key made, 2^32
 * records stay below the 2^-32 collision bound of SP 800-38D. */
#include "client/vault.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/key.h"
#include "common/ossl.h"
#include "common/rng.h"

#define VAULT_VERSION 1
#define VAULT_KEY_LEN 32
#define VAULT_IV_LEN 12
#define VAULT_TAG_LEN 16
#define VAULT_HEAD_LEN (1 + VAULT_IV_LEN)
#define VAULT_SEALED_MAX 8192

struct vault {
    unsigned char key[VAULT_KEY_LEN];
    EVP_CIPHER *cipher; /* fetched once */
};

static bool vault_key_load(struct vault *vault, const char *path, bool guarded, struct err *err) {
    struct stat status;
    size_t len = 0;

    if (guarded && stat(path, &status) == 0 && (status.st_mode & 077) != 0) {
        return err_set(err, ERR_CONFIG, "%s: a key file must be readable by its owner alone", path);
    }
    char *text = file_read(path, &len, err);
    if (text == NULL) {
        return false;
    }
    bool good = len == VAULT_KEY_LEN;
    if (good) {
        memcpy(vault->key, text, VAULT_KEY_LEN);
    }
    OPENSSL_cleanse(text, len);
    free(text);
    return good || err_set(err, ERR_CONFIG, "%s: not a key file of 32 octets", path);
}

static bool vault_key_ready(struct vault *vault, const char *path, struct err *err) {
    if (access(path, F_OK) == 0) {
        return vault_key_load(vault, path, true, err);
    }
    rng_secret(vault->key, VAULT_KEY_LEN);
    return file_write(path, 0600, vault->key, VAULT_KEY_LEN, err);
}

static struct vault *vault_new(struct err *err) {
    AUTO(vault_close) struct vault *vault = calloc(1, sizeof *vault);

    if (vault == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    vault->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (vault->cipher == NULL) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "AES-256-GCM is not available");
        return NULL;
    }
    return TAKE(vault);
}

struct vault *vault_open(const char *path, struct err *err) {
    AUTO(vault_close) struct vault *vault = vault_new(err);

    return vault != NULL && vault_key_ready(vault, path, err) ? TAKE(vault) : NULL;
}

struct vault *vault_open_file(const char *path, bool guarded, struct err *err) {
    AUTO(vault_close) struct vault *vault = vault_new(err);

    return vault != NULL && vault_key_load(vault, path, guarded, err) ? TAKE(vault) : NULL;
}

void vault_close(struct vault *vault) {
    if (vault != NULL) {
        EVP_CIPHER_free(vault->cipher);
        OPENSSL_cleanse(vault->key, sizeof vault->key);
        free(vault);
    }
}

static bool vault_encrypt(struct vault *vault, const char *name, const unsigned char *plain,
                          size_t len, unsigned char *sealed) {
    AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done = 0;

    return ctx != NULL && EVP_EncryptInit_ex2(ctx, vault->cipher, vault->key, sealed + 1, NULL) == 1
           && EVP_EncryptUpdate(ctx, NULL, &done, sealed, 1) == 1
           && EVP_EncryptUpdate(ctx, NULL, &done, (const unsigned char *)name, (int)strlen(name))
                  == 1
           && EVP_EncryptUpdate(ctx, sealed + VAULT_HEAD_LEN, &done, plain, (int)len) == 1
           && EVP_EncryptFinal_ex(ctx, sealed + VAULT_HEAD_LEN + len, &done) == 1
           && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, VAULT_TAG_LEN,
                                  sealed + VAULT_HEAD_LEN + len)
                  == 1;
}

bool vault_seal(struct vault *vault, const char *name, EVP_PKEY *key, unsigned char **ret_sealed,
                size_t *ret_len, struct err *err) {
    unsigned char *der = NULL;
    size_t len = 0;

    if (!key_private_der(key, &der, &len, err)) {
        return false;
    }
    unsigned char *sealed = malloc(VAULT_HEAD_LEN + len + VAULT_TAG_LEN);
    bool good = false;
    if (sealed != NULL) {
        sealed[0] = VAULT_VERSION;
        rng_secret(sealed + 1, VAULT_IV_LEN);
        good = vault_encrypt(vault, name, der, len, sealed);
    }
    OPENSSL_clear_free(der, len);
    if (!good) {
        free(sealed);
        return err_set(err, ERR_SERVER_INTERNAL, "could not seal a key");
    }
    *ret_sealed = sealed;
    *ret_len = VAULT_HEAD_LEN + len + VAULT_TAG_LEN;
    return true;
}

static bool vault_decrypt(struct vault *vault, const char *name, const unsigned char *sealed,
                          size_t len, unsigned char *plain) {
    AUTO(EVP_CIPHER_CTX_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char tag[VAULT_TAG_LEN];
    int done = 0;

    memcpy(tag, sealed + VAULT_HEAD_LEN + len, VAULT_TAG_LEN);
    return ctx != NULL && EVP_DecryptInit_ex2(ctx, vault->cipher, vault->key, sealed + 1, NULL) == 1
           && EVP_DecryptUpdate(ctx, NULL, &done, sealed, 1) == 1
           && EVP_DecryptUpdate(ctx, NULL, &done, (const unsigned char *)name, (int)strlen(name))
                  == 1
           && EVP_DecryptUpdate(ctx, plain, &done, sealed + VAULT_HEAD_LEN, (int)len) == 1
           && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, VAULT_TAG_LEN, tag) == 1
           && EVP_DecryptFinal_ex(ctx, plain + len, &done) == 1;
}

EVP_PKEY *vault_open_key(struct vault *vault, const char *name, const unsigned char *sealed,
                         size_t len, struct err *err) {
    unsigned char plain[VAULT_SEALED_MAX];
    EVP_PKEY *key = NULL;

    if (len <= VAULT_HEAD_LEN + VAULT_TAG_LEN || len > sizeof plain || sealed[0] != VAULT_VERSION) {
        (void)err_set(err, ERR_STORE, "a stored key is not a sealed one");
        return NULL;
    }
    size_t plain_len = len - VAULT_HEAD_LEN - VAULT_TAG_LEN;
    if (vault_decrypt(vault, name, sealed, plain_len, plain)) {
        key = key_from_private_der(plain, plain_len, err);
    } else {
        (void)err_set(err, ERR_STORE, "a stored key does not open: altered, or another record's");
    }
    OPENSSL_cleanse(plain, plain_len);
    return key;
}
