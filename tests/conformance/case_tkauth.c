/* RFC 9447: tkauth-01 with authority tokens, for NfInstanceId (TS 33.310 Annex J). */
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "common/x509.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

#define TYPE "NfInstanceId"
#define CSR_DER_MAX 4096
#define REFUSED "unauthorized|malformed|incorrectResponse"

/* An order of one instance and its challenge. */
struct instance {
    const struct spec_account *account;
    const struct spec_order *order;
    const char *uuid, *authz, *url;
};

static struct instance instance_of(struct spec *spec, const struct spec_account *account) {
    const char *uuid = spec_uuid(spec);
    const struct spec_order *order = spec_order_of(
        spec, account,
        spec_pack(spec, "{s:[{s:s, s:s}]}", "identifiers", "type", TYPE, "value", uuid));
    const char *authz = order->authz_count == 0 ? "" : order->authz[0];
    const json_t *challenge = spec_challenge(spec_fetch(spec, account, authz)->json, "tkauth-01");
    const char *url = spec_member(challenge, "url");

    (void)spec_check(spec, url[0] != '\0', "no tkauth-01 challenge offered");
    return (struct instance){account, order, uuid, authz, url};
}

static struct instance instance_new(struct spec *spec) {
    return instance_of(spec, spec_account(spec, KEY_P256));
}

static json_t *claims_of(struct spec *spec, const struct instance *instance) {
    return spec_token_claims(spec, instance->account, TYPE, instance->uuid);
}

/* Respond with the token; what the authorization is after that. */
static const char *respond(struct spec *spec, const struct instance *instance,
                           const json_t *payload, const struct spec_answer **ret_answer) {
    *ret_answer = spec_post_json(spec, instance->account, instance->url, payload);
    const char *until = (*ret_answer)->status == 200 ? "valid|invalid" : "pending|valid|invalid";
    return spec_member(spec_poll(spec, instance->account, instance->authz, until)->json, "status");
}

static void proves(struct spec *spec, const struct instance *instance, const char *token) {
    const struct spec_answer *answer;
    const char *status =
        respond(spec, instance, spec_pack(spec, "{s:s}", "tkauth", token), &answer);

    (void)spec_status(spec, answer, 200);
    (void)spec_same(spec, "status of the authorization", status, "valid");
}

/* An error, of HTTP or of the challenge, and no valid authorization. */
static void refused_payload(struct spec *spec, const char *what, const struct instance *instance,
                            const json_t *payload) {
    const struct spec_answer *answer;
    const char *status = respond(spec, instance, payload, &answer);

    (void)spec_check(spec, spec_over(spec) || strcmp(status, "valid") != 0,
                     "the authorization is valid: %s", what);
    if (answer->status != 200) {
        (void)spec_problem(spec, answer, SPEC_4XX, REFUSED);
        return;
    }
    (void)spec_same(spec, what, status, "invalid");
}

static void refuses(struct spec *spec, const char *what, const struct instance *instance,
                    const char *token) {
    refused_payload(spec, what, instance, spec_pack(spec, "{s:s}", "tkauth", token));
}

/* ---- the challenge ---- */

static void the_challenge_is_of_rfc_9447(struct spec *spec) {
    const struct instance instance = instance_new(spec);
    const json_t *challenge = spec_fetch(spec, instance.account, instance.url)->json;
    const char *authority = spec_member(challenge, "token-authority");

    (void)spec_same(spec, "type", spec_member(challenge, "type"), "tkauth-01");
    (void)spec_same(spec, "tkauth-type", spec_member(challenge, "tkauth-type"), "atc");
    (void)spec_same(spec, "url", spec_member(challenge, "url"), instance.url);
    (void)spec_same(spec, "status", spec_member(challenge, "status"), "pending");
    (void)spec_check(
        spec, json_object_get(challenge, "token-authority") == NULL || spec_is_url(authority),
        "token-authority is \"%s\"", authority);
}

static void names_have_no_tkauth(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *authz =
        spec_fetch(spec, order->account, order->authz_count == 0 ? "" : order->authz[0]);

    (void)spec_check(spec, json_is_null(spec_challenge(authz->json, "tkauth-01")),
                     "tkauth-01 is offered for a name");
    const struct instance instance = instance_new(spec);
    authz = spec_fetch(spec, instance.account, instance.authz);
    (void)spec_check(spec, json_array_size(json_object_get(authz->json, "challenges")) == 1,
                     "another challenge than tkauth-01 is offered for an instance");
}

