#include "common/jws.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <string.h>

#include "common/b64.h"
#include "common/der.h"
#include "common/json.h"
#include "common/jws_flat.h"
#include "common/kept.h"
#include "common/key.h"
#include "common/ossl.h"

#define HEADER_ON_STACK 1536
#define SIGNATURE_MAX 512
#define ECDSA_DER_MAX 144

enum family { FAMILY_ECDSA, FAMILY_RSA, FAMILY_EDDSA, FAMILY_MAC };

/* RFC 7518 section 3.1 and RFC 8037 section 3.1. */
/* clang-format off */
static const struct {
    const char *name;
    enum family family;
    enum kept_digest digest;
    enum key_type curve;
} algs[] = {
    [JWS_ES256] = {"ES256", FAMILY_ECDSA, KEPT_SHA256, KEY_P256},
    [JWS_ES384] = {"ES384", FAMILY_ECDSA, KEPT_SHA384, KEY_P384},
    [JWS_ES512] = {"ES512", FAMILY_ECDSA, KEPT_SHA512, KEY_P521},
    [JWS_RS256] = {"RS256", FAMILY_RSA,   KEPT_SHA256, KEY__COUNT},
    [JWS_EDDSA] = {"EdDSA", FAMILY_EDDSA, KEPT_DIGEST__COUNT, KEY__COUNT},
    [JWS_HS256] = {"HS256", FAMILY_MAC,   KEPT_SHA256, KEY__COUNT},
    [JWS_HS384] = {"HS384", FAMILY_MAC,   KEPT_SHA384, KEY__COUNT},
    [JWS_HS512] = {"HS512", FAMILY_MAC,   KEPT_SHA512, KEY__COUNT},
};
/* clang-format on */
static_assert(COUNT(algs) == JWS_ALG__COUNT, "a row for every algorithm");

const char *jws_alg_name(enum jws_alg alg) { return algs[alg].name; }

bool jws_alg_parse(const char *name, enum jws_alg *ret) {
    for (unsigned i = 0; i < COUNT(algs); i++) {
        if (strcmp(name, algs[i].name) == 0) {
            *ret = (enum jws_alg)i;
            return true;
        }
    }
    return false;
}

bool jws_alg_of_key(EVP_PKEY *key, enum jws_alg *ret) {
    int id = EVP_PKEY_get_base_id(key);
    enum key_type curve;

    if (id == EVP_PKEY_RSA) {
        *ret = JWS_RS256;
        return true;
    }
    if (id == EVP_PKEY_ED25519) {
        *ret = JWS_EDDSA;
        return true;
    }
    if (!key_curve(key, &curve)) {
        return false;
    }
    *ret = curve == KEY_P256 ? JWS_ES256 : curve == KEY_P384 ? JWS_ES384 : JWS_ES512;
    return true;
}

void jws_done(struct jws *jws) {
    json_decref(jws->header);
    free(jws->payload);
    free(jws->signed_text);
    *jws = (struct jws){0};
}

void jws_done_auto(struct jws *jws) { jws_done(jws); }

/* An optional text member of the protected header. */
static bool header_text(const json_t *header, const char *name, const char **ret, struct err *err) {
    const json_t *value = json_object_get(header, name);

    if (value == NULL) {
        return true;
    }
    if (!json_is_string(value)) {
        return err_set(err, ERR_MALFORMED, "\"%s\" of the protected header is not a string", name);
    }
    *ret = json_string_value(value);
    return true;
}

/* What the header says, judged as far as this can be done without the request. */
static bool header_judge(struct jws *jws, struct err *err) {
    const char *alg = NULL;

    /* RFC 8555 section 6.2 with RFC 7515 section 4.1.11: no extension is understood. */
    if (json_object_get(jws->header, "crit") != NULL
        || json_object_get(jws->header, "b64") != NULL) {
        return err_set(err, ERR_MALFORMED, "the protected header has \"crit\" or \"b64\"");
    }
    if (!header_text(jws->header, "alg", &alg, err)
        || !header_text(jws->header, "url", &jws->url, err)
        || !header_text(jws->header, "nonce", &jws->nonce, err)
        || !header_text(jws->header, "kid", &jws->kid, err)) {
        return false;
    }
    jws->jwk = json_object_get(jws->header, "jwk");
    if (jws->jwk != NULL && !json_is_object(jws->jwk)) {
        return err_set(err, ERR_MALFORMED, "\"jwk\" of the protected header is not an object");
    }
    /* RFC 8555 section 6.2: mutually exclusive. */
    if (jws->jwk != NULL && jws->kid != NULL) {
        return err_set(err, ERR_MALFORMED, "the protected header has both \"jwk\" and \"kid\"");
    }
    /* RFC 8555 section 6.5.2. */
    if (jws->nonce != NULL && !b64_is(jws->nonce, strlen(jws->nonce))) {
        return err_set(err, ERR_MALFORMED, "the nonce is not base64url");
    }
    if (alg == NULL) {
        return err_set(err, ERR_MALFORMED, "the protected header has no \"alg\"");
    }
    if (!jws_alg_parse(alg, &jws->alg)) {
        return err_set(err, ERR_BAD_SIGNATURE_ALGORITHM, "the algorithm is not supported");
    }
    return true;
}

