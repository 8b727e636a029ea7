#include "common/provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/p256_decoder.h"

#define PROVIDER_NAME "nfacme"
#define PROVIDER_KEPT_MAX 32 /* algorithms of one operation */

/* The default provider, whole, lives in a library context of its own and does the work; the
 * process's context sees it through a provider that leaves out what is not used.  Each name less
 * counts: OpenSSL walks over all algorithms and all names for every certificate and SSL_CTX.  Its
 * own fetches (random numbers, digests) stay in its context. */
struct filter {
    int operation;
    const char *const *names; /* first name of each kept algorithm; NULL ends */
    OSSL_ALGORITHM kept[PROVIDER_KEPT_MAX];
};

static const char *const keys[] = {"EC",   "RSA",  "RSA-PSS",  "ED25519", "X25519",
                                   "HMAC", "HKDF", "TLS1-PRF", NULL};
/* none for PEM and encrypted keys: the older reader of private keys in PEM does without */
static const char *const decoders[] = {"EC", "RSA", "ED25519", NULL};
/* MD5 and MD5-SHA1 for nothing: libssl looks for them, and to find nothing costs it more */
static const char *const digests[] = {"SHA1",     "SHA2-224", "SHA2-256", "SHA2-384",
                                      "SHA2-512", "MD5",      "MD5-SHA1", NULL};
static const char *const macs[] = {"HMAC", NULL};
static const char *const kdfs[] = {"HKDF", "TLS13-KDF", "TLS1-PRF", "PBKDF2", NULL};
static const char *const signatures[] = {"ECDSA", "RSA", "ED25519", "HMAC", NULL};
static const char *const exchanges[] = {"ECDH", "X25519", "HKDF", "TLS1-PRF", NULL};
/* TLS 1.2 and 1.3 by TS 33.210, session tickets, the client's vault, the server's nonces, and key
 * files that are encrypted, to tell them from broken ones */
static const char *const ciphers[] = {
    "AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305", "AES-128-ECB", "AES-256-ECB",
    "AES-128-CBC", "AES-256-CBC", "AES-128-CTR",       "AES-256-CTR", NULL};
/* RFC 8422 5.1.1: secp256r1, secp384r1, secp521r1 (for certificates with such a key: TLS 1.2 wants
 * its curve among the groups), x25519 */
static const unsigned groups[] = {23, 24, 25, 29};

static struct filter filters[] = {
    {.operation = OSSL_OP_KEYMGMT, .names = keys},
    {.operation = OSSL_OP_DECODER, .names = decoders},
    {.operation = OSSL_OP_CIPHER, .names = ciphers},
    {.operation = OSSL_OP_DIGEST, .names = digests},
    {.operation = OSSL_OP_MAC, .names = macs},
    {.operation = OSSL_OP_KDF, .names = kdfs},
    {.operation = OSSL_OP_SIGNATURE, .names = signatures},
    {.operation = OSSL_OP_KEYEXCH, .names = exchanges},
};
static OSSL_PROVIDER *whole, *trimmed; /* for the life of the process */

static bool wanted(const OSSL_ALGORITHM *algorithm, const char *const *names) {
    size_t len = strcspn(algorithm->algorithm_names, ":");

    /* Microsoft's key files, and second names of the type-specific forms */
    if (strstr(algorithm->property_definition, "input=msblob") != NULL
        || strstr(algorithm->property_definition, "input=pvk") != NULL
        || strstr(algorithm->property_definition, "structure=ec") != NULL
        || strstr(algorithm->property_definition, "structure=rsa") != NULL) {
        return false;
    }
    while (
        *names != NULL
        && (strlen(*names) != len || strncasecmp(*names, algorithm->algorithm_names, len) != 0)) {
        names++;
    }
    return *names != NULL;
}

