/* RFC 8738: identifiers that are addresses. */
#include <openssl/x509v3.h>
#include <string.h>

#include "common/x509.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

#define ADDRESS "127.0.0.1"
#define REVERSE "1.0.0.127.in-addr.arpa"

static json_t *identifiers(struct spec *spec, const char *value) {
    return spec_pack(spec, "{s:[{s:s, s:s}]}", "identifiers", "type", "ip", "value", value);
}

static const struct spec_trial *trial_new(struct spec *spec, const char *type) {
    return spec_trial(
        spec, spec_order_of(spec, spec_account(spec, KEY_P256), identifiers(spec, ADDRESS)), type);
}

static const struct spec_trial *proved(struct spec *spec) {
    const struct spec_trial *trial = trial_new(spec, "http-01");

    spec_http01(spec, trial->token, trial->key_authorization);
    (void)spec_try_valid(spec, trial);
    return trial;
}

/* ---- identifiers ---- */

static void an_address_is_ordered(struct spec *spec) {
    const struct spec_order *order =
        spec_order_of(spec, spec_account(spec, KEY_P256), identifiers(spec, ADDRESS));
    const json_t *ordered = json_array_get(json_object_get(order->answer->json, "identifiers"), 0);
    const struct spec_answer *authz =
        spec_fetch(spec, order->account, order->authz_count == 0 ? "" : order->authz[0]);
    const json_t *identifier = json_object_get(authz->json, "identifier");

    (void)spec_same(spec, "type in the order", spec_member(ordered, "type"), "ip");
    (void)spec_same(spec, "value in the order", spec_member(ordered, "value"), ADDRESS);
    (void)spec_same(spec, "type", spec_member(identifier, "type"), "ip");
    (void)spec_same(spec, "value", spec_member(identifier, "value"), ADDRESS);
    (void)spec_check(spec, json_is_null(spec_challenge(authz->json, "dns-01")),
                     "dns-01 is offered for an address");
}

/* Values that no ip identifier has, ended by NULL. */
static const char *const not_dotted[] = {
    "127.1",      "0x7f.0.0.1", "127.000.000.001", "2130706433", "127.0.0.1/32",
    " 127.0.0.1", "127.0.0.1.", "127.0.0.256",     "",           NULL};
static const char *const host_names[] = {"example.org", "localhost", REVERSE, NULL};
static const char *const ranges[] = {
    "*.127.0.0.1", "127.0.0.0/8", "127.0.0.*", "127.0.0.1-3", "*.1.0.0.127.in-addr.arpa", NULL};

static void is_no_address(struct spec *spec) {
    const struct spec_account *account = spec_account(spec, KEY_P256);

    for (const char *const *value = spec_data(spec); *value != NULL; value++) {
        const struct spec_answer *answer =
            spec_post_json(spec, account, spec_url(spec, "newOrder"), identifiers(spec, *value));
        (void)spec_check(spec, answer->status / 100 == 4, "\"%s\" was answered %u", *value,
                         answer->status);
        (void)spec_problem(spec, answer, SPEC_4XX, "malformed|rejectedIdentifier");
    }
}

static void ipv6_is_of_rfc_5952(struct spec *spec) {
    /* clang-format off */
    static const struct { const char *text, *canonical; } spellings[] = {
        {"2001:db8::1", "2001:db8::1"},
        {"2001:DB8::1", "2001:db8::1"},
        {"2001:db8:0:0:0:0:0:1", "2001:db8::1"},
        {"2001:0db8::0001", "2001:db8::1"},
        {"[2001:db8::1]", NULL},
        {"fe80::1%eth0", NULL},
        {"2001:db8::1/128", NULL},
    };
    /* clang-format on */
    const struct spec_account *account = spec_account(spec, KEY_P256);

    for (unsigned i = 0; i < COUNT(spellings); i++) {
        const struct spec_answer *answer = spec_post_json(spec, account, spec_url(spec, "newOrder"),
                                                          identifiers(spec, spellings[i].text));
        if (answer->status != 201 && (i > 0 || spellings[i].canonical == NULL)) {
            (void)spec_problem(spec, answer, SPEC_4XX, "malformed|rejectedIdentifier");
            continue;
        }
        const char *value =
            spec_member(json_array_get(json_object_get(answer->json, "identifiers"), 0), "value");
        (void)spec_status(spec, answer, 201);
        (void)spec_check(spec, spellings[i].canonical != NULL, "\"%s\" was ordered",
                         spellings[i].text);
        (void)spec_same(spec, spellings[i].text, value, spellings[i].canonical);
    }
}