static bool header_read(struct jws *jws, const char *text, size_t len, struct err *err) {
    unsigned char small[HEADER_ON_STACK];
    AUTO(free) unsigned char *large = NULL;
    unsigned char *data = small;
    size_t data_len = 0;

    if (B64_LEN(sizeof small) >= len) {
        if (!b64_decode_into(text, len, small, sizeof small, &data_len, err)) {
            return false;
        }
    } else {
        if (!b64_decode(text, len, &large, &data_len, err)) {
            return false;
        }
        data = large;
    }
    jws->header = json_read_object((const char *)data, data_len, err);
    return jws->header != NULL && header_judge(jws, err);
}

bool jws_read_parts(const struct jws_parts *parts, struct jws *ret, struct err *err) {
    AUTO(jws_done) struct jws jws = {0};

    if (!header_read(&jws, parts->header, parts->header_len, err)
        || !b64_decode(parts->payload, parts->payload_len, &jws.payload, &jws.payload_len, err)
        || !b64_decode_into(parts->signature, parts->signature_len, jws.signature,
                            sizeof jws.signature, &jws.signature_len, err)) {
        return false;
    }
    jws.signed_len = parts->header_len + 1 + parts->payload_len;
    jws.signed_text = malloc(jws.signed_len + 1);
    if (jws.signed_text == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    char *end = mempcpy(jws.signed_text, parts->header, parts->header_len);
    *end++ = '.';
    end = mempcpy(end, parts->payload, parts->payload_len);
    *end = '\0';
    *ret = jws;
    jws = (struct jws){0};
    return true;
}

/* A member of the envelope. */
static bool envelope_text(const json_t *envelope, const char *name, const char **ret_text,
                          size_t *ret_len, struct err *err) {
    const json_t *value = json_object_get(envelope, name);

    if (!json_is_string(value)) {
        return err_set(err, ERR_MALFORMED, "the JWS has no string \"%s\"", name);
    }
    *ret_text = json_string_value(value);
    *ret_len = json_string_length(value);
    return true;
}

/* Any other envelope than the plain form, or why it is none. */
static bool read_envelope(const char *text, size_t len, struct jws *ret, struct err *err) {
    AUTO(json_release) json_t *envelope = json_read_object(text, len, err);
    struct jws_parts parts = {0};

    if (envelope == NULL) {
        return false;
    }
    /* RFC 8555 section 6.2: flattened, one signature, no unprotected header. */
    if (json_object_get(envelope, "signatures") != NULL
        || json_object_get(envelope, "header") != NULL) {
        return err_set(err, ERR_MALFORMED,
                       "the JWS must be flattened and without an unprotected header");
    }
    return envelope_text(envelope, "protected", &parts.header, &parts.header_len, err)
           && envelope_text(envelope, "payload", &parts.payload, &parts.payload_len, err)
           && envelope_text(envelope, "signature", &parts.signature, &parts.signature_len, err)
           && jws_read_parts(&parts, ret, err);
}

bool jws_read(const char *text, size_t len, struct jws *ret, struct err *err) {
    struct jws_parts parts = {0};

    *ret = (struct jws){0};
    return jws_flat_open(text, len, &parts) ? jws_read_parts(&parts, ret, err)
                                            : read_envelope(text, len, ret, err);
}

/* Does alg go with key? */
static bool fits(EVP_PKEY *key, enum jws_alg alg) {
    enum jws_alg natural;

    return jws_alg_of_key(key, &natural) && natural == alg;
}

/* One number of an ECDSA signature as an INTEGER; what was written. */
static size_t put_integer(unsigned char *out, const unsigned char *number, size_t len) {
    while (len > 1 && *number == 0) {
        number++;
        len--;
    }
    const size_t sign = *number >= 0x80; /* or it would be negative */
    size_t header = der_header(out, DER_INTEGER, sign + len);
    out[header] = 0;
    memcpy(out + header + sign, number, len);
    return header + sign + len;
}

/* R||S to DER; RFC 7518 section 3.4: exactly two full coordinates. */
static size_t ecdsa_to_der(const unsigned char *signature, size_t half,
                           unsigned char der[ECDSA_DER_MAX]) {
    unsigned char pair[ECDSA_DER_MAX];
    size_t len = put_integer(pair, signature, half);

    len += put_integer(pair + len, signature + half, half);
    size_t header = der_header(der, DER_SEQUENCE, len);
    memcpy(der + header, pair, len);
    return header + len;
}

/* The next INTEGER to half octets, leading zeros kept. */
static bool take_integer(struct der *in, unsigned char *out, size_t half) {
    struct der number = {0};

    if (!der_take(in, DER_INTEGER, &number) || number.len == 0) {
        return false;
    }
    if (number.at[0] == 0) {
        number.at++;
        number.len--;
    }
    if (number.len > half) {
        return false;
    }
    memset(out, 0, half - number.len);
    memcpy(out + half - number.len, number.at, number.len);
    return true;
}

/* DER to R||S. */
static bool ecdsa_from_der(const unsigned char *der, size_t len, size_t half,
                           unsigned char *signature) {
    struct der in = {der, len}, pair = {0};

    return der_take(&in, DER_SEQUENCE, &pair) && take_integer(&pair, signature, half)
           && take_integer(&pair, signature + half, half) && pair.len == 0;
}

static const EVP_MD *digest_of(enum jws_alg alg) {
    return algs[alg].family == FAMILY_EDDSA ? NULL : kept_md(algs[alg].digest);
}

/* RSA and EdDSA: what OpenSSL does whole. */
static bool verify_whole(EVP_PKEY *key, enum jws_alg alg, const void *text, size_t len,
                         const unsigned char *signature, size_t signature_len) {
    EVP_MD_CTX *ctx = kept_md_ctx();
    bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, digest_of(alg), NULL, key) == 1
              && EVP_DigestVerify(ctx, signature, signature_len, text, len) == 1;

    kept_md_ctx_done();
    return ok;
}

