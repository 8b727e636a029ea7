#include "client/options.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "client/directory.h"
#include "client/solver.h"
#include "common/b64.h"
#include "common/buf.h"
#include "common/file.h"
#include "common/log.h"
#include "common/ossl.h"
#include "common/x509.h"

#define US_PER_S 1e6
#define TRUST_MAX (1 << 20)

/* clang-format off */
static const struct config_key keys[] = {
    {.path = "directory", .type = CONFIG_TEXT, .option = "--directory", .argument = "URL", .help = "The ACME server's directory; required."},
    {.path = "failover", .type = CONFIG_SECTION, .help = "Further ACME servers."},
    {.path = "failover.directory", .type = CONFIG_TEXTS, .option = "--failover-directory", .argument = "URL", .help = "Where NFs enrol while those before it are down, in this order; their TLS is trusted by --ca-file, too."},
    {.path = "failover.after", .type = CONFIG_DURATION, .fallback = "10", .max = 86400, .help = "An ACME server that is down so long is left by those who have no order yet."},
    {.path = "ca_file", .type = CONFIG_TEXT, .option = "--ca-file", .argument = "PEM", .help = "Trust anchors of the ACME server's TLS certificate; required."},
    {.path = "nf_trust", .type = CONFIG_TEXTS, .option = "--nf-trust", .argument = "PEM", .help = "Trust anchors of NF certificates (bootstrap and operator); required."},
    {.path = "nf_crl", .type = CONFIG_TEXTS, .option = "--nf-crl", .argument = "FILE", .help = "Certificate revocation lists about NF certificates, PEM or DER, 1 MiB each at most; read again when a file changes and on SIGHUP."},
    {.path = "state", .type = CONFIG_TEXT, .fallback = "./nfacme-client.state", .option = "--state", .argument = "DIR", .help = "Where its keys and its database live; made when missing."},
    {.path = "vault_key", .type = CONFIG_TEXT, .option = "--vault-key", .argument = "FILE", .help = "Key that seals the account keys at rest, 32 octets, readable by its owner alone; without it the systemd credential vault.key, or vault.key in the state directory, made when missing."},
    {.path = "listen", .type = CONFIG_TEXT, .fallback = "127.0.0.1:14443", .option = "--listen", .argument = "ADDR:PORT", .help = "The NF-facing API over mutual TLS; port 0 picks a free one."},
    {.path = "admin", .type = CONFIG_TEXT, .fallback = "127.0.0.1:15001", .option = "--admin", .argument = "ADDR:PORT", .help = "Health, metrics and the operators' calls over plain HTTP; list, show, retry and withdraw ask there."},
    {.path = "json", .type = CONFIG_BOOL, .fallback = "false", .option = "--json", .help = "list and show: print JSON, one answer a line."},
    {.path = "limit", .type = CONFIG_INT, .fallback = "1000", .max = 1e9, .option = "--limit", .argument = "N", .help = "list: enrolments at most; 0: all."},
    {.path = "tls_cert", .type = CONFIG_TEXT, .option = "--tls-cert", .argument = "PEM", .help = "Own certificate chain towards NFs and the OAM; without it a self-signed one is made."},
    {.path = "tls_key", .type = CONFIG_TEXT, .option = "--tls-key", .argument = "PEM", .help = "Its private key."},
    {.path = "challenge", .type = CONFIG_TEXT, .fallback = "tkauth-01,http-01,tls-alpn-01,dns-01", .option = "--challenge", .argument = "LIST", .help = "Challenge types it may use, preferred first, separated by commas; one that is not set up is passed over; none: names may be authorised beforehand."},
    {.path = "identifiers", .type = CONFIG_TEXT, .fallback = "auto", .choices = "auto|nf-instance-id|dns|both", .option = "--identifiers", .argument = "auto|nf-instance-id|dns|both", .help = "Names an order holds; auto: NfInstanceId when there is an OAM, dns when the NF gives an fqdn and a challenge for it is set up; each also with the challenge none."},
    {.path = "http01_listen", .type = CONFIG_TEXT, .option = "--http01-listen", .argument = "ADDR:PORT", .help = "Answer http-01 for all NFs here, over plain HTTP."},
    {.path = "tlsalpn01_listen", .type = CONFIG_TEXT, .option = "--tlsalpn01-listen", .argument = "ADDR:PORT", .help = "Answer tls-alpn-01 for all NFs here."},
    {.path = "dns01", .type = CONFIG_SECTION, .help = "dns-01, by signed updates of a zone or by a hook."},
    {.path = "dns01.server", .type = CONFIG_TEXT, .option = "--dns01-server", .argument = "ADDR:PORT", .help = "Name server that takes the updates (RFC 2136, over TCP)."},
    {.path = "dns01.zone", .type = CONFIG_TEXT, .option = "--dns01-zone", .argument = "NAME", .help = "Zone that is updated; every name proven by dns-01 lies in it."},
    {.path = "dns01.key", .type = CONFIG_TEXT, .option = "--dns01-key", .argument = "NAME", .help = "Name of the TSIG key."},
    {.path = "dns01.algorithm", .type = CONFIG_TEXT, .fallback = "hmac-sha256", .choices = "hmac-sha1|hmac-sha256|hmac-sha512", .option = "--dns01-algorithm", .argument = "NAME", .help = "Its algorithm."},
    {.path = "dns01.secret_file", .type = CONFIG_TEXT, .option = "--dns01-secret-file", .argument = "FILE", .help = "Its secret, base64."},
    {.path = "dns01.ttl", .type = CONFIG_INT, .fallback = "60", .min = 0, .max = 86400, .help = "Seconds of the records' TTL."},
    {.path = "dns01.check", .type = CONFIG_TEXTS, .option = "--dns01-check", .argument = "ADDR:PORT", .help = "Name servers that must serve a record before the ACME server is told; without it the one that was updated, with a hook none."},
    {.path = "dns01.wait", .type = CONFIG_DURATION, .fallback = "60s", .max = 3600, .option = "--dns01-wait", .argument = "DURATION", .help = "How long publishing a record may take until it is served; 0: nobody looks."},
    {.path = "dns01.hook", .type = CONFIG_TEXT, .option = "--dns01-hook", .argument = "CMD", .help = "Program called as CMD present|withdraw NAME VALUE, instead of a name server."},
    {.path = "dns01.hook_limit", .type = CONFIG_DURATION, .fallback = "30s", .min = 0.1, .max = 3600, .help = "A call that lasts longer is killed."},
    {.path = "dns01.hook_max", .type = CONFIG_INT, .fallback = "8", .min = 1, .max = 1024, .help = "Calls at a time."},
    {.path = "oam", .type = CONFIG_SECTION, .help = "The Token Authority (tkauth-01)."},
    {.path = "oam.url", .type = CONFIG_TEXT, .option = "--oam", .argument = "URL", .help = "Where authority tokens are fetched."},
    {.path = "oam.ca_file", .type = CONFIG_TEXT, .option = "--oam-ca-file", .argument = "PEM", .help = "Trust anchors of its TLS certificate."},
    {.path = "account_model", .type = CONFIG_TEXT, .fallback = "per-nf", .choices = "per-nf|per-type|shared", .option = "--account-model", .argument = "per-nf|per-type|shared", .help = "Whose ACME accounts: one per NF; the others are not offered by this version."},
    {.path = "eab", .type = CONFIG_TEXT, .option = "--eab", .argument = "KID:BASE64URL", .help = "External account binding for new accounts."},
    {.path = "eab_file", .type = CONFIG_TEXT, .option = "--eab-file", .argument = "YAML", .help = "Binding keys by account, eab: [{account: PATTERN, kid: KID, key: BASE64URL}]; accounts are named by NfInstanceId, type:TYPE or shared.  --eab is for those that none fits."},
    {.path = "renewal", .type = CONFIG_SECTION, .help = "When NFs are told to renew."},
    {.path = "renewal.fraction", .type = CONFIG_NUMBER, .fallback = "0.67", .min = 0.05, .max = 0.95, .help = "Of a certificate's lifetime, when the CA has no renewal information (RFC 9773); up to a twentieth of the lifetime earlier, by chance."},
    {.path = "preferred_chain", .type = CONFIG_TEXT, .option = "--preferred-chain", .argument = "NAME", .help = "When the ACME server offers alternate chains, take the one whose last certificate was issued by this common name; else the first."},
    {.path = "ca_rate", .type = CONFIG_NUMBER, .fallback = "0", .max = 1e6, .option = "--ca-rate", .argument = "N", .help = "Requests a second the ACME server may see, all NFs together, a second's worth at once; 0: no limit."},
    {.path = "nf_tokens", .type = CONFIG_BOOL, .fallback = "false", .option = "--nf-tokens", .help = "An NF may bring its authority token itself (PUT authority-token) instead of an assertion for the OAM."},
    {.path = "account_key_life", .type = CONFIG_DURATION, .fallback = "0", .max = 315360000, .option = "--account-key-life", .argument = "D", .help = "An account's key that is older is changed at the account's next order (RFC 8555 7.3.5), where the ACME server offers that; 0: never."},
    {.path = "renewal.poll", .type = CONFIG_DURATION, .fallback = "6h", .min = 1, .max = 86400, .help = "How often the CA is asked for its renewal window when it does not say."},
    {.path = "keep", .type = CONFIG_DURATION, .fallback = "90d", .max = 315360000, .option = "--keep", .argument = "DURATION", .help = "Enrolments are removed so long after they, or their certificates, have ended; an NF's newest certificate and what is scheduled stay; 0: nothing is removed."},
    {.path = "threads", .type = CONFIG_INT, .fallback = "1", .min = 1, .max = 64, .option = "--threads", .argument = "N", .help = "HTTP threads of the NF-facing API."},
    {.path = "limits", .type = CONFIG_SECTION, .help = "Sizes of what could grow."},
    {.path = "limits.live", .type = CONFIG_INT, .fallback = "100000", .min = 1, .max = 1e7, .help = "Enrolments under way; beyond it NFs get 503."},
    {.path = "limits.held", .type = CONFIG_INT, .fallback = "20000", .min = 1, .max = 1e6, .help = "Requests of NFs held open; beyond it they get 503."},
    {.path = "limits.tenant_rate", .type = CONFIG_NUMBER, .fallback = "20", .max = 1e6, .help = "Requests a second of one NF; beyond it 429; 0: no limit."},
    {.path = "limits.tenant_burst", .type = CONFIG_NUMBER, .fallback = "100", .min = 1, .max = 1e6, .help = "As many of them at once."},
    {.path = "limits.connections", .type = CONFIG_INT, .fallback = "32", .min = 1, .max = 1024, .help = "Connections to the ACME server, and to the OAM."},
    {.path = "seed", .type = CONFIG_INT, .fallback = "1", .option = "--seed", .argument = "N", .help = "Seed of back-off jitter."},
    {.path = "log", .type = CONFIG_TEXT, .fallback = "info", .choices = "error|warning|info|debug", .option = "--log", .argument = "LEVEL", .help = "Least level of log lines."},
    {.path = "trace", .type = CONFIG_TEXT, .option = "--trace", .argument = "FILE", .help = "Append spans to FILE."},
    {.path = "events", .type = CONFIG_TEXT, .option = "--events", .argument = "FILE", .help = "Append events to FILE."},
    {.path = "time", .type = CONFIG_SECTION, .help = "The bed's clock."},
    {.path = "time.scale", .type = CONFIG_NUMBER, .fallback = "1", .min = 0.001, .max = 1e6, .option = "--time-scale", .argument = "F", .help = "Seconds of its clock per real second."},
    {.path = "time.origin", .type = CONFIG_NUMBER, .fallback = "0", .max = 1e11, .option = "--time-origin", .argument = "T", .help = "Real epoch second at which scaled and real time agree."},
    {0}};