/* ---- validation ---- */

static void the_address_itself_is_asked(struct spec *spec) {
    static const char *const types[] = {"A", "AAAA", "CNAME", "TXT"};
    const struct spec_trial *trial = proved(spec);
    const struct spec_http01_seen seen =
        spec_http01_seen(spec, spec_http01_path(spec, trial->token));
    const char *host = strstr(seen.head, "\r\nHost: " ADDRESS);
    size_t len = strlen("\r\nHost: " ADDRESS);

    (void)spec_check(spec, seen.count > 0, "the address was not asked");
    (void)spec_check(spec, host != NULL && (host[len] == '\r' || host[len] == ':'),
                     "no Host of " ADDRESS " in \"%.300s\"", seen.head);
    for (unsigned i = 0; i < COUNT(types); i++) {
        (void)spec_check(spec, spec_dns_seen(spec, ADDRESS, types[i]) == 0,
                         "DNS was asked for %s of " ADDRESS, types[i]);
        (void)spec_check(spec, spec_dns_seen(spec, REVERSE, types[i]) == 0,
                         "DNS was asked for %s of " REVERSE, types[i]);
    }
}

/* Serves the reverse name; what is served before it is hidden. */
static void serve(struct spec *spec, const struct spec_alpn_certificate *parts) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);

    spec_alpn(spec, &(struct spec_alpn){.sni = REVERSE,
                                        .cert = spec_alpn_certificate(spec, parts, key),
                                        .key = key});
}

/* One case: the reverse name is the same for all. */
static void the_certificate_is_for_the_address_alone(struct spec *spec) {
    const struct spec_alpn_certificate bad[] = {
        {.name = REVERSE},   {.name = ADDRESS},        {.ip = ADDRESS, .name = REVERSE},
        {.ip = "127.0.0.2"}, {.common_name = ADDRESS},
    };
    const struct spec_trial *trial = trial_new(spec, "tls-alpn-01");

    serve(spec, &(struct spec_alpn_certificate){.ip = ADDRESS,
                                                .key_authorization = trial->key_authorization});
    (void)spec_try_valid(spec, trial);
    const struct spec_alpn_seen seen = spec_alpn_seen(spec, REVERSE);
    (void)spec_check(spec, seen.count > 0, "no connection asked for " REVERSE);
    (void)spec_same(spec, "offered protocols", seen.protocols, "acme-tls/1");
    for (unsigned i = 0; i < COUNT(bad) && !spec_over(spec); i++) {
        struct spec_alpn_certificate parts = bad[i];
        trial = trial_new(spec, "tls-alpn-01");
        parts.key_authorization = trial->key_authorization;
        serve(spec, &parts);
        (void)spec_try_invalid(spec, trial, "unauthorized|incorrectResponse");
    }
}

/* ---- certificates ---- */

static const char *csr_for(struct spec *spec, EVP_PKEY *key, const struct x509_names *names) {
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;
    struct err err = {0};

    if (!x509_csr_make(key, names, NULL, &der, &len, &err)) {
        spec_fail(spec, "no CSR: %s", err.detail);
        return "";
    }
    return spec_b64(spec, der, len);
}

