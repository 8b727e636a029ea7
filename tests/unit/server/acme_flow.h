/* An account, an order, its proof and its certificate, as steps for the tests of the wfe rooms. */
#pragma once

#include "acme_bed.h"

/* ---- expectations ---- */

#define ck_answer(answer, want_status, want_error)                                                 \
    do {                                                                                           \
        ck_assert_msg((answer).status == (want_status)                                             \
                          && strcmp((answer).error, (want_error)) == 0,                            \
                      "%u %s instead of %u %s: %s", (answer).status, (answer).error,               \
                      (unsigned)(want_status), (want_error), (answer).body);                       \
    } while (0)

BED_UNUSED static const char *member(const struct answer *answer, const char *name) {
    const char *text = json_string_value(json_object_get(answer->json, name));
    ck_assert_msg(text != NULL, "no \"%s\" in %s", name, answer->body);
    return text;
}

/* Post, expect, forget. */
BED_UNUSED static void bed_expect(struct bed *bed, const struct actor *actor, const char *url,
                                  const char *payload, unsigned status, const char *error) {
    struct answer answer = bed_post(bed, actor, url, payload);
    ck_answer(answer, status, error);
    answer_done(&answer);
}

BED_UNUSED static void bed_status(struct bed *bed, const struct actor *actor, const char *url,
                                  const char *status) {
    struct answer answer = bed_post(bed, actor, url, NULL);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), status);
    answer_done(&answer);
}

/* ---- the life of an enrolment ---- */

BED_UNUSED static struct actor bed_account(struct bed *bed) {
    struct actor actor = bed_actor();
    struct answer answer = bed_post(bed, &actor, "/new-account", "{}");

    ck_answer(answer, 201, "");
    bed_copy(actor.kid, sizeof(actor.kid), answer.location);
    answer_done(&answer);
    return actor;
}

struct placed {
    char url[256], finalize[256];
    unsigned count;
    char authz[4][256], challenge[4][256], token[4][64];
};

BED_UNUSED static void bed_read_authz(struct bed *bed, const struct actor *actor,
                                      struct placed *placed, unsigned i) {
    struct answer authz = bed_post(bed, actor, placed->authz[i], NULL);

    ck_answer(authz, 200, "");
    const json_t *challenge = json_array_get(json_object_get(authz.json, "challenges"), 0);
    bed_copy(placed->challenge[i], 256, json_string_value(json_object_get(challenge, "url")));
    bed_copy(placed->token[i], 64, json_string_value(json_object_get(challenge, "token")));
    answer_done(&authz);
}

/* payload: of newOrder. */
BED_UNUSED static struct placed bed_order(struct bed *bed, const struct actor *actor,
                                          const char *payload) {
    struct answer answer = bed_post(bed, actor, "/new-order", payload);
    struct placed placed = {0};

    ck_answer(answer, 201, "");
    bed_copy(placed.url, sizeof(placed.url), answer.location);
    bed_copy(placed.finalize, sizeof(placed.finalize), member(&answer, "finalize"));
    const json_t *authzs = json_object_get(answer.json, "authorizations");
    placed.count = (unsigned)json_array_size(authzs);
    for (unsigned i = 0; i < placed.count && i < 4; i++) {
        bed_copy(placed.authz[i], 256, json_string_value(json_array_get(authzs, i)));
    }
    answer_done(&answer);
    for (unsigned i = 0; i < placed.count && i < 4; i++) {
        bed_read_authz(bed, actor, &placed, i);
    }
    return placed;
}

#define BED_NF_ORDER "{\"identifiers\":[{\"type\":\"NfInstanceId\",\"value\":\"" BED_UUID "\"}]}"
#define BED_DNS_ORDER "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"" BED_FQDN "\"}]}"
#define BED_BOTH_ORDER                                                                             \
    "{\"identifiers\":[{\"type\":\"NfInstanceId\",\"value\":\"" BED_UUID                           \
    "\"},{\"type\":\"dns\",\"value\":\"" BED_FQDN "\"}]}"