/* clang-format on */

const struct config_program options_program = {
    .name = "nfacme-client",
    .synopsis =
        "--directory URL --ca-file PEM --nf-trust PEM... [--config FILE] [OPTION]... [COMMAND]",
    .purpose =
        "A shared ACME client (RFC 8555) for 5G core network functions: NFs ask it over "
        "mutual TLS for certificates, and it holds their ACME accounts, answers their "
        "challenges and forwards their certificate requests (TR 33.776).  It prints one line "
        "on standard output when it serves.  Commands ask the one that runs, at --admin: "
        "`list [STATE] [NF]` its enrolments, newest first; `show ID` one of them with its history; "
        "`retry ID` ends its back-off, or asks once more for what FAILED; `withdraw ID` ends it.  "
        "`backup FILE` copies the database, also while a client runs; `check` tells, a line each, "
        "what is wrong with configuration, files, state, ACME server and clock.  "
        "It is a test bed: do not expose it.",
    .keys = keys,
    .positional_max = 3,
};

void options_done(struct options *options) {
    eab_keys_free(options->eab);
    options_dns01_done(&options->dns01);
    free(options->nf_trust_pem);
    config_free(options->config);
    *options = (struct options){0};
}

void options_done_auto(struct options *options) { options_done(options); }

/* An error of the value at path, with its place in the file. */
static bool fail(const struct options *options, const char *path, struct err *err,
                 const char *what) {
    char where[160];

    config_where(options->config, path, where, sizeof where);
    return err_set(err, ERR_CONFIG, "%s: %s", where, what);
}

