/* Certification Authority Authorization: RFC 8659, RFC 8657. */
#include <string.h>

#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

static const char *identity(struct spec *spec, size_t i) {
    const json_t *meta = json_object_get(spec_directory(spec), "meta");
    const char *name = json_string_value(json_array_get(json_object_get(meta, "caaIdentities"), i));

    (void)spec_check(spec, i > 0 || name != NULL, "the directory has no caaIdentities");
    return name == NULL ? "" : name;
}

/* %C: our identity, %A: the account's URL; caller: up to two of each. */
static const char *record_of(struct spec *spec, const char *text,
                             const struct spec_account *account) {
    const char *out = "";

    for (const char *at = text; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 'C') {
            out = spec_text(spec, "%s%s", out, identity(spec, 0));
            at++;
        } else if (at[0] == '%' && at[1] == 'A') {
            out = spec_text(spec, "%s%s", out, account->url);
            at++;
        } else {
            out = spec_text(spec, "%s%c", out, *at);
        }
    }
    return out;
}

/* The type's last word of the authorization's challenge error. */
static bool refused_by(const json_t *authz, const char *challenge, const char *word) {
    const json_t *error = json_object_get(spec_challenge(authz, challenge), "error");
    const char *type = spec_member(error, "type");
    const char *last = strrchr(type, ':');

    return last != NULL && strcmp(last + 1, word) == 0;
}

/* Refused at the challenge, or at finalize; with caa, or as well dns. */
static void is_refused(struct spec *spec, const struct spec_account *account, const char *name,
                       const char *method, bool or_dns) {
    const struct spec_order *order = spec_order(spec, account, name);
    const json_t *authz = spec_answer_challenge(spec, account, order->authz[0], method)->json;

    if (strcmp(spec_member(authz, "status"), "valid") == 0) {
        (void)spec_problem(spec, spec_finalize(spec, order, spec_csr(spec, NULL, name, NULL)),
                           SPEC_4XX, or_dns ? "caa|dns" : "caa");
        return;
    }
    (void)spec_check(
        spec, refused_by(authz, method, "caa") || (or_dns && refused_by(authz, method, "dns")),
        "the %s challenge failed otherwise: %s", method,
        spec_member(json_object_get(spec_challenge(authz, method), "error"), "detail"));
}

static void is_issued(struct spec *spec, const struct spec_account *account, const char *name,
                      const char *method) {
    const struct spec_order *order = spec_order(spec, account, name);

    (void)spec_prove(spec, account, order->authz[0], method);
    (void)spec_status(spec, spec_finalize(spec, order, spec_csr(spec, NULL, name, NULL)), 200);
    (void)spec_same(
        spec, "status",
        spec_member(spec_poll(spec, account, order->url, "valid|invalid")->json, "status"),
        "valid");
}

/* Records of the name and what comes of them through http-01. */
struct caa_row {
    const char *records[3];
    bool good;
};

static void records_decide(struct spec *spec) {
    const struct caa_row *row = spec_data(spec);
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);

    for (unsigned i = 0; i < COUNT(row->records) && row->records[i] != NULL; i++) {
        spec_dns(spec, name, "CAA", record_of(spec, row->records[i], account));
    }
    if (row->good) {
        is_issued(spec, account, name, "http-01");
    } else {
        is_refused(spec, account, name, "http-01", false);
    }
}

static void a_change_before_finalize_counts(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);
    const struct spec_order *order = spec_ready(spec, account, name);

    spec_dns(spec, name, "CAA", "0 issue \";\"");
    (void)spec_problem(spec, spec_finalize(spec, order, spec_csr(spec, NULL, name, NULL)), SPEC_4XX,
                       "caa");
    (void)spec_same(spec, "status",
                    spec_member(spec_fetch(spec, account, order->url)->json, "status"), "ready");
}

static void the_tree_is_climbed(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *parent = spec_name(spec), *other = spec_name(spec);

    spec_dns(spec, parent, "CAA", "0 issue \";\"");
    is_refused(spec, account, spec_text(spec, "www.%s", parent), "http-01", false);
    is_refused(spec, account, spec_text(spec, "a.b.%s", parent), "http-01", false);
    spec_dns(spec, other, "CAA", "0 issue \";\"");
    const char *name = spec_text(spec, "www.%s", other);
    spec_dns(spec, name, "CAA", record_of(spec, "0 issue \"%C\"", account));
    is_issued(spec, account, name, "http-01");
}

