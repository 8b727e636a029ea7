/* RFC 8737: tls-alpn-01. */
#include <openssl/sha.h>
#include <string.h>

#include "tests/conformance/areas.h"
#include "tests/conformance/responder.h"

#define DIGEST_LEN SHA256_DIGEST_LENGTH
#define REFUSED "unauthorized|incorrectResponse|tls|connection"

static const struct spec_trial *trial_of(struct spec *spec, const char *name) {
    return spec_trial(spec, spec_order(spec, spec_account(spec, KEY_P256), name), "tls-alpn-01");
}

/* Served for the trial's name. */
static void serve(struct spec *spec, const struct spec_trial *trial,
                  const struct spec_alpn_certificate *parts, const struct spec_alpn *how) {
    EVP_PKEY *key = spec_key(spec, KEY_P256);
    struct spec_alpn alpn = *how;

    if (spec_over(spec)) {
        return;
    }
    alpn.sni = trial->name;
    alpn.cert = spec_alpn_certificate(spec, parts, key);
    alpn.key = key;
    spec_alpn(spec, &alpn);
}

static struct spec_alpn_certificate right(const struct spec_trial *trial) {
    return (struct spec_alpn_certificate){.name = trial->name,
                                          .key_authorization = trial->key_authorization};
}

/* Serve it; the target has connected, and does not take it. */
static void refuses(struct spec *spec, const struct spec_trial *trial,
                    const struct spec_alpn_certificate *parts, const struct spec_alpn *how) {
    serve(spec, trial, parts, how);
    (void)spec_try_invalid(spec, trial, REFUSED);
    (void)spec_check(spec, spec_alpn_seen(spec, trial->name).count > 0,
                     "no connection asked for %s", trial->name);
}

/* ---- the connection ---- */

static void a_good_certificate_is_valid(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);

    spec_alpn_good(spec, trial->name, trial->key_authorization);
    const struct spec_answer *authz = spec_try_valid(spec, trial);
    const json_t *challenge = spec_trial_challenge(trial, authz->json);
    (void)spec_same(spec, "type of the valid challenge", spec_member(challenge, "type"),
                    "tls-alpn-01");
    (void)spec_check(spec, spec_member(challenge, "validated")[0] != '\0', "no validated");
}

static void the_hello_is_of_rfc_8737(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);

    spec_alpn_good(spec, trial->name, trial->key_authorization);
    (void)spec_try_valid(spec, trial);
    const struct spec_alpn_seen seen = spec_alpn_seen(spec, trial->name);
    (void)spec_check(spec, seen.count > 0, "no connection asked for %s", trial->name);
    (void)spec_same(spec, "offered protocols", seen.protocols, "acme-tls/1");
    (void)spec_check(spec, spec_over(spec) || seen.version >= TLS1_2_VERSION,
                     "TLS version %#x was negotiated", (unsigned)seen.version);
    (void)spec_check(spec, seen.octets == 0, "%u octets of application data came", seen.octets);
}

static void another_protocol_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    const struct spec_alpn_certificate parts = right(trial);

    refuses(spec, trial, &parts, &(struct spec_alpn){.protocol = spec_data(spec)});
}

static void an_old_version_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    const struct spec_alpn_certificate parts = right(trial);

    refuses(spec, trial, &parts, &(struct spec_alpn){.version_max = TLS1_1_VERSION});
    (void)spec_check(spec, spec_alpn_seen(spec, trial->name).version == 0,
                     "a handshake of TLS 1.1 ended well");
}

static void names_are_a_labels(struct spec *spec) {
    const char *name = spec_text(spec, "xn--bcher-kva.%s", spec_name(spec));
    const struct spec_trial *trial = trial_of(spec, name);

    spec_alpn_good(spec, name, trial->key_authorization);
    (void)spec_try_valid(spec, trial);
    (void)spec_check(spec, spec_alpn_seen(spec, name).count > 0, "no connection asked for %s",
                     name);
}

static void case_does_not_matter(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    char *upper = spec_text(spec, "%s", trial->name);
    struct spec_alpn_certificate parts = right(trial);

    for (char *c = upper; *c != '\0'; c++) {
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    }
    parts.name = upper;
    serve(spec, trial, &parts, &(struct spec_alpn){0});
    (void)spec_try_valid(spec, trial);
}

/* ---- the certificate ---- */

static void no_identifier_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);

    refuses(spec, trial, &(struct spec_alpn_certificate){.name = trial->name},
            &(struct spec_alpn){0});
}

static void an_identifier_not_critical_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    struct spec_alpn_certificate parts = right(trial);

    parts.not_critical = true;
    refuses(spec, trial, &parts, &(struct spec_alpn){0});
}

static void another_digest_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    struct spec_alpn_certificate parts = right(trial);

    parts.key_authorization =
        spec_key_authorization(spec, spec_account(spec, KEY_P256), trial->token);
    refuses(spec, trial, &parts, &(struct spec_alpn){0});
}

/* The digest, after `header` octets of DER, `len` octets of it with zeros behind. */
static void digest_as(struct spec *spec, unsigned char tag, unsigned len) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    unsigned char value[2 + DIGEST_LEN + 1] = {0}, *digest = tag == 0 ? value : value + 2;
    struct spec_alpn_certificate parts = {.name = trial->name, .extension = value};

    (void)SHA256((const unsigned char *)trial->key_authorization, strlen(trial->key_authorization),
                 digest);
    if (tag != 0) {
        value[0] = tag;
        value[1] = (unsigned char)len;
    }
    parts.extension_len = len + (tag == 0 ? 0 : 2);
    refuses(spec, trial, &parts, &(struct spec_alpn){0});
}

