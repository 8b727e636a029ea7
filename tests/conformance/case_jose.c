/* RFC 7517 and 7638: keys in any spelling.  What JOSE forbids is in catalogue/jws-negative.cases.
 */
#include "tests/conformance/areas.h"

/* newAccount with a jwk in odd order and with more members than the thumbprint covers. */
static void the_thumbprint_is_of_required_members(struct spec *spec) {
    struct spec_account *account = spec_keep(spec, calloc(1, sizeof(*account)), free);
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    const json_t *jwk = spec_jwk(spec, key);
    const struct spec_post post = {
        .url = spec_url(spec, "newAccount"),
        .key = key,
        .jwk = spec_pack(spec, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "zz", "extra", "y",
                         spec_member(jwk, "y"), "kty", "EC", "use", "sig", "x",
                         spec_member(jwk, "x"), "kid", "mine", "crv", "P-256"),
        .payload = spec_pack(spec, "{s:b}", "termsOfServiceAgreed", 1)};

    account->key = key;
    account->answer = spec_post(spec, &post);
    (void)spec_status(spec, account->answer, 201);
    account->url = spec_header(spec, account->answer, "Location");
    const struct spec_order *order = spec_order(spec, account, NULL);
    (void)spec_prove(spec, account, order->authz[0], "http-01");
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc7638/3/1", .rows = "X-7638-3-01", .area = "jose", .level = SPEC_MUST, .text = "The thumbprint in key authorizations covers the required members of the jwk, in order.", .needs = NEED_HTTP01, .run = the_thumbprint_is_of_required_members},
};
/* clang-format on */

const struct spec_area case_jose = {cases, COUNT(cases)};
