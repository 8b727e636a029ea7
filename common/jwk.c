#include "common/jwk.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "common/b64.h"
#include "common/buf.h"
#include "common/jws.h"
#include "common/kept.h"
#include "common/key.h"
#include "common/ossl.h"

#define RSA_OCTETS_MAX 512
#define ED25519_OCTETS 32

/* RFC 7518 section 6.2.1.1. */
/* clang-format off */
static const struct { const char *name; enum key_type type; } curves[] = {
    {"P-256", KEY_P256},
    {"P-384", KEY_P384},
    {"P-521", KEY_P521},
};
/* clang-format on */

/* A text member that a public key must have. */
static bool member(const json_t *jwk, const char *name, const char **ret_text, size_t *ret_len,
                   struct err *err) {
    const json_t *value = json_object_get(jwk, name);

    if (value == NULL) {
        return err_set(err, ERR_BAD_PUBLIC_KEY, "the key has no \"%s\"", name);
    }
    if (!json_is_string(value)) {
        return err_set(err, ERR_MALFORMED, "\"%s\" of the key is not a string", name);
    }
    *ret_text = json_string_value(value);
    *ret_len = json_string_length(value);
    return true;
}

/* The base64url of exactly len octets. */
static bool octets(const json_t *jwk, const char *name, unsigned char *out, size_t len,
                   struct err *err) {
    const char *text = NULL;
    size_t text_len = 0, got = 0;

    if (!member(jwk, name, &text, &text_len, err)) {
        return false;
    }
    if (text_len != B64_LEN(len)) {
        return err_set(err, ERR_BAD_PUBLIC_KEY, "\"%s\" of the key must have %zu octets", name,
                       len);
    }
    return b64_decode_into(text, text_len, out, len, &got, err);
}

static EVP_PKEY *read_ec(const json_t *jwk, struct err *err) {
    unsigned char point[KEY_POINT_MAX] = {0x04};
    const char *name = NULL;
    size_t name_len = 0;
    unsigned i = 0;

    if (!member(jwk, "crv", &name, &name_len, err)) {
        return NULL;
    }
    while (i < COUNT(curves) && strcmp(name, curves[i].name) != 0) {
        i++;
    }
    if (i == COUNT(curves)) {
        (void)err_set(err, ERR_BAD_PUBLIC_KEY, "the key's curve is not P-256, P-384 or P-521");
        return NULL;
    }
    size_t half = key_coordinate_len(curves[i].type);
    if (!octets(jwk, "x", point + 1, half, err) || !octets(jwk, "y", point + 1 + half, half, err)) {
        return NULL;
    }
    EVP_PKEY *key = key_from_point(curves[i].type, point, 1 + 2 * half);
    if (key == NULL) {
        (void)err_set(err, ERR_BAD_PUBLIC_KEY, "the key is not a point of %s", curves[i].name);
    }
    return key;
}

/* RFC 7518 section 6.3.1: the number in as few octets as it needs. */
static BIGNUM *read_number(const json_t *jwk, const char *name, struct err *err) {
    unsigned char data[RSA_OCTETS_MAX];
    const char *text = NULL;
    size_t text_len = 0, len = 0;

    if (!member(jwk, name, &text, &text_len, err)) {
        return NULL;
    }
    if (text_len > B64_LEN(sizeof data)) {
        (void)err_set(err, ERR_BAD_PUBLIC_KEY, "\"%s\" of the key is too long", name);
        return NULL;
    }
    if (!b64_decode_into(text, text_len, data, sizeof data, &len, err)) {
        return NULL;
    }
    if (len == 0 || data[0] == 0) {
        (void)err_set(err, ERR_BAD_PUBLIC_KEY, "\"%s\" of the key is empty or begins with zero",
                      name);
        return NULL;
    }
    BIGNUM *number = BN_bin2bn(data, (int)len, NULL);
    if (number == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
    }
    return number;
}

static EVP_PKEY *read_rsa(const json_t *jwk, struct err *err) {
    AUTO(BN_free) BIGNUM *modulus = read_number(jwk, "n", err);
    AUTO(BN_free) BIGNUM *exponent = modulus == NULL ? NULL : read_number(jwk, "e", err);
    AUTO(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();

    if (exponent == NULL) {
        return NULL;
    }
    if (builder == NULL || OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) != 1
        || OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) != 1) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    AUTO(OSSL_PARAM_free) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY *key = params == NULL ? NULL : kept_import(KEPT_RSA, EVP_PKEY_PUBLIC_KEY, params);
    if (key == NULL) {
        (void)err_set(err, ERR_BAD_PUBLIC_KEY, "not an RSA key");
        (void)err_cause_openssl(err);
    }
    return key;
}