bool jws_verify_raw(EVP_PKEY *key, enum jws_alg alg, const void *text, size_t len,
                    const unsigned char *signature, size_t signature_len, struct err *err) {
    unsigned char der[ECDSA_DER_MAX];
    bool ok;

    if (algs[alg].family == FAMILY_MAC) {
        return err_set(err, ERR_BAD_SIGNATURE_ALGORITHM, "%s is not a signature", algs[alg].name);
    }
    if (!fits(key, alg)) {
        return err_set(err, ERR_BAD_PUBLIC_KEY, "%s does not fit the key", algs[alg].name);
    }
    if (algs[alg].family == FAMILY_ECDSA) {
        size_t half = key_coordinate_len(algs[alg].curve);
        if (signature_len != 2 * half) {
            return err_set(err, ERR_MALFORMED, "a signature of %s has %zu octets", algs[alg].name,
                           2 * half);
        }
        ok = kept_verify(key, algs[alg].digest, text, len, der, ecdsa_to_der(signature, half, der));
    } else {
        ok = verify_whole(key, alg, text, len, signature, signature_len);
    }
    if (!ok) {
        ERR_clear_error();
        return err_set(err, ERR_MALFORMED, "the signature is wrong");
    }
    return true;
}

static bool sign_whole(EVP_PKEY *key, enum jws_alg alg, const void *text, size_t len,
                       unsigned char *signature, size_t *ret_len) {
    EVP_MD_CTX *ctx = kept_md_ctx();
    bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, digest_of(alg), NULL, key) == 1
              && EVP_DigestSign(ctx, signature, ret_len, text, len) == 1;

    kept_md_ctx_done();
    return ok;
}

bool jws_sign_raw(EVP_PKEY *key, enum jws_alg alg, const void *text, size_t len,
                  unsigned char signature[512], size_t *ret_len, struct err *err) {
    unsigned char der[ECDSA_DER_MAX];
    size_t made_len = SIGNATURE_MAX;
    bool ok;

    if (algs[alg].family == FAMILY_MAC || !fits(key, alg)) {
        return err_set(err, ERR_SERVER_INTERNAL, "%s does not fit the key", algs[alg].name);
    }
    if (algs[alg].family == FAMILY_ECDSA) {
        size_t half = key_coordinate_len(algs[alg].curve);
        made_len = sizeof der;
        ok = kept_sign(key, algs[alg].digest, text, len, der, &made_len)
             && ecdsa_from_der(der, made_len, half, signature);
        made_len = 2 * half;
    } else {
        ok = sign_whole(key, alg, text, len, signature, &made_len);
    }
    if (!ok) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not sign");
        return err_cause_openssl(err);
    }
    *ret_len = made_len;
    return true;
}