static void issuewild_is_about_wildcards(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);

    spec_dns(spec, name, "CAA", record_of(spec, "0 issue \"%C\"", account));
    spec_dns(spec, name, "CAA", "0 issuewild \";\"");
    is_refused(spec, account, spec_text(spec, "*.%s", name), "dns-01", false);
    is_issued(spec, account, name, "http-01");
    const char *other = spec_name(spec);
    spec_dns(spec, other, "CAA", "0 issue \";\"");
    spec_dns(spec, other, "CAA", record_of(spec, "0 issuewild \"%C\"", account));
    is_refused(spec, account, other, "http-01", false);
    is_issued(spec, account, spec_text(spec, "*.%s", other), "dns-01");
}

/* data: the RCODE's text. */
static void a_failing_look_up_is_no_permission(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);

    spec_dns_rcode(spec, name, "CAA", *(const unsigned *)spec_data(spec));
    is_refused(spec, account, name, "http-01", true);
}

static void every_identity_is_accepted(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    for (size_t i = 0; !spec_over(spec) && (i == 0 || identity(spec, i)[0] != '\0'); i++) {
        const char *name = spec_name(spec);
        spec_dns(spec, name, "CAA", spec_text(spec, "0 issue \"%s\"", identity(spec, i)));
        is_issued(spec, account, name, "http-01");
    }
    is_issued(spec, account, spec_name(spec), "http-01"); /* no record, no say */
}

#define ISSUE(name, held, ...)                                                                     \
    static const struct caa_row name = {.records = {__VA_ARGS__}, .good = held}
/* clang-format off */
ISSUE(other_account,   false, "0 issue \"%C; accounturi=https://other.example/account/1\"");
ISSUE(this_account,    true,  "0 issue \"%C; accounturi=%A\"");
ISSUE(twice_account,   false, "0 issue \"%C; accounturi=%A; accounturi=%A\"");
ISSUE(no_uri,          false, "0 issue \"%C; accounturi=%A%A\"");
ISSUE(not_a_uri,       false, "0 issue \"%C; accounturi=not a uri\"");
ISSUE(other_ca,        false, "0 issue \"another-ca.example; accounturi=%A\"");
ISSUE(one_of_several,  true,  "0 issue \"another-ca.example\"", "0 issue \"%C; accounturi=%A\"");
ISSUE(other_method,    false, "0 issue \"%C; validationmethods=dns-01\"");
ISSUE(this_method,     true,  "0 issue \"%C; validationmethods=dns-01,http-01\"");
ISSUE(no_method,       false, "0 issue \"%C; validationmethods=\"");
ISSUE(spaced_method,   false, "0 issue \"%C; validationmethods=http-01 ,dns-01\"");
ISSUE(strange_method,  false, "0 issue \"%C; validationmethods=http-01,ca_x\"");
ISSUE(account_only,    false, "0 issue \"%C; accounturi=%A; validationmethods=dns-01\"");
ISSUE(both,            true,  "0 issue \"%C; accounturi=%A; validationmethods=http-01\"");
ISSUE(critical,        false, "0 issue \"%C\"", "128 zz \"x\"");
ISSUE(not_critical,    true,  "0 issue \"%C\"", "0 zz \"x\"", "128 iodef \"mailto:a@example.org\"");
ISSUE(nobody,          false, "0 issue \";\"");
ISSUE(someone_else,    false, "0 issue \"another-ca.example\"");
ISSUE(no_issue,        true,  "0 iodef \"mailto:a@example.org\"");
ISSUE(malformed,       false, "0 issue \"%C; =\"");

static const unsigned servfail = 2, silent = SPEC_DNS_SILENT;

