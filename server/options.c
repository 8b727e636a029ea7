#include "server/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/acme.h"
#include "common/log.h"
#include "server/ca_engine.h"
#include "server/cidr.h"
#include "server/terms.h"

#define US_PER_S 1e6
#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."

/* clang-format off */
static const struct config_key keys[] = {
    {.path = "state", .type = CONFIG_TEXT, .fallback = "./nfacme-server.state", .option = "--state", .argument = "DIR", .help = "Where its CA, its keys and its database live; made when missing."},
    {.path = "listen", .type = CONFIG_TEXT, .fallback = "127.0.0.1:14000", .option = "--listen", .argument = "ADDR:PORT", .help = "ACME over HTTPS; port 0 picks a free one."},
    {.path = "pki", .type = CONFIG_TEXT, .fallback = "127.0.0.1:14080", .option = "--pki", .argument = "ADDR:PORT", .help = "CRL, OCSP and CA certificates over plain HTTP."},
    {.path = "admin", .type = CONFIG_TEXT, .fallback = "127.0.0.1:15000", .option = "--admin", .argument = "ADDR:PORT", .help = "Health, metrics and the operator's calls over plain HTTP."},
    {.path = "names", .type = CONFIG_TEXTS, .option = "--name", .argument = "HOST", .help = "A further name or address of this server, in its certificate and in URLs."},
    {.path = "store", .type = CONFIG_TEXT, .fallback = "sqlite", .choices = "sqlite|memory", .option = "--store", .argument = "sqlite|memory", .help = "Keep accounts, orders and certificates on disk, or forget them at the end."},
    {.path = "threads", .type = CONFIG_INT, .fallback = "2", .min = 1, .max = 64, .option = "--threads", .argument = "N", .help = "HTTP threads of the ACME listener."},
    {.path = "ca", .type = CONFIG_SECTION, .help = "The certification authority."},
    {.path = "ca.depth", .type = CONFIG_INT, .fallback = "2", .min = 1, .max = 2, .option = "--ca-depth", .argument = "1|2", .help = "2: a root and an issuing CA; 1: the root signs."},
    {.path = "ca.key", .type = CONFIG_TEXT, .fallback = "p256", .option = "--ca-key", .argument = "TYPE", .help = "Key type of a CA that is made: p256, p384, rsa3072, ed25519."},
    {.path = "ca.plmn", .type = CONFIG_TEXT, .fallback = "001-01", .option = "--plmn", .argument = "MCC-MNC", .help = "The operator's network, in O= of certificates."},
    {.path = "ca.country", .type = CONFIG_TEXT, .fallback = "XX", .option = "--country", .argument = "XX", .help = "C= of certificates: two letters."},
    {.path = "ca.import_cert", .type = CONFIG_TEXT, .option = "--ca-cert", .argument = "FILE", .help = "Sign with the operator's own CA: its PEM chain, the issuing certificate first, the root last; needs --ca-key-file."},
    {.path = "ca.import_key", .type = CONFIG_TEXT, .option = "--ca-key-file", .argument = "FILE", .help = "Its private key, PEM, not encrypted."},
    {.path = "ca.key_uri", .type = CONFIG_TEXT, .option = "--ca-key-uri", .argument = "URI", .help = "The key that signs certificates is in a PKCS#11 token: pkcs11:token=...;object=...;pin-source=file:..."},
    {.path = "ca.key_module", .type = CONFIG_TEXT, .option = "--ca-key-module", .argument = "FILE", .help = "The token's PKCS#11 library; without it, p11-kit's."},
    {.path = "ca.alternates", .type = CONFIG_INT, .fallback = "0", .max = 3, .option = "--alternate-roots", .argument = "N", .help = "Further roots that cross-sign the issuing CA, for alternate chains."},
    {.path = "validation", .type = CONFIG_SECTION, .help = "How challenges are validated."},
    {.path = "validation.http01_port", .type = CONFIG_INT, .fallback = "80", .min = 1, .max = 65535, .option = "--http01-port", .argument = "N", .help = "Fetch http-01 answers from this port."},
    {.path = "validation.tlsalpn01_port", .type = CONFIG_INT, .fallback = "443", .min = 1, .max = 65535, .option = "--tlsalpn01-port", .argument = "N", .help = "Connect to this port for tls-alpn-01."},
    {.path = "validation.exclude", .type = CONFIG_TEXTS, .option = "--exclude", .argument = "CIDR", .help = "Never connect to addresses of this range for http-01 or tls-alpn-01."},
    {.path = "validation.retries", .type = CONFIG_INT, .fallback = "0", .max = 100, .help = "Further attempts after one that failed, before the challenge is invalid."},
    {.path = "validation.retry_interval", .type = CONFIG_DURATION, .fallback = "5s", .min = 0.1, .max = 86400, .help = "Between two attempts; a client may ask for the next one at once."},
    {.path = "validation.history", .type = CONFIG_INT, .fallback = "1024", .max = 1e6, .help = "Identifiers whose last 16 queries the admin listener shows; 0: none."},
    {.path = "validation.resolver", .type = CONFIG_TEXT, .option = "--resolver", .argument = "ADDR:PORT", .help = "Ask this DNS server instead of the system's."},
    {.path = "validation.resolve_to", .type = CONFIG_TEXT, .option = "--resolve-to", .argument = "ADDR", .help = "Every name is at this address (beds without DNS)."},
    {.path = "validation.caa", .type = CONFIG_TEXT, .fallback = "auto", .choices = "auto|on|off", .option = "--caa", .argument = "auto|on|off", .help = "Ask whether CAA records allow this CA (RFC 8659); auto: with --resolver and --caa-identity."},
    {.path = "validation.caa_reuse", .type = CONFIG_DURATION, .fallback = "8h", .max = 86400, .help = "How long what CAA records said at validation holds for finalize; 0: asked again each time."},
    {.path = "validation.key_binding", .type = CONFIG_BOOL, .fallback = "false", .option = "--require-key-binding", .help = "Authority tokens must be bound to the certificate's key (cnf.jkt); one that is bound is held to it in any case."},
    {.path = "validation.token_authority", .type = CONFIG_TEXT, .option = "--token-authority", .argument = "PEM", .help = "Certificate of the Token Authority whose tokens prove an NfInstanceId (tkauth-01)."},
    {.path = "eab", .type = CONFIG_SECTION, .help = "External account binding."},
    {.path = "eab.keys", .type = CONFIG_TEXTS, .option = "--eab", .argument = "KID:BASE64URL", .help = "A key accounts may be bound to; one key binds any number of accounts."},
    {.path = "eab.required", .type = CONFIG_BOOL, .fallback = "false", .option = "--require-eab", .help = "No account without a binding."},
    {.path = "ari", .type = CONFIG_SECTION, .help = "Renewal information (RFC 9773)."},
    {.path = "ari.offered", .type = CONFIG_BOOL, .fallback = "true", .help = "Say when certificates ought to be renewed, and take `replaces` in orders."},
    {.path = "ari.retry_after", .type = CONFIG_DURATION, .fallback = "6h", .min = 1, .max = 3.2e7, .help = "How long clients shall wait before they ask again."},
    {.path = "profiles", .type = CONFIG_SECTION, .help = "Certificate profiles (draft-ietf-acme-profiles)."},
    {.path = "profiles.offered", .type = CONFIG_BOOL, .fallback = "true", .help = "Name them in the directory, take `profile` in orders and show it there; else the identifiers alone decide."},
    {.path = "account", .type = CONFIG_SECTION, .help = "What accounts are asked for."},
    {.path = "account.terms_of_service", .type = CONFIG_TEXT, .option = "--tos", .argument = "URL", .help = "Terms of service every account must agree to; another URL than last time asks those that are there, too."},
    {.path = "directory", .type = CONFIG_SECTION, .help = "What the directory says about the server."},
    {.path = "directory.website", .type = CONFIG_TEXT, .option = "--website", .argument = "URL", .help = "Where people read about this server."},
    {.path = "directory.caa_identities", .type = CONFIG_TEXTS, .option = "--caa-identity", .argument = "NAME", .help = "A name by which CAA records mean this CA."},
    {.path = "policy", .type = CONFIG_SECTION, .help = "What is refused."},
    {.path = "policy.blocked_keys", .type = CONFIG_TEXT, .option = "--blocked-keys", .argument = "FILE", .help = "Keys known to be compromised: lines of the hex SHA-256 of a SubjectPublicKeyInfo."},
    {.path = "lifetimes", .type = CONFIG_SECTION, .help = "How long objects live."},
    {.path = "lifetimes.order", .type = CONFIG_DURATION, .fallback = "7d", .min = 1, .max = 3.2e7, .help = "From newOrder to the end of an order that was not fulfilled."},
    {.path = "lifetimes.authorization", .type = CONFIG_DURATION, .fallback = "30d", .min = 1, .max = 3.2e7, .help = "From validation to the end of an authorization; the end of its token comes first."},
    {.path = "lifetimes.crl", .type = CONFIG_DURATION, .fallback = "1d", .min = 2, .max = 3.2e7, .help = "Of a revocation list; a new one is signed after half of it and for each revocation."},
    {.path = "lifetimes.ocsp", .type = CONFIG_DURATION, .fallback = "1h", .min = 2, .max = 3.2e7, .help = "Of an OCSP answer; another one is signed after half of it and once its certificate is revoked."},
    {.path = "authz", .type = CONFIG_SECTION, .help = "Authorizations of orders."},
    {.path = "authz.reuse", .type = CONFIG_INT, .fallback = "0", .max = 100, .option = "--authz-reuse", .argument = "PERCENT", .help = "Share of names whose new order uses a valid authorization of an earlier one."},
    {.path = "authz.subdomains", .type = CONFIG_TEXT, .fallback = "on", .choices = "on|off", .option = "--subdomain-auth", .argument = "on|off", .help = "Authorizations for a domain and all names under it, RFC 9444."},
    {.path = "finalize", .type = CONFIG_SECTION, .help = "Finalization of orders."},
    {.path = "finalize.delay", .type = CONFIG_DURATION, .fallback = "0", .max = 3600, .option = "--finalize-delay", .argument = "SECONDS", .help = "Answer finalize with a processing order and issue that much later; 0: issue before the answer."},
    {.path = "limits", .type = CONFIG_SECTION, .help = "Sizes of what could grow."},
    {.path = "limits.connections", .type = CONFIG_INT, .fallback = "0", .max = 1e6, .help = "ACME connections; 0: half of the open files."},
    {.path = "limits.accounts_kept", .type = CONFIG_INT, .fallback = "2048", .min = 1, .max = 4e6, .help = "Accounts whose parsed key stays in memory."},
    {.path = "fault_seed", .type = CONFIG_INT, .fallback = "1", .max = 1e15, .option = "--fault-seed", .argument = "N", .help = "Seed of the faults' chances."},
    {.path = "faults", .type = CONFIG_LIST, .help = "Misbehaviour on purpose: rules, as docs/server.md tells."},
    {.path = "faults[].at", .type = CONFIG_TEXT, .help = "The operation (newNonce, newOrder, finalize...), validation or any."},
    {.path = "faults[].account", .type = CONFIG_TEXT, .help = "Only for this account's id."},
    {.path = "faults[].identifier", .type = CONFIG_TEXT, .help = "Only when an identifier fits this pattern."},
    {.path = "faults[].nf", .type = CONFIG_TEXT, .help = "Only for this NfInstanceId, or the NF whose name begins so (amf-17)."},
    {.path = "faults[].challenge", .type = CONFIG_TEXT, .help = "Only for this challenge type."},
    {.path = "faults[].nth", .type = CONFIG_INT, .min = 1, .max = 1e9, .help = "Only the event of this number."},
    {.path = "faults[].every", .type = CONFIG_INT, .min = 1, .max = 1e9, .help = "Every so many events."},
    {.path = "faults[].first", .type = CONFIG_INT, .min = 1, .max = 1e9, .help = "From the event of this number on."},
    {.path = "faults[].last", .type = CONFIG_INT, .min = 1, .max = 1e9, .help = "Up to the event of this number."},
    {.path = "faults[].probability", .type = CONFIG_NUMBER, .max = 1, .help = "The share of events."},
    {.path = "faults[].do", .type = CONFIG_SECTION, .help = "What to do."},
    {.path = "faults[].do.problem", .type = CONFIG_TEXT, .help = "Refuse with a problem of this ACME type or URI."},
    {.path = "faults[].do.status", .type = CONFIG_INT, .min = 400, .max = 599, .help = "HTTP status of the problem."},
    {.path = "faults[].do.detail", .type = CONFIG_TEXT, .help = "Detail of the problem."},
    {.path = "faults[].do.retry_after", .type = CONFIG_INT, .min = 1, .max = 3.2e7, .help = "Retry-After in seconds."},
    {.path = "faults[].do.retry_after_date", .type = CONFIG_INT, .min = 1, .max = 3.2e7, .help = "Retry-After as the date so many seconds ahead."},
    {.path = "faults[].do.delay", .type = CONFIG_TEXT, .help = "Answer, or begin a validation, so much later."},
    {.path = "faults[].do.close", .type = CONFIG_TEXT, .choices = "before-commit|after-commit", .help = "Close the connection instead of answering."},
    {.path = "faults[].do.empty", .type = CONFIG_BOOL, .help = "200 without a body."},
    {.path = "faults[].do.malformed", .type = CONFIG_BOOL, .help = "Cut the body in half."},
    {.path = "faults[].do.no_nonce", .type = CONFIG_BOOL, .help = "No Replay-Nonce."},
    {.path = "faults[].do.content_type", .type = CONFIG_TEXT, .help = "Another content type."},
    {.path = "faults[].do.slow", .type = CONFIG_INT, .min = 1, .max = 1e6, .help = "Send so many octets of the body a second."},
    {.path = "faults[].do.processing", .type = CONFIG_TEXT, .help = "Stay processing for so long, or forever."},
    {.path = "faults[].do.validation", .type = CONFIG_TEXT, .choices = "valid|invalid", .help = "The outcome of a validation, whatever there is."},
    {.path = "audit", .type = CONFIG_TEXT, .option = "--audit", .argument = "FILE", .help = "Append every certificate issued, every revocation and every refusal to FILE; none: to nothing; default: audit.jsonl in the state directory."},
    {.path = "housekeeping", .type = CONFIG_SECTION, .help = "When what has ended leaves the database."},
    {.path = "housekeeping.interval", .type = CONFIG_DURATION, .fallback = "10m", .max = 3.2e7, .help = "Between two rounds; 0: never."},
    {.path = "housekeeping.keep", .type = CONFIG_DURATION, .fallback = "1d", .max = 3.2e9, .help = "How long an order or authorization stays after its end."},
    {.path = "housekeeping.certificates_keep", .type = CONFIG_DURATION, .fallback = "90d", .max = 3.2e9, .help = "How long a certificate stays after its notAfter."},
    {.path = "limits.rate", .type = CONFIG_SECTION, .help = "Rate limits, RFC 8555 section 6.6; 0: none."},
    {.path = "limits.rate.window", .type = CONFIG_DURATION, .fallback = "1h", .min = 1, .max = 3.2e7, .help = "The time in which as many are allowed."},
    {.path = "limits.rate.accounts", .type = CONFIG_INT, .fallback = "0", .max = 1e6, .help = "New accounts of a client address."},
    {.path = "limits.rate.orders", .type = CONFIG_INT, .fallback = "0", .max = 1e6, .help = "New orders and newAuthz of an account."},
    {.path = "limits.rate.identifiers", .type = CONFIG_INT, .fallback = "0", .max = 1e6, .help = "New orders and newAuthz that name an identifier."},
    {.path = "limits.rate.requests", .type = CONFIG_INT, .fallback = "0", .max = 1e6, .help = "POST requests of a client address."},
    {.path = "limits.rate.help", .type = CONFIG_TEXT, .help = "A URL about the limits, told to whom they refuse."},
    {.path = "log", .type = CONFIG_TEXT, .fallback = "info", .choices = "error|warning|info|debug", .option = "--log", .argument = "LEVEL", .help = "Least level of log lines."},
    {.path = "trace", .type = CONFIG_TEXT, .option = "--trace", .argument = "FILE", .help = "Append spans to FILE."},
    {.path = "events", .type = CONFIG_TEXT, .option = "--events", .argument = "FILE", .help = "Append events to FILE."},
    {.path = "time", .type = CONFIG_SECTION, .help = "The bed's clock."},
    {.path = "time.scale", .type = CONFIG_NUMBER, .fallback = "1", .min = 0.001, .max = 1e6, .option = "--time-scale", .argument = "F", .help = "Seconds of its clock per real second."},
    {.path = "time.origin", .type = CONFIG_NUMBER, .fallback = "0", .max = 1e11, .option = "--time-origin", .argument = "T", .help = "Real epoch second at which scaled and real time agree."},
    {0}};
