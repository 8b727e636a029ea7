/* The ways of RFC 8555 section 7 that cases walk on their way to what they look at. */
#include <stdarg.h>
#include <string.h>

#include "common/acme.h"
#include "common/b64.h"
#include "common/clock.h"
#include "common/jwk.h"
#include "common/rng.h"
#include "common/x509.h"
#include "tests/conformance/responder.h"
#include "tests/conformance/spec_internal.h"

#define POLL_MS 30

json_t *spec_eab(struct spec *spec, EVP_PKEY *account_key) {
    const struct spec_target *target = spec->target;

    if (target->eab_key == NULL) {
        spec_skip(spec, "no --eab");
        return json_null();
    }
    const struct spec_post inner = {.url = spec_url(spec, "newAccount"),
                                    .account = &(struct spec_account){.url = target->eab_kid},
                                    .alg = "HS256",
                                    .nonce = SPEC_OMIT,
                                    .payload = spec_jwk(spec, account_key),
                                    .mac_key = target->eab_key,
                                    .mac_key_len = target->eab_key_len};
    return spec_json(spec, json_loads(spec_jws(spec, &inner), 0, NULL));
}

const struct spec_account *spec_account_try(struct spec *spec, EVP_PKEY *key,
                                            const json_t *members) {
    const json_t *meta = json_object_get(spec->target->directory, "meta");
    struct spec_account *account = spec_keep(spec, calloc(1, sizeof(*account)), free);
    json_t *payload = spec_pack(spec, "{s:b}", "termsOfServiceAgreed", 1);

    account->key = key != NULL ? key : spec_key(spec, KEY_P256);
    if (json_is_true(json_object_get(meta, "externalAccountRequired"))
        && spec->target->eab_key != NULL) {
        (void)json_object_set(payload, "externalAccountBinding", spec_eab(spec, account->key));
    }
    (void)json_object_update(payload, (json_t *)members);
    account->answer = spec_post(spec, &(struct spec_post){.url = spec_url(spec, "newAccount"),
                                                          .key = account->key,
                                                          .payload = payload});
    account->url = account->answer->status == 200 || account->answer->status == 201
                       ? spec_header(spec, account->answer, "Location")
                       : "";
    return account;
}

const struct spec_account *spec_account(struct spec *spec, enum key_type type) {
    const struct spec_account *account = spec_account_try(spec, spec_key(spec, type), NULL);

    (void)(spec_status(spec, account->answer, 201)
           && spec_check(spec, account->url[0] != '\0', "newAccount: no Location"));
    return account;
}

const char *spec_name(struct spec *spec) {
    unsigned char chance[6];

    rng_secret(chance, sizeof(chance));
    return spec_text(spec, "c%02x%02x%02x%02x%02x%02x.%s", chance[0], chance[1], chance[2],
                     chance[3], chance[4], chance[5], spec->target->domain);
}

json_t *spec_identifiers(struct spec *spec, const char *name, ...) {
    json_t *list = json_array();
    va_list args;

    va_start(args, name);
    for (; name != NULL; name = va_arg(args, const char *)) {
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "type", "dns", "value", name));
    }
    va_end(args);
    return spec_pack(spec, "{s:o}", "identifiers", list);
}

const struct spec_order *spec_order_of(struct spec *spec, const struct spec_account *account,
                                       const json_t *payload) {
    struct spec_order *order = spec_keep(spec, calloc(1, sizeof(*order)), free);
    const json_t *authz;
    size_t i;

    order->account = account;
    order->answer = spec_post_json(spec, account, spec_url(spec, "newOrder"), payload);
    (void)spec_status(spec, order->answer, 201);
    order->url = spec_header(spec, order->answer, "Location");
    order->finalize = spec_member(order->answer->json, "finalize");
    order->name = spec_member(
        json_array_get(json_object_get(order->answer->json, "identifiers"), 0), "value");
    json_array_foreach(json_object_get(order->answer->json, "authorizations"), i, authz) {
        if (i < SPEC_AUTHZ_MAX && json_is_string(authz)) {
            order->authz[order->authz_count++] = json_string_value(authz);
        }
    }
    (void)spec_check(spec,
                     order->url[0] != '\0' && order->finalize[0] != '\0' && order->authz_count > 0,
                     "newOrder: without Location, finalize or authorizations");
    return order;
}

const struct spec_order *spec_order(struct spec *spec, const struct spec_account *account,
                                    const char *name) {
    return spec_order_of(spec, account,
                         spec_identifiers(spec, name != NULL ? name : spec_name(spec), NULL));
}

