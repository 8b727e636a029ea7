#include "common/x509_write.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/foreign.h"
#include "common/kept.h"
#include "common/key.h"

#define SIGNATURE_MAX 512

/* Append one element. */
bool x509_put(struct buf *out, unsigned tag, const void *content, size_t len) {
    unsigned char header[5];

    if (len > DER_LEN_MAX) {
        out->failed = true;
        return false;
    }
    return buf_add(out, header, der_header(header, tag, len))
           && (len == 0 || buf_add(out, content, len));
}

bool x509_put_text(struct buf *out, unsigned tag, const char *text) {
    return x509_put(out, tag, text, strlen(text));
}

void x509_insert(struct buf *buf, size_t at, const void *data, size_t len) {
    size_t rest = buf->len - at;

    if (buf_add(buf, data, len)) { /* makes room */
        memmove(buf->data + at + len, buf->data + at, rest);
        memcpy(buf->data + at, data, len);
    }
}

void x509_wrap_from(struct buf *buf, size_t at, unsigned tag) {
    unsigned char header[5];

    if (buf->len - at > DER_LEN_MAX) {
        buf->failed = true;
        return;
    }
    x509_insert(buf, at, header, der_header(header, tag, buf->len - at));
}

void x509_wrap(struct buf *buf, unsigned tag) { x509_wrap_from(buf, 0, tag); }

/* A textual address as iPAddress. */
static bool add_ip(struct buf *out, const char *text) {
    unsigned char octets[16];

    if (inet_pton(AF_INET, text, octets) == 1) {
        return x509_put(out, 0x87, octets, 4);
    }
    return inet_pton(AF_INET6, text, octets) == 1 && x509_put(out, 0x87, octets, 16);
}

/* GeneralNames. */
bool x509_put_names(const struct x509_names *names, const char *const *ips, struct buf *out) {
    const size_t at = out->len;
    bool ok = true;

    for (unsigned i = 0; names != NULL && i < names->dns_count; i++) {
        ok = ok && x509_put_text(out, 0x82, names->dns[i]);
    }
    for (unsigned i = 0; names != NULL && i < names->ip_count; i++) {
        ok = ok && add_ip(out, names->ip[i]);
    }
    for (; ips != NULL && *ips != NULL; ips++) {
        ok = ok && add_ip(out, *ips);
    }
    if (names != NULL && names->uuid[0] != '\0') {
        char uri[64] = "urn:uuid:";
        memcpy(uri + strlen(uri), names->uuid, strlen(names->uuid) + 1);
        ok = ok && x509_put_text(out, 0x86, uri);
    }
    if (out->len > at) {
        x509_wrap_from(out, at, DER_SEQUENCE);
    }
    return ok && !out->failed;
}

bool x509_put_algorithm(EVP_PKEY *key, struct buf *out) {
    /* clang-format off */
    static const unsigned char
        ecdsa[] = {0x30, 10, 6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2},
        rsa[] = {0x30, 13, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 0x0B, 5, 0},
        ed25519[] = {0x30, 5, 6, 3, 0x2B, 0x65, 0x70};
    /* clang-format on */
    enum key_type type;
    unsigned char own[sizeof ecdsa];

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
        return buf_add(out, rsa, sizeof rsa);
    }
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        return buf_add(out, ed25519, sizeof ed25519);
    }
    memcpy(own, ecdsa, sizeof own);
    if (!key_curve(key, &type)) {
        return false;
    }
    own[sizeof own - 1] = type == KEY_P256 ? 2 : type == KEY_P384 ? 3 : 4;
    return buf_add(out, own, sizeof own);
}

/* ECDSA without the digest contexts, which cost a tenth of a signature. */
static bool sign(EVP_PKEY *key, const struct buf *data, unsigned char *signature, size_t *ret_len) {
    const unsigned char *octets = (const unsigned char *)data->data;
    enum key_type type;

    if (key_curve(key, &type)) {
        enum kept_digest digest = type == KEY_P256   ? KEPT_SHA256
                                  : type == KEY_P384 ? KEPT_SHA384
                                                     : KEPT_SHA512;
        if (foreign_key(key)) {
            return foreign_sign(key, kept_md(digest), octets, data->len, signature, ret_len);
        }
        return kept_sign(key, digest, octets, data->len, signature, ret_len);
    }
    bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA; /* Ed25519 has a digest of its own */
    if (foreign_key(key)) {
        return foreign_sign(key, rsa ? kept_md(KEPT_SHA256) : NULL, octets, data->len, signature,
                            ret_len);
    }
    EVP_MD_CTX *ctx = kept_md_ctx();
    bool ok = ctx != NULL
              && EVP_DigestSignInit(ctx, NULL, rsa ? kept_md(KEPT_SHA256) : NULL, NULL, key) == 1
              && EVP_DigestSign(ctx, signature, ret_len, octets, data->len) == 1;
    kept_md_ctx_done();
    return ok;
}

bool x509_seal(EVP_PKEY *key, struct buf *out) {
    unsigned char bits[1 + SIGNATURE_MAX] = {0}; /* no unused bits */
    size_t len = SIGNATURE_MAX;

    if (out->failed || !sign(key, out, bits + 1, &len) || !x509_put_algorithm(key, out)
        || !x509_put(out, DER_BITS, bits, 1 + len)) {
        return false;
    }
    x509_wrap(out, DER_SEQUENCE);
    return !out->failed;
}
