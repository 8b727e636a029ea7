#include "common/key.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/file.h"
#include "common/foreign.h"
#include "common/kept.h"
#include "common/key_note.h"
#include "common/ossl.h"

#define RSA_EXPONENT_BITS_MAX 64
#define P256_OCTETS 32
#define P256_POINT_OCTETS 65

/* RFC 5480: SubjectPublicKeyInfo of P-256 up to the point. */
static const unsigned char p256_spki[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                          0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                          0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
/* RFC 5958 and 5915: PKCS #8 of P-256 up to the scalar, and from it to the point. */
static const unsigned char p256_pkcs8[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06,
                                           0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06,
                                           0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07,
                                           0x04, 0x6D, 0x30, 0x6B, 0x02, 0x01, 0x01, 0x04, 0x20};
static const unsigned char p256_pkcs8_point[] = {0xA1, 0x44, 0x03, 0x42, 0x00};
#define P256_SPKI_OCTETS (sizeof p256_spki + P256_POINT_OCTETS)
#define P256_PKCS8_OCTETS                                                                          \
    (sizeof p256_pkcs8 + P256_OCTETS + sizeof p256_pkcs8_point + P256_POINT_OCTETS)

/* Names on our command lines; groups as OpenSSL knows them. */
/* clang-format off */
static const struct {
    const char *name;
    const char *group;
    size_t coordinate;
} types[] = {
    [KEY_P256]    = {"p256",    "prime256v1", P256_OCTETS},
    [KEY_P384]    = {"p384",    "secp384r1",  48},
    [KEY_P521]    = {"p521",    "secp521r1",  66},
    [KEY_RSA2048] = {"rsa2048", NULL,         0},
    [KEY_RSA3072] = {"rsa3072", NULL,         0},
    [KEY_RSA4096] = {"rsa4096", NULL,         0},
    [KEY_ED25519] = {"ed25519", NULL,         0},
};
/* clang-format on */
static_assert(COUNT(types) == KEY__COUNT, "a row for every key type");

EVP_PKEY *key_generate(enum key_type type, struct err *err) {
    EVP_PKEY *key = kept_generate(type);
    unsigned char point[KEY_POINT_MAX];
    struct err ignored = {0};

    if (key == NULL) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not generate a key");
        (void)err_cause_openssl(err);
    } else if (types[type].group != NULL && key_point(key, type, point, &ignored)) {
        key_note_set(key, type, point);
    }
    return key;
}

bool key_type_parse(const char *name, enum key_type *ret) {
    for (unsigned i = 0; i < COUNT(types); i++) {
        if (strcmp(name, types[i].name) == 0) {
            *ret = (enum key_type)i;
            return true;
        }
    }
    return false;
}

const char *key_type_name(enum key_type type) { return types[type].name; }

size_t key_coordinate_len(enum key_type type) { return types[type].coordinate; }

bool key_curve(EVP_PKEY *key, enum key_type *ret) {
    char group[32];
    int explicit_curve = 0;
    size_t len = 0;
    const struct key_note *note = key_note_get(key);

    if (note != NULL) {
        *ret = note->type;
        return true;
    }
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC
        || EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                          &len)
               != 1) {
        return false;
    }
    for (unsigned i = 0; i < COUNT(types); i++) {
        if (types[i].group != NULL && strcmp(group, types[i].group) == 0) {
            /* RFC 5480 2.1.1: only namedCurve. */
            if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                                       &explicit_curve)
                    == 1
                && explicit_curve != 0) {
                return false;
            }
            *ret = (enum key_type)i;
            return true;
        }
    }
    return false;
}

EVP_PKEY *key_from_point(enum key_type type, const unsigned char *point, size_t len) {
    if (len != 1 + 2 * types[type].coordinate || point[0] != 0x04) {
        return NULL;
    }
    EVP_PKEY *key = kept_point(type, types[type].group, point, len);
    if (key == NULL) {
        ERR_clear_error();
        return NULL;
    }
    key_note_set(key, type, point);
    return key;
}