const json_t *spec_challenge(const json_t *authz, const char *type) {
    const json_t *challenge;
    size_t i;

    json_array_foreach(json_object_get(authz, "challenges"), i, challenge) {
        if (strcmp(spec_member(challenge, "type"), type) == 0) {
            return challenge;
        }
    }
    return json_null();
}

const char *spec_key_authorization(struct spec *spec, const struct spec_account *account,
                                   const char *token) {
    char thumbprint[JWK_THUMBPRINT_SIZE] = "";
    struct err err = {0};

    if (account->key == NULL || !jwk_thumbprint(account->key, thumbprint, &err)) {
        spec_fail(spec, "no thumbprint of the account's key");
    }
    return spec_text(spec, "%s.%s", token, thumbprint);
}

static bool one_of(const char *list, const char *word) {
    const char *at = strstr(list, word);
    size_t len = strlen(word);

    return len > 0 && at != NULL && (at == list || at[-1] == '|')
           && (at[len] == '\0' || at[len] == '|');
}

const struct spec_answer *spec_poll(struct spec *spec, const struct spec_account *account,
                                    const char *url, const char *until) {
    for (;;) {
        const struct spec_answer *answer = spec_fetch(spec, account, url);
        const char *status = spec_member(answer->json, "status");
        if (spec_over(spec) || one_of(until, status)) {
            return answer;
        }
        if (clock_wall_us() + POLL_MS * 1000 > spec->deadline_us) {
            spec_fail(spec, "%s stays \"%s\", expected %s", url, status, until);
            return answer;
        }
        spec_wait_ms(spec, POLL_MS);
    }
}

const struct spec_answer *spec_answer_challenge(struct spec *spec,
                                                const struct spec_account *account,
                                                const char *authz_url, const char *type) {
    const struct spec_answer *authz = spec_fetch(spec, account, authz_url);
    const json_t *challenge = spec_challenge(authz->json, type);
    const char *url = spec_member(challenge, "url"), *token = spec_member(challenge, "token");

    if (spec_over(spec) || strcmp(spec_member(authz->json, "status"), "valid") == 0) {
        return authz;
    }
    if (!spec_check(spec, url[0] != '\0' && token[0] != '\0', "no %s challenge offered", type)) {
        return authz;
    }
    const char *name = spec_member(json_object_get(authz->json, "identifier"), "value");
    responder_publish(spec, type, name, token, spec_key_authorization(spec, account, token));
    (void)spec_status(spec, spec_post_json(spec, account, url, spec_pack(spec, "{}")), 200);
    return spec_poll(spec, account, authz_url, "valid|invalid|deactivated|expired|revoked");
}

const struct spec_answer *spec_prove(struct spec *spec, const struct spec_account *account,
                                     const char *authz_url, const char *type) {
    const struct spec_answer *authz = spec_answer_challenge(spec, account, authz_url, type);
    const json_t *error = json_object_get(spec_challenge(authz->json, type), "error");

    (void)spec_check(spec, strcmp(spec_member(authz->json, "status"), "valid") == 0,
                     "the %s authorization became \"%s\": %s", type,
                     spec_member(authz->json, "status"), spec_member(error, "detail"));
    return authz;
}

const struct spec_trial *spec_trial(struct spec *spec, const struct spec_order *order,
                                    const char *type) {
    struct spec_trial *trial = spec_keep(spec, calloc(1, sizeof(*trial)), free);
    const char *url = order->authz_count == 0 ? "" : order->authz[0];
    const struct spec_answer *authz = spec_fetch(spec, order->account, url);
    const json_t *challenge = spec_challenge(authz->json, type);

    *trial = (struct spec_trial){.account = order->account,
                                 .order = order,
                                 .authz = url,
                                 .url = spec_member(challenge, "url"),
                                 .token = spec_member(challenge, "token"),
                                 .name = order->name};
    (void)spec_check(spec, trial->url[0] != '\0', "no %s challenge offered", type);
    trial->key_authorization = spec_key_authorization(spec, order->account, trial->token);
    return trial;
}

const json_t *spec_trial_challenge(const struct spec_trial *trial, const json_t *authz) {
    const json_t *challenge;
    size_t i;

    json_array_foreach(json_object_get(authz, "challenges"), i, challenge) {
        if (strcmp(spec_member(challenge, "url"), trial->url) == 0) {
            return challenge;
        }
    }
    return json_null();
}