static bool read_challenges(struct options *options, struct err *err) {
    const char *list = config_text(options->config, "challenge");

    while (*list != '\0') {
        char name[32] = "";
        const size_t len = strcspn(list, ",");
        if (len < sizeof name) {
            memcpy(name, list, len);
        }
        list += len + (list[len] == ',' ? 1 : 0);
        enum acme_challenge_type type = ACME_CHALLENGE__COUNT;
        if (strcmp(name, "none") == 0) {
            options->challenge_none = true;
            continue;
        }
        if (options->challenges_count == ACME_CHALLENGE__COUNT || !acme_challenge_parse(name, &type)
            || solver_of(type) == NULL) {
            return fail(options, "challenge", err, "not a list of known challenge types");
        }
        options->challenges[options->challenges_count++] = type;
    }
    return options->challenges_count > 0 || options->challenge_none
           || fail(options, "challenge", err, "at least one challenge type is needed");
}

/* Every file must hold certificates; the listener gets their text. */
static bool read_trust(struct options *options, struct err *err) {
    const size_t count = config_count(options->config, "nf_trust");
    AUTO(buf_done) struct buf pem = buf_new(TRUST_MAX);

    for (size_t i = 0; i < count; i++) {
        const char *path = config_text_at(options->config, "nf_trust", i);
        AUTO(chain_free) X509_CHAIN *chain = x509_chain_read_file(path, err);
        if (chain == NULL) {
            return false;
        }
        AUTO(free) char *text = x509_chain_pem(chain, err);
        if (text == NULL || !buf_text(&pem, text)) {
            return err_set(err, ERR_CONFIG, "%s: too many certificates", path);
        }
    }
    options->nf_trust_pem = buf_take(&pem);
    return count > 0 || fail(options, "nf_trust", err, "required (--nf-trust)");
}