/* One coordinate, for keys that were read with a compressed point. */
static bool coordinate(EVP_PKEY *key, const char *param, unsigned char *out, size_t len) {
    BIGNUM *number = NULL;
    bool ok = EVP_PKEY_get_bn_param(key, param, &number) == 1
              && BN_bn2binpad(number, out, (int)len) == (int)len;

    BN_free(number);
    return ok;
}

bool key_point(EVP_PKEY *key, enum key_type type, unsigned char ret[KEY_POINT_MAX],
               struct err *err) {
    unsigned char point[KEY_POINT_MAX];
    size_t half = types[type].coordinate, len = 0;
    const struct key_note *note = key_note_get(key);

    if (note != NULL && note->type == type) {
        memcpy(ret, note->point, 1 + 2 * half);
        return true;
    }
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &len)
            != 1
        || point[0] != 0x04 || len != 1 + 2 * half) {
        point[0] = 0x04;
        len = 1 + 2 * half;
        if (!coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, point + 1, half)
            || !coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, point + 1 + half, half)) {
            (void)err_set(err, ERR_SERVER_INTERNAL, "could not read a public key");
            return err_cause_openssl(err);
        }
    }
    memcpy(ret, point, len);
    return true;
}

EVP_PKEY *key_from_spki(const unsigned char *der, size_t len) {
    if (len == P256_SPKI_OCTETS && memcmp(der, p256_spki, sizeof p256_spki) == 0
        && der[sizeof p256_spki] == 0x04) {
        return key_from_point(KEY_P256, der + sizeof p256_spki, P256_POINT_OCTETS);
    }
    return kept_decode(KEPT_SPKI, der, len);
}

/* The SubjectPublicKeyInfo of a P-256 key, without the encoder. */
static bool p256_spki_write(EVP_PKEY *key, unsigned char out[P256_SPKI_OCTETS], struct err *err) {
    unsigned char point[KEY_POINT_MAX];

    if (!key_point(key, KEY_P256, point, err)) {
        return false;
    }
    memcpy(out, p256_spki, sizeof p256_spki);
    memcpy(out + sizeof p256_spki, point, P256_POINT_OCTETS);
    return true;
}

bool key_spki(EVP_PKEY *key, unsigned char **ret_der, size_t *ret_len, struct err *err) {
    enum key_type type;
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = 0;

    if (!foreign_key(key) && key_curve(key, &type) && type == KEY_P256) {
        der = OPENSSL_malloc(P256_SPKI_OCTETS);
        if (der == NULL) {
            return err_set(err, ERR_NO_MEMORY, "no memory");
        }
        if (!p256_spki_write(key, der, err)) {
            return false;
        }
        len = (int)P256_SPKI_OCTETS;
    } else if ((len = i2d_PUBKEY(key, &der)) <= 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not encode a public key");
        return err_cause_openssl(err);
    }
    *ret_der = TAKE(der);
    *ret_len = (size_t)len;
    return true;
}

bool key_spki_sha256(EVP_PKEY *key, unsigned char ret[32], struct err *err) {
    AUTO(ossl_free) unsigned char *der = NULL;
    size_t len = 0;

    if (!key_spki(key, &der, &len, err)) {
        return false;
    }
    return kept_hash(KEPT_SHA256, der, len, ret)
           || err_set(err, ERR_SERVER_INTERNAL, "could not hash a public key");
}