static void a_value_of_other_der_fails(struct spec *spec) {
    digest_as(spec, 0, DIGEST_LEN);
    digest_as(spec, V_ASN1_OCTET_STRING, DIGEST_LEN - 1);
    digest_as(spec, V_ASN1_OCTET_STRING, DIGEST_LEN + 1);
    digest_as(spec, V_ASN1_BIT_STRING, DIGEST_LEN);
}

static void another_name_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    struct spec_alpn_certificate parts = right(trial);

    parts.name = spec_name(spec);
    refuses(spec, trial, &parts, &(struct spec_alpn){0});
}

static void a_second_name_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    struct spec_alpn_certificate parts = right(trial);

    parts.also = spec_name(spec);
    refuses(spec, trial, &parts, &(struct spec_alpn){0});
    trial = trial_of(spec, NULL);
    parts = right(trial);
    parts.ip = "127.0.0.1";
    refuses(spec, trial, &parts, &(struct spec_alpn){0});
}

static void a_common_name_alone_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    struct spec_alpn_certificate parts = right(trial);

    parts.name = NULL;
    parts.common_name = trial->name;
    refuses(spec, trial, &parts, &(struct spec_alpn){0});
}

static void a_certificate_of_a_ca_fails(struct spec *spec) {
    const struct spec_trial *trial = trial_of(spec, NULL);
    struct spec_alpn_certificate parts = right(trial);

    parts.issuer = spec_key(spec, KEY_P256);
    refuses(spec, trial, &parts, &(struct spec_alpn){0});
}

/* ---- the target itself ---- */

static void acme_is_not_spoken_over_acme_tls(struct spec *spec) {
    const char *url = spec_directory_url(spec), *at = strstr(url, "://");
    const char *host = at == NULL ? "" : at + 3, *path = strchr(host, '/');
    const char *request =
        spec_text(spec, "GET %s HTTP/1.1\r\nHost: %.*s\r\nConnection: close\r\n\r\n",
                  path == NULL ? "/" : path, (int)strcspn(host, "/"), host);
    const struct spec_answer *answer =
        spec_raw_alpn(spec, url, "http/1.1", request, strlen(request), 5000);

    (void)spec_status(spec, answer, 200); /* the way of asking is right */
    answer = spec_raw_alpn(spec, url, "acme-tls/1", request, strlen(request), 5000);
    (void)spec_check(spec, answer->status == 0, "answered %u over acme-tls/1", answer->status);
}

/* clang-format off */
#define ALPN .area = "tls-alpn", .needs = NEED_TLSALPN01, .level = SPEC_MUST
static const struct spec_case cases[] = {
    {.id = "rfc8737/3/2", .rows = "X-8737-3-02 X-8737-3-03 X-8737-3-04 X-8737-3-15", ALPN, .text = "The connection asks for the name and acme-tls/1 alone, and sends nothing.", .run = the_hello_is_of_rfc_8737},
    {.id = "rfc8737/3/5", .rows = "X-8737-3-05", ALPN, .text = "A connection without ALPN fails.", .run = another_protocol_fails, .data = ""},
    {.id = "rfc8737/3/5-http", .rows = "X-8737-3-05", ALPN, .text = "Another protocol fails.", .run = another_protocol_fails, .data = "http/1.1"},
    {.id = "rfc8737/3/6", .rows = "X-8737-3-06", ALPN, .text = "A certificate without acmeIdentifier fails.", .run = no_identifier_fails},
    {.id = "rfc8737/3/7", .rows = "X-8737-3-07", ALPN, .text = "An acmeIdentifier that is not critical fails.", .run = an_identifier_not_critical_fails},
    {.id = "rfc8737/3/8", .rows = "X-8737-3-08", ALPN, .text = "The digest of another account's key authorization fails.", .run = another_digest_fails},
    {.id = "rfc8737/3/9", .rows = "X-8737-3-09", ALPN, .text = "acmeIdentifier is an OCTET STRING of 32 octets.", .run = a_value_of_other_der_fails},
    {.id = "rfc8737/3/10", .rows = "X-8737-3-10", ALPN, .text = "A certificate for another name fails.", .run = another_name_fails},
    {.id = "rfc8737/3/11", .rows = "X-8737-3-11", ALPN, .text = "A certificate for something else, too, fails.", .run = a_second_name_fails},
    {.id = "rfc8737/3/12", .rows = "X-8737-3-12", ALPN, .text = "A common name is no subjectAltName.", .run = a_common_name_alone_fails},
    {.id = "rfc8737/3/13", .rows = "X-8737-3-13", ALPN, .text = "Names are compared without regard to case.", .run = case_does_not_matter},
    {.id = "rfc8737/3/14", .rows = "X-8737-3-14", ALPN, .text = "A certificate that is not self-signed fails.", .run = a_certificate_of_a_ca_fails},
    {.id = "rfc8737/3/16", .rows = "X-8737-3-16", ALPN, .text = "A good certificate makes the authorization valid.", .run = a_good_certificate_is_valid},
    {.id = "rfc8737/3/17", .rows = "X-8737-3-17", ALPN, .text = "Names of other scripts are A-labels.", .run = names_are_a_labels},
    {.id = "rfc8737/4/1", .rows = "X-8737-4-01", ALPN, .text = "TLS 1.1 fails.", .run = an_old_version_fails},
    {.id = "rfc8737/4/2", .rows = "X-8737-4-02", .area = "tls-alpn", .level = SPEC_MUST, .text = "The server speaks no ACME over acme-tls/1.", .run = acme_is_not_spoken_over_acme_tls},
};
/* clang-format on */

const struct spec_area case_tls_alpn = {cases, COUNT(cases)};
