/* Keys and signatures that must be refused. */
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <string.h>

#include "common/b64.h"
#include "common/jws.h"
#include "tests/conformance/negative.h"

static void release_key(void *key) { EVP_PKEY_free(key); }

static EVP_PKEY *rsa_key(size_t bits, unsigned exponent) {
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    AUTO(BN_free) BIGNUM *e = BN_new();
    EVP_PKEY *key = NULL;

    if (context != NULL && e != NULL && BN_set_word(e, exponent) == 1
        && EVP_PKEY_keygen_init(context) == 1
        && EVP_PKEY_CTX_set_rsa_keygen_bits(context, (int)bits) == 1
        && EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e) == 1) {
        (void)EVP_PKEY_generate(context, &key);
    }
    return key;
}

static EVP_PKEY *curve_key(const char *curve, bool explicit) {
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    if (context != NULL && EVP_PKEY_keygen_init(context) == 1
        && EVP_PKEY_CTX_set_group_name(context, curve) == 1
        && EVP_PKEY_CTX_set_ec_param_enc(context, explicit ? OPENSSL_EC_EXPLICIT_CURVE
                                                           : OPENSSL_EC_NAMED_CURVE)
               == 1) {
        (void)EVP_PKEY_generate(context, &key);
    }
    return key;
}

static EVP_PKEY *dsa_key(void) {
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    AUTO(EVP_PKEY_free) EVP_PKEY *parameters = NULL;
    EVP_PKEY *key = NULL;

    if (maker == NULL || EVP_PKEY_paramgen_init(maker) != 1
        || EVP_PKEY_generate(maker, &parameters) != 1) {
        return NULL;
    }
    AUTO(EVP_PKEY_CTX_free)
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, parameters, NULL);
    if (context != NULL && EVP_PKEY_keygen_init(context) == 1) {
        (void)EVP_PKEY_generate(context, &key);
    }
    return key;
}

/* A P-256 key whose x begins with a zero octet: one of 256. */
static EVP_PKEY *zero_key(struct spec *spec) {
    EVP_PKEY *key = NULL;
    const char *x = "";

    do {
        key = spec_key(spec, KEY_P256);
        x = spec_member(spec_jwk(spec, key), "x");
    } while (!(x[0] == 'A' && x[1] >= 'A' && x[1] <= 'P') && !spec_over(spec));
    return key;
}

/* The key of a certificate that was revoked for keyCompromise. */
static EVP_PKEY *revoked_key(struct negative *negative) {
    struct spec *spec = negative->spec;
    const struct spec_certificate *made = spec_issue(spec, negative->account, NULL);

    (void)spec_status(
        spec,
        spec_post(spec, &(struct spec_post){.url = spec_url(spec, "revokeCert"),
                                            .key = made->key,
                                            .payload = spec_pack(spec, "{s:s, s:i}", "certificate",
                                                                 made->der64, "reason", 1)}),
        200);
    return made->key;
}

