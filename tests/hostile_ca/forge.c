/* Certificates as a bad CA would issue them, and what the listener shows of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/file.h"
#include "common/key.h"
#include "common/x509.h"
#include "tests/hostile_ca/hostile.h"

#define DAY_S 86400

/* Made once by forge_begin, read by all. */
static struct {
    EVP_PKEY *key, *stray_key;
    X509 *root, *stray; /* the stray one is in nobody's trust */
} bad;

static X509 *root_make(const char *name, EVP_PKEY *key, struct err *err) {
    const int64_t now_s = (int64_t)time(NULL);

    return x509_make(&(struct x509_spec){.common_name = name,
                                         .not_before_s = now_s - DAY_S,
                                         .not_after_s = now_s + DAY_S,
                                         .ca = true,
                                         .path_len = -1,
                                         .key = key},
                     NULL, key, err);
}

bool forge_begin(const char *path, struct err *err) {
    bad.key = key_generate(KEY_P256, err);
    bad.stray_key = key_generate(KEY_P256, err);
    if (bad.key == NULL || bad.stray_key == NULL) {
        return false;
    }
    bad.root = root_make("bad root", bad.key, err);
    bad.stray = root_make("stray root", bad.stray_key, err);
    if (bad.root == NULL || bad.stray == NULL) {
        return false;
    }
    AUTO(free) char *pem = x509_pem(bad.root, err);
    FILE *file = pem == NULL ? NULL : fopen(path, "w");
    bool good = file != NULL && fputs(pem, file) >= 0;
    return (file == NULL || fclose(file) == 0) && (good || err_set(err, ERR_CONFIG, "%s", path));
}

SSL_CTX *forge_face(enum face face, struct err *err) {
    static const char *const here[] = {"127.0.0.1", NULL};
    const struct x509_names elsewhere = {.dns_count = 1, .dns = {"elsewhere.example"}};
    const int64_t now_s = (int64_t)time(NULL);
    const bool stray = face == FACE_UNTRUSTED;
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, err);
    const struct x509_spec spec = {
        .common_name = "bent",
        .names = face == FACE_WRONG_NAME ? &elsewhere : NULL,
        .ips = face == FACE_WRONG_NAME ? NULL : here,
        .not_before_s = now_s + (face == FACE_FUTURE ? DAY_S / 2 : -DAY_S),
        .not_after_s = now_s + (face == FACE_EXPIRED ? -60 : DAY_S),
        .eku = X509_EKU_SERVER,
        .key = key,
    };

    if (face == FACE_PLAIN || face == FACE_DUMB || key == NULL) {
        return NULL;
    }
    AUTO(X509_free)
    X509 *leaf =
        x509_make(&spec, stray ? bad.stray : bad.root, stray ? bad.stray_key : bad.key, err);
    AUTO(SSL_CTX_free) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (leaf == NULL || ctx == NULL || SSL_CTX_use_certificate(ctx, leaf) != 1
        || SSL_CTX_use_PrivateKey(ctx, key) != 1) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "no TLS");
        return NULL;
    }
    if (face == FACE_OLD) {
        SSL_CTX_set_security_level(ctx, 0);
        (void)SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
        (void)SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    }
    return TAKE(ctx);
}

/* A leaf for the CSR, but for what text names; by the bad root. */
static char *leaf_forge(const struct place *place, const char *text, struct err *err) {
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_generate(KEY_P256, err);
    const int64_t now_s = (int64_t)time(NULL);

    if (key == NULL || !x509_csr_read(place->csr, place->csr_len, &csr, err)) {
        return NULL;
    }
    if (strcmp(text, "other-name") == 0) {
        csr.names.uuid[0] = csr.names.uuid[0] == '0' ? '1' : '0';
    } else if (strcmp(text, "extra-name") == 0) {
        (void)snprintf(csr.names.dns[csr.names.dns_count++], 254, "nrf.example");
    } else if (strcmp(text, "no-name") == 0) {
        csr.names = (struct x509_names){0};
    }
    const bool ca = strcmp(text, "ca") == 0;
    const struct x509_spec spec = {
        .common_name = "forged",
        .names = &csr.names,
        .not_before_s = now_s + (strcmp(text, "future") == 0 ? DAY_S / 2 : -DAY_S),
        .not_after_s = now_s + (strcmp(text, "expired") == 0 ? -1 : DAY_S),
        .ca = ca,
        .path_len = -1,
        .eku = ca ? 0 : X509_EKU_CLIENT,
        .key = strcmp(text, "other-key") == 0 ? key : csr.key,
    };
    AUTO(X509_free) X509 *leaf = x509_make(&spec, bad.root, bad.key, err);
    return leaf == NULL ? NULL : x509_pem(leaf, err);
}

/* The genuine chain with something done to it; false: text names a forgery of the leaf. */
static bool chain_spoil(const char *text, const char *chain, struct buf *out) {
    static const char secret[] = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n"
                                 "-----END PRIVATE KEY-----\n";
    struct err err = {0};
    AUTO(free) char *root = x509_pem(bad.root, &err);
    const char *second = strstr(chain + 1, "-----BEGIN");
    const size_t first = second == NULL ? strlen(chain) : (size_t)(second - chain);

    if (strcmp(text, "private-key") == 0) {
        return buf_printf(out, "%s%s", chain, secret);
    }
    if (strcmp(text, "rubbish") == 0) {
        return buf_printf(out, "subject=CN = me\n%s", chain);
    }
    if (strcmp(text, "other-issuer") == 0) {
        return buf_printf(out, "%.*s%s", (int)first, chain, root);
    }
    if (strcmp(text, "issuer-first") == 0) {
        return buf_printf(out, "%s%.*s", root, (int)first, chain);
    }
    for (int i = 0; strcmp(text, "forty") == 0 && i < 40; i++) {
        (void)buf_text(out, i == 0 ? chain : root);
    }
    if (strcmp(text, "broken") == 0 && buf_text(out, chain)) {
        char *at = strstr(out->data, "-----END") - 12; /* in the signature */
        *at = *at == 'A' ? 'B' : 'A';
    }
    return out->len > 0;
}

void bend_chain(struct exchange *exchange, const char *text) {
    struct place *place = exchange->place;
    struct buf *body = &exchange->answer.body;
    AUTO(buf_done) struct buf out = buf_new(MESSAGE_MAX);
    struct err err = {0};

    if (!chain_spoil(text, body->data, &out)) {
        AUTO(free) char *root = x509_pem(bad.root, &err);
        (void)pthread_mutex_lock(&place->lock);
        AUTO(free) char *leaf = leaf_forge(place, text, &err);
        (void)pthread_mutex_unlock(&place->lock);
        if (leaf == NULL || root == NULL || !buf_printf(&out, "%s%s", leaf, root)) {
            (void)fprintf(stderr, "%s: %s\n", text, err.detail);
            abort();
        }
    }
    body->len = 0;
    (void)buf_add(body, out.data, out.len);
}
