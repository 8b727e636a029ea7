#include "server/eab.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/json.h"
#include "common/jws.h"

#define EAB_KEY_MIN 16

struct eab_key {
    char kid[EAB_KID_MAX + 1];
    unsigned char key[EAB_KEY_MAX];
    size_t len;
};

struct eab_keys {
    unsigned count;
    struct eab_key keys[EAB_KEYS_MAX];
};

struct eab_keys *eab_keys_new(struct err *err) {
    struct eab_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for external account keys");
    }
    return keys;
}

void eab_keys_free(struct eab_keys *keys) {
    if (keys != NULL) {
        OPENSSL_cleanse(keys, sizeof(*keys));
        free(keys);
    }
}

static const struct eab_key *find(const struct eab_keys *keys, const char *kid) {
    for (unsigned i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].kid, kid) == 0) {
            return &keys->keys[i];
        }
    }
    return NULL;
}

bool eab_keys_add(struct eab_keys *keys, const char *text, struct err *err) {
    const char *colon = strrchr(text, ':'); /* base64url holds none */
    struct eab_key key = {0};
    struct err why = {0};

    if (colon == NULL || colon == text || colon - text > EAB_KID_MAX) {
        return err_set(err, ERR_CONFIG, "--eab takes KID:BASE64URL");
    }
    memcpy(key.kid, text, (size_t)(colon - text));
    if (!b64_decode_into(colon + 1, strlen(colon + 1), key.key, sizeof(key.key), &key.len, &why)
        || key.len < EAB_KEY_MIN) {
        return err_set(err, ERR_CONFIG, "--eab %s: the key is not base64url of %d to %d octets",
                       key.kid, EAB_KEY_MIN, EAB_KEY_MAX);
    }
    if (keys->count == EAB_KEYS_MAX || find(keys, key.kid) != NULL) {
        return err_set(err, ERR_CONFIG, "--eab %s: given twice, or more than %d keys", key.kid,
                       EAB_KEYS_MAX);
    }
    keys->keys[keys->count++] = key;
    OPENSSL_cleanse(&key, sizeof(key));
    return true;
}

bool eab_keys_any(const struct eab_keys *keys) { return keys->count > 0; }

/* The header, as 7.3.4 has it; ret_key is whose MAC it must be. */
static bool check_header(const struct eab_keys *keys, const struct jws *jws, const char *url,
                         const struct eab_key **ret_key, struct err *err) {
    if (jws->nonce != NULL) {
        return err_set(err, ERR_MALFORMED, "the external account binding has a nonce");
    }
    if (jws->url == NULL || strcmp(jws->url, url) != 0) {
        return err_set(err, ERR_MALFORMED, "the external account binding is for another url");
    }
    if (jws->kid == NULL) {
        return err_set(err, ERR_MALFORMED, "the external account binding has no kid");
    }
    *ret_key = find(keys, jws->kid);
    return *ret_key != NULL
           || err_set(err, ERR_UNAUTHORIZED, "the external account binding's kid is unknown");
}

static bool check_payload(const struct jws *jws, const char *thumbprint, struct err *err) {
    char inner[JWK_THUMBPRINT_SIZE];
    AUTO(json_release)
    json_t *jwk = json_read_object((const char *)jws->payload, jws->payload_len, err);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = jwk == NULL ? NULL : jwk_read(jwk, err);

    if (key == NULL || !jwk_thumbprint(key, inner, err)) {
        return false;
    }
    return strcmp(inner, thumbprint) == 0
           || err_set(err, ERR_MALFORMED, "the external account binding is of another key");
}

bool eab_check(const struct eab_keys *keys, const json_t *binding, const char *url,
               const char *thumbprint, struct err *err) {
    AUTO(free) char *text = json_text(binding);
    AUTO(jws_done) struct jws jws = {0};
    const struct eab_key *key = NULL;
    struct err why = {0};

    if (text == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    if (!jws_read(text, strlen(text), &jws, err) || !check_header(keys, &jws, url, &key, err)) {
        return false;
    }
    if (!jws_verify_mac(&jws, key->key, key->len, &why)) {
        enum err_kind kind = why.kind == ERR_MALFORMED ? ERR_UNAUTHORIZED : why.kind;
        return err_set(err, kind, "the external account binding: %s", why.detail);
    }
    return check_payload(&jws, thumbprint, err);
}
