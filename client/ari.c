#include "client/ari.h"

#include <stdlib.h>
#include <string.h>

#include "client/directory.h"
#include "common/b64.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/rng.h"

#define KEY_ID_MAX 32
#define SERIAL_MAX 24

bool ari_certid(X509 *leaf, char ret[ARI_CERTID_SIZE]) {
    const ASN1_OCTET_STRING *key_id = X509_get0_authority_key_id(leaf);
    const int key_id_len = key_id == NULL ? 0 : ASN1_STRING_length(key_id);
    unsigned char serial[SERIAL_MAX], *at = serial;

    if (key_id_len <= 0 || key_id_len > KEY_ID_MAX
        || i2d_ASN1_INTEGER(X509_get0_serialNumber(leaf), NULL) > SERIAL_MAX) {
        return false;
    }
    const int serial_len = i2d_ASN1_INTEGER(X509_get0_serialNumber(leaf), &at);
    if (serial_len < 3) {
        return false;
    }
    b64_encode_into(ASN1_STRING_get0_data(key_id), (size_t)key_id_len, ret, ARI_CERTID_SIZE);
    const size_t used = strlen(ret);
    ret[used] = '.';
    /* tag and length, one octet each, are not part of the name */
    b64_encode_into(serial + 2, (size_t)serial_len - 2, ret + used + 1, ARI_CERTID_SIZE - used - 1);
    return true;
}

char *ari_certid_chain(const char *chain_pem) {
    struct err err = {0};
    char name[ARI_CERTID_SIZE];

    if (chain_pem == NULL) {
        return NULL;
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(chain_pem, strlen(chain_pem), &err);
    return chain != NULL && ari_certid(sk_X509_value(chain, 0), name) ? strdup(name) : NULL;
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
