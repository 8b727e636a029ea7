/* What the sections on access control and chapters 10 and 11 of RFC 8555 forbid. */
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "common/ossl.h"
#include "common/x509.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

#define BIG_BODY (5u << 20)
#define NESTING 100000

/* Refused, and the answer says nothing of name. */
static void refused_without(struct spec *spec, const struct spec_answer *answer, const char *name) {
    (void)spec_expect(spec, answer, "4xx", "*");
    (void)spec_check(spec, spec_over(spec) || strstr(answer->body, name) == NULL,
                     "the refusal tells \"%s\"", name);
}

/* ---- accounts of others ---- */

static void anothers_signature_is_refused(struct spec *spec) {
    const struct spec_account *one = spec_account(spec, KEY_P256);
    const struct spec_post post = {.url = one->url,
                                   .account = one,
                                   .key = spec_account(spec, KEY_P256)->key,
                                   .payload = spec_pack(spec, "{}")};

    (void)spec_problem(spec, spec_post(spec, &post), SPEC_4XX, "malformed|unauthorized");
}

static void what_is_anothers_is_not_read(struct spec *spec) {
    const struct spec_account *stranger = spec_account(spec, KEY_P256);
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);

    refused_without(spec, spec_post_json(spec, stranger, order->url, NULL), order->name);
    refused_without(spec, spec_post_json(spec, stranger, order->authz[0], NULL), order->name);
    refused_without(spec, spec_post_json(spec, stranger, order->account->url, NULL), order->name);
    const char *orders = spec_member(order->account->answer->json, "orders");
    refused_without(spec, spec_post_json(spec, stranger, orders, NULL), order->url);
}

static void what_is_anothers_is_not_changed(struct spec *spec) {
    const struct spec_account *stranger = spec_account(spec, KEY_P256);
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const json_t *deactivated = spec_pack(spec, "{s:s}", "status", "deactivated");
    const json_t *contact = spec_pack(spec, "{s:[s]}", "contact", "mailto:x@example.org");

    (void)spec_expect(spec, spec_post_json(spec, stranger, order->account->url, contact), "4xx",
                      "*");
    (void)spec_expect(spec, spec_post_json(spec, stranger, order->account->url, deactivated), "4xx",
                      "*");
    (void)spec_expect(spec, spec_post_json(spec, stranger, order->authz[0], deactivated), "4xx",
                      "*");
    const struct spec_answer *account = spec_fetch(spec, order->account, order->account->url);
    (void)spec_same(spec, "status of the account", spec_member(account->json, "status"), "valid");
    (void)spec_check(spec, strstr(account->body, "x@example.org") == NULL,
                     "the contact was changed by another account");
    (void)spec_same(spec, "status of the authorization",
                    spec_member(spec_fetch(spec, order->account, order->authz[0])->json, "status"),
                    "pending");
}

static void anothers_challenge_is_not_answered(struct spec *spec) {
    const struct spec_account *stranger = spec_account(spec, KEY_P256);
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const json_t *challenge =
        spec_challenge(spec_fetch(spec, order->account, order->authz[0])->json, "http-01");

    (void)spec_expect(
        spec, spec_post_json(spec, stranger, spec_member(challenge, "url"), spec_pack(spec, "{}")),
        "4xx", "*");
    challenge = spec_challenge(spec_fetch(spec, order->account, order->authz[0])->json, "http-01");
    (void)spec_same(spec, "status of the challenge", spec_member(challenge, "status"), "pending");
}

static void anothers_order_is_not_finalized(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_account *stranger = spec_account(spec, KEY_P256);

    (void)spec_expect(
        spec,
        spec_post_json(spec, stranger, order->finalize,
                       spec_pack(spec, "{s:s}", "csr", spec_csr(spec, NULL, order->name, NULL))),
        "4xx", "*");
    (void)spec_same(spec, "status of the order",
                    spec_member(spec_fetch(spec, order->account, order->url)->json, "status"),
                    "ready");
    const struct spec_certificate *certificate = spec_complete(spec, order, NULL);
    refused_without(spec, spec_post_json(spec, stranger, certificate->url, NULL), "CERTIFICATE");
}

static void a_broken_signature_reads_nothing(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_post post = {
        .url = order->url, .account = order->account, .signature_b64 = spec_repeat(spec, "A", 86)};

    refused_without(spec, spec_post(spec, &post), order->name);
}

