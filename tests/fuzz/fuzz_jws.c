#include <string.h>

#include "common/json.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "common/jws_flat.h"
#include "tests/fuzz/parts.h"
#include "tests/fuzz/target.h"

static bool same(const json_t *envelope, const char *name, const char *text, size_t len) {
    const json_t *value = json_object_get(envelope, name);

    return json_is_string(value) && json_string_length(value) == len
           && memcmp(json_string_value(value), text, len) == 0;
}

/* What is opened as plain is JSON, and JSON says the same. */
static void check_plain(const char *text, size_t len) {
    struct err err = {0};
    struct jws_parts parts = {0};

    if (!jws_flat_open(text, len, &parts)) {
        return;
    }
    AUTO(json_release) json_t *envelope = json_read_object(text, len, &err);
    PROMISE(json_object_size(envelope) == 3);
    PROMISE(same(envelope, "protected", parts.header, parts.header_len));
    PROMISE(same(envelope, "payload", parts.payload, parts.payload_len));
    PROMISE(same(envelope, "signature", parts.signature, parts.signature_len));
}

/* No input verifies under the key of RFC 7515 A.3 but with the example's own payload; what is
 * refused leaves nothing behind. */
static void try_text(const char *text, size_t size) {
    static const char jwk_text[] =
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";
    struct err err = {0}, refused = {0};
    AUTO(jws_done) struct jws jws = {0};

    check_plain(text, size);
    if (!jws_read(text, size, &jws, &err)) {
        PROMISE(err.kind == ERR_MALFORMED || err.kind == ERR_BAD_SIGNATURE_ALGORITHM);
        PROMISE(jws.header == NULL && jws.payload == NULL && jws.signed_text == NULL);
        return;
    }
    PROMISE(jws.payload[jws.payload_len] == '\0');
    PROMISE(strlen(jws.signed_text) == jws.signed_len);
    PROMISE(jws.jwk == NULL || jws.kid == NULL);
    AUTO(json_release) json_t *jwk = json_read(jwk_text, sizeof jwk_text - 1, &err);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = jwk_read(jwk, &err);
    if (jws_verify(&jws, key, &refused)) {
        PROMISE(strstr((const char *)jws.payload, "\"iss\":\"joe\"") != NULL);
    }
    refused = (struct err){0};
    if (jws_verify_mac(&jws, "key", 3, &refused)) {
        PROMISE(jws.alg >= JWS_HS256);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(parts_done) struct parts parts = {0};

    if (!parts_read(data, size, &parts)) {
        try_text((const char *)data, size);
        return 0;
    }
    AUTO(json_release)
    json_t *envelope = json_pack("{s:s,s:s,s:s}", "protected", parts.text[0], "payload",
                                 parts.text[1], "signature", parts.text[2]);
    AUTO(free) char *text = json_text(envelope);
    PROMISE(text != NULL);
    try_text(text, strlen(text));
    return 0;
}
