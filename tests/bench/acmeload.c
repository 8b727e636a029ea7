/* Load for any RFC 8555 server: whole flows, many at once, counted and timed; and the look whether
 * all it acknowledged is there still. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/key.h"
#include "common/run.h"
#include "common/x509.h"
#include "tests/bench/load_crowd.h"
#include "tests/bench/load_verify.h"

/* clang-format off */
static const struct config_key keys[] = {
    {.path = "directory", .type = CONFIG_TEXT, .option = "--directory", .argument = "URL", .help = "The ACME server's directory."},
    {.path = "ca_file", .type = CONFIG_TEXT, .option = "--ca-file", .argument = "PEM", .help = "What its TLS certificate is verified with."},
    {.path = "flows", .type = CONFIG_INT, .fallback = "64", .min = 1, .max = 100000, .option = "--flows", .argument = "N", .help = "Flows under way at a time."},
    {.path = "connections", .type = CONFIG_INT, .fallback = "64", .min = 1, .max = 10000, .option = "--connections", .argument = "C", .help = "Connections, and requests under way at a time."},
    {.path = "seconds", .type = CONFIG_INT, .fallback = "10", .min = 1, .max = 86400, .option = "--seconds", .argument = "S", .help = "Begin flows for so long; those under way are finished."},
    {.path = "certificates", .type = CONFIG_INT, .fallback = "0", .max = 1e9, .option = "--certificates", .argument = "N", .help = "Begin so many flows instead."},
    {.path = "http01_port", .type = CONFIG_INT, .fallback = "5002", .min = 1, .max = 65535, .option = "--http01-port", .argument = "P", .help = "Answer http-01 here, on 127.0.0.1."},
    {.path = "identifiers", .type = CONFIG_TEXT, .fallback = "dns", .option = "--identifiers", .argument = "LIST", .help = "dns, nf and ip, separated by commas: orders take them in turn."},
    {.path = "accounts", .type = CONFIG_TEXT, .fallback = "per-flow", .option = "--accounts", .argument = "per-flow|N|one|mix", .help = "An account for each flow, N or one for all, or every other flow its own and 64 for the rest."},
    {.path = "orders_at_once", .type = CONFIG_INT, .fallback = "0", .max = 100000, .option = "--orders-at-once", .argument = "K", .help = "K of the flows share one account more."},
    {.path = "names", .type = CONFIG_INT, .fallback = "1", .min = 1, .max = LOAD_NAMES_MAX, .option = "--names", .argument = "N", .help = "Names in an order, for dns."},
    {.path = "authority_key", .type = CONFIG_TEXT, .option = "--token-authority-key", .argument = "PEM", .help = "Sign authority tokens for nf."},
    {.path = "authority_cert", .type = CONFIG_TEXT, .option = "--token-authority-cert", .argument = "PEM", .help = "Its certificate."},
    {.path = "poll_ms", .type = CONFIG_INT, .fallback = "5", .min = 1, .max = 60000, .option = "--poll-ms", .argument = "MS", .help = "The first pause between polls; it doubles up to a second."},
    {.path = "ride_out", .type = CONFIG_BOOL, .fallback = "false", .option = "--ride-out", .help = "The server may go and come back: flows go on from their order; counted as interrupted."},
    {.path = "json", .type = CONFIG_TEXT, .option = "--json", .argument = "FILE", .help = "Write the figures there."},
    {.path = "record", .type = CONFIG_TEXT, .option = "--record", .argument = "FILE", .help = "Write what the server acknowledged there, and the accounts' keys to FILE.keys."},
    {.path = "verify", .type = CONFIG_TEXT, .option = "--verify", .argument = "FILE", .help = "Run nothing; see whether all that was recorded there is there."},
    {.path = "pid", .type = CONFIG_INT, .fallback = "0", .max = 4194304, .option = "--pid", .argument = "PID", .help = "Watch CPU and memory of this process."},
    {.path = "seed", .type = CONFIG_INT, .fallback = "0", .max = 9e15, .option = "--seed", .argument = "N", .help = "Of the identifiers; 0: by the clock."},
    {0}};
/* clang-format on */

static const struct config_program program = {
    .name = "acmeload",
    .synopsis = "--directory URL --ca-file PEM [OPTION]...",
    .purpose = "Loads an ACME server (RFC 8555) with whole flows.  Exit status 1 when anything was "
               "not as it must be.",
    .keys = keys};

static bool read_kinds(const char *text, struct crowd_options *ret, struct err *err) {
    AUTO(free) char *copy = strdup(text);
    char *rest = copy;
    const char *word = NULL;

    while ((word = strsep(&rest, ",")) != NULL) {
        if (ret->kind_count == LOAD_KIND__COUNT
            || !load_kind_parse(word, &ret->kinds[ret->kind_count++])) {
            return err_set(err, ERR_CONFIG, "--identifiers: not a list of dns, nf, ip: %s", text);
        }
    }
    return true;
}

static bool read_accounts(const char *text, struct crowd_options *ret, struct err *err) {
    unsigned number = 0;

    ret->shared = 1;
    if (strcmp(text, "per-flow") == 0) {
        ret->accounts = CROWD_PER_FLOW;
        ret->shared = 0;
    } else if (strcmp(text, "mix") == 0) {
        ret->accounts = CROWD_MIX;
        ret->shared = 64;
    } else {
        ret->accounts = CROWD_SHARED;
        if (strcmp(text, "one") != 0) {
            if (sscanf(text, "%6u", &number) != 1 || number == 0) {
                return err_set(err, ERR_CONFIG, "--accounts: %s", text);
            }
            ret->shared = number;
        }
    }
    return true;
}

