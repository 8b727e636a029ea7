/* RFC 9773: renewal information, and orders that replace a certificate. */
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "common/clock.h"
#include "common/ossl.h"
#include "common/x509.h"
#include "tests/conformance/areas.h"

#define SERIAL_MAX 24
#define TRIES_FOR_TOP_BIT 40

/* base64url(AKI keyIdentifier) "." base64url(serial's DER contents); ret_top: it has a leading 00.
 */
static const char *cert_id(struct spec *spec, const struct spec_certificate *certificate,
                           bool *ret_top) {
    struct err err = {0};
    AUTO(chain_free)
    X509_CHAIN *chain =
        spec_over(spec) ? NULL : x509_chain_read(certificate->pem, strlen(certificate->pem), &err);

    *ret_top = false;
    if (chain == NULL) {
        spec_fail(spec, "the chain cannot be read: %s", err.detail);
        return "";
    }
    X509 *leaf = sk_X509_value(chain, 0);
    const ASN1_OCTET_STRING *aki = X509_get0_authority_key_id(leaf);
    if (!spec_check(spec, aki != NULL, "the certificate has no AKI")) {
        return "";
    }
    unsigned char serial[SERIAL_MAX], *at = serial;
    int len = i2d_ASN1_INTEGER(X509_get0_serialNumber(leaf), NULL);
    if (!spec_check(spec, len > 2 && len <= (int)sizeof(serial), "a serial of %d octets", len)) {
        return "";
    }
    (void)i2d_ASN1_INTEGER(X509_get0_serialNumber(leaf), &at);
    *ret_top = serial[2] == 0;
    return spec_text(spec, "%s.%s",
                     spec_b64(spec, ASN1_STRING_get0_data(aki), (size_t)ASN1_STRING_length(aki)),
                     spec_b64(spec, serial + 2, (size_t)len - 2));
}

static const char *id_of(struct spec *spec, const struct spec_certificate *certificate) {
    bool top = false;
    return cert_id(spec, certificate, &top);
}

static const char *info_url(struct spec *spec, const char *id) {
    return spec_text(spec, "%s/%s", spec_url(spec, "renewalInfo"), id);
}

static const struct spec_certificate *issue(struct spec *spec) {
    return spec_issue(spec, spec_account(spec, KEY_P256), NULL);
}

/* start and end; fails when they are no times, or no window. */
static void window_of(struct spec *spec, const struct spec_answer *answer, uint64_t *ret_start,
                      uint64_t *ret_end) {
    const json_t *window = json_object_get(answer->json, "suggestedWindow");

    *ret_start = *ret_end = 0;
    (void)spec_check(spec, clock_parse(spec_member(window, "start"), ret_start), "start is \"%s\"",
                     spec_member(window, "start"));
    (void)spec_check(spec, clock_parse(spec_member(window, "end"), ret_end), "end is \"%s\"",
                     spec_member(window, "end"));
    (void)spec_check(spec, *ret_end > *ret_start, "the window ends before it starts");
}

static void the_directory_has_it(struct spec *spec) {
    (void)spec_check(spec, spec_is_url(spec_url(spec, "renewalInfo")), "renewalInfo is no URL");
}

static void a_certificate_has_a_window(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);
    const struct spec_answer *answer = spec_get(spec, info_url(spec, id_of(spec, certificate)));
    uint64_t start = 0, end = 0;

    (void)spec_status(spec, answer, 200);
    window_of(spec, answer, &start, &end);
    const json_t *url = json_object_get(answer->json, "explanationURL");
    (void)spec_check(spec,
                     url == NULL || strstr(spec_member(answer->json, "explanationURL"), "://"),
                     "explanationURL is no URL");
    const char *retry = spec_header(spec, answer, "Retry-After");
    (void)spec_check(spec, strtoul(retry, NULL, 10) > 0 || strstr(retry, "GMT") != NULL,
                     "Retry-After is \"%s\"", retry);
    struct err err = {0};
    AUTO(chain_free)
    X509_CHAIN *chain =
        spec_over(spec) ? NULL : x509_chain_read(certificate->pem, strlen(certificate->pem), &err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    if (chain != NULL && x509_cert_read(sk_X509_value(chain, 0), &cert, &err)) {
        (void)spec_check(spec,
                         start / 1000000 >= (uint64_t)cert.not_before_s
                             && end / 1000000 <= (uint64_t)cert.not_after_s,
                         "the window is not within the certificate's validity");
    }
}

/* Until a serial with its top bit set and one without were seen: half of all have it. */
static void both_kinds_of_serial_are_found(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    bool seen[2] = {false, false};

    for (unsigned i = 0; i < TRIES_FOR_TOP_BIT && !(seen[0] && seen[1]) && !spec_over(spec); i++) {
        bool top = false;
        const char *id = cert_id(spec, spec_issue(spec, account, NULL), &top);
        if (!seen[top]) {
            (void)spec_status(spec, spec_get(spec, info_url(spec, id)), 200);
        }
        seen[top] = true;
        if (i == 7 && !seen[1]) {
            return; /* this CA's serials never have it: every one it can have was found */
        }
    }
}

