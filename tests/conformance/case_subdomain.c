/* RFC 9444: authorizations for a domain and the names under it. */
#include <string.h>

#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

/* {"identifiers": [one]} with an ancestorDomain. */
static json_t *below(struct spec *spec, const char *type, const char *name, const char *ancestor) {
    return spec_pack(spec, "{s:[{s:s, s:s, s:s}]}", "identifiers", "type", type, "value", name,
                     "ancestorDomain", ancestor);
}

/* newAuthz with the flag, or without. */
static const struct spec_answer *prepare(struct spec *spec, const struct spec_account *account,
                                         const char *name, bool subdomains) {
    json_t *payload = spec_pack(spec, "{s:{s:s, s:s}}", "identifier", "type", "dns", "value", name);

    if (subdomains) {
        (void)json_object_set_new(json_object_get(payload, "identifier"), "subdomainAuthAllowed",
                                  json_true());
    }
    const struct spec_answer *answer =
        spec_post_json(spec, account, spec_url(spec, "newAuthz"), payload);
    (void)spec_status(spec, answer, 201);
    return answer;
}

/* The same, proved, with the flag in the DNS; the URL of the authorization. */
static const char *prove(struct spec *spec, const struct spec_account *account, const char *name,
                         bool subdomains) {
    const struct spec_answer *answer = prepare(spec, account, name, subdomains);
    const char *url = spec_header(spec, answer, "Location");

    if (subdomains) {
        (void)spec_check(spec, json_is_true(json_object_get(answer->json, "subdomainAuthAllowed")),
                         "the authorization for %s has no subdomainAuthAllowed", name);
    }
    (void)spec_prove(spec, account, url, subdomains ? "dns-01" : "http-01");
    return url;
}

static bool flagged(const json_t *authz) {
    return json_is_true(json_object_get(authz, "subdomainAuthAllowed"));
}

static void check_flag_is_boolean(struct spec *spec, const json_t *object) {
    const json_t *flag = json_object_get(object, "subdomainAuthAllowed");

    (void)spec_check(spec, flag == NULL || json_is_boolean(flag),
                     "subdomainAuthAllowed is no boolean");
}

static const char *name_of(const json_t *authz) {
    return spec_member(json_object_get(authz, "identifier"), "value");
}

static const json_t *first_authz(struct spec *spec, const struct spec_order *order) {
    return spec_over(spec) ? json_null() : spec_fetch(spec, order->account, order->authz[0])->json;
}

static void the_directory_has_a_boolean(struct spec *spec) {
    check_flag_is_boolean(spec, json_object_get(spec_directory(spec), "meta"));
}

static void new_authz_takes_the_flag(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);
    const struct spec_answer *answer = prepare(spec, account, name, true);

    check_flag_is_boolean(spec, answer->json);
    (void)spec_same(spec, "identifier", name_of(answer->json), name);
    (void)spec_check(spec, flagged(answer->json), "the flag was not granted");
    (void)spec_check(
        spec, flagged(spec_fetch(spec, account, spec_header(spec, answer, "Location"))->json),
        "the flag is gone when the authorization is fetched");
    answer = prepare(spec, account, spec_name(spec), false);
    check_flag_is_boolean(spec, answer->json);
    (void)spec_check(spec, !flagged(answer->json), "the flag was granted without being asked for");
}

static void the_flag_is_not_granted(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const struct spec_answer *answer = prepare(spec, account, spec_name(spec), true);

    (void)spec_check(
        spec,
        json_object_get(json_object_get(spec_directory(spec), "meta"), "subdomainAuthAllowed")
            == NULL,
        "the directory offers it");
    check_flag_is_boolean(spec, answer->json);
    (void)spec_check(spec, !flagged(answer->json), "the flag was granted against the policy");
}

static void an_ancestor_is_authorized(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *upper = spec_name(spec), *middle = spec_text(spec, "bar.%s", upper);
    const char *name = spec_text(spec, "foo.%s", middle);
    const struct spec_order *order = spec_order_of(spec, account, below(spec, "dns", name, upper));
    const json_t *authz = first_authz(spec, order);
    const char *seen = name_of(authz);

    (void)spec_same(spec, "identifier of the order", order->name, name);
    (void)spec_check(
        spec, strcmp(seen, name) == 0 || strcmp(seen, middle) == 0 || strcmp(seen, upper) == 0,
        "the authorization is for %s", seen);
    (void)spec_check(spec, strcmp(seen, name) == 0 || flagged(authz),
                     "the authorization for an ancestor has no subdomainAuthAllowed");
    (void)spec_check(spec,
                     strcmp(seen, name) == 0
                         || (json_is_null(spec_challenge(authz, "http-01"))
                             && json_is_null(spec_challenge(authz, "tls-alpn-01"))),
                     "http-01 or tls-alpn-01 is offered for an ancestor");
}

