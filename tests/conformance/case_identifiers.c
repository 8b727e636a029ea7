/* RFC 8555 sections 7.1.3, 7.1.4 and 7.4: the identifiers of an order. */
#include <string.h>
#include <strings.h>

#include "common/ossl.h"
#include "common/x509.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

#define LABEL_MAX 63
#define REFUSED "malformed|rejectedIdentifier|compound"

static const struct spec_answer *order_one(struct spec *spec, const struct spec_account *account,
                                           const char *type, const char *value) {
    return spec_post_json(
        spec, account, spec_url(spec, "newOrder"),
        spec_pack(spec, "{s:[{s:s, s:s}]}", "identifiers", "type", type, "value", value));
}

static void identifiers_are_required(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *url = spec_url(spec, "newOrder");

    (void)spec_problem(spec, spec_post_json(spec, account, url, spec_pack(spec, "{}")), 400,
                       "malformed");
    (void)spec_problem(spec,
                       spec_post_json(spec, account, url, spec_pack(spec, "{s:[]}", "identifiers")),
                       400, "malformed");
    (void)spec_problem(
        spec,
        spec_post_json(spec, account, url, spec_pack(spec, "{s:s}", "identifiers", "a.example")),
        400, "malformed");
}

static void an_unknown_type_is_unsupported(struct spec *spec) {
    const struct spec_answer *answer =
        order_one(spec, spec_account(spec, KEY_P256), "zz", spec_name(spec));

    (void)spec_problem(spec, answer, SPEC_4XX, "unsupportedIdentifier");
}

static void type_and_value_are_required(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *url = spec_url(spec, "newOrder"), *name = spec_name(spec);
    const json_t *const wrong[] = {
        spec_pack(spec, "{s:[{s:s}]}", "identifiers", "type", "dns"),
        spec_pack(spec, "{s:[{s:s}]}", "identifiers", "value", name),
        spec_pack(spec, "{s:[{}]}", "identifiers"),
        spec_pack(spec, "{s:[s]}", "identifiers", name),
        spec_pack(spec, "{s:[{s:i, s:s}]}", "identifiers", "type", 1, "value", name),
        spec_pack(spec, "{s:[{s:s, s:i}]}", "identifiers", "type", "dns", "value", 1),
        spec_pack(spec, "{s:[{s:s, s:s}, {s:s}]}", "identifiers", "type", "dns", "value", name,
                  "type", "dns"),
    };

    for (unsigned i = 0; i < COUNT(wrong); i++) {
        (void)spec_problem(spec, spec_post_json(spec, account, url, wrong[i]), 400, "malformed");
    }
}

/* data: names, ended by NULL, that are no names to order. */
static void names_are_refused(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    for (const char *const *name = spec_data(spec); *name != NULL; name++) {
        (void)spec_problem(spec, order_one(spec, account, "dns", *name), SPEC_4XX, REFUSED);
    }
}

static void long_names_are_refused(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *label = spec_repeat(spec, "a", LABEL_MAX + 1);
    const char *name = spec_text(spec, "%sexample.org", spec_repeat(spec, "abcdefg.", 31));

    (void)spec_problem(spec,
                       order_one(spec, account, "dns", spec_text(spec, "%s.example.org", label)),
                       SPEC_4XX, REFUSED);
    (void)spec_problem(spec, order_one(spec, account, "dns", name), SPEC_4XX, REFUSED);
}

/* The identifier of an order for value, or "" when it was refused. */
static const char *ordered_as(struct spec *spec, const char *value) {
    const struct spec_answer *answer = order_one(spec, spec_account(spec, KEY_P256), "dns", value);

    if (answer->status >= 400) {
        (void)spec_problem(spec, answer, SPEC_4XX, REFUSED);
        return "";
    }
    (void)spec_status(spec, answer, 201);
    return spec_member(json_array_get(json_object_get(answer->json, "identifiers"), 0), "value");
}

static void upper_case_is_folded_or_refused(struct spec *spec) {
    const char *name = spec_name(spec);
    char *upper = spec_text(spec, "%s", name);

    for (char *c = upper; *c != '\0'; c++) {
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    }
    const char *seen = ordered_as(spec, upper);
    (void)spec_check(spec, seen[0] == '\0' || strcmp(seen, name) == 0, "%s was ordered as \"%s\"",
                     upper, seen);
}

static void a_trailing_dot_is_removed_or_refused(struct spec *spec) {
    const char *name = spec_name(spec), *seen = ordered_as(spec, spec_text(spec, "%s.", name));

    (void)spec_check(spec, seen[0] == '\0' || strcmp(seen, name) == 0,
                     "\"%s.\" was ordered as \"%s\"", name, seen);
}

static void a_name_twice_is_one(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);
    const struct spec_answer *answer = spec_post_json(spec, account, spec_url(spec, "newOrder"),
                                                      spec_identifiers(spec, name, name, NULL));
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};

    if (answer->status >= 400) {
        (void)spec_problem(spec, answer, SPEC_4XX, REFUSED);
        return;
    }
    const struct spec_order *order =
        spec_order_of(spec, account, spec_identifiers(spec, name, name, NULL));
    (void)spec_check(spec, order->authz_count == 1, "%u authorizations for one name",
                     order->authz_count);
    (void)spec_prove(spec, account, order->authz[0], "http-01");
    const struct spec_certificate *made = spec_complete(spec, order, NULL);
    if (spec_over(spec)) {
        return;
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(made->pem, strlen(made->pem), &err);
    (void)spec_check(spec, chain != NULL && x509_cert_read(sk_X509_value(chain, 0), &cert, &err),
                     "the certificate is not read: %s", err.detail);
    (void)spec_check(spec, cert.names.dns_count == 1, "%u names in the certificate for one",
                     cert.names.dns_count);
}