#define CAA .area = "caa", .level = SPEC_MUST, .needs = NEED_CAA | NEED_DNS | NEED_HTTP01
#define ROW(row) .run = records_decide, .data = &(row)
static const struct spec_case cases[] = {
    {.id = "rfc8657/3/1", .rows = "X-8657-3-01", CAA, .text = "accounturi of another account forbids.", ROW(other_account)},
    {.id = "rfc8657/3/2", .rows = "X-8657-3-02", CAA, .text = "accounturi of this account permits.", ROW(this_account)},
    {.id = "rfc8657/3/3", .rows = "X-8657-3-03", CAA, .text = "accounturi twice permits nobody.", ROW(twice_account)},
    {.id = "rfc8657/3/4", .rows = "X-8657-3-04", CAA, .text = "accounturi that is no URI permits nobody.", ROW(not_a_uri)},
    {.id = "rfc8657/3/4-more", .rows = "X-8657-3-04", CAA, .text = "accounturi is compared to its end.", ROW(no_uri)},
    {.id = "rfc8657/3/5", .rows = "X-8657-3-05", CAA, .text = "accounturi does not replace the issuer's name.", ROW(other_ca)},
    {.id = "rfc8657/3/6", .rows = "X-8657-3-06", CAA, .text = "One satisfied property of several permits.", ROW(one_of_several)},
    {.id = "rfc8657/4/1", .rows = "X-8657-4-01", CAA, .text = "validationmethods without the method used forbids.", ROW(other_method)},
    {.id = "rfc8657/4/2", .rows = "X-8657-4-02", CAA, .text = "validationmethods with the method used permits.", ROW(this_method)},
    {.id = "rfc8657/4/3", .rows = "X-8657-4-03", CAA, .text = "An empty validationmethods permits no method.", ROW(no_method)},
    {.id = "rfc8657/4/4", .rows = "X-8657-4-04", CAA, .text = "validationmethods with spaces lists nothing.", ROW(spaced_method)},
    {.id = "rfc8657/4/4-label", .rows = "X-8657-4-04", CAA, .text = "validationmethods with an underscore lists nothing.", ROW(strange_method)},
    {.id = "rfc8657/4/5", .rows = "X-8657-4-05", CAA, .text = "Both parameters must hold.", ROW(account_only)},
    {.id = "rfc8657/4/5-both", .rows = "X-8657-4-05", CAA, .text = "Both parameters hold.", ROW(both)},
    {.id = "rfc8657/5.6/1", .rows = "X-8657-5-01", .area = "caa", .level = SPEC_SHOULD, .needs = NEED_CAA | NEED_DNS | NEED_HTTP01, .text = "CAA is asked at issuance anew.", .run = a_change_before_finalize_counts},
    {.id = "rfc8659/3/1", .rows = "X-8659-01", CAA, .text = "The nearest records up the tree decide.", .run = the_tree_is_climbed},
    {.id = "rfc8659/4.3/2", .rows = "X-8659-02", CAA, .text = "issuewild alone is about wildcards, and about nothing else.", .run = issuewild_is_about_wildcards},
    {.id = "rfc8659/4.5/3", .rows = "X-8659-03", CAA, .text = "An unknown critical property forbids.", ROW(critical)},
    {.id = "rfc8659/4.5/3-not", .rows = "X-8659-03", CAA, .text = "An unknown property, and a critical iodef, forbid nothing.", ROW(not_critical)},
    {.id = "rfc8659/4.2/4", .rows = "X-8659-04", CAA, .text = "issue \";\" forbids.", ROW(nobody)},
    {.id = "rfc8659/4.2/4-other", .rows = "X-8659-04", CAA, .text = "issue for another CA forbids.", ROW(someone_else)},
    {.id = "rfc8659/4.2/4-none", .rows = "X-8659-04", CAA, .text = "Records without issue forbid nothing.", ROW(no_issue)},
    {.id = "rfc8659/4.2/4-malformed", .rows = "X-8659-04", CAA, .text = "A malformed issue permits nobody.", ROW(malformed)},
    {.id = "rfc8659/3/5", .rows = "X-8659-05", CAA, .text = "SERVFAIL is no permission.", .run = a_failing_look_up_is_no_permission, .data = &servfail},
    {.id = "rfc8659/3/5-silent", .rows = "X-8659-05", CAA, .text = "No answer is no permission.", .run = a_failing_look_up_is_no_permission, .data = &silent},
    {.id = "rfc8659/3/6", .rows = "X-8659-06", CAA, .text = "Each of the directory's caaIdentities is accepted.", .run = every_identity_is_accepted},
};
/* clang-format on */

const struct spec_area case_caa = {cases, COUNT(cases)};