static void malformed_ids_are_refused(struct spec *spec) {
    const char *id = id_of(spec, issue(spec));
    const char *const bad[] = {spec_text(spec, "%s=", id),
                               "nodot",
                               "a.b.c",
                               ".",
                               spec_text(spec, "%s.", id),
                               ".abcd",
                               "abcd.",
                               "a%2Bb.cd",
                               "%21%21.abcd",
                               "..%2f..%2fetc.passwd"};

    for (unsigned i = 0; i < COUNT(bad) && !spec_over(spec); i++) {
        const struct spec_answer *answer = spec_get(spec, info_url(spec, bad[i]));
        (void)spec_check(spec, answer->status / 100 == 4, "\"%s\" gives %u", bad[i],
                         answer->status);
        (void)spec_check(spec,
                         strstr(spec_header(spec, answer, "Content-Type"), "problem+json") != NULL,
                         "\"%s\" gives no problem document", bad[i]);
    }
}

static void unknown_certificates_are_not_found(struct spec *spec) {
    const char *id = id_of(spec, issue(spec));
    const char *dot = strchr(id, '.');

    (void)spec_problem(spec, spec_get(spec, info_url(spec, "AAAAAAAAAAAAAAAAAAAAAAAAAAA.AQIDBA")),
                       404, "*");
    (void)spec_problem(
        spec,
        spec_get(spec, info_url(spec, spec_text(spec, "%.*s.AQIDBA",
                                                dot == NULL ? 0 : (int)(dot - id), id))),
        404, "*");
}

static void a_revoked_certificate_is_due(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);
    uint64_t start = 0, end = 0;

    (void)spec_status(spec,
                      spec_post_json(spec, certificate->order->account,
                                     spec_url(spec, "revokeCert"),
                                     spec_pack(spec, "{s:s}", "certificate", certificate->der64)),
                      200);
    const struct spec_answer *answer = spec_get(spec, info_url(spec, id_of(spec, certificate)));
    (void)spec_status(spec, answer, 200);
    window_of(spec, answer, &start, &end);
    (void)spec_check(spec, start <= clock_wall_us() + 1000000,
                     "the window of a revoked certificate starts in the future");
}

static void a_query_changes_nothing(struct spec *spec) {
    const char *id = id_of(spec, issue(spec));
    const struct spec_answer *answer =
        spec_get(spec, spec_text(spec, "%s?x=1", info_url(spec, id)));

    (void)spec_check(spec, answer->status == 200 || answer->status / 100 == 4, "status %u",
                     answer->status);
}

static void it_takes_no_post(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);

    (void)spec_problem(spec,
                       spec_post_json(spec, certificate->order->account,
                                      info_url(spec, id_of(spec, certificate)), NULL),
                       405, "*");
}

/* ---- replaces ---- */

static const struct spec_answer *replace(struct spec *spec, const struct spec_account *account,
                                         const char *name, const char *id) {
    return spec_post_json(spec, account, spec_url(spec, "newOrder"),
                          spec_pack(spec, "{s:[{s:s, s:s}], s:s}", "identifiers", "type", "dns",
                                    "value", name, "replaces", id));
}

static void an_order_shows_what_it_replaces(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);
    const struct spec_account *account = certificate->order->account;
    const char *id = id_of(spec, certificate);
    const struct spec_answer *answer = replace(spec, account, certificate->order->name, id);

    (void)spec_status(spec, answer, 201);
    (void)spec_same(spec, "replaces", spec_member(answer->json, "replaces"), id);
    answer = spec_fetch(spec, account, spec_header(spec, answer, "Location"));
    (void)spec_same(spec, "replaces", spec_member(answer->json, "replaces"), id);
}

static void anothers_certificate_is_not_replaced(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);

    (void)spec_problem(spec,
                       replace(spec, spec_account(spec, KEY_P256), certificate->order->name,
                               id_of(spec, certificate)),
                       SPEC_4XX, "unauthorized|malformed");
}

static void another_name_is_not_replaced(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);

    (void)spec_problem(
        spec, replace(spec, certificate->order->account, spec_name(spec), id_of(spec, certificate)),
        SPEC_4XX, "*");
}

static void it_is_replaced_once(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);
    const struct spec_account *account = certificate->order->account;
    const char *id = id_of(spec, certificate);

    (void)spec_status(spec, replace(spec, account, certificate->order->name, id), 201);
    (void)spec_problem(spec, replace(spec, account, certificate->order->name, id), 409,
                       "alreadyReplaced");
}

