#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/file.h"
#include "common/guard.h"
#include "common/x509.h"
#include "common/x509_crl.h"

#define CHAIN_MAX 16
#define CHAIN_OCTETS_MAX FILE_BYTES_MAX
#define PEM_MAX (2 * CHAIN_OCTETS_MAX)
#define PEM_LINE_OCTETS 48 /* RFC 7468: lines of 64 characters */
#define PATH_DEPTH_MAX 8
#define SECURITY_LEVEL 2 /* 112 bits: no SHA-1, no RSA below 2048 */

bool x509_pem_add(struct buf *out, const unsigned char *der, size_t len) {
    unsigned char line[PEM_LINE_OCTETS / 3 * 4 + 1];
    bool ok = buf_text(out, "-----BEGIN " PEM_STRING_X509 "-----\n");

    for (size_t at = 0; at < len && ok; at += PEM_LINE_OCTETS) {
        int octets = len - at < PEM_LINE_OCTETS ? (int)(len - at) : PEM_LINE_OCTETS;
        int characters = EVP_EncodeBlock(line, der + at, octets);
        line[characters] = '\n'; /* in place of the NUL */
        ok = buf_add(out, line, (size_t)characters + 1);
    }
    return ok && buf_text(out, "-----END " PEM_STRING_X509 "-----\n");
}

static bool pem_add(struct buf *out, X509 *x509, struct err *err) {
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(x509, &der);

    if (len <= 0 || !x509_pem_add(out, der, (size_t)len)) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not write a certificate");
        return err_cause_openssl(err);
    }
    return true;
}

/* The text written so far; caller owns, free(). */
static char *pem_take(struct buf *out, struct err *err) {
    char *text = buf_take(out);

    if (text == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
    }
    return text;
}

char *x509_pem(X509 *x509, struct err *err) {
    AUTO(buf_done) struct buf out = buf_new(PEM_MAX);

    return pem_add(&out, x509, err) ? pem_take(&out, err) : NULL;
}

char *x509_chain_pem(X509_CHAIN *chain, struct err *err) {
    AUTO(buf_done) struct buf out = buf_new(PEM_MAX);

    for (int i = 0; i < sk_X509_num(chain); i++) {
        if (!pem_add(&out, sk_X509_value(chain, i), err)) {
            return NULL;
        }
    }
    return pem_take(&out, err);
}

X509 *x509_from_der(const unsigned char *der, size_t len, struct err *err) {
    const unsigned char *at = der;
    AUTO(X509_free) X509 *x509 = len > CHAIN_OCTETS_MAX ? NULL : d2i_X509(NULL, &at, (long)len);

    if (x509 == NULL || at != der + len) {
        (void)err_set(err, ERR_MALFORMED, "not a certificate in DER");
        (void)err_cause_openssl(err);
        return NULL;
    }
    return TAKE(x509);
}

/* The next block of a PEM text: 1 a certificate was appended, 0 there is none, -1 refused. */
static int pem_next(BIO *bio, X509_CHAIN *chain, struct err *err) {
    AUTO(ossl_free) char *name = NULL;
    AUTO(ossl_free) char *header = NULL;
    AUTO(ossl_free) unsigned char *data = NULL;
    long len = 0;

    if (PEM_read_bio(bio, &name, &header, &data, &len) != 1) {
        bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        ERR_clear_error();
        if (!ended) {
            (void)err_set(err, ERR_MALFORMED, "not PEM");
        }
        return ended ? 0 : -1;
    }
    /* RFC 8555 section 9.1: certificates and nothing else. */
    if (strcmp(name, PEM_STRING_X509) != 0 || header[0] != '\0') {
        OPENSSL_cleanse(data, (size_t)len);
        (void)err_set(err, ERR_MALFORMED, "the PEM text holds what is not a certificate");
        return -1;
    }
    if (sk_X509_num(chain) == CHAIN_MAX) {
        (void)err_set(err, ERR_MALFORMED, "more than %d certificates", CHAIN_MAX);
        return -1;
    }
    AUTO(X509_free) X509 *x509 = x509_from_der(data, (size_t)len, err);
    if (x509 == NULL) {
        return -1;
    }
    if (sk_X509_push(chain, x509) == 0) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return -1;
    }
    (void)TAKE(x509);
    return 1;
}