static enum account_model model_of(const char *name) {
    switch (name[0]) {
    case 's':
        return ACCOUNT_SHARED;
    case 'p':
        return strcmp(name, "per-type") == 0 ? ACCOUNT_PER_TYPE : ACCOUNT_PER_NF;
    }
    return ACCOUNT_PER_NF;
}

static enum api_identifiers identifiers_of(const char *name) {
    switch (name[0]) {
    case 'n':
        return API_IDENTIFIERS_NF;
    case 'd':
        return API_IDENTIFIERS_DNS;
    case 'b':
        return API_IDENTIFIERS_BOTH;
    }
    return API_IDENTIFIERS_AUTO;
}

static bool read_directories(struct options *options, struct err *err) {
    const size_t count = config_count(options->config, "failover.directory");
    const char *first = config_text(options->config, "directory");

    if (first == NULL || !directory_url(first)) {
        return fail(options, "directory", err, "a URL is required (--directory)");
    }
    if (count >= CAS_MAX) {
        return fail(options, "failover.directory", err, "too many (7 at most)");
    }
    options->directories[options->directories_count++] = first;
    for (size_t i = 0; i < count; i++) {
        const char *url = config_text_at(options->config, "failover.directory", i);
        if (!directory_url(url)) {
            return fail(options, "failover.directory", err, "not a URL");
        }
        options->directories[options->directories_count++] = url;
    }
    return true;
}

