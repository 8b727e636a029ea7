/* RFC 8555 sections 6.1, 6.2 and 6.4: the signed request.  Most of these rows are proved by
 * case_jws_negative.c, whose data names them; here is what wants more than one refused request. */
#include <string.h>

#include "tests/conformance/areas.h"

static void refuses_jwk_and_kid(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = account,
                                   .kid = account->url,
                                   .use_jwk = true,
                                   .payload = spec_identifiers(spec, spec_name(spec), NULL)};
    (void)spec_problem(spec, spec_post(spec, &post), 400, "malformed");
}

static void takes_es256(struct spec *spec) { (void)spec_account(spec, KEY_P256); }

static void takes_ed25519(struct spec *spec) { (void)spec_account(spec, KEY_ED25519); }

static const struct spec_answer *with_alg(struct spec *spec, const char *alg) {
    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = spec_account(spec, KEY_P256),
                                   .alg = alg,
                                   .payload = spec_identifiers(spec, spec_name(spec), NULL)};

    return spec_post(spec, &post);
}

static void lists_the_algorithms(struct spec *spec) {
    const struct spec_answer *answer = with_alg(spec, "XX999");
    const json_t *list = json_object_get(answer->json, "algorithms"), *one;
    bool es256 = false;
    size_t i;

    (void)spec_problem(spec, answer, 400, "badSignatureAlgorithm");
    (void)spec_check(spec, json_array_size(list) > 0, "algorithms is no array with members");
    json_array_foreach(list, i, one) {
        (void)spec_check(spec, json_is_string(one), "algorithms[%zu] is no text", i);
        es256 = es256 || (json_is_string(one) && strcmp(json_string_value(one), "ES256") == 0);
    }
    (void)spec_check(spec, es256, "algorithms does not list ES256");
}

/* newAccount by a JWK as it is written in .data. */
static void says_why_a_key_is_bad(struct spec *spec) {
    json_t *jwk = spec_json(spec, json_loads(spec_data(spec), 0, NULL));
    const bool rsa = strcmp(spec_member(jwk, "kty"), "RSA") == 0;
    const struct spec_post post = {.url = spec_url(spec, "newAccount"),
                                   .key = spec_key(spec, rsa ? KEY_RSA2048 : KEY_P256),
                                   .jwk = jwk,
                                   .payload = spec_pack(spec, "{}")};
    const struct spec_answer *answer = spec_post(spec, &post);

    (void)spec_problem(spec, answer, 400, "badPublicKey");
    (void)spec_check(spec, spec_member(answer->json, "detail")[0] != '\0', "no detail");
}

static void refuses_alg_of_another_key(struct spec *spec) {
    const struct spec_post post = {.url = spec_url(spec, "newAccount"),
                                   .key = spec_key(spec, KEY_RSA2048),
                                   .alg = "ES256",
                                   .payload = spec_pack(spec, "{}")};

    (void)spec_problem(spec, spec_post(spec, &post), 400,
                       "badPublicKey|badSignatureAlgorithm|malformed");
}

static void refuses_a_query_beside_the_url(struct spec *spec) {
    const char *url = spec_url(spec, "newOrder");
    const struct spec_post post = {.url = spec_text(spec, "%s?x=1", url),
                                   .account = spec_account(spec, KEY_P256),
                                   .header_url = url,
                                   .payload = spec_identifiers(spec, spec_name(spec), NULL)};

    (void)spec_problem(spec, spec_post(spec, &post), SPEC_4XX, "unauthorized");
}

static void a_refused_key_makes_no_account(struct spec *spec) {
    EVP_PKEY *signer = spec_key(spec, KEY_P256), *victim = spec_key(spec, KEY_P256);
    const struct spec_post forged = {.url = spec_url(spec, "newAccount"),
                                     .key = signer,
                                     .jwk = spec_jwk(spec, victim),
                                     .payload = spec_pack(spec, "{}")};
    const struct spec_post look = {.url = spec_url(spec, "newAccount"),
                                   .key = victim,
                                   .payload = spec_pack(spec, "{s:b}", "onlyReturnExisting", 1)};

    (void)spec_problem(spec, spec_post(spec, &forged), SPEC_4XX, "malformed|unauthorized");
    (void)spec_problem(spec, spec_post(spec, &look), SPEC_4XX, "accountDoesNotExist");
}