const struct spec_answer *spec_try(struct spec *spec, const struct spec_trial *trial) {
    (void)spec_status(spec, spec_post_json(spec, trial->account, trial->url, spec_pack(spec, "{}")),
                      200);
    return spec_poll(spec, trial->account, trial->authz, "valid|invalid");
}

const struct spec_answer *spec_try_valid(struct spec *spec, const struct spec_trial *trial) {
    const struct spec_answer *authz = spec_try(spec, trial);
    const json_t *challenge = spec_trial_challenge(trial, authz->json);
    const json_t *error = json_object_get(challenge, "error");

    (void)spec_check(spec, strcmp(spec_member(authz->json, "status"), "valid") == 0,
                     "the authorization became \"%s\": %s", spec_member(authz->json, "status"),
                     spec_member(error, "detail"));
    (void)spec_same(spec, "status of the challenge", spec_member(challenge, "status"), "valid");
    return authz;
}

const struct spec_answer *spec_try_invalid(struct spec *spec, const struct spec_trial *trial,
                                           const char *types) {
    const struct spec_answer *authz = spec_try(spec, trial);
    const json_t *challenge = spec_trial_challenge(trial, authz->json);
    const char *type = spec_member(json_object_get(challenge, "error"), "type");
    size_t prefix = strlen(ACME_ERROR_URN);

    (void)spec_same(spec, "status of the authorization", spec_member(authz->json, "status"),
                    "invalid");
    (void)spec_same(spec, "status of the challenge", spec_member(challenge, "status"), "invalid");
    (void)spec_check(spec,
                     strncmp(type, ACME_ERROR_URN, prefix) == 0 && one_of(types, type + prefix),
                     "the challenge's error is \"%s\", expected %s", type, types);
    return authz;
}

const struct spec_order *spec_ready(struct spec *spec, const struct spec_account *account,
                                    const char *name) {
    const struct spec_order *order = spec_order(spec, account, name);

    for (unsigned i = 0; i < order->authz_count; i++) {
        (void)spec_prove(spec, account, order->authz[i], "http-01");
    }
    return order;
}

const char *spec_csr(struct spec *spec, EVP_PKEY *key, const char *name, ...) {
    struct x509_names names = {0};
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;
    struct err err = {0};
    va_list args;

    va_start(args, name);
    for (; name != NULL && names.dns_count < X509_DNS_MAX; name = va_arg(args, const char *)) {
        (void)snprintf(names.dns[names.dns_count++], sizeof(names.dns[0]), "%s", name);
    }
    va_end(args);
    if (!x509_csr_make(key != NULL ? key : spec_key(spec, KEY_P256), &names, NULL, &der, &len,
                       &err)) {
        spec_fail(spec, "no CSR: %s", err.detail);
        return "";
    }
    return spec_b64(spec, der, len);
}

const struct spec_answer *spec_finalize(struct spec *spec, const struct spec_order *order,
                                        const char *csr) {
    return spec_post_json(spec, order->account, order->finalize,
                          spec_pack(spec, "{s:s}", "csr", csr));
}

const struct spec_certificate *spec_complete(struct spec *spec, const struct spec_order *order,
                                             EVP_PKEY *key) {
    struct spec_certificate *made = spec_keep(spec, calloc(1, sizeof(*made)), free);
    AUTO(ossl_free) unsigned char *der = NULL;
    struct err err = {0};

    *made = (struct spec_certificate){
        .order = order, .key = key != NULL ? key : spec_key(spec, KEY_P256), .der64 = ""};
    (void)spec_status(
        spec, spec_finalize(spec, order, spec_csr(spec, made->key, order->name, NULL)), 200);
    const struct spec_answer *valid = spec_poll(spec, order->account, order->url, "valid|invalid");
    made->url = spec_member(valid->json, "certificate");
    (void)spec_check(spec, made->url[0] != '\0', "the order became \"%s\" without a certificate",
                     spec_member(valid->json, "status"));
    made->answer = spec_fetch(spec, order->account, made->url);
    made->pem = made->answer->body;
    if (spec_over(spec)) {
        return made;
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(made->pem, strlen(made->pem), &err);
    int len = chain == NULL ? -1 : i2d_X509(sk_X509_value(chain, 0), &der);
    if (spec_check(spec, len > 0, "the certificate is not read: %s", err.detail)) {
        made->der64 = spec_b64(spec, der, (size_t)len);
    }
    return made;
}

const struct spec_certificate *spec_issue(struct spec *spec, const struct spec_account *account,
                                          const char *name) {
    return spec_complete(spec, spec_ready(spec, account, name), NULL);
}
