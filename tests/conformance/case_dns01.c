/* dns-01, RFC 8555 section 8.4. */
#include <string.h>

#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

/* An order's only authorization and its dns-01 challenge. */
struct proof {
    const struct spec_account *account;
    const char *name, *authz, *url, *token;
    const char *at, *value; /* of the TXT record that is wanted */
};

static struct proof proof_of(struct spec *spec, const char *name) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_order *order = spec_order(spec, account, name);
    const char *authz = order->authz_count > 0 ? order->authz[0] : "";
    const json_t *challenge = spec_challenge(spec_fetch(spec, account, authz)->json, "dns-01");
    struct proof proof = {.account = account,
                          .name = order->name,
                          .authz = authz,
                          .url = spec_member(challenge, "url"),
                          .token = spec_member(challenge, "token")};

    (void)spec_check(spec, proof.url[0] != '\0', "no dns-01 challenge offered");
    proof.at = spec_dns01_name(spec, order->name);
    proof.value = spec_dns01_value(spec, spec_key_authorization(spec, account, proof.token));
    return proof;
}

/* Respond, and see what comes of it. */
static const json_t *decided(struct spec *spec, const struct proof *proof) {
    (void)spec_status(spec, spec_post_json(spec, proof->account, proof->url, spec_pack(spec, "{}")),
                      200);
    return spec_poll(spec, proof->account, proof->authz, "valid|invalid")->json;
}

static void is_valid(struct spec *spec, const struct proof *proof) {
    const json_t *authz = decided(spec, proof);
    const json_t *error = json_object_get(spec_challenge(authz, "dns-01"), "error");

    (void)spec_check(spec, strcmp(spec_member(authz, "status"), "valid") == 0,
                     "the authorization became \"%s\": %s", spec_member(authz, "status"),
                     spec_member(error, "detail"));
}

static void is_invalid(struct spec *spec, const struct proof *proof) {
    const json_t *authz = decided(spec, proof);
    const char *type =
        spec_member(json_object_get(spec_challenge(authz, "dns-01"), "error"), "type");

    (void)spec_same(spec, "status", spec_member(authz, "status"), "invalid");
    (void)spec_check(spec,
                     strstr(type, ":unauthorized") != NULL
                         || strstr(type, ":incorrectResponse") != NULL
                         || strstr(type, ":dns") != NULL,
                     "the challenge's error is \"%s\"", type);
}

static void the_token_has_128_bits(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);
    size_t len = strlen(proof.token);

    (void)spec_check(spec, len >= 22, "the token has %zu characters", len);
    (void)spec_check(spec,
                     strspn(proof.token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                         "0123456789-_")
                         == len,
                     "the token \"%s\" is not base64url", proof.token);
}

static void asks_below_the_name(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);

    spec_dns(spec, proof.at, "TXT", proof.value);
    is_valid(spec, &proof);
    (void)spec_check(spec, spec_dns_seen(spec, proof.at, "TXT") > 0, "nobody asked for TXT %s",
                     proof.at);
}

static void a_wildcard_asks_below_its_base(struct spec *spec) {
    const char *base = spec_name(spec);
    const struct proof proof = proof_of(spec, spec_text(spec, "*.%s", base));

    spec_dns(spec, spec_dns01_name(spec, base), "TXT", proof.value);
    is_valid(spec, &proof);
}

static void one_record_of_several_is_enough(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);

    spec_dns(spec, proof.at, "TXT", "something else");
    spec_dns(spec, proof.at, "TXT", proof.value);
    spec_dns(spec, proof.at, "TXT", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    is_valid(spec, &proof);
}

static void no_record_fails(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);

    is_invalid(spec, &proof);
}

static void a_wrong_record_fails(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);

    spec_dns(spec, proof.at, "TXT",
             spec_dns01_value(spec, spec_text(spec, "%s.other", proof.token)));
    is_invalid(spec, &proof);
}

static void the_record_is_not_below_another_label(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);

    spec_dns(spec, proof.name, "TXT", proof.value);
    is_invalid(spec, &proof);
}

static void a_failing_server_fails(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);

    spec_dns(spec, proof.at, "TXT", proof.value);
    spec_dns_rcode(spec, proof.at, NULL, 2);
    is_invalid(spec, &proof);
}

static void the_plain_key_authorization_fails(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);

    spec_dns(spec, proof.at, "TXT", spec_key_authorization(spec, proof.account, proof.token));
    is_invalid(spec, &proof);
}

static void aliases_are_followed(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);
    const char *elsewhere = spec_text(spec, "proof.%s", spec_name(spec));

    spec_dns(spec, proof.at, "CNAME", elsewhere);
    spec_dns(spec, elsewhere, "TXT", proof.value);
    is_valid(spec, &proof);
}

static void a_circle_of_aliases_fails(struct spec *spec) {
    const struct proof proof = proof_of(spec, NULL);
    const char *elsewhere = spec_text(spec, "proof.%s", spec_name(spec));

    spec_dns(spec, proof.at, "CNAME", elsewhere);
    spec_dns(spec, elsewhere, "CNAME", proof.at);
    is_invalid(spec, &proof);
}

#define DNS01 .area = "challenge", .needs = NEED_DNS
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/8.4/1", .rows = "S-8.4-01", DNS01, .level = SPEC_MUST, .text = "The token of dns-01 has 128 bits of base64url.", .run = the_token_has_128_bits},
    {.id = "rfc8555/8.4/2", .rows = "S-8.4-02", DNS01, .level = SPEC_MUST, .text = "The TXT records of _acme-challenge below the name are asked for.", .run = asks_below_the_name},
    {.id = "rfc8555/8.4/2-wildcard", .rows = "S-8.4-02", DNS01, .level = SPEC_MUST, .text = "A wildcard is proved below its base name.", .run = a_wildcard_asks_below_its_base},
    {.id = "rfc8555/8.4/3", .rows = "S-8.4-03", DNS01, .level = SPEC_MUST, .text = "One TXT record of several is enough.", .run = one_record_of_several_is_enough},
    {.id = "rfc8555/8.4/4", .rows = "S-8.4-04", DNS01, .level = SPEC_MUST, .text = "No record is a failure.", .run = no_record_fails},
    {.id = "rfc8555/8.4/4-wrong", .rows = "S-8.4-04", DNS01, .level = SPEC_MUST, .text = "The digest of another key authorization is a failure.", .run = a_wrong_record_fails},
    {.id = "rfc8555/8.4/4-elsewhere", .rows = "S-8.4-04", DNS01, .level = SPEC_MUST, .text = "A record at the name itself is none.", .run = the_record_is_not_below_another_label},
    {.id = "rfc8555/8.4/4-servfail", .rows = "S-8.4-04", DNS01, .level = SPEC_MUST, .text = "SERVFAIL is a failure.", .run = a_failing_server_fails},
    {.id = "rfc8555/8.4/5", .rows = "S-8.4-05", DNS01, .level = SPEC_MUST, .text = "The record is the digest, not the key authorization.", .run = the_plain_key_authorization_fails},
    {.id = "rfc8555/8.4/6", .rows = "S-8.4-06", DNS01, .level = SPEC_SHOULD, .text = "Aliases of the validation name are followed.", .run = aliases_are_followed},
    {.id = "rfc8555/8.4/6-circle", .rows = "S-8.4-06", DNS01, .level = SPEC_SHOULD, .text = "A circle of aliases ends in a failure.", .run = a_circle_of_aliases_fails},
};
/* clang-format on */

const struct spec_area case_dns01 = {cases, COUNT(cases)};