static void an_ancestor_issues(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *upper = spec_name(spec);
    const struct spec_order *order = spec_order_of(
        spec, account, below(spec, "dns", spec_text(spec, "foo.bar.%s", upper), upper));

    if (!spec_over(spec)) {
        (void)spec_prove(spec, account, order->authz[0], "dns-01");
        (void)spec_complete(spec, order, NULL);
    }
}

static void without_policy_the_name_is_authorized(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *upper = spec_name(spec), *name = spec_text(spec, "foo.%s", upper);
    const json_t *authz =
        first_authz(spec, spec_order_of(spec, account, below(spec, "dns", name, upper)));

    (void)spec_same(spec, "identifier of the authorization", name_of(authz), name);
    (void)spec_check(spec, !flagged(authz), "the flag was granted against the policy");
}

/* newOrder is refused, or no authorization is for what is no ancestor. */
static void never_authorized(struct spec *spec, const struct spec_account *account,
                             const char *type, const char *name, const char *ancestor) {
    const struct spec_answer *answer = spec_post_json(spec, account, spec_url(spec, "newOrder"),
                                                      below(spec, type, name, ancestor));
    const json_t *url;
    size_t i;

    if (answer->status >= 400) {
        (void)spec_problem(spec, answer, SPEC_4XX, "*");
        return;
    }
    (void)spec_status(spec, answer, 201);
    json_array_foreach(json_object_get(answer->json, "authorizations"), i, url) {
        const json_t *authz = spec_fetch(spec, account, json_string_value(url))->json;
        (void)spec_same(spec, "identifier of the authorization", name_of(authz), name);
        (void)spec_check(spec, !flagged(authz), "%s below %s has the flag", name, ancestor);
    }
}

static void what_is_no_ancestor_is_not_authorized(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *upper = spec_name(spec), *name = spec_text(spec, "foo.bar.%s", upper);
    const char *const wrong[] = {
        spec_name(spec),                 /* another */
        spec_text(spec, "ar.%s", upper), /* the end of the text, but not of the labels */
        name,                            /* the name itself */
        spec_text(spec, "a.%s", name),   /* one under it */
        spec_text(spec, "*.%s", upper),  /* a wildcard */
        "",
        ".",
        "test..", /* nothing */
    };

    for (unsigned i = 0; i < COUNT(wrong); i++) {
        never_authorized(spec, account, "dns", name, wrong[i]);
    }
}

static void only_names_have_ancestors(struct spec *spec) {
    never_authorized(spec, spec_account(spec, KEY_P256), "ip", "127.0.0.1", "0.0.1");
}

static void a_prepared_ancestor_makes_it_ready(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *upper = spec_name(spec), *url = prove(spec, account, upper, true);
    const struct spec_order *order =
        spec_order(spec, account, spec_text(spec, "foo.bar.%s", upper));

    (void)spec_same(spec, "status of the order", spec_member(order->answer->json, "status"),
                    "ready");
    (void)spec_same(spec, "authorization of the order",
                    order->authz_count == 0 ? "" : order->authz[0], url);
    (void)spec_complete(spec, order, NULL);
}

static void needs_another_authorization(struct spec *spec, const struct spec_account *account,
                                        const char *name) {
    (void)spec_same(spec, spec_text(spec, "status of an order for %s", name),
                    spec_member(spec_order(spec, account, name)->answer->json, "status"),
                    "pending");
}

static void it_never_covers_upwards(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *upper = spec_name(spec), *name = spec_text(spec, "a.%s", upper);

    (void)prove(spec, account, name, true);
    needs_another_authorization(spec, account, upper);
    needs_another_authorization(spec, account, spec_text(spec, "b.%s", upper));
    needs_another_authorization(spec, account, spec_text(spec, "xa.%s", upper));
}

static void without_the_flag_it_covers_itself(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);

    (void)prove(spec, account, name, false);
    needs_another_authorization(spec, account, spec_text(spec, "a.%s", name));
    (void)spec_same(spec, "status of an order for the name",
                    spec_member(spec_order(spec, account, name)->answer->json, "status"), "ready");
}

