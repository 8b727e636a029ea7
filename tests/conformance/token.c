/* Tokens of the Token Authority whose key acmespec was given. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/jwk.h"
#include "common/jwt.h"
#include "common/rng.h"
#include "tests/conformance/responder.h"
#include "tests/conformance/spec_internal.h"

#define TOKEN_LIFE_S 600

const char *spec_uuid(struct spec *spec) {
    uint64_t seed = 0;
    char text[37];

    rng_secret(&seed, sizeof(seed));
    struct rng rng = rng_seeded(seed);
    rng_uuid(&rng, text);
    return spec_text(spec, "%s", text);
}

const char *spec_fingerprint(struct spec *spec, const struct spec_account *account) {
    unsigned char octets[32] = {0};
    char text[sizeof("SHA256 ") + sizeof(octets) * 3] = "SHA256 ";
    struct err err = {0};

    if (account->key == NULL || !jwk_thumbprint_raw(account->key, octets, &err)) {
        spec_fail(spec, "no fingerprint of the account's key");
    }
    for (unsigned i = 0; i < sizeof(octets); i++) {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "%s%02X", i == 0 ? "" : ":", octets[i]);
    }
    return spec_text(spec, "%s", text);
}

json_t *spec_token_claims(struct spec *spec, const struct spec_account *account, const char *type,
                          const char *value) {
    return spec_pack(spec, "{s:I, s:s, s:s, s:[s], s:{s:s, s:s, s:b, s:s}}", "exp",
                     (json_int_t)time(NULL) + TOKEN_LIFE_S, "jti", spec_uuid(spec), "iss",
                     "https://authority.test/", "nfTypes", "AMF", "atc", "tktype", type, "tkvalue",
                     value, "ca", 0, "fingerprint", spec_fingerprint(spec, account));
}

EVP_PKEY *spec_token_key(struct spec *spec) {
    if (spec->target->token_key == NULL) {
        spec_skip(spec, "no --token-authority-key");
    }
    return spec->target->token_key;
}

const char *spec_token(struct spec *spec, const json_t *claims, EVP_PKEY *key) {
    const struct spec_target *target = spec->target;
    struct err err = {0};

    if (key == NULL && target->token_key == NULL) {
        spec_skip(spec, "no --token-authority-key");
        return "";
    }
    char *token = jwt_sign(key != NULL ? key : target->token_key,
                           key != NULL ? NULL : target->token_chain, claims, &err);
    if (token == NULL) {
        spec_fail(spec, "no token: %s", err.detail);
        return "";
    }
    return spec_keep(spec, token, free);
}