X509_CHAIN *x509_chain_read(const char *pem, size_t len, struct err *err) {
    AUTO(BIO_free_all) BIO *bio = len > CHAIN_OCTETS_MAX ? NULL : BIO_new_mem_buf(pem, (int)len);
    AUTO(chain_free) X509_CHAIN *chain = sk_X509_new_null();
    int more = 1;

    if (bio == NULL || chain == NULL) {
        (void)err_set(err, ERR_MALFORMED, "could not read the certificates");
        return NULL;
    }
    while (more == 1) {
        more = pem_next(bio, chain, err);
    }
    if (more < 0) {
        return NULL;
    }
    if (sk_X509_num(chain) == 0) {
        (void)err_set(err, ERR_MALFORMED, "there is no certificate");
        return NULL;
    }
    return TAKE(chain);
}

X509_CHAIN *x509_chain_read_file(const char *path, struct err *err) {
    struct err inner = {0};
    size_t len = 0;
    AUTO(free) char *text = file_read(path, &len, err);

    if (text == NULL) {
        return NULL;
    }
    X509_CHAIN *chain = x509_chain_read(text, len, &inner);
    if (chain == NULL) {
        (void)err_set(err, ERR_CONFIG, "%s: %s", path, inner.detail);
        (void)err_cause(err, "%s", inner.cause);
    }
    return chain;
}

X509_STORE *x509_trust(X509_CHAIN *anchors, struct err *err) {
    AUTO(X509_STORE_free) X509_STORE *store = X509_STORE_new();
    /* Each anchor is trusted for itself, an intermediate or a leaf too. */
    bool ok = store != NULL && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;

    for (int i = 0; ok && i < sk_X509_num(anchors); i++) {
        ok = X509_STORE_add_cert(store, sk_X509_value(anchors, i)) == 1;
    }
    if (!ok) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not make a trust store");
        (void)err_cause_openssl(err);
        return NULL;
    }
    return TAKE(store);
}

static int on_fault(int ok, X509_STORE_CTX *ctx) {
    const int code = X509_STORE_CTX_get_error(ctx);

    if (ok == 1 || x509_crl_lets_pass(code)) {
        return 1;
    }
    return GUARD(guard_of_fault(code, X509_STORE_CTX_get_error_depth(ctx)), false) ? 1 : 0;
}

bool x509_verify(X509_CHAIN *chain, X509_STORE *trust, int purpose, int64_t now_s,
                 struct err *err) {
    AUTO(X509_STORE_CTX_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    if (sk_X509_num(chain) < 1 || sk_X509_num(chain) > CHAIN_MAX) {
        return err_set(err, ERR_UNAUTHORIZED, "the chain has %d certificates", sk_X509_num(chain));
    }
    if (ctx == NULL || X509_STORE_CTX_init(ctx, trust, sk_X509_value(chain, 0), chain) != 1) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not verify a certificate");
        return err_cause_openssl(err);
    }
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)now_s);
    X509_VERIFY_PARAM_set_depth(param, PATH_DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
    X509_STORE_CTX_set_verify_cb(ctx, on_fault);
    if (X509_VERIFY_PARAM_set_purpose(param, purpose) != 1) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not verify a certificate");
        return err_cause_openssl(err);
    }
    if (X509_verify_cert(ctx) != 1) {
        int code = X509_STORE_CTX_get_error(ctx);
        ERR_clear_error();
        return err_set(err, ERR_UNAUTHORIZED,
                       "the certificate is not accepted: %s (certificate %d)",
                       X509_verify_cert_error_string(code), X509_STORE_CTX_get_error_depth(ctx));
    }
    return true;
}