static bool is_ec_spki(const struct filter *filter, const OSSL_ALGORITHM *algorithm) {
    return filter->operation == OSSL_OP_DECODER && strcmp(algorithm->algorithm_names, "EC") == 0
           && strstr(algorithm->property_definition, "structure=SubjectPublicKeyInfo") != NULL;
}

static bool filter_fill(struct filter *filter) {
    int uncached = 0;
    size_t count = 0;
    const OSSL_ALGORITHM *algorithm =
        OSSL_PROVIDER_query_operation(whole, filter->operation, &uncached);

    for (; algorithm != NULL && algorithm->algorithm_names != NULL; algorithm++) {
        if (wanted(algorithm, filter->names) && count < PROVIDER_KEPT_MAX - 1) {
            filter->kept[count] = *algorithm;
            if (is_ec_spki(filter, algorithm)) {
                (void)p256_decoder_put(whole, &filter->kept[count]); /* dearer without */
            }
            count++;
        }
    }
    return count > 0 && uncached == 0;
}

/* ---- the provider the process sees ---- */

static const OSSL_ALGORITHM *query(void *ctx, int operation, int *ret_uncached) {
    (void)ctx;
    for (size_t i = 0; i < COUNT(filters); i++) {
        if (filters[i].operation == operation) {
            *ret_uncached = 0;
            return filters[i].kept;
        }
    }
    return OSSL_PROVIDER_query_operation(whole, operation, ret_uncached);
}

struct offer {
    OSSL_CALLBACK *each;
    void *arg;
};

/* libssl looks every group up anew for each SSL_CTX, and so for each connection of curl's. */
static int group_offer(const OSSL_PARAM params[], void *ctx) {
    const struct offer *offer = ctx;
    const OSSL_PARAM *id = OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_GROUP_ID);
    unsigned group = 0;

    (void)(id != NULL && OSSL_PARAM_get_uint(id, &group));
    for (size_t i = 0; i < COUNT(groups); i++) {
        if (group == groups[i]) {
            return offer->each(params, offer->arg);
        }
    }
    return 1;
}

static int capabilities(void *ctx, const char *name, OSSL_CALLBACK *each, void *arg) {
    struct offer offer = {each, arg};

    (void)ctx;
    return strcasecmp(name, "TLS-GROUP") == 0
               ? OSSL_PROVIDER_get_capabilities(whole, name, group_offer, &offer)
               : OSSL_PROVIDER_get_capabilities(whole, name, each, arg);
}

static const OSSL_PARAM *params_known(void *ctx) {
    (void)ctx;
    return OSSL_PROVIDER_gettable_params(whole);
}

static int params_get(void *ctx, OSSL_PARAM params[]) {
    (void)ctx;
    return OSSL_PROVIDER_get_params(whole, params);
}

static const OSSL_DISPATCH dispatch[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
    {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))params_known},
    {OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))params_get},
    {0, NULL},
};

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **ret_out, void **ret_ctx) {
    (void)handle;
    p256_decoder_core(in);
    *ret_out = dispatch;
    *ret_ctx = OSSL_PROVIDER_get0_provider_ctx(whole); /* the algorithms' own functions want it */
    return 1;
}

static void trim(void) {
    /* the names of ciphers from before providers would count, too; only to write encrypted keys
     * needs them */
    bool filled = OPENSSL_init_crypto(OPENSSL_INIT_NO_ADD_ALL_CIPHERS, NULL) == 1;
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();

    whole = library != NULL ? OSSL_PROVIDER_load(library, "default") : NULL;
    for (size_t i = 0; whole != NULL && i < COUNT(filters); i++) {
        filled = filter_fill(&filters[i]) && filled;
    }
    if (whole != NULL && filled
        && OSSL_PROVIDER_add_builtin(NULL, PROVIDER_NAME, provider_init) == 1) {
        trimmed = OSSL_PROVIDER_load(NULL, PROVIDER_NAME);
    }
    if (trimmed == NULL) {
        trimmed = OSSL_PROVIDER_load(NULL, "default");
    }
}

void provider_trim(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, trim);
}