static void a_failed_replacement_leaves_it_free(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);
    const struct spec_account *account = certificate->order->account;
    const char *id = id_of(spec, certificate);
    const struct spec_answer *answer = replace(spec, account, certificate->order->name, id);
    const char *authz =
        json_string_value(json_array_get(json_object_get(answer->json, "authorizations"), 0));

    (void)spec_status(spec, answer, 201);
    (void)spec_status(spec,
                      spec_post_json(spec, account, authz == NULL ? "" : authz,
                                     spec_pack(spec, "{s:s}", "status", "deactivated")),
                      200);
    (void)spec_poll(spec, account, spec_header(spec, answer, "Location"), "invalid");
    (void)spec_status(spec, replace(spec, account, certificate->order->name, id), 201);
}

static void what_is_no_certificate_is_not_replaced(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    (void)spec_problem(spec, replace(spec, account, spec_name(spec), "xx"), SPEC_4XX, "malformed");
    (void)spec_problem(
        spec, replace(spec, account, spec_name(spec), "AAAAAAAAAAAAAAAAAAAAAAAAAAA.AQIDBA"),
        SPEC_4XX, "malformed");
}

static void without_it_replaces_is_ignored(struct spec *spec) {
    if (json_object_get(spec_directory(spec), "renewalInfo") != NULL) {
        spec_skip(spec, "the target has renewal information");
        return;
    }
    const struct spec_answer *answer =
        replace(spec, spec_account(spec, KEY_P256), spec_name(spec), "AAAA.AQID");
    (void)spec_status(spec, answer, 201);
    (void)spec_check(spec, json_object_get(answer->json, "replaces") == NULL,
                     "replaces is shown by a server without renewal information");
}

#define ARI .area = "ari", .needs = NEED_ARI | NEED_HTTP01
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc9773/3/1", .rows = "X-9773-3-01", .area = "ari", .needs = NEED_ARI, .level = SPEC_MUST, .text = "renewalInfo is in the directory.", .run = the_directory_has_it},
    {.id = "rfc9773/4.1/1", .rows = "X-9773-4.1-01 X-9773-4.2-01 X-9773-4.2-02 X-9773-4.2-03 X-9773-4.2-04 X-9773-4.3-01", ARI, .level = SPEC_MUST, .text = "A certificate has a window, within its validity, and a Retry-After, without a signature.", .run = a_certificate_has_a_window},
    {.id = "rfc9773/4.1/2", .rows = "X-9773-4.1-02", ARI, .level = SPEC_MUST, .text = "Serials with and without a leading 00 are found.", .run = both_kinds_of_serial_are_found},
    {.id = "rfc9773/4.1/4", .rows = "X-9773-4.1-03 X-9773-4.1-04", ARI, .level = SPEC_MUST, .text = "Malformed identifiers are refused with a problem.", .run = malformed_ids_are_refused},
    {.id = "rfc9773/4.1/5", .rows = "X-9773-4.1-05", ARI, .level = SPEC_SHOULD, .text = "An unknown certificate is 404.", .run = unknown_certificates_are_not_found},
    {.id = "rfc9773/4.1/6", .rows = "X-9773-4.1-06", ARI, .level = SPEC_SHOULD, .text = "Renewal information takes no POST.", .run = it_takes_no_post},
    {.id = "rfc9773/4.2/5", .rows = "X-9773-4.2-05", ARI, .level = SPEC_SHOULD, .text = "A revoked certificate is due now.", .run = a_revoked_certificate_is_due},
    {.id = "rfc9773/4.3/2", .rows = "X-9773-4.3-02", ARI, .level = SPEC_SHOULD, .text = "A query changes nothing.", .run = a_query_changes_nothing},
    {.id = "rfc9773/5/1", .rows = "X-9773-5-01 X-9773-5-02", ARI, .level = SPEC_MUST, .text = "An order shows what it replaces, at once and later.", .run = an_order_shows_what_it_replaces},
    {.id = "rfc9773/5/3", .rows = "X-9773-5-03", ARI, .level = SPEC_SHOULD, .text = "Another account's certificate is not replaced.", .run = anothers_certificate_is_not_replaced},
    {.id = "rfc9773/5/4", .rows = "X-9773-5-04", ARI, .level = SPEC_SHOULD, .text = "A certificate without a name in common is not replaced.", .run = another_name_is_not_replaced},
    {.id = "rfc9773/5/5", .rows = "X-9773-5-05", ARI, .level = SPEC_MUST, .text = "A certificate is replaced once: 409 alreadyReplaced.", .run = it_is_replaced_once},
    {.id = "rfc9773/5/6", .rows = "X-9773-5-06", ARI, .level = SPEC_SHOULD, .text = "When the replacing order fails the certificate is free again.", .run = a_failed_replacement_leaves_it_free},
    {.id = "rfc9773/5/7", .rows = "X-9773-5-07", ARI, .level = SPEC_SHOULD, .text = "What is no certificate of this CA is not replaced.", .run = what_is_no_certificate_is_not_replaced},
    {.id = "rfc9773/5/8", .rows = "X-9773-5-08", .area = "ari", .needs = NEED_PLAIN, .level = SPEC_MUST, .text = "A server without renewal information ignores replaces.", .run = without_it_replaces_is_ignored},
};
/* clang-format on */
const struct spec_area case_ari = {cases, COUNT(cases)};
