/* RFC 8555 section 7.6: who may revoke what, and what the lists then say. */
#include <stdio.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/ossl.h"
#include "common/x509.h"
#include "tests/conformance/areas.h"

#define REASON_NONE (-1)

/* {certificate, reason?} */
static const json_t *revocation(struct spec *spec, const struct spec_certificate *certificate,
                                int reason) {
    return reason == REASON_NONE
               ? spec_pack(spec, "{s:s}", "certificate", certificate->der64)
               : spec_pack(spec, "{s:s, s:i}", "certificate", certificate->der64, "reason", reason);
}

static const struct spec_answer *revoke(struct spec *spec, const struct spec_account *account,
                                        const struct spec_certificate *certificate, int reason) {
    return spec_post_json(spec, account, spec_url(spec, "revokeCert"),
                          revocation(spec, certificate, reason));
}

static const struct spec_answer *revoke_with_key(struct spec *spec, EVP_PKEY *key,
                                                 const json_t *payload) {
    const struct spec_post post = {
        .url = spec_url(spec, "revokeCert"), .key = key, .use_jwk = true, .payload = payload};
    return spec_post(spec, &post);
}

static const struct spec_certificate *issue(struct spec *spec) {
    return spec_issue(spec, spec_account(spec, KEY_P256), NULL);
}

/* ---- who may ---- */

static void the_issuing_account_may(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);

    (void)spec_status(spec, revoke(spec, certificate->order->account, certificate, REASON_NONE),
                      200);
}

static void the_certificate_key_may(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);

    (void)spec_status(
        spec, revoke_with_key(spec, certificate->key, revocation(spec, certificate, REASON_NONE)),
        200);
}

static void an_account_that_holds_all_names_may(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);
    const struct spec_order *ready =
        spec_ready(spec, spec_account(spec, KEY_P256), certificate->order->name);

    (void)spec_status(spec, revoke(spec, ready->account, certificate, REASON_NONE), 200);
}

static void a_stranger_may_not(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);
    const struct spec_order *other = spec_ready(spec, spec_account(spec, KEY_P256), NULL);

    (void)spec_problem(spec, revoke(spec, other->account, certificate, REASON_NONE), SPEC_4XX,
                       "unauthorized");
    (void)spec_status(spec, revoke(spec, certificate->order->account, certificate, REASON_NONE),
                      200); /* nothing had happened */
}

static void a_strange_key_may_not(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);

    (void)spec_problem(
        spec,
        revoke_with_key(spec, spec_key(spec, KEY_P256), revocation(spec, certificate, REASON_NONE)),
        SPEC_4XX, "unauthorized|malformed");
}

static void a_deactivated_account_may_not(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);
    const struct spec_account *account = certificate->order->account;

    (void)spec_status(spec,
                      spec_post_json(spec, account, account->url,
                                     spec_pack(spec, "{s:s}", "status", "deactivated")),
                      200);
    (void)spec_problem(spec, revoke(spec, account, certificate, REASON_NONE), 401, "unauthorized");
}

/* ---- what is refused ---- */

static void twice_is_already_revoked(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);

    (void)spec_status(spec, revoke(spec, certificate->order->account, certificate, REASON_NONE),
                      200);
    (void)spec_problem(spec, revoke(spec, certificate->order->account, certificate, REASON_NONE),
                       400, "alreadyRevoked");
}

static void bad_reasons_are_named(struct spec *spec) {
    static const int reasons[] = {7, 99};
    const struct spec_certificate *certificate = issue(spec);

    for (unsigned i = 0; i < 2 && !spec_over(spec); i++) {
        const struct spec_answer *answer =
            revoke(spec, certificate->order->account, certificate, reasons[i]);
        (void)spec_problem(spec, answer, SPEC_4XX, "badRevocationReason");
        const char *detail = spec_member(answer->json, "detail");
        (void)spec_check(spec, strpbrk(detail, "0123456789") != NULL,
                         "the detail does not say what is allowed: %s", detail);
    }
    (void)spec_status(spec, revoke(spec, certificate->order->account, certificate, 1), 200);
}