static void a_good_token_is_valid(struct spec *spec) {
    const struct instance instance = instance_new(spec);

    proves(spec, &instance, spec_token(spec, claims_of(spec, &instance), NULL));
}

static void the_response_is_a_token(struct spec *spec) {
    static const char *const payloads[] = {"{}",
                                           "{\"tkauth\":\"x\"}",
                                           "{\"tkauth\":5}",
                                           "{\"tkauth\":\"\"}",
                                           "{\"tkauth\":\"e30.e30.e30\"}",
                                           "{\"tkauth\":\"a.b.c.d\"}"};
    const struct spec_account *account = spec_account(spec, KEY_P256);

    for (unsigned i = 0; i < COUNT(payloads) && !spec_over(spec); i++) {
        const struct instance instance = instance_of(spec, account);
        refused_payload(spec, payloads[i], &instance,
                        spec_json(spec, json_loads(payloads[i], 0, NULL)));
    }
}

/* ---- the claims ---- */

/* One member wrong, of the claims ("exp") or of atc ("atc.ca"); value JSON, NULL: left out. */
struct spoilt {
    const char *member, *value;
};

static void spoil(struct spec *spec, json_t *claims, const struct spoilt *spoilt) {
    bool inner = strncmp(spoilt->member, "atc.", 4) == 0;
    json_t *object = inner ? json_object_get(claims, "atc") : claims;
    const char *name = inner ? spoilt->member + 4 : spoilt->member;

    if (spoilt->value == NULL) {
        (void)json_object_del(object, name);
        return;
    }
    json_t *value = json_loads(spoilt->value, JSON_DECODE_ANY, NULL);
    (void)spec_check(spec, value != NULL && json_object_set_new(object, name, value) == 0,
                     "no value of %s", spoilt->member);
}

/* data: rows ended by one without member. */
static void wrong_claims_are_refused(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    for (const struct spoilt *row = spec_data(spec); row->member != NULL && !spec_over(spec);
         row++) {
        const struct instance instance = instance_of(spec, account);
        json_t *claims = claims_of(spec, &instance);
        spoil(spec, claims, row);
        refuses(spec,
                spec_text(spec, "%s %s", row->member, row->value == NULL ? "absent" : row->value),
                &instance, spec_token(spec, claims, NULL));
    }
}

static const struct spoilt no_time[] = {
    {"exp", NULL}, {"exp", "1"}, {"exp", "\"2099-01-01T00:00:00Z\""}, {"exp", "-1"}, {0}};
static const struct spoilt no_id[] = {{"jti", NULL}, {"jti", "\"\""}, {"jti", "5"}, {0}};
static const struct spoilt no_atc[] = {{"atc", NULL},
                                       {"atc", "\"x\""},
                                       {"atc.tktype", NULL},
                                       {"atc.tkvalue", NULL},
                                       {"atc.tktype", "5"},
                                       {"atc.fingerprint", NULL},
                                       {"atc", "[]"},
                                       {"atc.fingerprint", "\"\""},
                                       {"atc.tkvalue", "[]"},
                                       {"atc.ca", "\"false\""},
                                       {0}};
static const struct spoilt other_identifier[] = {
    {"atc.tkvalue", "\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\""},
    {"atc.tktype", "\"TNAuthList\""},
    {"atc.tktype", "\"dns\""},
    {0}};

static void just_expired_is_expired(struct spec *spec) {
    const struct instance instance = instance_new(spec);
    json_t *claims = claims_of(spec, &instance);

    (void)json_object_set_new(claims, "exp", json_integer((json_int_t)time(NULL) - 1));
    refuses(spec, "expired a second ago", &instance, spec_token(spec, claims, NULL));
}

static void a_token_is_for_one_account(struct spec *spec) {
    const struct instance instance = instance_new(spec);
    const struct spec_account *other = spec_account(spec, KEY_P256);

    refuses(spec, "another account's fingerprint", &instance,
            spec_token(spec, spec_token_claims(spec, other, TYPE, instance.uuid), NULL));
}

/* ---- the signature ---- */

/* The claims under this header, signed by key, or by mac. */
static const char *compact(struct spec *spec, const json_t *claims, const json_t *header,
                           EVP_PKEY *key, const void *mac, size_t mac_len) {
    char *text = spec_keep(spec, json_dumps(header, JSON_COMPACT), free);
    const struct spec_post post = {.url = "",
                                   .key = key,
                                   .mac_key = mac,
                                   .mac_key_len = mac_len,
                                   .protected_text = text,
                                   .payload = claims};
    const json_t *jws = spec_json(spec, json_loads(spec_jws(spec, &post), 0, NULL));

    return spec_text(spec, "%s.%s.%s", spec_member(jws, "protected"), spec_member(jws, "payload"),
                     spec_member(jws, "signature"));
}