/* ---- keys ---- */

static void private_members_are_not_kept(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    json_t *jwk = json_deep_copy(spec_jwk(spec, key));

    (void)json_object_set_new(jwk, "d",
                              json_string("VGhpcyBpcyBub3QgYSBzZWNyZXQgYnV0IDMyIG9jdGV0"));
    const struct spec_post post = {.url = spec_url(spec, "newAccount"),
                                   .key = key,
                                   .jwk = spec_json(spec, jwk),
                                   .payload = spec_pack(spec, "{s:b}", "termsOfServiceAgreed", 1)};
    const struct spec_answer *answer = spec_post(spec, &post);
    if (answer->status / 100 == 2) {
        (void)spec_check(spec, strstr(answer->body, "VGhpcyBpcyBub3Q") == NULL,
                         "the account object shows a private member");
        return;
    }
    (void)spec_problem(spec, answer, SPEC_4XX, "*");
}

static void a_symmetric_key_is_refused(struct spec *spec) {
    const struct spec_post post = {
        .url = spec_url(spec, "newAccount"),
        .alg = "HS256",
        .jwk = spec_pack(spec, "{s:s, s:s}", "kty", "oct", "k",
                         "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
        .mac_key =
            "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13"
            "\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f",
        .mac_key_len = 32,
        .payload = spec_pack(spec, "{s:b}", "termsOfServiceAgreed", 1)};

    (void)spec_problem(spec, spec_post(spec, &post), 400, "badSignatureAlgorithm|badPublicKey");
}

static void one_key_is_one_account(struct spec *spec) {
    const struct spec_account *first = spec_account(spec, KEY_P256);
    const struct spec_account *again = spec_account_try(spec, first->key, NULL);

    (void)spec_status(spec, again->answer, 200);
    (void)spec_same(spec, "the account", again->url, first->url);
}

static void a_certificate_key_that_became_an_account_is_not_certified(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_account *second = spec_account_try(spec, certificate->key, NULL);

    if (second->answer->status / 100 == 4) {
        return; /* at the CA's discretion */
    }
    const struct spec_order *order = spec_ready(spec, certificate->order->account, NULL);
    (void)spec_problem(
        spec, spec_finalize(spec, order, spec_csr(spec, certificate->key, order->name, NULL)),
        SPEC_4XX, "badCSR|badPublicKey");
}

/* ---- what the client cannot decide ---- */

static void the_server_decides_its_own_fields(struct spec *spec) {
    const char *name = spec_name(spec);
    const struct spec_answer *answer = spec_post_json(
        spec, spec_account(spec, KEY_P256), spec_url(spec, "newOrder"),
        spec_pack(spec, "{s:[{s:s, s:s}], s:s, s:[], s:s, s:s}", "identifiers", "type", "dns",
                  "value", name, "status", "ready", "authorizations", "finalize",
                  "https://evil.example/f", "certificate", "https://evil.example/c"));

    (void)spec_status(spec, answer, 201);
    (void)spec_same(spec, "status", spec_member(answer->json, "status"), "pending");
    (void)spec_check(spec, json_array_size(json_object_get(answer->json, "authorizations")) == 1,
                     "the order has not its own authorizations");
    (void)spec_check(spec, strstr(answer->body, "evil.example") == NULL,
                     "a URL of the request is in the order");
}

static void the_server_decides_the_token(struct spec *spec) {
    const char *token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_answer *answer =
        spec_post_json(spec, account, spec_url(spec, "newOrder"),
                       spec_pack(spec, "{s:[{s:s, s:s}], s:s}", "identifiers", "type", "dns",
                                 "value", spec_name(spec), "token", token));
    const char *authz =
        json_string_value(json_array_get(json_object_get(answer->json, "authorizations"), 0));
    const json_t *challenge =
        spec_challenge(spec_fetch(spec, account, authz == NULL ? "" : authz)->json, "http-01");

    (void)spec_check(spec, strcmp(spec_member(challenge, "token"), token) != 0,
                     "the token is the client's");
    const char *before = spec_member(challenge, "token");
    (void)spec_post_json(spec, account, spec_member(challenge, "url"),
                         spec_pack(spec, "{s:s}", "token", token));
    challenge =
        spec_challenge(spec_fetch(spec, account, authz == NULL ? "" : authz)->json, "http-01");
    (void)spec_same(spec, "token", spec_member(challenge, "token"), before);
}

static void an_authorization_is_only_deactivated(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_expect(spec,
                      spec_post_json(spec, order->account, order->authz[0],
                                     spec_pack(spec, "{s:s}", "status", "valid")),
                      "any", "*");
    (void)spec_same(spec, "status",
                    spec_member(spec_fetch(spec, order->account, order->authz[0])->json, "status"),
                    "pending");
}

static void forwarded_hosts_change_no_url(struct spec *spec) {
    const char *const headers[] = {"X-Forwarded-Host: evil.example", "Forwarded: host=evil.example",
                                   NULL};
    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = spec_account(spec, KEY_P256),
                                   .headers = headers,
                                   .payload = spec_identifiers(spec, spec_name(spec), NULL)};
    const struct spec_answer *answer = spec_post(spec, &post);

    (void)spec_status(spec, answer, 201);
    (void)spec_check(spec,
                     strstr(answer->body, "evil.example") == NULL
                         && strstr(answer->head, "evil.example") == NULL,
                     "a URL names the forwarded host");
}

