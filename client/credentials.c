#include "client/credentials.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/key.h"
#include "common/x509.h"

#define SELF_SIGNED_S (10 * 365 * 86400)
#define PATH_SIZE 1024

void credentials_done(struct credentials *credentials) {
    chain_free(credentials->chain);
    EVP_PKEY_free(credentials->key);
    free(credentials->chain_pem);
    if (credentials->key_pem != NULL) {
        OPENSSL_cleanse(credentials->key_pem, strlen(credentials->key_pem));
    }
    free(credentials->key_pem);
    free(credentials->root_path);
    *credentials = (struct credentials){0};
}

void credentials_done_auto(struct credentials *credentials) { credentials_done(credentials); }

static X509 *make_self_signed(EVP_PKEY *key, const struct clock *clock, struct err *err) {
    static const char *const ips[] = {"127.0.0.1", "::1", NULL};
    const struct x509_names names = {.dns_count = 1, .dns = {"localhost"}};
    const int64_t now_s = clock_now_s(clock);
    const struct x509_spec spec = {.common_name = "nfacme-client",
                                   .names = &names,
                                   .ips = ips,
                                   .not_before_s = now_s - 3600,
                                   .not_after_s = now_s + SELF_SIGNED_S,
                                   .eku = X509_EKU_SERVER | X509_EKU_CLIENT,
                                   .key = key};

    return x509_make(&spec, NULL, key, err);
}

/* Made once, kept under the state directory. */
static bool self_signed_ready(const char *cert_path, const char *key_path,
                              const struct clock *clock, struct err *err) {
    if (access(cert_path, F_OK) == 0 && access(key_path, F_OK) == 0) {
        return true;
    }
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, err);
    AUTO(X509_free) X509 *cert = key == NULL ? NULL : make_self_signed(key, clock, err);
    AUTO(free) char *pem = cert == NULL ? NULL : x509_pem(cert, err);

    return pem != NULL && key_write_file(key, key_path, err)
           && file_write(cert_path, 0644, pem, strlen(pem), err);
}

static bool read_files(const char *cert_path, const char *key_path, struct credentials *ret,
                       struct err *err) {
    size_t len = 0;

    ret->chain = x509_chain_read_file(cert_path, err);
    ret->key = ret->chain == NULL ? NULL : key_read_file(key_path, err);
    if (ret->key == NULL) {
        return false;
    }
    if (X509_check_private_key(sk_X509_value(ret->chain, 0), ret->key) != 1) {
        return err_set(err, ERR_CONFIG, "%s: not the key of %s", key_path, cert_path);
    }
    ret->chain_pem = file_read(cert_path, &len, err);
    ret->key_pem = ret->chain_pem == NULL ? NULL : file_read(key_path, &len, err);
    return ret->key_pem != NULL;
}

static bool anchors(X509_CHAIN *chain, X509 *anchor, int64_t now_s) {
    AUTO(chain_free) X509_CHAIN *alone = sk_X509_new_null();
    struct err err = {0};

    if (alone == NULL || X509_check_issued(anchor, anchor) != X509_V_OK || !X509_up_ref(anchor)) {
        return false;
    }
    if (sk_X509_push(alone, anchor) == 0) {
        X509_free(anchor);
        return false;
    }
    AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(alone, &err);
    return trust != NULL && x509_verify(chain, trust, X509_PURPOSE_SSL_SERVER, now_s, &err);
}

/* The self-signed certificate that ends the chain; the chain's last one when none is known. */
static X509 *find_root(X509_CHAIN *chain, X509_CHAIN *more, int64_t now_s) {
    const int last = sk_X509_num(chain) - 1;

    for (int i = last; i >= 0; i--) {
        if (anchors(chain, sk_X509_value(chain, i), now_s)) {
            return sk_X509_value(chain, i);
        }
    }
    for (int i = 0; more != NULL && i < sk_X509_num(more); i++) {
        if (anchors(chain, sk_X509_value(more, i), now_s)) {
            return sk_X509_value(more, i);
        }
    }
    return sk_X509_value(chain, last);
}

static bool write_root(struct credentials *credentials, const char *state_dir,
                       const char *anchors_pem, int64_t now_s, struct err *err) {
    struct err ignored = {0};
    char path[PATH_SIZE];
    AUTO(chain_free)
    X509_CHAIN *more =
        anchors_pem == NULL ? NULL : x509_chain_read(anchors_pem, strlen(anchors_pem), &ignored);
    AUTO(free) char *pem = x509_pem(find_root(credentials->chain, more, now_s), err);

    (void)snprintf(path, sizeof path, "%s/client-root.pem", state_dir);
    credentials->root_path = strdup(path);
    return pem != NULL && credentials->root_path != NULL
           && file_write(path, 0644, pem, strlen(pem), err);
}

bool credentials_read(const char *cert_path, const char *key_path, const char *state_dir,
                      const char *anchors_pem, const struct clock *clock, struct credentials *ret,
                      struct err *err) {
    AUTO(credentials_done) struct credentials read = {0};
    char cert[PATH_SIZE], key[PATH_SIZE];

    if (cert_path == NULL) {
        (void)snprintf(cert, sizeof cert, "%s/tls.pem", state_dir);
        (void)snprintf(key, sizeof key, "%s/tls.key", state_dir);
        cert_path = cert;
        key_path = key;
        if (!self_signed_ready(cert, key, clock, err)) {
            return false;
        }
    }
    if (!read_files(cert_path, key_path, &read, err)
        || !write_root(&read, state_dir, anchors_pem, clock_now_s(clock), err)) {
        return false;
    }
    *ret = read;
    read = (struct credentials){0};
    return true;
}