EVP_PKEY *negative_key(struct negative *negative, const char *name) {
    struct spec *spec = negative->spec;
    enum key_type type;
    EVP_PKEY *key = NULL;
    unsigned bits = 0, exponent = 65537;

    if (key_type_parse(name, &type)) {
        return spec_key(spec, type);
    }
    /* clang-format off */
    if (strcmp(name, "account") == 0) { return negative->account->key; }
    if (strcmp(name, "other") == 0) { return negative_other(negative)->key; }
    if (strcmp(name, "certificate") == 0) { return negative->certificate->key; }
    if (strcmp(name, "revoked") == 0) { return revoked_key(negative); }
    if (strcmp(name, "new") == 0) { return negative->key; }
    if (strcmp(name, "issued") == 0) { return spec_issue(spec, negative_other(negative), NULL)->key; }
    if (strcmp(name, "stranger") == 0) { return negative->stranger; }
    if (strcmp(name, "x0") == 0) { return zero_key(spec); }
    if (strcmp(name, "p192") == 0) { key = curve_key("prime192v1", false); }
    else if (strcmp(name, "secp256k1") == 0) { key = curve_key("secp256k1", false); }
    else if (strcmp(name, "explicit") == 0) { key = curve_key("P-256", true); }
    else if (strcmp(name, "dsa") == 0) { key = dsa_key(); }
    else if (strcmp(name, "x25519") == 0) { key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519"); }
    else if (strcmp(name, "ed448") == 0) { key = EVP_PKEY_Q_keygen(NULL, NULL, "ED448"); }
    else if (sscanf(name, "rsa%ue%u", &bits, &exponent) > 0) { key = rsa_key(bits, exponent); }
    /* clang-format on */
    if (key == NULL) {
        spec_fail(spec, "no key called %s can be made", name);
        return spec_key(spec, KEY_P256);
    }
    return spec_keep(spec, key, release_key);
}

/* Order of P-256's base point. */
static const char order_hex[] = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
/* 2^252 + 27742317777372353535851937790883648493, of Ed25519, little-endian. */
static const unsigned char ed25519_order[32] = {
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

#define SIGNATURE_SIZE 1024

struct spoilt {
    struct negative *negative;
    EVP_PKEY *key;
    unsigned char octets[SIGNATURE_SIZE];
    size_t len;
};

/* One half of R||S becomes the order (plus add), or the order minus it. */
static void set_half(struct spoilt *spoilt, unsigned half, unsigned add, bool negate) {
    AUTO(BN_free) BIGNUM *order = NULL;
    unsigned char *place = spoilt->octets + (size_t)half * 32;

    (void)BN_hex2bn(&order, order_hex);
    if (negate) {
        AUTO(BN_free) BIGNUM *value = BN_bin2bn(place, 32, NULL);
        (void)BN_sub(order, order, value);
    } else {
        (void)BN_add_word(order, add);
    }
    (void)BN_bn2binpad(order, place, 32);
}

static void to_der(struct spoilt *spoilt) {
    AUTO(ECDSA_SIG_free) ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(spoilt->octets, 32, NULL), *s = BN_bin2bn(spoilt->octets + 32, 32, NULL);
    unsigned char *out = spoilt->octets;

    (void)ECDSA_SIG_set0(signature, r, s);
    spoilt->len = (size_t)i2d_ECDSA_SIG(signature, &out);
}

/* Sign other octets than the signing input, or with another padding or digest. */
static void sign_other(struct spoilt *spoilt, const void *text, size_t len, const EVP_MD *digest,
                       bool pss) {
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *padding = NULL;
    enum jws_alg alg;
    struct err err = {0};

    if (digest == NULL) {
        if (!jws_alg_of_key(spoilt->key, &alg)
            || !jws_sign_raw(spoilt->key, alg, text, len, spoilt->octets, &spoilt->len, &err)) {
            spec_fail(spoilt->negative->spec, "no signature: %s", err.detail);
        }
        return;
    }
    spoilt->len = sizeof(spoilt->octets);
    if (EVP_DigestSignInit(context, &padding, digest, NULL, spoilt->key) != 1
        || (pss && EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) != 1)
        || EVP_DigestSign(context, spoilt->octets, &spoilt->len, text, len) != 1) {
        spec_fail(spoilt->negative->spec, "no signature");
    }
}

/* A PKCS #1 block that says nothing right: encrypted raw with the private key. */
static void sign_block(struct spoilt *spoilt, const char *how) {
    AUTO(EVP_PKEY_CTX_free)
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, spoilt->key, NULL);
    unsigned char block[512] = {0x00, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
    size_t len = (size_t)EVP_PKEY_get_size(spoilt->key);

    if (strcmp(how, "garbage") == 0) { /* short padding, the rest behind the digest */
        const char *input =
            spec_text(spoilt->negative->spec, "%s.%s", negative_part(spoilt->negative, "protected"),
                      negative_part(spoilt->negative, "payload"));
        static const unsigned char prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                               0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                               0x01, 0x05, 0x00, 0x04, 0x20};
        memcpy(block + 11, prefix, sizeof(prefix));
        (void)EVP_Digest(input, strlen(input), block + 11 + sizeof(prefix), NULL, EVP_sha256(),
                         NULL);
    }
    spoilt->len = sizeof(spoilt->octets);
    if (EVP_PKEY_sign_init(context) != 1
        || EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) != 1
        || EVP_PKEY_sign(context, spoilt->octets, &spoilt->len, block, len) != 1) {
        spec_fail(spoilt->negative->spec, "no raw RSA signature");
    }
}

/* S + L of Ed25519: the same signature in another spelling. */
static void add_ed25519_order(struct spoilt *spoilt) {
    unsigned carry = 0;

    for (unsigned i = 0; i < 32; i++) {
        carry += (unsigned)spoilt->octets[32 + i] + ed25519_order[i];
        spoilt->octets[32 + i] = (unsigned char)carry;
        carry >>= 8;
    }
}

