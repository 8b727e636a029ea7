#include "common/kept.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "common/ossl.h"

#define VERIFY_PLACES 4

/* What one thread keeps. */
struct kept {
    EVP_MD_CTX *sign;
    EVP_MD_CTX *hash[KEPT_DIGEST__COUNT];
    EVP_PKEY_CTX *import[KEPT_IMPORT__COUNT];
    EVP_PKEY_CTX *generate[KEY__COUNT];
    EVP_PKEY *groups[KEY__COUNT]; /* parameters alone, to copy */
    OSSL_DECODER_CTX *decoder[KEPT_FORM__COUNT];
    EVP_PKEY *decoded; /* where the decoders put their key */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static EVP_MD *digests[KEPT_DIGEST__COUNT];
static thread_local struct kept *mine;

static void kept_free(void *place) {
    struct kept *kept = place;

    EVP_MD_CTX_free(kept->sign);
    for (unsigned i = 0; i < COUNT(kept->hash); i++) {
        EVP_MD_CTX_free(kept->hash[i]);
    }
    for (unsigned i = 0; i < COUNT(kept->import); i++) {
        EVP_PKEY_CTX_free(kept->import[i]);
    }
    for (unsigned i = 0; i < COUNT(kept->generate); i++) {
        EVP_PKEY_CTX_free(kept->generate[i]);
        EVP_PKEY_free(kept->groups[i]);
    }
    for (unsigned i = 0; i < COUNT(kept->decoder); i++) {
        OSSL_DECODER_CTX_free(kept->decoder[i]);
    }
    EVP_PKEY_free(kept->decoded);
    free(kept);
    mine = NULL;
}

static void fetch(void) {
    static const char *const names[] = {[KEPT_SHA1] = "SHA1",
                                        [KEPT_SHA256] = "SHA256",
                                        [KEPT_SHA384] = "SHA384",
                                        [KEPT_SHA512] = "SHA512"};
    static_assert(COUNT(names) == KEPT_DIGEST__COUNT, "a name for every digest");

    for (unsigned i = 0; i < COUNT(names); i++) {
        digests[i] = EVP_MD_fetch(NULL, names[i], NULL);
    }
    if (pthread_key_create(&thread_key, kept_free) != 0) {
        abort(); /* before anything works: no thread could be cleaned up */
    }
}

/* This thread's objects; NULL: no memory. */
static struct kept *kept_mine(void) {
    if (mine != NULL) {
        return mine;
    }
    (void)pthread_once(&once, fetch);
    struct kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL || pthread_setspecific(thread_key, kept) != 0) {
        free(kept);
        return NULL;
    }
    mine = kept;
    return kept;
}

const EVP_MD *kept_md(enum kept_digest digest) {
    (void)pthread_once(&once, fetch);
    return digests[digest];
}

bool kept_hash(enum kept_digest digest, const void *data, size_t len, unsigned char *out) {
    struct kept *kept = kept_mine();
    EVP_MD_CTX **ctx = kept == NULL ? NULL : &kept->hash[digest];

    if (ctx == NULL || (*ctx == NULL && (*ctx = EVP_MD_CTX_new()) == NULL)) {
        return false;
    }
    return EVP_DigestInit_ex2(*ctx, digests[digest], NULL) == 1
           && EVP_DigestUpdate(*ctx, data, len) == 1 && EVP_DigestFinal_ex(*ctx, out, NULL) == 1;
}

EVP_MD_CTX *kept_md_ctx(void) {
    struct kept *kept = kept_mine();

    if (kept == NULL || (kept->sign == NULL && (kept->sign = EVP_MD_CTX_new()) == NULL)) {
        return NULL;
    }
    EVP_MD_CTX_reset(kept->sign);
    return kept->sign;
}

void kept_md_ctx_done(void) {
    if (mine != NULL && mine->sign != NULL) {
        EVP_MD_CTX_reset(mine->sign);
    }
}

/* The contexts of keys verified with last, for all threads: whoever uses one takes it out.  A key
 * may be in any place of its row, and in several after being used at once. */
static _Atomic(EVP_PKEY_CTX *) verifiers[KEPT_VERIFY_MAX / VERIFY_PLACES][VERIFY_PLACES];

static _Atomic(EVP_PKEY_CTX *) *row_of(const EVP_PKEY *key) {
    const uint32_t mixed = (uint32_t)((uintptr_t)key >> 4) * UINT32_C(2654435761);
    return verifiers[(mixed >> 16) % COUNT(verifiers)];
}

/* Into the first place; the others move on up to a free one, or the last is freed. */
static void verifier_put(EVP_PKEY_CTX *ctx) {
    _Atomic(EVP_PKEY_CTX *) *row = row_of(EVP_PKEY_CTX_get0_pkey(ctx));

    for (unsigned i = 0; i < VERIFY_PLACES && ctx != NULL; i++) {
        ctx = atomic_exchange(&row[i], ctx);
    }
    EVP_PKEY_CTX_free(ctx);
}

/* A context of key, taken out or new; it holds a reference: one of this address is of this key. */
static EVP_PKEY_CTX *verifier_take(EVP_PKEY *key) {
    _Atomic(EVP_PKEY_CTX *) *row = row_of(key);

    for (unsigned i = 0; i < VERIFY_PLACES; i++) {
        EVP_PKEY_CTX *kept = atomic_exchange(&row[i], NULL);
        if (kept != NULL && EVP_PKEY_CTX_get0_pkey(kept) == key) {
            return kept;
        }
        if (kept != NULL) {
            EVP_PKEY_CTX_free(atomic_exchange(&row[i], kept));
        }
    }
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *made = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    return made != NULL && EVP_PKEY_verify_init(made) == 1 ? TAKE(made) : NULL;
}