static EVP_PKEY *read_okp(const json_t *jwk, struct err *err) {
    unsigned char point[ED25519_OCTETS];
    const char *name = NULL;
    size_t name_len = 0;

    if (!member(jwk, "crv", &name, &name_len, err)) {
        return NULL;
    }
    if (strcmp(name, "Ed25519") != 0) {
        (void)err_set(err, ERR_BAD_PUBLIC_KEY, "the key's curve is not Ed25519");
        return NULL;
    }
    if (!octets(jwk, "x", point, sizeof point, err)) {
        return NULL;
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = kept_import(KEPT_ED25519, EVP_PKEY_PUBLIC_KEY, params);
    if (key == NULL) {
        (void)err_set(err, ERR_BAD_PUBLIC_KEY, "not an Ed25519 key");
        (void)err_cause_openssl(err);
    }
    return key;
}

/* RFC 7517 sections 4.2 to 4.4: what the key says about itself must allow verifying. */
static bool allows_verifying(const json_t *jwk, EVP_PKEY *key, struct err *err) {
    const json_t *use = json_object_get(jwk, "use");
    const json_t *operations = json_object_get(jwk, "key_ops");
    const json_t *name = json_object_get(jwk, "alg");
    bool verifies = operations == NULL;
    enum jws_alg alg;

    if ((use != NULL && !json_is_string(use)) || (name != NULL && !json_is_string(name))
        || (operations != NULL && !json_is_array(operations))) {
        return err_set(err, ERR_MALFORMED, "use, key_ops or alg of the key has a wrong type");
    }
    if (use != NULL && strcmp(json_string_value(use), "sig") != 0) {
        return err_set(err, ERR_BAD_PUBLIC_KEY, "the key is not for signatures");
    }
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const char *operation = json_string_value(json_array_get(operations, i));
        verifies = verifies || (operation != NULL && strcmp(operation, "verify") == 0);
    }
    if (!verifies) {
        return err_set(err, ERR_BAD_PUBLIC_KEY, "the key is not for verifying");
    }
    if (name != NULL
        && (!jws_alg_of_key(key, &alg)
            || strcmp(json_string_value(name), jws_alg_name(alg)) != 0)) {
        return err_set(err, ERR_BAD_PUBLIC_KEY, "the key is for another algorithm");
    }
    return true;
}