/* The moduli of CVE-2017-15361 (ROCA) are powers of 65537 modulo every small prime. */
static bool rsa_is_roca(const BIGNUM *modulus) {
    for (unsigned prime = 3; prime <= 167; prime += 2) {
        bool is_prime = true, found = false;
        for (unsigned divisor = 3; divisor * divisor <= prime; divisor += 2) {
            is_prime = is_prime && prime % divisor != 0;
        }
        if (!is_prime) {
            continue;
        }
        BN_ULONG rest = BN_mod_word(modulus, prime);
        BN_ULONG power = 1;
        for (unsigned i = 0; i < prime && !found; i++) {
            found = power == rest;
            power = power * 65537 % prime;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool rsa_acceptable(EVP_PKEY *key, enum err_kind kind, struct err *err) {
    AUTO(BN_free) BIGNUM *modulus = NULL;
    AUTO(BN_free) BIGNUM *exponent = NULL;
    int bits = EVP_PKEY_get_bits(key);

    if (bits < 2048 || bits > 4096) {
        return err_set(err, kind, "an RSA key must have 2048 to 4096 bits, not %d", bits);
    }
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus) != 1
        || EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1) {
        return err_set(err, kind, "the RSA key could not be read");
    }
    if (!BN_is_odd(exponent) || BN_num_bits(exponent) < 17
        || BN_num_bits(exponent) > RSA_EXPONENT_BITS_MAX) {
        return err_set(err, kind, "the RSA exponent must be odd and greater than 65536");
    }
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    /* SP 800-56B: odd, no small factor, neither a prime nor a power of one. */
    if (ctx == NULL || EVP_PKEY_public_check(ctx) != 1 || rsa_is_roca(modulus)) {
        ERR_clear_error();
        return err_set(err, kind, "the RSA modulus is weak");
    }
    return true;
}

/* Points of order 1, 2, 4 and 8, and y that are not reduced: any message "verifies" under them. */
static bool ed25519_is_weak(const unsigned char y[32]) {
    static const unsigned char order8[2][32] = {
        {0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4,
         0x89, 0xF2, 0xEF, 0x98, 0xF0, 0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6,
         0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05},
        {0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B,
         0x76, 0x0D, 0x10, 0x67, 0x0F, 0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39,
         0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A},
    };
    unsigned char value[32];
    bool middle_ff = true, middle_zero = true;

    memcpy(value, y, sizeof value);
    value[31] &= 0x7F; /* the sign of x */
    for (unsigned i = 1; i < 31; i++) {
        middle_ff = middle_ff && value[i] == 0xFF;
        middle_zero = middle_zero && value[i] == 0x00;
    }
    return (middle_zero && value[31] == 0x00 && value[0] <= 1)
           || (middle_ff && value[31] == 0x7F && value[0] >= 0xEC) /* -1 and p to 2^255-1 */
           || memcmp(value, order8[0], 32) == 0 || memcmp(value, order8[1], 32) == 0;
}

bool key_acceptable(EVP_PKEY *key, enum err_kind kind, struct err *err) {
    int id = EVP_PKEY_get_base_id(key);
    enum key_type type;
    unsigned char y[32];
    size_t len = sizeof y;

    if (id == EVP_PKEY_RSA) {
        return rsa_acceptable(key, kind, err);
    }
    if (id == EVP_PKEY_ED25519) {
        return (EVP_PKEY_get_raw_public_key(key, y, &len) == 1 && !ed25519_is_weak(y))
               || err_set(err, kind, "the Ed25519 key is weak");
    }
    return key_curve(key, &type)
           || err_set(err, kind,
                      "the key must be EC (P-256, P-384, P-521), RSA of 2048 to 4096 bits or "
                      "Ed25519");
}

/* PKCS #8 of a P-256 key, without the encoder. */
static bool p256_pkcs8_write(EVP_PKEY *key, unsigned char out[P256_PKCS8_OCTETS], struct err *err) {
    unsigned char point[KEY_POINT_MAX];
    AUTO(BN_clear_free) BIGNUM *scalar = NULL;
    unsigned char *at = out;

    memcpy(at, p256_pkcs8, sizeof p256_pkcs8);
    at += sizeof p256_pkcs8;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) != 1
        || BN_bn2binpad(scalar, at, P256_OCTETS) != P256_OCTETS) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not read a private key");
        return err_cause_openssl(err);
    }
    at += P256_OCTETS;
    memcpy(at, p256_pkcs8_point, sizeof p256_pkcs8_point);
    at += sizeof p256_pkcs8_point;
    if (!key_point(key, KEY_P256, point, err)) {
        return false;
    }
    memcpy(at, point, P256_POINT_OCTETS);
    return true;
}