static void anothers_signature_is_refused(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct instance plain = instance_of(spec, account), chained = instance_of(spec, account);
    EVP_PKEY *key = spec_key(spec, KEY_P256);

    refuses(spec, "signed by another key", &plain, spec_token(spec, claims_of(spec, &plain), key));
    if (spec_over(spec)) {
        return;
    }
    X509 *made = spec_alpn_certificate(
        spec, &(struct spec_alpn_certificate){.common_name = "Token Authority"}, key);
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(made, &der);
    char *text = spec_keep(spec, calloc(2, (size_t)len + 2), free);
    (void)EVP_EncodeBlock((unsigned char *)text, der, len);
    refuses(spec, "signed by an authority of its own making", &chained,
            compact(spec, claims_of(spec, &chained),
                    spec_pack(spec, "{s:s, s:s, s:[s]}", "typ", "JWT", "alg", "ES256", "x5c", text),
                    key, NULL, 0));
}

static void other_algorithms_are_refused(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct instance none = instance_of(spec, account), mac = instance_of(spec, account);
    const struct instance flipped = instance_of(spec, account);
    AUTO(ossl_free) unsigned char *spki = NULL;
    size_t len = 0;
    struct err err = {0};

    const char *text =
        compact(spec, claims_of(spec, &none), spec_pack(spec, "{s:s}", "alg", "none"),
                spec_key(spec, KEY_P256), NULL, 0);
    const char *dot = strrchr(text, '.');
    refuses(spec, "alg none", &none,
            spec_text(spec, "%.*s", dot == NULL ? 0 : (int)(dot - text) + 1, text));
    EVP_PKEY *authority = spec_token_key(spec);
    if (spec_over(spec) || !key_spki(authority, &spki, &len, &err)) {
        spec_fail(spec, "no key of the authority: %s", err.detail);
        return;
    }
    refuses(spec, "HS256 with the authority's public key", &mac,
            compact(spec, claims_of(spec, &mac), spec_pack(spec, "{s:s}", "alg", "HS256"), NULL,
                    spki, len));
    char *good = spec_text(spec, "%s", spec_token(spec, claims_of(spec, &flipped), NULL));
    char *at = strrchr(good, '.');
    if (at != NULL) {
        at[10] = at[10] == 'A' ? 'B' : 'A';
    }
    refuses(spec, "a spoilt signature", &flipped, good);
}

static void x5u_is_not_fetched(struct spec *spec) {
    const struct instance instance = instance_new(spec);
    const char *path = spec_text(spec, "/x5u/%s", instance.uuid);

    spec_http01_raw(spec, path, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    0);
    refuses(spec, "x5u of another key", &instance,
            compact(spec, claims_of(spec, &instance),
                    spec_pack(spec, "{s:s, s:s, s:s}", "typ", "JWT", "alg", "ES256", "x5u",
                              spec_http01_url(spec, path)),
                    spec_key(spec, KEY_P256), NULL, 0));
    spec_wait_ms(spec, 500);
    (void)spec_check(spec, spec_http01_seen(spec, path).count == 0, "x5u was fetched");
}

/* ---- the certificate ---- */

static bool extend(X509_REQ *request, const char *san, const char *constraints) {
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, constraints);
    bool good = list != NULL && names != NULL && ca != NULL
                && sk_X509_EXTENSION_push(list, names) > 0 && sk_X509_EXTENSION_push(list, ca) > 0
                && X509_REQ_add_extensions(request, list) == 1;

    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return good;
}

static const char *csr_of(struct spec *spec, const char *uuid, const char *constraints) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    AUTO(X509_REQ_free) X509_REQ *request = X509_REQ_new();
    unsigned char der[CSR_DER_MAX], *at = der;

    if (request == NULL || X509_REQ_set_pubkey(request, key) != 1
        || !extend(request, spec_text(spec, "URI:urn:uuid:%s", uuid), constraints)
        || X509_REQ_sign(request, key, EVP_sha256()) <= 0
        || i2d_X509_REQ(request, NULL) > CSR_DER_MAX) {
        spec_fail(spec, "no CSR was made");
        return "";
    }
    return spec_b64(spec, der, (size_t)i2d_X509_REQ(request, &at));
}

