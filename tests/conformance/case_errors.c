/* RFC 8555 sections 6.6 and 6.7: problem documents. */
#include "tests/conformance/areas.h"

static void get_of_an_order_is_malformed(struct spec *spec) {
    const struct spec_order *order = spec_order(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_problem(spec, spec_get(spec, order->url), 405, "malformed");
}

/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/6.3/10", .rows = "S-6.3-02", .area = "errors", .level = SPEC_MUST, .text = "The 405 for GET has type malformed.", .run = get_of_an_order_is_malformed},
    {.id = "rfc8555/6.7/1", .rows = "S-6.7-01", .area = "errors", .level = SPEC_SHOULD, .text = "Errors are application/problem+json.", .watch = WATCH_PROBLEM_MEDIA},
    {.id = "rfc8555/6.7/8", .rows = "S-6.7-08", .area = "errors", .level = SPEC_MUST, .text = "Every 405 has Allow.", .watch = WATCH_ALLOW},
};
/* clang-format on */

const struct spec_area case_errors = {cases, COUNT(cases)};