bool key_private_der(EVP_PKEY *key, unsigned char **ret_der, size_t *ret_len, struct err *err) {
    enum key_type type;
    unsigned char *der = NULL;
    int len = 0;

    if (key_curve(key, &type) && type == KEY_P256) {
        der = OPENSSL_zalloc(P256_PKCS8_OCTETS);
        if (der == NULL) {
            return err_set(err, ERR_NO_MEMORY, "no memory");
        }
        if (!p256_pkcs8_write(key, der, err)) {
            OPENSSL_clear_free(der, P256_PKCS8_OCTETS);
            return false;
        }
        len = (int)P256_PKCS8_OCTETS;
    } else {
        PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
        len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
        PKCS8_PRIV_KEY_INFO_free(info);
    }
    if (len <= 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not encode a private key");
        return err_cause_openssl(err);
    }
    *ret_der = der;
    *ret_len = (size_t)len;
    return true;
}

/* A P-256 key pair of its scalar and point; caller owns; NULL when it is not one. */
static EVP_PKEY *p256_pair(const unsigned char *scalar, const unsigned char *point) {
    AUTO(BN_clear_free) BIGNUM *number = BN_bin2bn(scalar, P256_OCTETS, NULL);
    unsigned char native[P256_OCTETS];
    char group[] = "prime256v1";

    if (number == NULL || BN_is_zero(number)
        || BN_bn2nativepad(number, native, sizeof native) != sizeof native) {
        return NULL;
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof native),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point,
                                          P256_POINT_OCTETS),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = kept_import(KEPT_EC, EVP_PKEY_KEYPAIR, params);
    OPENSSL_cleanse(native, sizeof native);
    if (key != NULL) {
        key_note_set(key, KEY_P256, point);
    }
    return key;
}

EVP_PKEY *key_from_private_der(const unsigned char *der, size_t len, struct err *err) {
    const unsigned char *scalar = der + sizeof p256_pkcs8;
    const unsigned char *middle = scalar + P256_OCTETS;
    EVP_PKEY *key;

    if (len == P256_PKCS8_OCTETS && memcmp(der, p256_pkcs8, sizeof p256_pkcs8) == 0
        && memcmp(middle, p256_pkcs8_point, sizeof p256_pkcs8_point) == 0) {
        key = p256_pair(scalar, middle + sizeof p256_pkcs8_point);
    } else {
        key = kept_decode(KEPT_PKCS8, der, len);
    }
    if (key == NULL) {
        (void)err_set(err, ERR_MALFORMED, "not a private key");
        (void)err_cause_openssl(err);
    }
    return key;
}

bool key_write_file(EVP_PKEY *key, const char *path, struct err *err) {
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    unsigned char *der = NULL;
    size_t len = 0;
    char *text = NULL;

    if (bio == NULL || !key_private_der(key, &der, &len, err)) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    bool ok = PEM_write_bio(bio, PEM_STRING_PKCS8INF, "", der, (long)len) > 0;
    OPENSSL_clear_free(der, len);
    long text_len = BIO_get_mem_data(bio, &text);
    if (!ok || text_len <= 0) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not write a private key");
    }
    return file_write(path, 0600, text, (size_t)text_len, err);
}

/* Never ask on the terminal. */
static int no_password(char *text, int size, int writing, void *user) {
    (void)text, (void)size, (void)writing, (void)user;
    return -1;
}

EVP_PKEY *key_read_pem(const char *text, size_t len, struct err *err) {
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(text, (int)len);
    AUTO(EVP_PKEY_free)
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    AUTO(EVP_PKEY_CTX_free)
    EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    if (ctx == NULL || EVP_PKEY_pairwise_check(ctx) != 1) {
        (void)err_set(err, ERR_CONFIG, "not a private key in PEM");
        (void)err_cause_openssl(err);
        return NULL;
    }
    return TAKE(key);
}

EVP_PKEY *key_read_file(const char *path, struct err *err) {
    struct err inner = {0};
    size_t len = 0;
    char *text = file_read(path, &len, err);

    if (text == NULL) {
        return NULL;
    }
    EVP_PKEY *key = key_read_pem(text, len, &inner);
    OPENSSL_cleanse(text, len);
    free(text);
    if (key == NULL) {
        (void)err_set(err, inner.kind, "%s: %s", path, inner.detail);
        (void)err_cause(err, "%s", inner.cause);
    }
    return key;
}