/* clang-format on */

const struct config_program options_program = {
    .name = "nfacme-server",
    .synopsis = "[--config FILE] [--state DIR] [--listen ADDR:PORT] [OPTION]... [backup FILE | check]",
    .purpose = "An ACME server (RFC 8555) with its own CA that issues certificates for 5G core "
               "network functions (TS 33.310).  With no configuration at all it makes its CA and "
               "serves on the loopback address.  It prints one line on standard output when it "
               "serves.  `backup FILE` copies its database while it runs; `check` looks whether a "
               "state directory holds together.  It is a test bed: do not expose it.",
    .keys = keys,
    .positional_max = 2,
};

void options_done(struct options *options) {
    for (unsigned i = 0; i < OPTIONS_NAMES_MAX; i++) {
        free(options->own_names[i]);
    }
    config_free(options->config);
    *options = (struct options){0};
}

void options_done_auto(struct options *options) { options_done(options); }

/* An error of the value at path, with its place in the file. */
static bool fail(const struct options *options, const char *path, struct err *err,
                 const char *what) {
    char where[160];
    config_where(options->config, path, where, sizeof(where));
    return err_set(err, ERR_CONFIG, "%s: %s", where, what);
}

static bool add_name(struct options *options, unsigned *count, const char *name) {
    char *copy = strdup(name);

    for (char *c = copy; c != NULL && *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    for (unsigned i = 0; copy != NULL && i < *count; i++) {
        if (strcmp(options->own_names[i], copy) == 0) {
            free(copy);
            return true;
        }
    }
    options->own_names[*count] = copy;
    options->names[(*count)++] = copy;
    return copy != NULL;
}

static bool read_names(struct options *options, struct err *err) {
    size_t given = config_count(options->config, "names");
    unsigned count = 0;
    bool whole = true;

    if (given > OPTIONS_NAMES_MAX - 3) {
        return fail(options, "names", err, "at most 64 names");
    }
    whole = add_name(options, &count, "localhost") && add_name(options, &count, "127.0.0.1")
            && add_name(options, &count, "::1");
    for (size_t i = 0; whole && i < given; i++) {
        const char *name = config_text_at(options->config, "names", i);
        if (*name == '\0' || strlen(name) > ACME_ID_VALUE_MAX || strpbrk(name, " /[]*") != NULL) {
            return fail(options, "names", err, "not a host name or address");
        }
        whole = add_name(options, &count, name);
    }
    return whole || err_set(err, ERR_NO_MEMORY, "no memory for names");
}

/* "001-01" to the home network domain of TS 23.003 28.2: the MNC has three digits there. */
static bool read_plmn(struct options *options, struct err *err) {
    const char *plmn = config_text(options->config, "ca.plmn");
    size_t digits = strspn(plmn, "0123456789");
    size_t mnc = digits == 3 && plmn[3] == '-' ? strspn(plmn + 4, "0123456789") : 0;

    if (mnc < 2 || mnc > 3 || plmn[4 + mnc] != '\0') {
        return fail(options, "ca.plmn", err, "a PLMN is MCC-MNC, such as 001-01");
    }
    (void)snprintf(options->domain, sizeof(options->domain),
                   "5gc.mnc%s%.3s.mcc%.3s.3gppnetwork.org", mnc == 2 ? "0" : "", plmn + 4, plmn);
    return true;
}

static bool read_ca(struct options *options, struct err *err) {
    const struct config *config = options->config;
    struct err uri = {0};

    options->ca_depth = (unsigned)config_int(config, "ca.depth");
    options->country = config_text(config, "ca.country");
    options->import_cert = config_text(config, "ca.import_cert");
    options->import_key = config_text(config, "ca.import_key");
    options->key_uri = config_text(config, "ca.key_uri");
    options->key_module = config_text(config, "ca.key_module");
    options->alternates = (unsigned)config_int(config, "ca.alternates");
    if (options->key_uri != NULL
        && (!ca_engine_check(options->key_uri, &uri) || options->import_key != NULL)) {
        return fail(options, "ca.key_uri", err,
                    options->import_key != NULL ? "the CA's key is either a file or in a token"
                                                : uri.detail);
    }
    bool key =
        options->import_key != NULL || (options->key_uri != NULL && options->import_cert != NULL);
    if ((options->import_cert == NULL) == key) {
        return fail(options, options->import_cert == NULL ? "ca.import_key" : "ca.import_cert", err,
                    "an imported CA needs its certificate and its key");
    }
    if (!key_type_parse(config_text(config, "ca.key"), &options->ca_key)
        || options->ca_key == KEY_P521) {
        return fail(options, "ca.key", err, "no such key type");
    }
    if (strlen(options->country) != 2 || !isupper((unsigned char)options->country[0])
        || !isupper((unsigned char)options->country[1])) {
        return fail(options, "ca.country", err, "a country is two capital letters");
    }
    return read_plmn(options, err);
}

static bool read_excluded(struct options *options, struct err *err) {
    const size_t count = config_count(options->config, "validation.exclude");
    struct cidr ignored;

    if (count > VA_EXCLUDE_MAX) {
        return fail(options, "validation.exclude", err, "at most 64 ranges");
    }
    for (size_t i = 0; i < count; i++) {
        options->exclude[i] = config_text_at(options->config, "validation.exclude", i);
        if (!cidr_parse(options->exclude[i], &ignored)) {
            return fail(options, "validation.exclude", err, "not an address or ADDR/BITS");
        }
    }
    return true;
}

/* URLs that answers carry. */
static bool read_urls(struct options *options, struct err *err) {
    static const char *const paths[] = {"account.terms_of_service", "directory.website",
                                        "limits.rate.help"};
    const char **const places[] = {&options->terms, &options->website, &options->limits_help};

    for (unsigned i = 0; i < COUNT(paths); i++) {
        struct err why = {0};
        *places[i] = config_text(options->config, paths[i]);
        if (*places[i] != NULL && !terms_url_check(*places[i], &why)) {
            return fail(options, paths[i], err, why.detail);
        }
    }
    return true;
}

static bool read_caa(struct options *options, struct err *err) {
    const char *caa = config_text(options->config, "validation.caa");

    options->caa_reuse_us = config_duration_us(options->config, "validation.caa_reuse");
    options->caa = strcmp(caa, "on") == 0
                   || (strcmp(caa, "auto") == 0 && options->resolver != NULL
                       && options->caa_identities[0] != NULL);
    return !options->caa || options->caa_identities[0] != NULL
           || fail(options, "validation.caa", err, "no --caa-identity says how CAA means this CA");
}

static bool read_accounts(struct options *options, struct err *err) {
    const struct config *config = options->config;
    size_t count = config_count(config, "directory.caa_identities");

    options->blocked_keys = config_text(config, "policy.blocked_keys");
    options->limits.window_us = config_duration_us(config, "limits.rate.window");
    for (unsigned i = 0; i < THROTTLE__COUNT; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "limits.rate.%s", throttle_name((enum throttle_limit)i));
        options->limits.count[i] = (unsigned)config_int(config, path);
    }
    if (count > OPTIONS_CAA_MAX) {
        return fail(options, "directory.caa_identities", err, "at most 16 names");
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = config_text_at(config, "directory.caa_identities", i);
        if (*name == '\0' || strspn(name, HOST_CHARACTERS) != strlen(name)) {
            return fail(options, "directory.caa_identities", err, "not a host name");
        }
        options->caa_identities[i] = name;
    }
    return read_caa(options, err) && read_urls(options, err);
}