static void no_ca_is_certified(struct spec *spec) {
    const struct instance instance = instance_new(spec);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};

    proves(spec, &instance, spec_token(spec, claims_of(spec, &instance), NULL));
    const struct spec_answer *answer =
        spec_finalize(spec, instance.order, csr_of(spec, instance.uuid, "critical,CA:TRUE"));
    if (answer->status != 200) {
        (void)spec_problem(spec, answer, SPEC_4XX, "badCSR|unauthorized");
        answer = spec_finalize(spec, instance.order, csr_of(spec, instance.uuid, "CA:FALSE"));
        (void)spec_status(spec, answer, 200); /* nothing else was wrong with it */
    }
    const struct spec_answer *order =
        spec_poll(spec, instance.account, instance.order->url, "valid|invalid");
    const struct spec_answer *pem =
        spec_fetch(spec, instance.account, spec_member(order->json, "certificate"));
    if (spec_over(spec)) {
        return;
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(pem->body, pem->body_len, &err);
    if (spec_check(spec, chain != NULL && x509_cert_read(sk_X509_value(chain, 0), &cert, &err),
                   "the certificate is not read: %s", err.detail)) {
        (void)spec_check(spec, !cert.ca, "a CA was certified");
    }
}

/* clang-format off */
#define TKAUTH .area = "tkauth", .needs = NEED_TOKEN
static const struct spec_case cases[] = {
    {.id = "rfc9447/3/1", .rows = "X-9447-3-01", TKAUTH, .level = SPEC_MUST, .text = "The challenge has type, url, status and tkauth-type.", .run = the_challenge_is_of_rfc_9447},
    {.id = "rfc9447/3/2", .rows = "X-9447-3-02", TKAUTH, .level = SPEC_MUST, .text = "tkauth-01 is offered for what tokens are about, and for nothing else.", .run = names_have_no_tkauth},
    {.id = "rfc9447/4/0", .rows = "X-9447-4-01", TKAUTH, .level = SPEC_MUST, .text = "A good token makes the authorization valid.", .run = a_good_token_is_valid},
    {.id = "rfc9447/4/1", .rows = "X-9447-4-01", TKAUTH, .level = SPEC_MUST, .text = "A response without a token is refused.", .run = the_response_is_a_token},
    {.id = "rfc9447/4/2", .rows = "X-9447-4-02", TKAUTH, .level = SPEC_MUST, .text = "A token has exp.", .run = wrong_claims_are_refused, .data = no_time},
    {.id = "rfc9447/4/2-passed", .rows = "X-9447-4-02", TKAUTH, .level = SPEC_MUST, .text = "A token that has just expired is refused.", .run = just_expired_is_expired},
    {.id = "rfc9447/4/3", .rows = "X-9447-4-03", TKAUTH, .level = SPEC_MUST, .text = "A token has jti.", .run = wrong_claims_are_refused, .data = no_id},
    {.id = "rfc9447/4/4", .rows = "X-9447-4-04", TKAUTH, .level = SPEC_MUST, .text = "A token has atc with tktype, tkvalue and fingerprint.", .run = wrong_claims_are_refused, .data = no_atc},
    {.id = "rfc9447/4/5", .rows = "X-9447-4-05", TKAUTH, .level = SPEC_MUST, .text = "A token is for the ordered identifier.", .run = wrong_claims_are_refused, .data = other_identifier},
    {.id = "rfc9447/4/6", .rows = "X-9447-4-06", TKAUTH, .level = SPEC_MUST, .text = "A token is for the requester's account key.", .run = a_token_is_for_one_account},
    {.id = "rfc9447/4/7", .rows = "X-9447-4-07", TKAUTH, .level = SPEC_MUST, .text = "A token is signed by the Token Authority.", .run = anothers_signature_is_refused},
    {.id = "rfc9447/4/7-alg", .rows = "X-9447-4-07", TKAUTH, .level = SPEC_MUST, .text = "alg none, a MAC and a spoilt signature are refused.", .run = other_algorithms_are_refused},
    {.id = "rfc9447/4/8", .rows = "X-9447-4-08", TKAUTH, .level = SPEC_MUST, .text = "Without atc.ca no CA is certified.", .run = no_ca_is_certified},
    {.id = "rfc9447/4/9", .rows = "X-9447-4-09", .area = "tkauth", .needs = NEED_TOKEN | NEED_HTTP01, .level = SPEC_SHOULD, .text = "x5u is not fetched from anywhere.", .run = x5u_is_not_fetched},
};
/* clang-format on */

const struct spec_area case_tkauth = {cases, COUNT(cases)};
