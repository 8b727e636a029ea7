#include "tests/conformance/target.h"

#include <openssl/ssl.h>
#include <string.h>

#include "common/b64.h"
#include "common/file.h"
#include "common/x509.h"
#include "tests/conformance/responder.h"
#include "tests/conformance/runner.h"
#include "tests/conformance/spec_internal.h"

/* clang-format off */
static const struct config_key keys[] = {
    {.path = "directory", .type = CONFIG_TEXT, .option = "--directory", .argument = "URL", .help = "The directory of the server under test."},
    {.path = "ca_file", .type = CONFIG_TEXT, .option = "--ca-file", .argument = "PEM", .help = "What its TLS certificate is verified with; none: the system's anchors."},
    {.path = "http01_port", .type = CONFIG_INT, .fallback = "0", .max = 65535, .option = "--http01-port", .argument = "N", .help = "The port of 127.0.0.1 where it validates http-01."},
    {.path = "tlsalpn01_port", .type = CONFIG_INT, .fallback = "0", .max = 65535, .option = "--tlsalpn01-port", .argument = "N", .help = "The port of 127.0.0.1 where it validates tls-alpn-01."},
    {.path = "dns_port", .type = CONFIG_INT, .fallback = "0", .max = 65535, .option = "--dns-port", .argument = "N", .help = "The port of 127.0.0.1 where it asks DNS."},
    {.path = "eab", .type = CONFIG_TEXT, .option = "--eab", .argument = "KID:KEY", .help = "An external account key it knows; the key in base64url."},
    {.path = "token_authority_key", .type = CONFIG_TEXT, .option = "--token-authority-key", .argument = "PEM", .help = "Key of the Token Authority it trusts (tkauth-01)."},
    {.path = "token_authority_cert", .type = CONFIG_TEXT, .option = "--token-authority-cert", .argument = "PEM", .help = "The certificate of that key."},
    {.path = "admin", .type = CONFIG_TEXT, .option = "--admin", .argument = "URL", .help = "Its admin listener, for cases that set it up."},
    {.path = "domain", .type = CONFIG_TEXT, .fallback = "acmespec.test", .option = "--domain", .argument = "NAME", .help = "Names are ordered below this one."},
    {.path = "has", .type = CONFIG_TEXTS, .option = "--has", .argument = "WORD", .help = "What the target is set up for and does not say itself: short, limits, faults, async, alternates, caa, restricted, ip, ocsp."},
    {.path = "needing", .type = CONFIG_TEXTS, .option = "--needing", .argument = "WORD", .help = "Only cases with this need."},
    {.path = "only", .type = CONFIG_TEXTS, .option = "--only", .argument = "ID|AREA", .help = "Only this case, area, section (rfc8555/6.5) or catalogue row."},
    {.path = "strict", .type = CONFIG_BOOL, .fallback = "false", .option = "--strict", .help = "A SHOULD that fails fails the run."},
    {.path = "jobs", .type = CONFIG_INT, .fallback = "4", .min = 1, .max = 64, .option = "--jobs", .argument = "N", .help = "Cases at a time."},
    {.path = "list", .type = CONFIG_BOOL, .fallback = "false", .option = "--list", .help = "Print the cases and do nothing."},
    {.path = "junit", .type = CONFIG_TEXT, .option = "--junit", .argument = "FILE", .help = "Write the result as JUnit XML."},
    {.path = "json", .type = CONFIG_TEXT, .option = "--json", .argument = "FILE", .help = "Write the result as JSON."},
    {.path = "transcript", .type = CONFIG_TEXT, .option = "--transcript", .argument = "DIR", .help = "Write every request and answer, a file a case."},
    {.path = "expect", .type = CONFIG_TEXT, .option = "--expect", .argument = "FILE", .help = "Ids that are expected to fail, one a line."},
    {.path = "catalogue", .type = CONFIG_TEXT, .fallback = ACMESPEC_CATALOGUE, .option = "--catalogue", .argument = "DIR", .help = "Where the rows of data files are."},
    {0}};
/* clang-format on */

const struct config_program target_program = {
    .name = "acmespec",
    .synopsis = "server --directory URL [--ca-file PEM] [OPTION]...",
    .purpose =
        "Tries an ACME server against RFC 8555 and its extensions, case by case.  Cases that "
        "need what the target does not have are skipped with the reason.",
    .keys = keys,
    .positional_max = 1,
};

