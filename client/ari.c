#include "client/ari.h"

#include <stdlib.h>
#include <string.h>

#include "client/directory.h"
#include "common/b64.h"
#include "common/clock.h"
#include "common/der.h"
#include "common/json.h"
#include "common/ossl.h"
#include "common/rng.h"

#define KEY_ID_MAX 32
#define SERIAL_MAX 24

/* Context-specific tags of a certificate, and of its authorityKeyIdentifier. */
enum { VERSION = 0xA0, EXTENSIONS = 0xA3, KEY_IDENTIFIER = 0x80 };

static bool name_of(struct der serial, struct der key_id, char ret[ARI_CERTID_SIZE]) {
    if (key_id.len == 0 || key_id.len > KEY_ID_MAX || serial.len == 0 || serial.len > SERIAL_MAX) {
        return false;
    }
    b64_encode_into(key_id.at, key_id.len, ret, ARI_CERTID_SIZE);
    const size_t used = strlen(ret);
    ret[used] = '.';
    b64_encode_into(serial.at, serial.len, ret + used + 1, ARI_CERTID_SIZE - used - 1);
    return true;
}

/* The keyIdentifier of the authorityKeyIdentifier among the extensions, RFC 5280 4.2.1.1. */
static bool key_id_of(struct der extensions, struct der *ret) {
    static const unsigned char aki[] = {0x55, 0x1D, 0x23};
    struct der extension = {0}, oid = {0}, value = {0};
    unsigned tag = 0;

    while (der_take(&extensions, DER_SEQUENCE, &extension)) {
        if (!der_take(&extension, DER_OID, &oid) || !der_next(&extension, &tag, &value, NULL)
            || (tag == DER_BOOLEAN && !der_next(&extension, &tag, &value, NULL))) {
            return false;
        }
        if (der_is(oid, aki, sizeof aki)) {
            return tag == DER_OCTETS && der_take(&value, DER_SEQUENCE, &extension)
                   && der_next(&extension, &tag, ret, NULL) && tag == KEY_IDENTIFIER;
        }
    }
    return false;
}

/* RFC 5280 4.1, without decoding its key, which costs OpenSSL a hundred microseconds. */
static bool certid_der(struct der certificate, char ret[ARI_CERTID_SIZE]) {
    struct der tbs = {0}, serial = {0}, part = {0}, extensions = {0}, key_id = {0};
    unsigned tag = 0;

    if (!der_take(&certificate, DER_SEQUENCE, &part) || !der_take(&part, DER_SEQUENCE, &tbs)
        || !der_next(&tbs, &tag, &serial, NULL)
        || (tag == VERSION && !der_next(&tbs, &tag, &serial, NULL)) || tag != DER_INTEGER) {
        return false;
    }
    while (der_next(&tbs, &tag, &part, NULL)) {
        if (tag == EXTENSIONS) {
            return der_take(&part, DER_SEQUENCE, &extensions) && key_id_of(extensions, &key_id)
                   && name_of(serial, key_id, ret);
        }
    }
    return false;
}

bool ari_certid(X509 *leaf, char ret[ARI_CERTID_SIZE]) {
    AUTO(ossl_free) unsigned char *der = NULL;
    const int len = i2d_X509(leaf, &der);

    return len > 0 && certid_der((struct der){der, (size_t)len}, ret);
}

char *ari_certid_chain(const char *chain_pem) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    const char *text = chain_pem == NULL ? NULL : strstr(chain_pem, begin);
    const char *end = text == NULL ? NULL : strstr(text + sizeof begin - 1, "-----END");
    char name[ARI_CERTID_SIZE];
    int len = 0, rest = 0;

    if (end == NULL) {
        return NULL;
    }
    text += sizeof begin - 1;
    AUTO(free) unsigned char *der = malloc((size_t)(end - text) + 1);
    AUTO(EVP_ENCODE_CTX_free) EVP_ENCODE_CTX *decode = EVP_ENCODE_CTX_new();
    if (der == NULL || decode == NULL) {
        return NULL;
    }
    EVP_DecodeInit(decode);
    if (EVP_DecodeUpdate(decode, der, &len, (const unsigned char *)text, (int)(end - text)) < 0
        || EVP_DecodeFinal(decode, der + len, &rest) != 1) {
        return NULL;
    }
    return certid_der((struct der){der, (size_t)(len + rest)}, name) ? strdup(name) : NULL;
}

static bool instant(const json_t *window, const char *name, uint64_t *ret) {
    const char *text = json_string_value(json_object_get(window, name));

    return text != NULL && clock_parse(text, ret);
}

bool ari_parse(const char *body, size_t len, struct ari_window *ret, struct err *err) {
    struct err wrong = {0};
    AUTO(json_release) json_t *json = json_read_object(body, len, &wrong);
    const json_t *window = json_object_get(json, "suggestedWindow");
    const char *explanation = json_string_value(json_object_get(json, "explanationURL"));
    struct ari_window read = {0};

    if (!instant(window, "start", &read.start_us) || !instant(window, "end", &read.end_us)
        || read.end_us <= read.start_us) {
        return err_set(err, ERR_UPSTREAM, "the renewal information holds no window");
    }
    if (explanation != NULL && strlen(explanation) < sizeof read.explanation
        && directory_url(explanation)) {
        memcpy(read.explanation, explanation, strlen(explanation) + 1);
    }
    *ret = read;
    return true;
}

uint64_t ari_pick_us(const struct ari_window *window, uint64_t seed) {
    struct rng rng = rng_seeded(seed ^ window->start_us ^ (window->end_us << 1));

    return window->start_us + rng_below(&rng, window->end_us - window->start_us);
}