/* data: the payload as JSON text. */
static void the_payload_is_checked(struct spec *spec) {
    const json_t *payload = spec_json(spec, json_loads((const char *)spec_data(spec), 0, NULL));

    (void)spec_problem(
        spec,
        spec_post_json(spec, spec_account(spec, KEY_P256), spec_url(spec, "revokeCert"), payload),
        SPEC_4XX, "malformed");
}

static void a_reason_is_a_number(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);
    const struct spec_account *account = certificate->order->account;

    (void)spec_problem(spec,
                       spec_post_json(spec, account, spec_url(spec, "revokeCert"),
                                      spec_pack(spec, "{s:s, s:s}", "certificate",
                                                certificate->der64, "reason", "1")),
                       SPEC_4XX, "malformed|badRevocationReason");
    (void)spec_status(spec, revoke(spec, account, certificate, REASON_NONE), 200);
}

static void a_foreign_certificate_is_refused(struct spec *spec) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    struct x509_names names = {.dns_count = 1};
    const struct x509_spec plan = {
        .names = &names, .not_before_s = 1700000000, .not_after_s = 2000000000, .key = key};
    struct err err = {0};

    (void)snprintf(names.dns[0], sizeof(names.dns[0]), "%s", spec_name(spec));
    AUTO(X509_free) X509 *own = spec_over(spec) ? NULL : x509_make(&plan, NULL, key, &err);
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = own == NULL ? -1 : i2d_X509(own, &der);
    if (!spec_check(spec, len > 0, "no certificate was made: %s", err.detail)) {
        return;
    }
    (void)spec_problem(
        spec,
        revoke_with_key(spec, key,
                        spec_pack(spec, "{s:s}", "certificate", spec_b64(spec, der, (size_t)len))),
        SPEC_4XX, "*");
}

/* ---- what the list says ---- */

/* The CRL the certificate names. */
static X509_CRL *list_of(struct spec *spec, X509 *leaf) {
    STACK_OF(DIST_POINT) *points = X509_get_ext_d2i(leaf, NID_crl_distribution_points, NULL, NULL);
    const char *url = "";

    if (points != NULL && sk_DIST_POINT_num(points) > 0
        && sk_DIST_POINT_value(points, 0)->distpoint != NULL) {
        const GENERAL_NAMES *full = sk_DIST_POINT_value(points, 0)->distpoint->name.fullname;
        url = spec_text(spec, "%s",
                        (const char *)ASN1_STRING_get0_data(
                            sk_GENERAL_NAME_value(full, 0)->d.uniformResourceIdentifier));
    }
    CRL_DIST_POINTS_free(points);
    if (*url == '\0') {
        spec_skip(spec, "certificates name no CRL");
        return NULL;
    }
    const struct spec_answer *answer = spec_get(spec, url);
    const unsigned char *at = (const unsigned char *)answer->body;
    X509_CRL *list =
        spec_status(spec, answer, 200) ? d2i_X509_CRL(NULL, &at, (long)answer->body_len) : NULL;
    (void)spec_check(spec, list != NULL, "%s is no CRL", url);
    return list;
}

/* The certificate's reason in its list: REASON_NONE when it has none; fails when it is not there.
 */
static int listed_reason(struct spec *spec, const struct spec_certificate *certificate) {
    struct err err = {0};
    AUTO(chain_free)
    X509_CHAIN *chain =
        spec_over(spec) ? NULL : x509_chain_read(certificate->pem, strlen(certificate->pem), &err);
    if (chain == NULL) {
        spec_fail(spec, "the chain cannot be read: %s", err.detail);
        return REASON_NONE;
    }
    X509 *leaf = sk_X509_value(chain, 0);
    AUTO(X509_CRL_free) X509_CRL *list = list_of(spec, leaf);
    X509_REVOKED *entry = NULL;
    if (list == NULL
        || !spec_check(spec, X509_CRL_get0_by_cert(list, &entry, leaf) == 1,
                       "the revoked certificate is not in the CRL")) {
        return REASON_NONE;
    }
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
    int code = reason == NULL ? REASON_NONE : (int)ASN1_ENUMERATED_get(reason);
    ASN1_ENUMERATED_free(reason);
    return code;
}