static void a_ca_is_not_made(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    AUTO(X509_REQ_free) X509_REQ *req = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    unsigned char *der = NULL;

    if (spec_over(spec)) {
        sk_X509_EXTENSION_free(list);
        return;
    }
    const char *san = spec_text(spec, "DNS:%s", order->name);
    (void)sk_X509_EXTENSION_push(list, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san));
    (void)sk_X509_EXTENSION_push(
        list, X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE"));
    (void)X509_REQ_set_pubkey(req, key);
    (void)X509_REQ_add_extensions(req, list);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    (void)X509_REQ_sign(req, key, EVP_sha256());
    int len = i2d_X509_REQ(req, &der);
    const char *csr = spec_b64(spec, der, len > 0 ? (size_t)len : 0);
    OPENSSL_free(der);
    const struct spec_answer *answer = spec_finalize(spec, order, csr);
    if (answer->status / 100 == 4) {
        (void)spec_problem(spec, answer, SPEC_4XX, "badCSR");
        return;
    }
    answer = spec_poll(spec, order->account, order->url, "valid|invalid");
    const struct spec_answer *chain =
        spec_fetch(spec, order->account, spec_member(answer->json, "certificate"));
    struct err err = {0};
    AUTO(chain_free) X509_CHAIN *made = x509_chain_read(chain->body, chain->body_len, &err);
    (void)spec_check(spec, made != NULL && X509_check_ca(sk_X509_value(made, 0)) == 0,
                     "a CA certificate was issued");
}

static void a_made_up_certificate_revokes_nothing(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    struct err err = {0};
    AUTO(chain_free)
    X509_CHAIN *chain = x509_chain_read(certificate->pem, strlen(certificate->pem), &err);
    AUTO(X509_free) X509 *made = chain == NULL ? NULL : X509_dup(sk_X509_value(chain, 0));
    AUTO(ossl_free) unsigned char *der = NULL;

    bool whole =
        made != NULL && X509_set_pubkey(made, key) == 1 && X509_sign(made, key, EVP_sha256()) > 0;
    int len = whole ? i2d_X509(made, &der) : -1;
    if (!spec_check(spec, len > 0, "no certificate was made")) {
        return;
    }
    const struct spec_post post = {
        .url = spec_url(spec, "revokeCert"),
        .key = key,
        .use_jwk = true,
        .payload = spec_pack(spec, "{s:s}", "certificate", spec_b64(spec, der, (size_t)len))};
    (void)spec_expect(spec, spec_post(spec, &post), "4xx", "*");
    (void)spec_status(spec,
                      spec_post_json(spec, certificate->order->account,
                                     spec_url(spec, "revokeCert"),
                                     spec_pack(spec, "{s:s}", "certificate", certificate->der64)),
                      200); /* not alreadyRevoked */
}

/* ---- validation ---- */

/* The pending order's http-01 challenge answered with token "." text; the authorization's end. */
static const struct spec_answer *validate_with(struct spec *spec, const struct spec_order *order,
                                               const char *text) {
    const json_t *challenge =
        spec_challenge(spec_fetch(spec, order->account, order->authz[0])->json, "http-01");
    const char *token = spec_member(challenge, "token");

    spec_http01(spec, token, spec_text(spec, "%s.%s", token, text));
    (void)spec_post_json(spec, order->account, spec_member(challenge, "url"),
                         spec_pack(spec, "{}"));
    return spec_poll(spec, order->account, order->authz[0], "valid|invalid");
}