bool kept_verify(EVP_PKEY *key, enum kept_digest digest, const void *data, size_t len,
                 const unsigned char *signature, size_t signature_len) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    EVP_PKEY_CTX *ctx = verifier_take(key);

    if (ctx == NULL) {
        return false;
    }
    bool ok = kept_hash(digest, data, len, hash)
              && EVP_PKEY_verify(ctx, signature, signature_len, hash,
                                 (size_t)EVP_MD_get_size(digests[digest]))
                     == 1;
    verifier_put(ctx);
    return ok;
}

bool kept_sign(EVP_PKEY *key, enum kept_digest digest, const void *data, size_t len,
               unsigned char *signature, size_t *ret_len) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    return ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 && kept_hash(digest, data, len, hash)
           && EVP_PKEY_sign(ctx, signature, ret_len, hash, (size_t)EVP_MD_get_size(digests[digest]))
                  == 1;
}

EVP_PKEY *kept_import(enum kept_import kind, int selection, OSSL_PARAM *params) {
    static const char *const names[] = {
        [KEPT_EC] = "EC", [KEPT_RSA] = "RSA", [KEPT_ED25519] = "ED25519"};
    struct kept *kept = kept_mine();
    EVP_PKEY *key = NULL;

    if (kept == NULL) {
        return NULL;
    }
    EVP_PKEY_CTX **ctx = &kept->import[kind];
    if (*ctx == NULL) {
        AUTO(EVP_PKEY_CTX_free)
        EVP_PKEY_CTX *made = EVP_PKEY_CTX_new_from_name(NULL, names[kind], NULL);
        if (made == NULL || EVP_PKEY_fromdata_init(made) != 1) {
            return NULL;
        }
        *ctx = TAKE(made);
    }
    if (EVP_PKEY_fromdata(*ctx, &key, selection, params) != 1) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

EVP_PKEY *kept_point(enum key_type curve, const char *group, const unsigned char *point,
                     size_t len) {
    struct kept *kept = kept_mine();

    if (kept == NULL) {
        return NULL;
    }
    if (kept->groups[curve] == NULL) {
        OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                                (char *)(uintptr_t)group, 0),
                               OSSL_PARAM_construct_end()};
        kept->groups[curve] = kept_import(KEPT_EC, EVP_PKEY_KEY_PARAMETERS, params);
    }
    AUTO(EVP_PKEY_free)
    EVP_PKEY *key = kept->groups[curve] == NULL ? NULL : EVP_PKEY_dup(kept->groups[curve]);
    if (key == NULL || EVP_PKEY_set1_encoded_public_key(key, point, len) != 1) {
        return NULL;
    }
    return TAKE(key);
}

/* A key generation context for one type; caller owns; NULL on failure. */
static EVP_PKEY_CTX *generator(enum key_type type) {
    static const struct {
        const char *name, *group;
        unsigned bits;
    } types[] = {
        [KEY_P256] = {"EC", "P-256", 0},      [KEY_P384] = {"EC", "P-384", 0},
        [KEY_P521] = {"EC", "P-521", 0},      [KEY_RSA2048] = {"RSA", NULL, 2048},
        [KEY_RSA3072] = {"RSA", NULL, 3072},  [KEY_RSA4096] = {"RSA", NULL, 4096},
        [KEY_ED25519] = {"ED25519", NULL, 0},
    };
    static_assert(COUNT(types) == KEY__COUNT, "a row for every key type");
    AUTO(EVP_PKEY_CTX_free)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, types[type].name, NULL);
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1
        || (types[type].group != NULL && EVP_PKEY_CTX_set_group_name(ctx, types[type].group) != 1)
        || (types[type].bits != 0
            && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)types[type].bits) != 1)) {
        return NULL;
    }
    return TAKE(ctx);
}

EVP_PKEY *kept_generate(enum key_type type) {
    struct kept *kept = kept_mine();
    EVP_PKEY *key = NULL;

    if (kept == NULL
        || (kept->generate[type] == NULL && (kept->generate[type] = generator(type)) == NULL)
        || EVP_PKEY_generate(kept->generate[type], &key) != 1) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

EVP_PKEY *kept_decode(enum kept_form form, const unsigned char *der, size_t len) {
    static const struct {
        const char *structure;
        int selection;
    } forms[] = {[KEPT_SPKI] = {"SubjectPublicKeyInfo", EVP_PKEY_PUBLIC_KEY},
                 [KEPT_PKCS8] = {"PrivateKeyInfo", EVP_PKEY_KEYPAIR}};
    struct kept *kept = kept_mine();

    if (kept == NULL) {
        return NULL;
    }
    if (kept->decoder[form] == NULL) {
        kept->decoder[form] = OSSL_DECODER_CTX_new_for_pkey(
            &kept->decoded, "DER", forms[form].structure, NULL, forms[form].selection, NULL, NULL);
    }
    if (kept->decoder[form] == NULL || OSSL_DECODER_from_data(kept->decoder[form], &der, &len) != 1
        || len != 0) {
        EVP_PKEY_free(kept->decoded);
        kept->decoded = NULL;
        ERR_clear_error();
        return NULL;
    }
    return TAKE(kept->decoded);
}
