/* RFC 8555 sections 7.4.2 and 9.1: certificates and their chains. */
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/clock.h"
#include "common/ossl.h"
#include "common/x509.h"
#include "tests/conformance/areas.h"

#define PEM_LINE 64

static X509_CHAIN *chain_of(struct spec *spec, const char *pem) {
    struct err err = {0};
    X509_CHAIN *chain = spec_over(spec) ? NULL : x509_chain_read(pem, strlen(pem), &err);

    (void)spec_check(spec, chain != NULL, "the chain cannot be read: %s", err.detail);
    return chain;
}

static void the_key_is_the_csrs(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    AUTO(chain_free) X509_CHAIN *chain = chain_of(spec, certificate->pem);

    if (chain != NULL) {
        (void)spec_check(
            spec, EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(chain, 0)), certificate->key) == 1,
            "the certificate is for another key");
    }
}

static void the_names_are_the_orders(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *one = spec_name(spec), *two = spec_name(spec);
    const struct spec_order *order =
        spec_order_of(spec, account, spec_identifiers(spec, one, two, NULL));

    for (unsigned i = 0; i < order->authz_count && !spec_over(spec); i++) {
        (void)spec_prove(spec, account, order->authz[i], "http-01");
    }
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    (void)spec_status(spec, spec_finalize(spec, order, spec_csr(spec, key, one, two, NULL)), 200);
    const struct spec_answer *valid = spec_poll(spec, account, order->url, "valid|invalid");
    const struct spec_answer *got =
        spec_fetch(spec, account, spec_member(valid->json, "certificate"));
    AUTO(chain_free) X509_CHAIN *chain = chain_of(spec, got->body);
    AUTO(GENERAL_NAMES_free)
    GENERAL_NAMES *names =
        chain == NULL ? NULL
                      : X509_get_ext_d2i(sk_X509_value(chain, 0), NID_subject_alt_name, NULL, NULL);
    if (names == NULL) {
        spec_fail(spec, "the certificate has no SAN");
        return;
    }
    (void)spec_check(spec, sk_GENERAL_NAME_num(names) == 2, "%d names for two ordered",
                     sk_GENERAL_NAME_num(names));
    (void)spec_check(spec,
                     X509_check_host(sk_X509_value(chain, 0), one, 0, 0, NULL) == 1
                         && X509_check_host(sk_X509_value(chain, 0), two, 0, 0, NULL) == 1,
                     "an ordered name is missing");
}

static void asked_validity_is_honoured(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);
    const char *name = spec_name(spec);
    char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
    const uint64_t now_us = clock_wall_us() / 1000000 * 1000000;

    clock_text(now_us + 3600000000, from);
    clock_text(now_us + 2 * 86400000000, to);
    const struct spec_answer *answer =
        spec_post_json(spec, account, spec_url(spec, "newOrder"),
                       spec_pack(spec, "{s:[{s:s, s:s}], s:s, s:s}", "identifiers", "type", "dns",
                                 "value", name, "notBefore", from, "notAfter", to));
    if (answer->status != 201) {
        (void)spec_problem(spec, answer, SPEC_4XX, "*"); /* the server does not take them */
        return;
    }
    (void)spec_same(spec, "notBefore", spec_member(answer->json, "notBefore"), from);
    (void)spec_same(spec, "notAfter", spec_member(answer->json, "notAfter"), to);
    struct spec_order order = {.account = account,
                               .url = spec_header(spec, answer, "Location"),
                               .finalize = spec_member(answer->json, "finalize"),
                               .name = name,
                               .answer = answer};
    (void)spec_prove(
        spec, account,
        json_string_value(json_array_get(json_object_get(answer->json, "authorizations"), 0)),
        "http-01");
    const struct spec_certificate *certificate = spec_complete(spec, &order, NULL);
    AUTO(chain_free) X509_CHAIN *chain = chain_of(spec, certificate->pem);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};
    if (chain == NULL || !x509_cert_read(sk_X509_value(chain, 0), &cert, &err)) {
        spec_fail(spec, "the certificate cannot be read: %s", err.detail);
        return;
    }
    (void)spec_check(spec, cert.not_before_s == (int64_t)(now_us / 1000000) + 3600,
                     "notBefore is not the order's");
    (void)spec_check(spec, cert.not_after_s == (int64_t)(now_us / 1000000) + 2 * 86400,
                     "notAfter is not the order's");
}

static void the_default_is_a_pem_chain(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const char *type = spec_header(spec, certificate->answer, "Content-Type");

    (void)spec_check(spec,
                     strncmp(type, "application/pem-certificate-chain",
                             strlen("application/pem-certificate-chain"))
                         == 0,
                     "Content-Type is \"%s\"", type);
}

static void a_certificate_does_not_change(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const struct spec_answer *again =
        spec_fetch(spec, certificate->order->account, certificate->url);

    (void)spec_same(spec, "the chain", again->body, certificate->pem);
}

static void alternates_begin_with_the_same_leaf(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const char *url = spec_link(spec, certificate->answer, "alternate", NULL);
    const size_t leaf_len = (size_t)(strstr(certificate->pem, "-----END") == NULL
                                         ? 0
                                         : strstr(certificate->pem, "-----END") - certificate->pem);
    unsigned count = 0;

    for (; url[0] != '\0' && !spec_over(spec); count++) {
        const struct spec_answer *other = spec_fetch(spec, certificate->order->account, url);
        (void)spec_check(spec, strncmp(other->body, certificate->pem, leaf_len) == 0,
                         "alternate %u begins with another certificate", count);
        (void)spec_check(spec, strcmp(other->body, certificate->pem) != 0,
                         "alternate %u is the same chain", count);
        url = spec_link(spec, certificate->answer, "alternate", url);
    }
    (void)spec_check(spec, count > 0, "there is no alternate chain");
}

