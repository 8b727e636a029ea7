#include "common/x509_write.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/kept.h"
#include "common/key.h"

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

/* Put all of it into one element. */
void x509_wrap(struct buf *buf, unsigned tag) {
    struct buf outer = buf_new(buf->max);

    outer.failed = buf->failed;
    (void)x509_put(&outer, tag, buf->data, buf->len);
    buf_done(buf);
    *buf = outer;
}

/* A textual address as iPAddress. */
static bool add_ip(struct buf *out, const char *text) {
    unsigned char octets[16];

    if (inet_pton(AF_INET, text, octets) == 1) {
        return x509_put(out, 0x87, octets, 4);
    }
    return inet_pton(AF_INET6, text, octets) == 1 && x509_put(out, 0x87, octets, 16);
}

/* GeneralNames; out stays empty when there are none. */
bool x509_put_names(const struct x509_names *names, const char *const *ips, struct buf *out) {
    bool ok = true;

    for (unsigned i = 0; names != NULL && i < names->dns_count; i++) {
        ok = ok && x509_put_text(out, 0x82, names->dns[i]);
    }
    for (; ips != NULL && *ips != NULL; ips++) {
        ok = ok && add_ip(out, *ips);
    }
    if (names != NULL && names->uuid[0] != '\0') {
        char uri[64] = "urn:uuid:";
        memcpy(uri + strlen(uri), names->uuid, strlen(names->uuid) + 1);
        ok = ok && x509_put_text(out, 0x86, uri);
    }
    if (out->len > 0) {
        x509_wrap(out, DER_SEQUENCE);
    }
    return ok && !out->failed;
}

/* The digest of a signature by key; NULL for Ed25519, which has its own. */
const EVP_MD *x509_digest_of(EVP_PKEY *key) {
    enum key_type type;

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        return NULL;
    }
    if (!key_curve(key, &type) || type == KEY_P256) {
        return kept_md(KEPT_SHA256);
    }
    return kept_md(type == KEY_P384 ? KEPT_SHA384 : KEPT_SHA512);
}