static void the_key_authorization_is_the_accounts(struct spec *spec) {
    const struct spec_account *other = spec_account(spec, KEY_P256);
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const json_t *challenge =
        spec_challenge(spec_fetch(spec, order->account, order->authz[0])->json, "http-01");
    const char *token = spec_member(challenge, "token");

    spec_http01(spec, token, spec_key_authorization(spec, other, token));
    (void)spec_post_json(spec, order->account, spec_member(challenge, "url"),
                         spec_pack(spec, "{}"));
    (void)spec_same(
        spec, "status",
        spec_member(spec_poll(spec, order->account, order->authz[0], "valid|invalid")->json,
                    "status"),
        "invalid");
}

static void what_was_fetched_is_not_told(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *authz = validate_with(spec, order, "secret-marker-4711");

    (void)spec_same(spec, "status", spec_member(authz->json, "status"), "invalid");
    (void)spec_check(spec, strstr(authz->body, "secret-marker-4711") == NULL,
                     "the error relays what was fetched");
}

static void loops_and_long_bodies_end(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    for (unsigned i = 0; i < 2 && !spec_over(spec); i++) {
        const struct spec_order *order = spec_order(spec, account, NULL);
        const json_t *challenge =
            spec_challenge(spec_fetch(spec, account, order->authz[0])->json, "http-01");
        const char *path = spec_http01_path(spec, spec_member(challenge, "token"));
        const char *octets =
            i == 0 ? spec_text(
                spec, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", path)
                   : spec_text(spec, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s",
                               spec_repeat(spec, "0123456789abcdef", 1u << 16));
        spec_http01_raw(spec, path, octets, 0);
        (void)spec_post_json(spec, account, spec_member(challenge, "url"), spec_pack(spec, "{}"));
        const struct spec_answer *authz =
            spec_poll(spec, account, order->authz[0], "valid|invalid");
        (void)spec_same(spec, i == 0 ? "a redirect to itself" : "a long body",
                        spec_member(authz->json, "status"), "invalid");
    }
}

static void ids_are_not_counted(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *one = spec_order(spec, account, NULL)->url;
    const char *two = spec_order(spec, account, NULL)->url;
    unsigned differ = 0;

    for (; *one != '\0' && *two != '\0'; one++, two++) {
        differ += *one != *two;
    }
    (void)spec_check(spec, differ >= 8, "two orders' URLs differ in %u places", differ);
}

/* ---- sizes ---- */

static void a_long_body_is_refused(struct spec *spec) {
    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = spec_account(spec, KEY_P256),
                                   .body = spec_repeat(spec, "x", BIG_BODY),
                                   .body_len = BIG_BODY};
    const struct spec_answer *answer = spec_post(spec, &post);

    (void)spec_check(spec, answer->status == 0 || answer->status / 100 == 4, "status %u",
                     answer->status);
    (void)spec_status(spec, spec_get(spec, spec_directory_url(spec)), 200);
}

static void deep_nesting_is_refused(struct spec *spec) {
    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = spec_account(spec, KEY_P256),
                                   .bytes = spec_repeat(spec, "[", NESTING),
                                   .bytes_len = NESTING};

    (void)spec_expect(spec, spec_post(spec, &post), "4xx", "*");
    (void)spec_status(spec, spec_get(spec, spec_directory_url(spec)), 200);
}

