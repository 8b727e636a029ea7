/* RFC 8555 sections 6.1, 6.2 and 6.4: the signed request. */
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

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.2/18", .rows = "S-6.2-18", .area = "jws", .level = SPEC_MUST, .text = "jwk and kid together are refused.", .run = refuses_jwk_and_kid},
};
/* clang-format on */

const struct spec_area case_jws = {cases, COUNT(cases)};
