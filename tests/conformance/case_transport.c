/* RFC 8555 sections 5, 6.1 to 6.3: how requests travel. */
#include <string.h>

#include "tests/conformance/areas.h"

static void issues_by_http01(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_certificate *certificate = spec_issue(spec, account, NULL);
    const char *urls[] = {account->url, certificate->order->url, certificate->order->authz[0],
                          certificate->url};

    for (unsigned i = 0; i < COUNT(urls); i++) {
        (void)spec_fetch(spec, account, urls[i]);
    }
}

/* The media types a signed request may not have. */
static void refuses_the_media_type(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    const struct spec_post post = {.url = spec_url(spec, "newOrder"),
                                   .account = account,
                                   .payload = spec_identifiers(spec, spec_name(spec), NULL),
                                   .content_type = spec_data(spec)};
    (void)spec_problem(spec, spec_post(spec, &post), 415, "malformed");
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.2/34", .rows = "S-6.2-34", .area = "transport", .level = SPEC_MUST, .text = "A JWS as application/json is 415.", .run = refuses_the_media_type, .data = "application/json"},
    {.id = "rfc8555/6.2/35", .rows = "S-6.2-35", .area = "transport", .level = SPEC_MUST, .text = "A JWS without Content-Type is 415.", .run = refuses_the_media_type, .data = SPEC_OMIT},
    {.id = "rfc8555/6.2/36", .rows = "S-6.2-36", .area = "transport", .level = SPEC_MUST, .text = "A JWS as a form is 415.", .run = refuses_the_media_type, .data = "application/x-www-form-urlencoded"},
    {.id = "rfc8555/6.3/5", .rows = "S-6.3-05", .area = "transport", .level = SPEC_MUST, .text = "Account, order, authorization and certificate are read by POST-as-GET.", .needs = NEED_HTTP01, .run = issues_by_http01},
};
/* clang-format on */

const struct spec_area case_transport = {cases, COUNT(cases)};