static bool read_tls(struct spec_target *target, const char *ca_file, struct err *err) {
    target->tls = SSL_CTX_new(TLS_client_method());
    if (target->tls == NULL) {
        return err_set(err, ERR_CONFIG, "no TLS");
    }
    SSL_CTX_set_mode(target->tls, SSL_MODE_ENABLE_PARTIAL_WRITE
                                      | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_verify(target->tls, SSL_VERIFY_PEER, NULL);
    if ((ca_file != NULL ? SSL_CTX_load_verify_file(target->tls, ca_file)
                         : SSL_CTX_set_default_verify_paths(target->tls))
        != 1) {
        return err_set(err, ERR_CONFIG, "--ca-file %.100s: no certificates", ca_file);
    }
    return true;
}

static bool read_eab(struct spec_target *target, const char *text, struct err *err) {
    const char *colon = text == NULL ? NULL : strrchr(text, ':');

    if (text == NULL) {
        return true;
    }
    if (colon == NULL
        || !b64_decode(colon + 1, strlen(colon + 1), &target->eab_key, &target->eab_key_len, err)) {
        *err = (struct err){0};
        return err_set(err, ERR_CONFIG, "--eab is not KID:KEY with KEY in base64url");
    }
    target->eab_kid = strndup(text, (size_t)(colon - text));
    return target->eab_kid != NULL || err_set(err, ERR_NO_MEMORY, "no memory");
}

static bool read_token(struct spec_target *target, const struct config *config, struct err *err) {
    const char *key = config_text(config, "token_authority_key");
    const char *cert = config_text(config, "token_authority_cert");

    if (key != NULL && (target->token_key = key_read_file(key, err)) == NULL) {
        return false;
    }
    return cert == NULL || (target->token_chain = x509_chain_read_file(cert, err)) != NULL;
}

/* What the target says of itself. */
static unsigned said(const json_t *directory) {
    const json_t *meta = json_object_get(directory, "meta");
    bool bound = json_is_true(json_object_get(meta, "externalAccountRequired"));

    return (bound ? NEED_EAB_REQUIRED : NEED_NO_EAB)
           | (json_object_get(meta, "termsOfService") != NULL ? NEED_TOS : 0u)
           | (json_object_get(directory, "newAuthz") != NULL ? NEED_NEW_AUTHZ : 0u)
           | (json_object_get(directory, "renewalInfo") != NULL ? NEED_ARI : 0u)
           | (json_object_get(meta, "profiles") != NULL ? NEED_PROFILES : 0u)
           | (json_is_true(json_object_get(meta, "subdomainAuthAllowed")) ? NEED_SUBDOMAIN : 0u);
}

static unsigned given(const struct spec_target *target) {
    return (target->http01_port != 0 ? NEED_HTTP01 : 0u)
           | (target->tlsalpn01_port != 0 ? NEED_TLSALPN01 : 0u)
           | (target->dns_port != 0 ? NEED_DNS : 0u) | (target->token_key != NULL ? NEED_TOKEN : 0u)
           | (target->eab_key != NULL ? NEED_EAB : 0u) | (target->admin != NULL ? NEED_ADMIN : 0u);
}

static bool fetch_directory(struct spec_target *target, struct err *err) {
    static const struct spec_case row = {.id = "directory", .text = "the start", .deadline_s = 10};
    struct spec spec;

    spec_init(&spec, &row, target);
    spec.unwatched = true;
    const struct spec_answer *answer =
        spec_exchange(&spec, "GET", target->directory_url, "", NULL, 0);
    if (answer->status == 200 && json_is_object(answer->json)) {
        target->directory = json_incref((json_t *)answer->json);
    } else {
        (void)err_set(err, ERR_UNREACHABLE, "no directory at %.80s: %s", target->directory_url,
                      answer->status == 0 ? answer->error : "not 200 with an object");
    }
    spec_done(&spec);
    return target->directory != NULL;
}

static bool read_has(struct spec_target *target, const struct config *config, struct err *err) {
    for (size_t i = 0; i < config_count(config, "has"); i++) {
        unsigned bit = need_parse(config_text_at(config, "has", i));
        if (bit == 0) {
            return err_set(err, ERR_CONFIG, "--has %.40s: unknown word",
                           config_text_at(config, "has", i));
        }
        target->has |= bit;
    }
    target->has |= given(target) | said(target->directory);
    return true;
}

struct spec_target *target_new(const struct config *config, struct err *err) {
    AUTO(target_free) struct spec_target *target = calloc(1, sizeof(*target));

    if (target == NULL || config_text(config, "directory") == NULL) {
        (void)err_set(err, ERR_CONFIG, "--directory is missing");
        free(TAKE(target));
        return NULL;
    }
    (void)pthread_mutex_init(&target->lock, NULL);
    target->directory_url = config_text(config, "directory");
    target->http01_port = (unsigned)config_int(config, "http01_port");
    target->tlsalpn01_port = (unsigned)config_int(config, "tlsalpn01_port");
    target->dns_port = (unsigned)config_int(config, "dns_port");
    target->admin = config_text(config, "admin");
    target->domain = config_text(config, "domain");
    target->transcript = config_text(config, "transcript");
    target->catalogue = config_text(config, "catalogue");
    const struct responder_options responder = {target->http01_port, target->tlsalpn01_port,
                                                target->dns_port};
    if (!read_tls(target, config_text(config, "ca_file"), err)
        || !read_eab(target, config_text(config, "eab"), err) || !read_token(target, config, err)
        || (target->transcript != NULL && !file_folder(target->transcript, err))
        || !fetch_directory(target, err) || !read_has(target, config, err)
        || (target->responder = responder_start(&responder, err)) == NULL) {
        return NULL;
    }
    return TAKE(target);
}

void target_free(struct spec_target *target) {
    if (target == NULL) {
        return;
    }
    responder_stop(target->responder);
    json_decref(target->directory);
    SSL_CTX_free(target->tls);
    free((char *)target->eab_kid);
    if (target->eab_key != NULL) {
        OPENSSL_cleanse(target->eab_key, target->eab_key_len);
    }
    free(target->eab_key);
    EVP_PKEY_free(target->token_key);
    chain_free(target->token_chain);
    (void)pthread_mutex_destroy(&target->lock);
    free(target);
}