/* A wildcard is issued under an ancestor's authorization only when that says so. */
static void wildcards_need_the_other_flag(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *upper = spec_name(spec);
    const char *name = spec_text(spec, "*.foo.%s", upper);
    const struct spec_answer *answer =
        spec_post_json(spec, account, spec_url(spec, "newOrder"), below(spec, "dns", name, upper));

    if (answer->status < 400) {
        const json_t *url = json_array_get(json_object_get(answer->json, "authorizations"), 0);
        const json_t *authz =
            spec_fetch(spec, account, url == NULL ? "" : json_string_value(url))->json;
        (void)spec_check(spec, json_is_true(json_object_get(authz, "wildcard")),
                         "the authorization of a wildcard has no wildcard:true");
    }
    const char *prepared = prove(spec, account, upper, true);
    const json_t *authz = spec_fetch(spec, account, prepared)->json;
    if (!json_is_true(json_object_get(authz, "wildcard"))) {
        needs_another_authorization(spec, account, name);
    }
}

/* clang-format off */
#define PREPARED (NEED_SUBDOMAIN | NEED_NEW_AUTHZ | NEED_DNS)
static const struct spec_case cases[] = {
    {.id = "rfc9444/4.1/1", .rows = "X-9444-4.1-01 X-9444-4.2-01", .area = "subdomain", .level = SPEC_MUST, .text = "newAuthz grants the flag when it is asked for, and only then.", .needs = PREPARED, .run = new_authz_takes_the_flag},
    {.id = "rfc9444/4.1/2", .rows = "X-9444-4.1-02", .area = "subdomain", .level = SPEC_SHOULD, .text = "An authorization that is good for wildcards says wildcard:true.", .needs = PREPARED, .run = wildcards_need_the_other_flag},
    {.id = "rfc9444/4.2/2", .rows = "X-9444-4.2-01 X-9444-4.2-02 X-9444-4.4-01", .area = "subdomain", .level = SPEC_MAY, .text = "Where it is not offered the flag is absent or false.", .needs = NEED_PLAIN | NEED_NEW_AUTHZ, .run = the_flag_is_not_granted},
    {.id = "rfc9444/4.3/1", .rows = "X-9444-4.3-01 X-9444-4.3-02 X-9444-7-03", .area = "subdomain", .level = SPEC_MUST, .text = "With ancestorDomain the name or one above it is authorized, in the DNS alone.", .needs = NEED_SUBDOMAIN, .run = an_ancestor_is_authorized},
    {.id = "rfc9444/4.3/1a", .rows = "X-9444-4.3-01", .area = "subdomain", .level = SPEC_MUST, .text = "The ancestor's authorization issues the certificate of the name.", .needs = NEED_SUBDOMAIN | NEED_DNS, .run = an_ancestor_issues},
    {.id = "rfc9444/4.3/3", .rows = "X-9444-4.3-03", .area = "subdomain", .level = SPEC_SHOULD, .text = "Where it is not offered the name itself is authorized.", .needs = NEED_PLAIN, .run = without_policy_the_name_is_authorized},
    {.id = "rfc9444/4.3/4", .rows = "X-9444-4.3-04", .area = "subdomain", .level = SPEC_MUST, .text = "What is no ancestor is never authorized.", .run = what_is_no_ancestor_is_not_authorized},
    {.id = "rfc9444/4.3/5", .rows = "X-9444-4.3-05", .area = "subdomain", .level = SPEC_MUST, .text = "ancestorDomain of an address is refused or ignored.", .run = only_names_have_ancestors},
    {.id = "rfc9444/4.4/1", .rows = "X-9444-4.4-01", .area = "subdomain", .level = SPEC_MUST, .text = "meta.subdomainAuthAllowed is a boolean.", .run = the_directory_has_a_boolean},
    {.id = "rfc9444/5/1", .rows = "X-9444-5-01", .area = "subdomain", .level = SPEC_MAY, .text = "A pre-authorization with the flag makes the order of a name under it ready.", .needs = PREPARED, .run = a_prepared_ancestor_makes_it_ready},
    {.id = "rfc9444/7/1", .rows = "X-9444-7-01", .area = "subdomain", .level = SPEC_MUST, .text = "The authorization of a domain covers neither its parent nor its siblings.", .needs = PREPARED, .run = it_never_covers_upwards},
    {.id = "rfc9444/7/2", .rows = "X-9444-7-02", .area = "subdomain", .level = SPEC_MUST, .text = "An authorization without the flag covers its name alone.", .needs = NEED_NEW_AUTHZ | NEED_HTTP01, .run = without_the_flag_it_covers_itself},
};
/* clang-format on */

const struct spec_area case_subdomain = {cases, COUNT(cases)};
