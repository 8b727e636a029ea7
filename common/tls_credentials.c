#include "common/tls_credentials.h"

#include <gnutls/gnutls.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <string.h>

#include "common/key.h"
#include "common/ossl.h"
#include "common/x509.h"

#define SIGNATURE_MAX 80 /* ECDSA on P-256 in DER takes at most 72 */

struct tls_credentials {
    gnutls_pcert_st chain[TLS_CREDENTIALS_CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
    EVP_PKEY *signer; /* of a P-256 key, else NULL */
    atomic_uint holders;
};

/* ---- a P-256 key, in OpenSSL ---- */

static int sign(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *ctx, unsigned flags,
                const gnutls_datum_t *digest, gnutls_datum_t *ret) {
    const struct tls_credentials *credentials = ctx;
    AUTO(EVP_PKEY_CTX_free)
    EVP_PKEY_CTX *signing = EVP_PKEY_CTX_new(credentials->signer, NULL);
    size_t len = SIGNATURE_MAX;

    (void)key;
    (void)algorithm; /* the digest is made, and the curve is the key's */
    (void)flags;
    ret->data = gnutls_malloc(len);
    if (signing == NULL || ret->data == NULL) {
        gnutls_free(ret->data);
        return GNUTLS_E_MEMORY_ERROR;
    }
    if (EVP_PKEY_sign_init(signing) != 1
        || EVP_PKEY_sign(signing, ret->data, &len, digest->data, digest->size) != 1) {
        gnutls_free(ret->data);
        return GNUTLS_E_PK_SIGN_FAILED;
    }
    ret->size = (unsigned)len;
    return 0;
}

static int inform(gnutls_privkey_t key, unsigned flags, void *ctx) {
    const gnutls_sign_algorithm_t algorithm = GNUTLS_FLAGS_TO_SIGN_ALGO(flags);

    (void)key;
    (void)ctx;
    if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO) != 0) {
        return GNUTLS_PK_ECDSA;
    }
    if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS) != 0) {
        return 256;
    }
    if ((flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) != 0) {
        return algorithm == GNUTLS_SIGN_ECDSA_SHA256
               || algorithm == GNUTLS_SIGN_ECDSA_SECP256R1_SHA256;
    }
    return -1;
}

/* ---- reading ---- */

/* The key, which must be the leaf's: GnuTLS would find out in the first handshake only. */
static EVP_PKEY *key_of(const char *cert_pem, const char *key_pem, struct err *err) {
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(cert_pem, strlen(cert_pem), err);

    if (chain == NULL) {
        return NULL;
    }
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_read_pem(key_pem, strlen(key_pem), err);
    if (key != NULL && X509_check_private_key(sk_X509_value(chain, 0), key) != 1) {
        ERR_clear_error();
        (void)err_set(err, ERR_CONFIG, "the TLS key is not the certificate's");
        return NULL;
    }
    return TAKE(key);
}

static int import(struct tls_credentials *credentials, const char *cert_pem, const char *key_pem) {
    const gnutls_datum_t cert = {(unsigned char *)(uintptr_t)cert_pem, (unsigned)strlen(cert_pem)};
    const gnutls_datum_t key = {(unsigned char *)(uintptr_t)key_pem, (unsigned)strlen(key_pem)};
    unsigned count = TLS_CREDENTIALS_CHAIN_MAX;
    int code = gnutls_pcert_list_import_x509_raw(credentials->chain, &count, &cert,
                                                 GNUTLS_X509_FMT_PEM, 0);

    if (code >= 0) {
        credentials->count = count;
        code = gnutls_privkey_init(&credentials->key);
    }
    if (code < 0) {
        return code;
    }
    return credentials->signer != NULL
               ? gnutls_privkey_import_ext4(credentials->key, credentials, NULL, sign, NULL, NULL,
                                            inform, 0)
               : gnutls_privkey_import_x509_raw(credentials->key, &key, GNUTLS_X509_FMT_PEM, NULL,
                                                0);
}

struct tls_credentials *tls_credentials_new(const char *cert_pem, const char *key_pem,
                                            struct err *err) {
    AUTO(tls_credentials_free)
    struct tls_credentials *credentials = calloc(1, sizeof(*credentials));
    enum key_type type;

    if (credentials == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for TLS");
        return NULL;
    }
    credentials->holders = 1;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_of(cert_pem, key_pem, err);
    if (key == NULL) {
        return NULL;
    }
    if (key_curve(key, &type) && type == KEY_P256) {
        credentials->signer = TAKE(key);
    }
    int code = import(credentials, cert_pem, key_pem);
    if (code < 0) {
        (void)err_set(err, ERR_CONFIG, "cannot serve with this TLS certificate and key");
        (void)err_cause(err, "%s", gnutls_strerror(code));
        return NULL;
    }
    return TAKE(credentials);
}

struct tls_credentials *tls_credentials_hold(struct tls_credentials *credentials) {
    atomic_fetch_add(&credentials->holders, 1);
    return credentials;
}

void tls_credentials_free(struct tls_credentials *credentials) {
    if (credentials == NULL || atomic_fetch_sub(&credentials->holders, 1) != 1) {
        return;
    }
    for (unsigned i = 0; i < credentials->count; i++) {
        gnutls_pcert_deinit(&credentials->chain[i]);
    }
    if (credentials->key != NULL) {
        gnutls_privkey_deinit(credentials->key);
    }
    EVP_PKEY_free(credentials->signer);
    free(credentials);
}

void tls_credentials_show(struct tls_credentials *credentials, gnutls_pcert_st **ret_chain,
                          unsigned *ret_count, gnutls_privkey_t *ret_key) {
    *ret_chain = credentials->chain;
    *ret_count = credentials->count;
    *ret_key = credentials->key;
}