static void refuses_the_csr_in_the_other_alphabet(struct spec *spec) {
    const struct spec_order *order = spec_ready(spec, spec_account(spec, KEY_P256), NULL);
    char *csr = NULL;

    do { /* until it has a character that the alphabets write differently */
        csr = spec_text(spec, "%s", spec_csr(spec, NULL, order->name, NULL));
    } while (!spec_over(spec) && strpbrk(csr, "-_") == NULL);
    for (char *c = csr; *c != '\0'; c++) {
        *c = *c == '-' ? '+' : (*c == '_' ? '/' : *c);
    }
    (void)spec_problem(spec, spec_finalize(spec, order, csr), 400, "malformed|badCSR");
}

#define SHORT_RSA                                                                                  \
    "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"wA7hYXHMR3JJ_bJU1dDLdoQ2S2nJ5fQqkLhFmWjv4bBzYd3c0V9q" \
    "a6Ck8QdM6o2xqfyzq8sXlHq0XyLwz7z2WQ\"}"
#define OFF_CURVE                                                                                  \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","     \
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyA\"}"

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.1/6", .rows = "S-6.1-06", .area = "jws", .level = SPEC_MUST, .text = "The standard base64 alphabet is refused.", .needs = NEED_HTTP01, .run = refuses_the_csr_in_the_other_alphabet},
    {.id = "rfc8555/6.2/2", .rows = "S-6.2-02 S-6.2-22", .area = "jws", .level = SPEC_MUST, .text = "A newAccount signed by another key than its jwk is refused and makes no account.", .run = a_refused_key_makes_no_account},
    {.id = "rfc8555/6.2/18", .rows = "S-6.2-18", .area = "jws", .level = SPEC_MUST, .text = "jwk and kid together are refused.", .run = refuses_jwk_and_kid},
    {.id = "rfc8555/6.2/19", .rows = "S-6.2-19", .area = "jws", .level = SPEC_MUST, .text = "ES256 is implemented.", .run = takes_es256},
    {.id = "rfc8555/6.2/20", .rows = "S-6.2-20", .area = "jws", .level = SPEC_SHOULD, .text = "EdDSA with Ed25519 is implemented.", .run = takes_ed25519},
    {.id = "rfc8555/6.2/27", .rows = "S-6.2-27 S-6.2-28 S-6.2-29", .area = "jws", .level = SPEC_MUST, .text = "An unsupported alg is 400 badSignatureAlgorithm with the supported ones.", .run = lists_the_algorithms},
    {.id = "rfc8555/6.2/30", .rows = "S-6.2-30 S-6.2-33", .area = "jws", .level = SPEC_MUST, .text = "A small RSA key is 400 badPublicKey with a detail.", .run = says_why_a_key_is_bad, .data = SHORT_RSA},
    {.id = "rfc8555/6.2/31", .rows = "S-6.2-31", .area = "jws", .level = SPEC_MUST, .text = "A point off the curve is 400 badPublicKey.", .run = says_why_a_key_is_bad, .data = OFF_CURVE},
    {.id = "rfc8555/6.2/32", .rows = "S-6.2-32", .area = "jws", .level = SPEC_MUST, .text = "ES256 with an RSA key is refused.", .run = refuses_alg_of_another_key},
    {.id = "rfc8555/6.4/3", .rows = "S-6.4-03", .area = "jws", .level = SPEC_MUST, .text = "A query beside the signed url is refused.", .run = refuses_a_query_beside_the_url},
};
/* clang-format on */

const struct spec_area case_jws = {cases, COUNT(cases)};