bool jws_verify(const struct jws *jws, EVP_PKEY *key, struct err *err) {
    return jws_verify_raw(key, jws->alg, jws->signed_text, jws->signed_len, jws->signature,
                          jws->signature_len, err);
}

/* HMAC of text[len]; *ret_len octets. */
static bool mac_of(enum jws_alg alg, const void *key, size_t key_len, const void *text, size_t len,
                   unsigned char mac[EVP_MAX_MD_SIZE], size_t *ret_len, struct err *err) {
    unsigned mac_len = 0;

    if (key_len > INT_MAX
        || HMAC(kept_md(algs[alg].digest), key, (int)key_len, text, len, mac, &mac_len) == NULL) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not compute a MAC");
        return err_cause_openssl(err);
    }
    *ret_len = mac_len;
    return true;
}

bool jws_verify_mac(const struct jws *jws, const void *key, size_t len, struct err *err) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t mac_len = 0;

    if (algs[jws->alg].family != FAMILY_MAC) {
        return err_set(err, ERR_BAD_SIGNATURE_ALGORITHM, "%s is not a MAC", algs[jws->alg].name);
    }
    if (!mac_of(jws->alg, key, len, jws->signed_text, jws->signed_len, mac, &mac_len, err)) {
        return false;
    }
    if (jws->signature_len != mac_len || CRYPTO_memcmp(mac, jws->signature, mac_len) != 0) {
        return err_set(err, ERR_MALFORMED, "the MAC is wrong");
    }
    return true;
}

/* "BASE64URL(header).BASE64URL(payload)" with alg added to the header; caller owns, free();
 * *ret_header_len says where the point is. */
static char *signing_input(json_t *header, enum jws_alg alg, const void *payload, size_t len,
                           size_t *ret_header_len, struct err *err) {
    if (json_object_set_new(header, "alg", json_string(algs[alg].name)) != 0) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    AUTO(free) char *header_text = json_text(header);
    size_t header_octets = header_text == NULL ? 0 : strlen(header_text);
    size_t header_len = B64_LEN(header_octets), size = header_len + B64_LEN(len) + 2;
    AUTO(free) char *text = header_text == NULL ? NULL : malloc(size);

    if (text == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    b64_encode_into(header_text, header_octets, text, header_len + 1);
    text[header_len] = '.';
    b64_encode_into(payload, len, text + header_len + 1, size - header_len - 1);
    *ret_header_len = header_len;
    return TAKE(text);
}

/* The flattened form; caller owns, free(). */
static char *flatten(const char *input, size_t header_len, const unsigned char *signature,
                     size_t signature_len, struct err *err) {
    char signature_text[B64_LEN(SIGNATURE_MAX) + 1];

    b64_encode_into(signature, signature_len, signature_text, sizeof signature_text);
    const struct jws_parts parts = {.header = input,
                                    .header_len = header_len,
                                    .payload = input + header_len + 1,
                                    .payload_len = strlen(input + header_len + 1),
                                    .signature = signature_text,
                                    .signature_len = strlen(signature_text)};
    char *text = jws_flat_make(&parts);
    if (text == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
    }
    return text;
}

char *jws_sign(EVP_PKEY *key, json_t *header, const void *payload, size_t len, struct err *err) {
    unsigned char signature[SIGNATURE_MAX];
    size_t signature_len = 0, header_len = 0;
    enum jws_alg alg;

    if (!jws_alg_of_key(key, &alg)) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "the key has no JWS algorithm");
        return NULL;
    }
    AUTO(free) char *input = signing_input(header, alg, payload, len, &header_len, err);
    if (input == NULL
        || !jws_sign_raw(key, alg, input, strlen(input), signature, &signature_len, err)) {
        return NULL;
    }
    return flatten(input, header_len, signature, signature_len, err);
}

char *jws_sign_mac(const void *key, size_t key_len, json_t *header, const void *payload, size_t len,
                   struct err *err) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t mac_len = 0, header_len = 0;
    AUTO(free)
    char *input = signing_input(header, JWS_HS256, payload, len, &header_len, err);

    if (input == NULL
        || !mac_of(JWS_HS256, key, key_len, input, strlen(input), mac, &mac_len, err)) {
        return NULL;
    }
    return flatten(input, header_len, mac, mac_len, err);
}