/* The payload {"tkauth":…} with a token of the authority. */
BED_UNUSED static char *bed_token(struct bed *bed, const struct actor *actor, const char *uuid,
                                  const char *jti, int64_t exp_s) {
    struct err err = {0};
    unsigned char raw[32];
    char fingerprint[128] = "SHA256 ";

    ck_good(jwk_thumbprint_raw(actor->key, raw, &err));
    for (unsigned i = 0; i < sizeof(raw); i++) {
        (void)snprintf(fingerprint + 7 + 3 * i, 4, i == 31 ? "%02X" : "%02X:", raw[i]);
    }
    json_t *claims = json_pack("{s:s,s:I,s:[s],s:{s:s,s:s,s:s,s:b}}", "jti", jti, "exp",
                               (json_int_t)exp_s, "nfTypes", "AMF", "atc", "tktype", "NfInstanceId",
                               "tkvalue", uuid, "fingerprint", fingerprint, "ca", 0);
    AUTO(free) char *token = jwt_sign(bed->authority, bed->authority_chain, claims, &err);
    ck_good(token != NULL);
    json_t *payload = json_pack("{s:s}", "tkauth", token);
    char *text = json_text(payload);
    json_decref(payload);
    json_decref(claims);
    return text;
}

/* Prove authorization i of the order by a token; the answer's challenge status must be that. */
BED_UNUSED static void bed_prove(struct bed *bed, const struct actor *actor,
                                 const struct placed *placed, unsigned i, const char *status) {
    char jti[37];
    struct rng rng = rng_seeded((uint64_t)strtoull(placed->token[i] + 8, NULL, 36)
                                + (uint64_t)(uintptr_t)placed + clock_wall_us());
    rng_uuid(&rng, jti);
    AUTO(free)
    char *payload = bed_token(bed, actor, BED_UUID, jti,
                              (int64_t)(bed->options.clock.manual_us / 1000000) + 90 * BED_DAY_S);
    struct answer answer = bed_post(bed, actor, placed->challenge[i], payload);

    ck_answer(answer, 200, "");
    ck_assert_msg(strcmp(member(&answer, "status"), status) == 0, "%s", answer.body);
    answer_done(&answer);
}

/* The payload {"csr":…}; key NULL: a fresh one; uuid, dns NULL: without. */
BED_UNUSED static char *bed_csr(EVP_PKEY *key, const char *uuid, const char *dns) {
    struct err err = {0};
    struct x509_names names = {0};
    AUTO(EVP_PKEY_free) EVP_PKEY *fresh = key == NULL ? key_generate(KEY_P256, &err) : NULL;
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    bed_copy(names.uuid, sizeof(names.uuid), uuid);
    if (dns != NULL) {
        bed_copy(names.dns[names.dns_count++], sizeof(names.dns[0]), dns);
    }
    ck_good(x509_csr_make(key == NULL ? fresh : key, &names, NULL, &der, &len, &err));
    AUTO(free) char *text = b64_encode(der, len);
    json_t *payload = json_pack("{s:s}", "csr", text);
    char *out = json_text(payload);
    json_decref(payload);
    return out;
}

/* Enrol BED_UUID: the certificate URL in url[256]. */
BED_UNUSED static void bed_enrol(struct bed *bed, const struct actor *actor, EVP_PKEY *key,
                                 char url[256]) {
    struct placed placed = bed_order(bed, actor, BED_NF_ORDER);
    AUTO(free) char *csr = bed_csr(key, BED_UUID, NULL);

    bed_prove(bed, actor, &placed, 0, "valid");
    struct answer answer = bed_post(bed, actor, placed.finalize, csr);
    ck_answer(answer, 200, "");
    ck_assert_str_eq(member(&answer, "status"), "valid");
    bed_copy(url, 256, member(&answer, "certificate"));
    answer_done(&answer);
}