static bool read_options(const struct config *config, struct crowd_options *ret, struct err *err) {
    *ret = (struct crowd_options){.flows = (unsigned)config_int(config, "flows"),
                                  .certificates = (uint64_t)config_int(config, "certificates"),
                                  .seconds = (unsigned)config_int(config, "seconds"),
                                  .orders_at_once = (unsigned)config_int(config, "orders_at_once"),
                                  .names = (unsigned)config_int(config, "names"),
                                  .seed = (uint64_t)config_int(config, "seed"),
                                  .pid = (pid_t)config_int(config, "pid"),
                                  .bed = {.poll_us = (uint64_t)config_int(config, "poll_ms") * 1000,
                                          .ride_out = config_bool(config, "ride_out")}};
    if (ret->seed == 0) {
        ret->seed = clock_wall_us();
    }
    if (config_text(config, "directory") == NULL || config_text(config, "ca_file") == NULL) {
        return err_set(err, ERR_CONFIG, "--directory and --ca-file are needed");
    }
    return read_kinds(config_text(config, "identifiers"), ret, err)
           && read_accounts(config_text(config, "accounts"), ret, err);
}

static bool read_authority(const struct config *config, struct load_authority *ret,
                           struct err *err) {
    const char *key = config_text(config, "authority_key");
    const char *cert = config_text(config, "authority_cert");

    if (key == NULL) {
        return true;
    }
    ret->key = key_read_file(key, err);
    ret->chain = ret->key == NULL || cert == NULL ? NULL : x509_chain_read_file(cert, err);
    return err->kind == ERR_NONE;
}

/* Figures to the screen and to --json. */
static bool report(const struct config *config, struct load_stats *stats, struct err *err) {
    AUTO(json_release) json_t *figures = load_stats_json(stats);
    const char *path = config_text(config, "json");

    if (figures == NULL || (path != NULL && json_dump_file(figures, path, JSON_INDENT(1)) != 0)) {
        return err_set(err, ERR_CONFIG, "cannot write the figures");
    }
    load_stats_print(figures);
    return true;
}

static bool load(const struct config *config, struct crowd_options *options, struct err *err) {
    const char *record = config_text(config, "record");
    AUTO(responder_stop)
    struct responder *responder = responder_start((unsigned)config_int(config, "http01_port"), err);

    options->bed.responder = responder;
    if (responder == NULL || !read_authority(config, &options->bed.authority, err)) {
        return false;
    }
    options->bed.facts = record == NULL ? NULL : facts_open(record, err);
    bool good = err->kind == ERR_NONE && crowd_run(options, err);
    if (!facts_close(options->bed.facts)) {
        good = err_set(err, ERR_CONFIG, "%s could not be written", record);
    }
    EVP_PKEY_free(options->bed.authority.key);
    chain_free(options->bed.authority.chain);
    good = report(config, options->bed.stats, err) && good;
    return good && load_stats_errors(options->bed.stats) == 0;
}

static bool verify(const struct config *config, const struct crowd_options *options,
                   struct err *err) {
    struct fact_list list;
    uint64_t missing = 0;
    bool good = fact_list_read(config_text(config, "verify"), &list, err)
                && verify_run(options->bed.loop, options->bed.wire, &list,
                              (unsigned)config_int(config, "connections"), &missing, err);

    if (good) {
        (void)printf("%zu facts, %" PRIu64 " of them not there\n", list.count, missing);
    }
    fact_list_done(&list);
    return good && missing == 0;
}

static bool run(const struct config *config, struct err *err) {
    struct crowd_options options;

    if (!read_options(config, &options, err)) {
        return false;
    }
    AUTO(chain_free)
    X509_CHAIN *anchors = x509_chain_read_file(config_text(config, "ca_file"), err);
    AUTO(X509_STORE_free) X509_STORE *trust = anchors == NULL ? NULL : x509_trust(anchors, err);
    AUTO(load_stats_free) struct load_stats *stats = load_stats_new();
    AUTO(loop_free) struct loop *loop = trust == NULL || stats == NULL ? NULL : loop_new(err);
    if (loop == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory to begin");
    }
    const struct wire_options wire_options = {.loop = loop,
                                              .trust = trust,
                                              .directory = config_text(config, "directory"),
                                              .connections =
                                                  (unsigned)config_int(config, "connections"),
                                              .stats = stats};
    AUTO(wire_free) struct wire *wire = wire_new(&wire_options, err);
    if (wire == NULL) {
        return false;
    }
    options.bed.loop = loop;
    options.bed.wire = wire;
    options.bed.stats = stats;
    return config_text(config, "verify") != NULL ? verify(config, &options, err)
                                                 : load(config, &options, err);
}

int main(int argc, char **argv) {
    AUTO(config_free) struct config *config = NULL;
    struct err err = {0};

    run_signals_block();
    (void)run_files_max();
    switch (config_start(&program, argc, argv, &config)) {
    case CONFIG_EXIT_OK:
        return RUN_OK;
    case CONFIG_EXIT_USAGE:
        return RUN_USAGE;
    case CONFIG_RUN:
        break;
    }
    bool good = run(config, &err);
    if (err.kind != ERR_NONE) {
        run_complain("acmeload", &err);
        return err.kind == ERR_CONFIG ? RUN_SETUP : RUN_FAILED;
    }
    return good ? RUN_OK : RUN_FAILED;
}