static bool check(const struct options *options, struct err *err) {
    if (options->ca_file == NULL) {
        return fail(options, "ca_file", err, "required (--ca-file)");
    }
    if ((options->tls_cert == NULL) != (options->tls_key == NULL)) {
        return fail(options, "tls_cert", err, "--tls-cert and --tls-key go together");
    }
    if ((options->oam == NULL) != (options->oam_ca_file == NULL)) {
        return fail(options, "oam.url", err, "--oam and --oam-ca-file go together");
    }
    if (options->oam != NULL && !directory_url(options->oam)) {
        return fail(options, "oam.url", err, "not a URL");
    }
    if (options->identifiers != API_IDENTIFIERS_DNS && options->identifiers != API_IDENTIFIERS_AUTO
        && options->oam == NULL && !options->nf_tokens && !options->challenge_none) {
        return fail(options, "identifiers", err,
                    "NfInstanceId identifiers need --oam, --nf-tokens, or the challenge none");
    }
    return true;
}

static void read_log(const char *name) {
    enum log_level level = LOG_INFO;

    (void)log_level_parse(name, &level); /* one of the choices of its row */
    log_level_set(level);
}

bool options_read(struct config *config, struct options *ret, struct err *err) {
    *ret = (struct options){
        .config = config,
        .failover_us = config_duration_us(config, "failover.after"),
        .ca_file = config_text(config, "ca_file"),
        .state_dir = config_text(config, "state"),
        .vault_key = config_text(config, "vault_key"),
        .listen = config_text(config, "listen"),
        .admin = config_text(config, "admin"),
        .tls_cert = config_text(config, "tls_cert"),
        .tls_key = config_text(config, "tls_key"),
        .identifiers = identifiers_of(config_text(config, "identifiers")),
        .http01_listen = config_text(config, "http01_listen"),
        .tlsalpn01_listen = config_text(config, "tlsalpn01_listen"),
        .oam = config_text(config, "oam.url"),
        .oam_ca_file = config_text(config, "oam.ca_file"),
        .trace = config_text(config, "trace"),
        .events = config_text(config, "events"),
        .clock = {.scale = config_number(config, "time.scale"),
                  .origin_us = (uint64_t)(config_number(config, "time.origin") * US_PER_S)},
        .seed = (uint64_t)config_int(config, "seed"),
        .renewal = {.fraction = config_number(config, "renewal.fraction"),
                    .poll_us = config_duration_us(config, "renewal.poll"),
                    .seed = (uint64_t)config_int(config, "seed")},
        .preferred_chain = config_text(config, "preferred_chain"),
        .ca_rate = config_number(config, "ca_rate"),
        .tenant_rate = config_number(config, "limits.tenant_rate"),
        .tenant_burst = config_number(config, "limits.tenant_burst"),
        .account_model = model_of(config_text(config, "account_model")),
        .nf_tokens = config_bool(config, "nf_tokens"),
        .account_key_life_us = config_duration_us(config, "account_key_life"),
        .keep_us = config_duration_us(config, "keep"),
        .threads = (unsigned)config_int(config, "threads"),
        .live_max = (unsigned)config_int(config, "limits.live"),
        .held_max = (unsigned)config_int(config, "limits.held"),
        .connections_max = (unsigned)config_int(config, "limits.connections"),
    };
    read_log(config_text(config, "log"));
    return read_directories(ret, err) && read_challenges(ret, err) && check(ret, err) && read_trust(ret, err)
           
           && (ret->eab = eab_keys_read(config_text(config, "eab_file"), config_text(config, "eab"), err)) != NULL && options_dns01_read(config, &ret->dns01, err);
}