/* A second order for a name lists an authorization for it, an earlier one or another. */
static void every_order_lists_its_authorizations(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_order *first = spec_ready(spec, account, NULL);
    const struct spec_order *second = spec_order(spec, account, first->name);

    (void)spec_check(spec, second->authz_count == 1, "%u authorizations for one name",
                     second->authz_count);
    if (spec_over(spec)) {
        return;
    }
    const struct spec_answer *authz = spec_fetch(spec, account, second->authz[0]);
    (void)spec_same(spec, "name of the authorization",
                    spec_member(json_object_get(authz->json, "identifier"), "value"), first->name);
}

static void a_wildcard_is_ordered_or_rejected(struct spec *spec) {
    const char *name = spec_text(spec, "*.%s", spec_name(spec));
    const struct spec_answer *answer = order_one(spec, spec_account(spec, KEY_P256), "dns", name);

    if (answer->status >= 400) {
        (void)spec_problem(spec, answer, SPEC_4XX, "rejectedIdentifier");
        return;
    }
    (void)spec_status(spec, answer, 201);
    (void)spec_same(
        spec, "identifier",
        spec_member(json_array_get(json_object_get(answer->json, "identifiers"), 0), "value"),
        name);
}

/* clang-format off */
static const char *const no_names[] = {"a..b", "-a.example", "a-.example", "exa mple.org", "", ".", ".example.org", "a_b.example.org", "exam\tple.org", "a/b.example.org", "a:80.example.org", NULL};
static const char *const no_wildcards[] = {"a.*.example.org", "*a.example.org", "a*.example.org", "*.*.example.org", "*", "*.", "*..example.org", NULL};
static const char *const addresses[] = {"127.0.0.1", "192.0.2.7", "::1", "[::1]", "2001:db8::1", NULL};
static const char *const no_punycode[] = {"xn--zzzzzzz99999.example.org", "a.xn--a.example.org", "xn--.example.org", "xn--99999999999999.example.org", NULL};
static const char *const u_labels[] = {"b\xc3\xbc" "cher.example", "a.\xe4\xbe\x8b.example", "b\xc3\xbc" "cher.b\xc3\xbc" "cher.example", NULL};

static const struct spec_case cases[] = {
    {.id = "rfc8555/7.1.3/11", .rows = "S-7.1.3-11", .area = "order", .level = SPEC_SHOULD, .text = "An order lists an authorization for its name, also when the account proved it before.", .needs = NEED_HTTP01, .run = every_order_lists_its_authorizations},
    {.id = "rfc8555/7.1.3/13", .rows = "S-7.1.3-13", .area = "order", .level = SPEC_MAY, .text = "A wildcard is ordered or rejected.", .run = a_wildcard_is_ordered_or_rejected},
    {.id = "rfc8555/7.1.4/8", .rows = "S-7.1.4-08", .area = "order", .level = SPEC_MUST, .text = "xn-- labels that are no Punycode are refused.", .run = names_are_refused, .data = no_punycode},
    {.id = "rfc8555/7.1.4/9", .rows = "S-7.1.4-09", .area = "order", .level = SPEC_MUST, .text = "U-labels are refused.", .run = names_are_refused, .data = u_labels},
    {.id = "rfc8555/7.4/4", .rows = "S-7.4-04", .area = "order", .level = SPEC_MUST, .text = "identifiers is required.", .run = identifiers_are_required},
    {.id = "rfc8555/7.4/5", .rows = "S-7.4-05", .area = "order", .level = SPEC_SHOULD, .text = "An unknown identifier type is unsupportedIdentifier.", .run = an_unknown_type_is_unsupported},
    {.id = "rfc8555/7.4/6", .rows = "S-7.4-06", .area = "order", .level = SPEC_MUST, .text = "An identifier without type or value is malformed.", .run = type_and_value_are_required},
    {.id = "rfc8555/7.4/7", .rows = "S-7.4-07", .area = "order", .level = SPEC_SHOULD, .text = "Malformed names are refused.", .run = names_are_refused, .data = no_names},
    {.id = "rfc8555/7.4/7a", .rows = "S-7.4-07", .area = "order", .level = SPEC_SHOULD, .text = "Names and labels that are too long are refused.", .run = long_names_are_refused},
    {.id = "rfc8555/7.4/8", .rows = "S-7.4-08", .area = "order", .level = SPEC_SHOULD, .text = "A wildcard anywhere but in the leftmost label is refused.", .run = names_are_refused, .data = no_wildcards},
    {.id = "rfc8555/7.4/9", .rows = "S-7.4-09", .area = "order", .level = SPEC_SHOULD, .text = "An address as a dns identifier is refused.", .run = names_are_refused, .data = addresses},
    {.id = "rfc8555/7.4/10", .rows = "S-7.4-10", .area = "order", .level = SPEC_MUST, .text = "Upper case is folded or refused.", .run = upper_case_is_folded_or_refused},
    {.id = "rfc8555/7.4/11", .rows = "S-7.4-11", .area = "order", .level = SPEC_MUST, .text = "A trailing dot is removed or refused.", .run = a_trailing_dot_is_removed_or_refused},
    {.id = "rfc8555/7.4/14", .rows = "S-7.4-14", .area = "order", .level = SPEC_SHOULD, .text = "A name given twice is authorized and certified once.", .needs = NEED_HTTP01, .run = a_name_twice_is_one},
};
/* clang-format on */

const struct spec_area case_identifiers = {cases, COUNT(cases)};