static void the_certificate_has_the_address(struct spec *spec) {
    const struct spec_order *order = proved(spec)->order;
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct err err = {0};

    (void)spec_status(spec,
                      spec_finalize(spec, order,
                                    csr_for(spec, spec_key(spec, KEY_P256),
                                            &(struct x509_names){.ip_count = 1, .ip = {ADDRESS}})),
                      200);
    const struct spec_answer *valid = spec_poll(spec, order->account, order->url, "valid|invalid");
    const struct spec_answer *pem =
        spec_fetch(spec, order->account, spec_member(valid->json, "certificate"));
    if (spec_over(spec)) {
        return;
    }
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(pem->body, pem->body_len, &err);
    if (!spec_check(spec, chain != NULL && x509_cert_read(sk_X509_value(chain, 0), &cert, &err),
                    "the certificate is not read: %s", err.detail)) {
        return;
    }
    (void)spec_check(spec, cert.names.ip_count == 1 && strcmp(cert.names.ip[0], ADDRESS) == 0,
                     "%u iPAddress, first \"%s\"", cert.names.ip_count, cert.names.ip[0]);
    (void)spec_check(spec, cert.names.dns_count == 0, "a dNSName \"%s\"", cert.names.dns[0]);
}

static void the_csr_has_the_address(struct spec *spec) {
    static const struct x509_names bad[] = {
        {.dns_count = 1, .dns = {ADDRESS}},
        {.dns_count = 1, .dns = {REVERSE}},
        {.ip_count = 1, .ip = {"127.0.0.2"}},
        {.ip_count = 2, .ip = {ADDRESS, "127.0.0.2"}},
        {.ip_count = 1, .ip = {ADDRESS}, .dns_count = 1, .dns = {"other.acmespec.test"}},
        {.dns_count = 0},
    };
    const struct spec_order *order = proved(spec)->order;

    for (unsigned i = 0; i < COUNT(bad) && !spec_over(spec); i++) {
        const char *csr = csr_for(spec, spec_key(spec, KEY_P256), &bad[i]);
        (void)spec_problem(spec, spec_finalize(spec, order, csr), SPEC_4XX, "badCSR");
    }
    (void)spec_same(spec, "status of the order",
                    spec_member(spec_fetch(spec, order->account, order->url)->json, "status"),
                    "ready");
}

/* clang-format off */
#define IP .area = "ip", .level = SPEC_MUST, .needs = NEED_IP
#define IP_BY_HTTP .area = "ip", .level = SPEC_MUST, .needs = NEED_IP | NEED_HTTP01
static const struct spec_case cases[] = {
    {.id = "rfc8738/3/1", .rows = "X-8738-3-01 X-8738-7-01", IP, .text = "An address is ordered as type ip, and dns-01 is not offered for it.", .run = an_address_is_ordered},
    {.id = "rfc8738/3/2", .rows = "X-8738-3-02", IP, .text = "IPv4 is dotted decimal.", .run = is_no_address, .data = not_dotted},
    {.id = "rfc8738/3/3", .rows = "X-8738-3-03", IP, .text = "IPv6 is as RFC 5952 writes it, or becomes that.", .run = ipv6_is_of_rfc_5952},
    {.id = "rfc8738/3/4", .rows = "X-8738-3-04", IP, .text = "A name is no address.", .run = is_no_address, .data = host_names},
    {.id = "rfc8738/3/5", .rows = "X-8738-3-05", IP_BY_HTTP, .text = "The certificate has the address as iPAddress.", .run = the_certificate_has_the_address},
    {.id = "rfc8738/3/6", .rows = "X-8738-3-06", IP_BY_HTTP, .text = "The CSR has the address as iPAddress.", .run = the_csr_has_the_address},
    {.id = "rfc8738/3/7", .rows = "X-8738-3-07", IP, .text = "Wildcards and ranges of addresses are refused.", .run = is_no_address, .data = ranges},
    {.id = "rfc8738/4/1", .rows = "X-8738-4-01 X-8738-5-01", .area = "ip", .level = SPEC_MUST, .needs = NEED_IP | NEED_HTTP01 | NEED_DNS, .text = "http-01 asks the address itself, named in Host, without DNS.", .run = the_address_itself_is_asked},
    {.id = "rfc8738/6/1", .rows = "X-8738-6-01 X-8738-6-02", .area = "ip", .level = SPEC_MUST, .needs = NEED_IP | NEED_TLSALPN01, .text = "tls-alpn-01 asks for the reverse name and wants a certificate for the address alone.", .run = the_certificate_is_for_the_address_alone},
};
/* clang-format on */

const struct spec_area case_ip = {cases, COUNT(cases)};