static void spoil_other_text(struct spoilt *spoilt, const char *how) {
    struct spec *spec = spoilt->negative->spec;
    const char *protected = negative_part(spoilt->negative, "protected");
    const char *payload = negative_part(spoilt->negative, "payload");
    unsigned char *head = NULL, *body = NULL;
    size_t head_len = 0, body_len = 0;
    struct err err = {0};

    if (strcmp(how, "payload-only") == 0) {
        sign_other(spoilt, payload, strlen(payload), NULL, false);
    } else if (strcmp(how, "other-text") == 0) {
        sign_other(spoilt, "another request", 15, NULL, false);
    } else if (b64_decode(protected, strlen(protected), &head, &head_len, &err)
               && b64_decode(payload, strlen(payload), &body, &body_len, &err)) {
        const char *text = spec_text(spec, "%s.%s", (char *)head, (char *)body);
        sign_other(spoilt, text, strlen(text), NULL, false);
    }
    free(head);
    free(body);
}

static bool spoil_rsa(struct spoilt *spoilt, const char *how) {
    const char *text =
        spec_text(spoilt->negative->spec, "%s.%s", negative_part(spoilt->negative, "protected"),
                  negative_part(spoilt->negative, "payload"));

    if (strcmp(how, "pss") == 0) {
        sign_other(spoilt, text, strlen(text), EVP_sha256(), true);
    } else if (strcmp(how, "sha1") == 0) {
        sign_other(spoilt, text, strlen(text), EVP_sha1(), false);
    } else if (strcmp(how, "garbage") == 0 || strcmp(how, "block") == 0) {
        sign_block(spoilt, how);
    } else {
        return false;
    }
    return true;
}

static void spoil(struct spoilt *spoilt, const char *how) {
    unsigned char *octets = spoilt->octets;
    /* clang-format off */
    if (strcmp(how, "flip") == 0) { octets[5] ^= 0x10; }
    else if (strcmp(how, "der") == 0) { to_der(spoilt); }
    else if (strcmp(how, "cut") == 0) { spoilt->len--; }
    else if (strcmp(how, "add") == 0) { octets[spoilt->len++] = 0; }
    else if (strcmp(how, "zero-before") == 0) { memmove(octets + 1, octets, spoilt->len++); octets[0] = 0; }
    else if (strcmp(how, "none") == 0) { spoilt->len = 0; }
    else if (strcmp(how, "double") == 0) { memcpy(octets + spoilt->len, octets, spoilt->len); spoilt->len *= 2; }
    else if (strcmp(how, "r=0") == 0) { memset(octets, 0, 32); }
    else if (strcmp(how, "s=0") == 0) { memset(octets + 32, 0, 32); }
    else if (strcmp(how, "rs=0") == 0) { memset(octets, 0, 64); }
    else if (strcmp(how, "r=n") == 0) { set_half(spoilt, 0, 0, false); }
    else if (strcmp(how, "s=n") == 0) { set_half(spoilt, 1, 0, false); }
    else if (strcmp(how, "r>n") == 0) { set_half(spoilt, 0, 77, false); }
    else if (strcmp(how, "n-s") == 0) { set_half(spoilt, 1, 0, true); }
    else if (strcmp(how, "s+l") == 0) { add_ed25519_order(spoilt); }
    else if (strcmp(how, "ff") == 0) { memset(octets, 0xff, spoilt->len); }
    else if (strstr(" payload-only other-text decoded ", spec_text(spoilt->negative->spec, " %s ", how)) != NULL) { spoil_other_text(spoilt, how); }
    else if (!spoil_rsa(spoilt, how)) { spec_fail(spoilt->negative->spec, "the data has an unknown sign %s", how); }
    /* clang-format on */
}

const char *negative_signature(struct negative *negative, EVP_PKEY *key, const char *how) {
    struct spoilt spoilt = {.negative = negative, .key = key};
    const char *right = negative_part(negative, "signature");
    struct err err = {0};

    if (spec_over(negative->spec)
        || !b64_decode_into(right, strlen(right), spoilt.octets, sizeof(spoilt.octets) / 2,
                            &spoilt.len, &err)) {
        spec_fail(negative->spec, "the right signature does not decode");
        return "";
    }
    spoil(&spoilt, how);
    return spec_b64(negative->spec, spoilt.octets, spoilt.len);
}