static void read_log(const char *name) {
    enum log_level level = LOG_INFO;

    (void)log_level_parse(name, &level); /* one of the choices of its row */
    log_level_set(level);
}

bool options_read(struct config *config, struct options *ret, struct err *err) {
    *ret = (struct options){
        .config = config,
        .state_dir = config_text(config, "state"),
        .listen = config_text(config, "listen"),
        .pki = config_text(config, "pki"),
        .admin = config_text(config, "admin"),
        .memory = strcmp(config_text(config, "store"), "memory") == 0,
        .key_binding = config_bool(config, "validation.key_binding"),
        .token_authority = config_text(config, "validation.token_authority"),
        .http01_port = (unsigned)config_int(config, "validation.http01_port"),
        .tlsalpn01_port = (unsigned)config_int(config, "validation.tlsalpn01_port"),
        .retries = (unsigned)config_int(config, "validation.retries"),
        .retry_interval_us = config_duration_us(config, "validation.retry_interval"),
        .history = (unsigned)config_int(config, "validation.history"),
        .resolver = config_text(config, "validation.resolver"),
        .resolve_to = config_text(config, "validation.resolve_to"),
        .require_eab = config_bool(config, "eab.required"),
        .trace = config_text(config, "trace"),
        .events = config_text(config, "events"),
        .clock = {.scale = config_number(config, "time.scale"),
                  .origin_us = (uint64_t)(config_number(config, "time.origin") * US_PER_S)},
        .fault_seed = (uint64_t)config_int(config, "fault_seed"),
        .audit = config_text(config, "audit"),
        .housekeeping_us = config_duration_us(config, "housekeeping.interval"),
        .keep_us = config_duration_us(config, "housekeeping.keep"),
        .certificate_keep_us = config_duration_us(config, "housekeeping.certificates_keep"),
        .threads = (unsigned)config_int(config, "threads"),
        .connections_max = (unsigned)config_int(config, "limits.connections"),
        .accounts_kept = (unsigned)config_int(config, "limits.accounts_kept"),
        .profiles = config_bool(config, "profiles.offered"),
        .ari = config_bool(config, "ari.offered"),
        .ari_retry_us = config_duration_us(config, "ari.retry_after"),
        .authz_reuse = (unsigned)config_int(config, "authz.reuse"),
        .subdomains = strcmp(config_text(config, "authz.subdomains"), "on") == 0,
        .finalize_delay_us = config_duration_us(config, "finalize.delay"),
        .order_lifetime_us = config_duration_us(config, "lifetimes.order"),
        .authz_lifetime_us = config_duration_us(config, "lifetimes.authorization"),
        .crl_lifetime_us = config_duration_us(config, "lifetimes.crl"),
        .ocsp_lifetime_us = config_duration_us(config, "lifetimes.ocsp"),
    };
    read_log(config_text(config, "log"));
    return read_names(ret, err) && read_excluded(ret, err) && read_accounts(ret, err)
           && read_ca(ret, err);
}