EVP_PKEY *jwk_read(const json_t *jwk, struct err *err) {
    static const char *const secret[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    /* clang-format off */
    static const struct { const char *name; EVP_PKEY *(*read)(const json_t *, struct err *); }
    kinds[] = {{"EC", read_ec}, {"RSA", read_rsa}, {"OKP", read_okp}};
    /* clang-format on */
    const char *kty = NULL;
    size_t kty_len = 0;

    if (!json_is_object(jwk)) {
        (void)err_set(err, ERR_MALFORMED, "the key is not an object");
        return NULL;
    }
    for (unsigned i = 0; i < COUNT(secret); i++) {
        if (json_object_get(jwk, secret[i]) != NULL) {
            (void)err_set(err, ERR_BAD_PUBLIC_KEY, "the key is not only public: it has \"%s\"",
                          secret[i]);
            return NULL;
        }
    }
    if (!member(jwk, "kty", &kty, &kty_len, err)) {
        return NULL;
    }
    for (unsigned i = 0; i < COUNT(kinds); i++) {
        if (strcmp(kty, kinds[i].name) == 0) {
            AUTO(EVP_PKEY_free) EVP_PKEY *key = kinds[i].read(jwk, err);
            if (key == NULL || !key_acceptable(key, ERR_BAD_PUBLIC_KEY, err)
                || !allows_verifying(jwk, key, err)) {
                return NULL;
            }
            return TAKE(key);
        }
    }
    (void)err_set(err, ERR_BAD_PUBLIC_KEY, "the key's type is not EC, RSA or OKP");
    return NULL;
}

/* An EC key's members as text. */
struct ec_texts {
    const char *crv;
    char x[B64_LEN(KEY_POINT_MAX / 2) + 1], y[B64_LEN(KEY_POINT_MAX / 2) + 1];
};

static bool ec_texts(EVP_PKEY *key, enum key_type type, struct ec_texts *ret, struct err *err) {
    unsigned char point[KEY_POINT_MAX];
    size_t half = key_coordinate_len(type);
    unsigned i = 0;

    if (!key_point(key, type, point, err)) {
        return false;
    }
    while (curves[i].type != type) {
        i++;
    }
    ret->crv = curves[i].name;
    b64_encode_into(point + 1, half, ret->x, sizeof ret->x);
    b64_encode_into(point + 1 + half, half, ret->y, sizeof ret->y);
    return true;
}

static json_t *write_ec(EVP_PKEY *key, enum key_type type, struct err *err) {
    struct ec_texts texts;

    return !ec_texts(key, type, &texts, err) ? NULL
                                             : json_pack("{s:s, s:s, s:s, s:s}", "crv", texts.crv,
                                                         "kty", "EC", "x", texts.x, "y", texts.y);
}

/* One number of an RSA key as base64url. */
static bool write_number(EVP_PKEY *key, const char *param, char *text, size_t size) {
    unsigned char data[RSA_OCTETS_MAX];
    AUTO(BN_free) BIGNUM *number = NULL;

    if (EVP_PKEY_get_bn_param(key, param, &number) != 1
        || BN_num_bytes(number) > (int)sizeof data) {
        return false;
    }
    b64_encode_into(data, (size_t)BN_bn2bin(number, data), text, size);
    return true;
}

static json_t *write_rsa(EVP_PKEY *key) {
    char n[B64_LEN(RSA_OCTETS_MAX) + 1], e[B64_LEN(RSA_OCTETS_MAX) + 1];

    if (!write_number(key, OSSL_PKEY_PARAM_RSA_N, n, sizeof n)
        || !write_number(key, OSSL_PKEY_PARAM_RSA_E, e, sizeof e)) {
        return NULL;
    }
    return json_pack("{s:s, s:s, s:s}", "e", e, "kty", "RSA", "n", n);
}

static json_t *write_okp(EVP_PKEY *key) {
    unsigned char point[ED25519_OCTETS];
    char x[B64_LEN(ED25519_OCTETS) + 1];
    size_t len = sizeof point;

    if (EVP_PKEY_get_raw_public_key(key, point, &len) != 1) {
        return NULL;
    }
    b64_encode_into(point, len, x, sizeof x);
    return json_pack("{s:s, s:s, s:s}", "crv", "Ed25519", "kty", "OKP", "x", x);
}

json_t *jwk_write(EVP_PKEY *key, struct err *err) {
    enum key_type type;
    json_t *jwk = NULL;

    if (key_curve(key, &type)) {
        jwk = write_ec(key, type, err);
    } else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
        jwk = write_rsa(key);
    } else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        jwk = write_okp(key);
    }
    if (jwk == NULL) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not write a key as JWK");
        (void)err_cause_openssl(err);
    }
    return jwk;
}

/* RFC 7638 section 3.3: no white space, members in order; these texts need no escapes. */
static bool ec_thumbprint(EVP_PKEY *key, enum key_type type, unsigned char ret[32],
                          struct err *err) {
    struct ec_texts texts;
    AUTO(buf_done) struct buf text = buf_new(sizeof texts + 64);

    if (!ec_texts(key, type, &texts, err)) {
        return false;
    }
    const char *const parts[] = {"{\"crv\":\"", texts.crv,     "\",\"kty\":\"EC\",\"x\":\"",
                                 texts.x,       "\",\"y\":\"", texts.y,
                                 "\"}"};
    for (unsigned i = 0; i < COUNT(parts); i++) {
        (void)buf_text(&text, parts[i]);
    }
    return (!text.failed && kept_hash(KEPT_SHA256, text.data, text.len, ret))
           || err_set(err, ERR_SERVER_INTERNAL, "could not hash a key");
}

bool jwk_thumbprint_raw(EVP_PKEY *key, unsigned char ret[32], struct err *err) {
    enum key_type type;

    if (key_curve(key, &type)) {
        return ec_thumbprint(key, type, ret, err);
    }
    AUTO(json_release) json_t *jwk = jwk_write(key, err);
    if (jwk == NULL) {
        return false;
    }
    /* jwk_write put the members in order */
    AUTO(free) char *text = json_dumps(jwk, JSON_COMPACT);
    if (text == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    return kept_hash(KEPT_SHA256, text, strlen(text), ret)
           || err_set(err, ERR_SERVER_INTERNAL, "could not hash a key");
}

bool jwk_thumbprint(EVP_PKEY *key, char ret[JWK_THUMBPRINT_SIZE], struct err *err) {
    unsigned char raw[32];

    if (!jwk_thumbprint_raw(key, raw, err)) {
        return false;
    }
    b64_encode_into(raw, sizeof raw, ret, JWK_THUMBPRINT_SIZE);
    return true;
}
