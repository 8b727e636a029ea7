#include "server/ca_import.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "server/ca_engine.h"

#define ROOT_FILE "root.pem"

/* A fault of certificate number `at` of the file. */
static bool fault(const struct ca_options *options, int at, const char *what, struct err *err) {
    return err_set(err, ERR_CONFIG, "%.100s: certificate %d %s", options->import_cert, at + 1,
                   what);
}

/* RFC 5280 4.2.1.9: how many CA certificates may stand below it; `at` of them do. */
static bool path_len_fits(X509 *x509, int at) {
    long path_len = X509_get_pathlen(x509);
    return path_len < 0 || path_len >= at;
}

static bool check_one(const struct ca_options *options, X509_CHAIN *chain, int at,
                      struct err *err) {
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    X509 *x509 = sk_X509_value(chain, at);
    int64_t now_s = clock_now_s(options->clock);
    uint32_t wanted = at == 0 ? KU_KEY_CERT_SIGN | KU_CRL_SIGN : KU_KEY_CERT_SIGN;

    if (!x509_cert_read(x509, &cert, err)) {
        return err_set(err, ERR_CONFIG, "%.100s cannot be read", options->import_cert);
    }
    if (!cert.ca) {
        return fault(options, at, "is not a CA's (basicConstraints)", err);
    }
    /* without the extension OpenSSL answers with all bits set, and so does RFC 5280 4.2.1.3 */
    if ((X509_get_key_usage(x509) & wanted) != wanted) {
        return fault(options, at,
                     at == 0 ? "may not sign certificates and CRLs (keyUsage)"
                             : "may not sign certificates (keyUsage)",
                     err);
    }
    if (!path_len_fits(x509, at)) {
        return fault(options, at, "allows fewer CAs below it (pathLenConstraint)", err);
    }
    if (now_s < cert.not_before_s) {
        return fault(options, at, "is not valid yet", err);
    }
    if (now_s > cert.not_after_s) {
        return fault(options, at, "has expired", err);
    }
    return true;
}

/* Each certificate is signed by the next, the last by itself. */
static bool check_links(const struct ca_options *options, X509_CHAIN *chain, struct err *err) {
    int count = sk_X509_num(chain);

    for (int at = 0; at < count; at++) {
        bool last = at == count - 1;
        X509 *above = sk_X509_value(chain, last ? at : at + 1), *x509 = sk_X509_value(chain, at);
        bool named = X509_check_issued(above, x509) == X509_V_OK;
        if (!named && last) {
            return fault(options, at, "is the last and not a root: the file must hold the root too",
                         err);
        }
        if (!named || X509_verify(x509, X509_get0_pubkey(above)) != 1) {
            ERR_clear_error();
            return fault(options, at, "is not signed by the next: the chain is broken", err);
        }
    }
    return true;
}

/* What our own verifier would say: unknown critical extensions, weak keys and the like. */
static bool check_path(const struct ca_options *options, X509_CHAIN *chain, struct err *err) {
    AUTO(chain_free) X509_CHAIN *anchors = sk_X509_new_null();
    X509 *root = sk_X509_value(chain, sk_X509_num(chain) - 1);
    struct err why = {0};

    if (anchors == NULL || sk_X509_push(anchors, root) <= 0 || !X509_up_ref(root)) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the CA");
    }
    AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(anchors, err);
    if (trust == NULL) {
        return false;
    }
    return x509_verify(chain, trust, X509_PURPOSE_ANY, clock_now_s(options->clock), &why)
           || err_set(err, ERR_CONFIG, "%.100s cannot be used: %.80s", options->import_cert,
                      why.detail);
}

/* Never the URI: it says where the PIN is. */
static const char *key_name(const struct ca_options *options) {
    return options->key_uri != NULL ? "the token's key" : options->import_key;
}

static EVP_PKEY *key_open(const struct ca_options *options, struct err *err) {
    return options->key_uri != NULL ? ca_engine_key(options->key_uri, options->key_module, err)
                                    : key_read_file(options->import_key, err);
}

static bool check_key(const struct ca_options *options, X509 *issuer, EVP_PKEY *key,
                      struct err *err) {
    enum key_type curve;
    struct err why = {0};

    if (!ca_engine_fits(issuer, key)) {
        return err_set(err, ERR_CONFIG, "%.80s is not the key of the first certificate of %.80s",
                       key_name(options), options->import_cert);
    }
    if (!key_acceptable(key, ERR_CONFIG, &why) || (key_curve(key, &curve) && curve == KEY_P521)) {
        return err_set(err, ERR_CONFIG,
                       "%.80s: a CA key must be P-256, P-384, RSA of 2048 to 4096 bits or Ed25519",
                       key_name(options));
    }
    return X509_get0_subject_key_id(issuer) != NULL
           || fault(options, 0, "has no subjectKeyIdentifier, which what it issues must point to",
                    err);
}

/* The anchor is written once; who trusts it must not find another one after a restart. */
static bool keep_root(const struct ca_options *options, X509 *root, struct err *err) {
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/" ROOT_FILE, options->state_dir);

    if (len < 0 || (size_t)len >= sizeof path) {
        return err_set(err, ERR_CONFIG, "the state directory's name is too long");
    }
    if (access(path, F_OK) != 0) {
        AUTO(free) char *pem = x509_pem(root, err);
        return pem != NULL && file_write(path, 0644, pem, strlen(pem), err);
    }
    AUTO(chain_free) X509_CHAIN *kept = x509_chain_read_file(path, err);
    if (kept == NULL) {
        return false;
    }
    return X509_cmp(sk_X509_value(kept, 0), root) == 0
           || err_set(err, ERR_CONFIG,
                      "%.80s is another root than the last of %.80s: take a new state directory",
                      path, options->import_cert);
}

static bool check_all(const struct ca_options *options, X509_CHAIN *chain, EVP_PKEY *key,
                      struct err *err) {
    if (!check_links(options, chain, err)) {
        return false;
    }
    for (int at = 0; at < sk_X509_num(chain); at++) {
        if (!check_one(options, chain, at, err)) {
            return false;
        }
    }
    return check_key(options, sk_X509_value(chain, 0), key, err) && check_path(options, chain, err);
}

bool ca_import_open(const struct ca_options *options, struct ca_state *ret, struct err *err) {
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read_file(options->import_cert, err);
    AUTO(EVP_PKEY_free)
    EVP_PKEY *key = chain == NULL ? NULL : key_open(options, err);

    if (key == NULL || !check_all(options, chain, key, err)
        || !keep_root(options, sk_X509_value(chain, sk_X509_num(chain) - 1), err)) {
        return false;
    }
    X509 *root = sk_X509_pop(chain), *issuer = sk_X509_shift(chain);
    if (issuer == NULL) { /* the root signs */
        issuer = root;
        if (!X509_up_ref(root)) {
            X509_free(root);
            return err_set(err, ERR_SERVER_INTERNAL, "could not share the root certificate");
        }
    }
    *ret = (struct ca_state){.root = root, .issuer = issuer, .issuer_key = TAKE(key)};
    ret->between = TAKE(chain);
    return true;
}