#define AREA .area = "security"
#define HTTP01 .area = "security", .needs = NEED_HTTP01
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.2/26", .rows = "S-6.2-26", AREA, .level = SPEC_MUST, .text = "Another account's signature is refused.", .run = anothers_signature_is_refused},
    {.id = "rfc8555/6.2/38", .rows = "S-6.2-38 S-7.1.2-04", AREA, .level = SPEC_MUST, .text = "Private members of a key are neither kept nor shown.", .run = private_members_are_not_kept},
    {.id = "rfc8555/6.2/39", .rows = "S-6.2-39", AREA, .level = SPEC_MUST, .text = "A symmetric key is no account key.", .run = a_symmetric_key_is_refused},
    {.id = "rfc8555/6.3/6", .rows = "S-6.3-06", AREA, .level = SPEC_MUST, .text = "A broken signature reads nothing.", .run = a_broken_signature_reads_nothing},
    {.id = "rfc8555/6.3/7", .rows = "S-6.3-07 S-6.3-08 S-6.3-09 S-7.1.2.1-05", AREA, .level = SPEC_MUST, .text = "Another account reads no order, authorization, account or list of orders.", .run = what_is_anothers_is_not_read},
    {.id = "rfc8555/6.4/5", .rows = "S-6.4-05", AREA, .level = SPEC_SHOULD, .text = "Forwarded hosts change no URL.", .run = forwarded_hosts_change_no_url},
    {.id = "rfc8555/6.7/7", .rows = "S-6.7-07", AREA, .level = SPEC_MUST, .text = "No detail tells of files, stacks or SQL.", .watch = WATCH_PROBLEM_LEAK},
    {.id = "rfc8555/7.3.2/9", .rows = "S-7.3.2-09 S-7.3.6-06 S-7.5.2-02", AREA, .level = SPEC_MUST, .text = "Another account changes and deactivates nothing.", .run = what_is_anothers_is_not_changed},
    {.id = "rfc8555/7.4/17", .rows = "S-7.4-17", AREA, .level = SPEC_MUST, .text = "The server's own members of newOrder are ignored.", .run = the_server_decides_its_own_fields},
    {.id = "rfc8555/7.4/36", .rows = "S-7.4-36 S-7.4.2-05", HTTP01, .level = SPEC_MUST, .text = "Another account neither finalizes nor downloads.", .run = anothers_order_is_not_finalized},
    {.id = "rfc8555/7.4/39", .rows = "S-7.4-39", HTTP01, .level = SPEC_MUST, .text = "A CSR that asks for a CA makes none.", .run = a_ca_is_not_made},
    {.id = "rfc8555/7.5.1/8", .rows = "S-7.5.1-08", HTTP01, .level = SPEC_MUST, .text = "Another account answers no challenge.", .run = anothers_challenge_is_not_answered},
    {.id = "rfc8555/7.5.2/4", .rows = "S-7.5.2-04", AREA, .level = SPEC_MUST, .text = "An authorization takes no other status than deactivated.", .run = an_authorization_is_only_deactivated},
    {.id = "rfc8555/7.6/16", .rows = "S-7.6-16", HTTP01, .level = SPEC_MUST, .text = "A made-up certificate with a real serial number revokes nothing.", .run = a_made_up_certificate_revokes_nothing},
    {.id = "rfc8555/8.1/3", .rows = "S-8.1-03", HTTP01, .level = SPEC_MUST, .text = "Another account's key authorization validates nothing.", .run = the_key_authorization_is_the_accounts},
    {.id = "rfc8555/8.3/11", .rows = "S-8.3-11", HTTP01, .level = SPEC_SHOULD, .text = "Redirect loops and long bodies end in a failure.", .run = loops_and_long_bodies_end},
    {.id = "rfc8555/8.3/13", .rows = "S-8.3-13", HTTP01, .level = SPEC_SHOULD, .text = "The error of a validation does not relay what was fetched.", .run = what_was_fetched_is_not_told},
    {.id = "rfc8555/10.5/1", .rows = "S-10.5-01", AREA, .level = SPEC_SHOULD, .text = "Ids are not counted up.", .run = ids_are_not_counted},
    {.id = "rfc8555/10.3/1", .rows = "S-10.3-01", AREA, .level = SPEC_SHOULD, .text = "A body of 5 MiB is refused and harms nothing.", .run = a_long_body_is_refused},
    {.id = "rfc8555/10.3/2", .rows = "S-10.3-02", AREA, .level = SPEC_SHOULD, .text = "JSON nested 100000 deep is refused and harms nothing.", .run = deep_nesting_is_refused},
    {.id = "rfc8555/11.1/3", .rows = "S-11.1-03", AREA, .level = SPEC_MUST, .text = "One key is one account.", .run = one_key_is_one_account},
    {.id = "rfc8555/11.1/4", .rows = "S-11.1-04", HTTP01, .level = SPEC_MUST, .text = "A key that became an account's is not certified again.", .run = a_certificate_key_that_became_an_account_is_not_certified},
    {.id = "rfc8555/11.3/1", .rows = "S-11.3-01", HTTP01, .level = SPEC_MUST, .text = "The client has no say in the token.", .run = the_server_decides_the_token},
};
/* clang-format on */
const struct spec_area case_security = {cases, COUNT(cases)};