static void other_formats_are_optional(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const char *const headers[] = {"Accept: application/pkix-cert", NULL};
    const struct spec_post post = {
        .url = certificate->url, .account = certificate->order->account, .headers = headers};
    const struct spec_answer *answer = spec_post(spec, &post);

    (void)spec_check(spec, answer->status == 200 || answer->status == 406, "status %u",
                     answer->status);
    if (answer->status == 200
        && strstr(spec_header(spec, answer, "Content-Type"), "pkix-cert") != NULL) {
        (void)spec_check(spec, spec_link(spec, answer, "up", NULL)[0] != '\0',
                         "DER without a link to its issuer");
    }
}

/* One block of PEM at *at, strict; false: it is not. */
static bool pem_block(const char **at) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    const char *text = *at;

    if (strncmp(text, begin, strlen(begin)) != 0) {
        return false;
    }
    for (text += strlen(begin), text += *text == '\r'; *text == '\n'; text += *text == '\r') {
        size_t len = strspn(++text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                    "+/=");
        if (len == 0) {
            break;
        }
        if (len > PEM_LINE) {
            return false;
        }
        text += len;
        if (len < PEM_LINE && strncmp(text + (*text == '\r') + 1, end, strlen(end)) != 0) {
            return false; /* only the last line is shorter */
        }
    }
    if (strncmp(text, end, strlen(end)) != 0) {
        return false;
    }
    text += strlen(end);
    text += *text == '\r';
    *at = text + (*text == '\n');
    return *text == '\n' || *text == '\0';
}

static void the_pem_is_strict(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    const char *at = certificate->pem;
    unsigned count = 0;

    while (!spec_over(spec) && *at != '\0') {
        if (!spec_check(spec, pem_block(&at), "block %u is not strict PEM: %.60s", count, at)) {
            return;
        }
        at += *at == '\n'; /* erratum 5983: a blank line may stand between */
        count++;
    }
    (void)spec_check(spec, count > 0, "the chain is empty");
    for (const char *c = certificate->pem; *c != '\0'; c++) {
        if (!spec_check(spec, (unsigned char)*c < 0x80, "an octet above 7 bits")) {
            return;
        }
    }
}

static void the_leaf_comes_first_and_the_chain_holds(struct spec *spec) {
    const struct spec_certificate *certificate =
        spec_issue(spec, spec_account(spec, KEY_P256), NULL);
    AUTO(chain_free) X509_CHAIN *chain = chain_of(spec, certificate->pem);

    if (chain == NULL) {
        return;
    }
    X509 *leaf = sk_X509_value(chain, 0);
    (void)spec_check(spec, X509_check_ca(leaf) == 0, "the first certificate is a CA's");
    (void)spec_check(spec, X509_check_host(leaf, certificate->order->name, 0, 0, NULL) == 1,
                     "the first certificate is not for the name");
    for (int i = 0; i + 1 < sk_X509_num(chain); i++) {
        X509 *issuer = sk_X509_value(chain, i + 1);
        (void)spec_check(spec,
                         X509_check_issued(issuer, sk_X509_value(chain, i)) == X509_V_OK
                             && X509_verify(sk_X509_value(chain, i), X509_get0_pubkey(issuer)) == 1,
                         "certificate %d is not certified by the next", i);
    }
}

#define HTTP01 .area = "certificate", .needs = NEED_HTTP01
/* clang-format off */
static const struct spec_case cases[] = {
    {.id = "rfc8555/7.4/37", .rows = "S-7.4-37", HTTP01, .level = SPEC_MUST, .text = "The certificate is for the CSR's key.", .run = the_key_is_the_csrs},
    {.id = "rfc8555/7.4/38", .rows = "S-7.4-38", HTTP01, .level = SPEC_MUST, .text = "Its names are exactly the order's.", .run = the_names_are_the_orders},
    {.id = "rfc8555/7.4/45", .rows = "S-7.4-45", HTTP01, .level = SPEC_MUST, .text = "notBefore and notAfter of an accepted order are honoured.", .run = asked_validity_is_honoured},
    {.id = "rfc8555/7.4.2/1", .rows = "S-7.4.2-01", HTTP01, .level = SPEC_MUST, .text = "A chain is application/pem-certificate-chain.", .run = the_default_is_a_pem_chain},
    {.id = "rfc8555/7.4.2/2", .rows = "S-7.4.2-02", .area = "certificate", .needs = NEED_HTTP01 | NEED_ALTERNATES, .level = SPEC_SHOULD, .text = "Alternate chains begin with the same certificate.", .run = alternates_begin_with_the_same_leaf},
    {.id = "rfc8555/7.4.2/3", .rows = "S-7.4.2-03", HTTP01, .level = SPEC_MUST, .text = "A certificate resource does not change.", .run = a_certificate_does_not_change},
    {.id = "rfc8555/7.4.2/4", .rows = "S-7.4.2-04", HTTP01, .level = SPEC_MAY, .text = "Another format is given, or refused with 406.", .run = other_formats_are_optional},
    {.id = "rfc8555/9.1/1", .rows = "S-9.1-01 S-9.1-04 S-9.1-05", HTTP01, .level = SPEC_MUST, .text = "A chain is strict PEM of certificates alone, in 7 bits.", .run = the_pem_is_strict},
    {.id = "rfc8555/9.1/2", .rows = "S-9.1-02 S-9.1-03", HTTP01, .level = SPEC_MUST, .text = "The end-entity certificate is first, each is certified by the next.", .run = the_leaf_comes_first_and_the_chain_holds},
};
/* clang-format on */
const struct spec_area case_certificate = {cases, COUNT(cases)};