static void no_reason_is_none(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);

    (void)spec_status(spec, revoke(spec, certificate->order->account, certificate, REASON_NONE),
                      200);
    int reason = listed_reason(spec, certificate);
    (void)spec_check(spec, reason == REASON_NONE, "the CRL has reason %d where none was given",
                     reason);
}

static void the_reason_given_is_listed(struct spec *spec) {
    const struct spec_certificate *certificate = issue(spec);

    (void)spec_status(spec, revoke(spec, certificate->order->account, certificate, 1), 200);
    int reason = listed_reason(spec, certificate);
    (void)spec_check(spec, reason == 1, "the CRL has reason %d, given was 1", reason);
}

#define HTTP01 .area = "revocation", .needs = NEED_HTTP01
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/7.6/1", .rows = "S-7.6-01", HTTP01, .level = SPEC_MUST, .text = "The account a certificate was issued to may revoke it.", .run = the_issuing_account_may},
    {.id = "rfc8555/7.6/2", .rows = "S-7.6-02", HTTP01, .level = SPEC_MUST, .text = "The certificate's key may.", .run = the_certificate_key_may},
    {.id = "rfc8555/7.6/3", .rows = "S-7.6-03", HTTP01, .level = SPEC_MUST, .text = "An account that holds authorizations for all its names may.", .run = an_account_that_holds_all_names_may},
    {.id = "rfc8555/7.6/4", .rows = "S-7.6-04 S-7.6-17", HTTP01, .level = SPEC_MUST, .text = "Another account may not, and nothing happens.", .run = a_stranger_may_not},
    {.id = "rfc8555/7.6/5", .rows = "S-7.6-05", HTTP01, .level = SPEC_MUST, .text = "Another key may not.", .run = a_strange_key_may_not},
    {.id = "rfc8555/7.6/6", .rows = "S-7.6-06 S-7.6-07", HTTP01, .level = SPEC_MUST, .text = "A second revocation is 400 alreadyRevoked.", .run = twice_is_already_revoked},
    {.id = "rfc8555/7.6/8", .rows = "S-7.6-08 S-7.6-09 S-7.6-17", HTTP01, .level = SPEC_MUST, .text = "A reason that is not allowed is badRevocationReason, which says what is.", .run = bad_reasons_are_named},
    {.id = "rfc8555/7.6/10", .rows = "S-7.6-10", .area = "revocation", .level = SPEC_MUST, .text = "What is no certificate in base64url DER is malformed.", .run = the_payload_is_checked, .data = "{\"certificate\":\"eHg\"}"},
    {.id = "rfc8555/7.6/10b", .rows = "S-7.6-10", .area = "revocation", .level = SPEC_MUST, .text = "PEM is malformed.", .run = the_payload_is_checked, .data = "{\"certificate\":\"-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\"}"},
    {.id = "rfc8555/7.6/11", .rows = "S-7.6-11", .area = "revocation", .level = SPEC_MUST, .text = "A certificate of another CA is refused, though its key signs.", .run = a_foreign_certificate_is_refused},
    {.id = "rfc8555/7.6/12", .rows = "S-7.6-12", .area = "revocation", .level = SPEC_MUST, .text = "A revocation of nothing is malformed.", .run = the_payload_is_checked, .data = "{}"},
    {.id = "rfc8555/7.6/13", .rows = "S-7.6-13 S-7.6-17", HTTP01, .level = SPEC_MUST, .text = "A reason is a number.", .run = a_reason_is_a_number},
    {.id = "rfc8555/7.6/14", .rows = "S-7.6-14", HTTP01, .level = SPEC_SHOULD, .text = "Without a reason the CRL's entry has none.", .run = no_reason_is_none},
    {.id = "rfc8555/7.6/15", .rows = "S-7.6-15", HTTP01, .level = SPEC_MUST, .text = "The reason given is the CRL's.", .run = the_reason_given_is_listed},
    {.id = "rfc8555/7.6/18", .rows = "S-7.6-18", HTTP01, .level = SPEC_MUST, .text = "A deactivated account may not revoke with its key: 401.", .run = a_deactivated_account_may_not},
};
/* clang-format on */
const struct spec_area case_revocation = {cases, COUNT(cases)};
