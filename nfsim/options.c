#include "nfsim/options.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/run.h"

#define COMMAND_MAX 16384

#define STATE_KEY                                                                                  \
    {                                                                                              \
        .path = "state", .type = CONFIG_TEXT, .fallback = "./nfsim.state", .option = "--state",    \
        .argument = "DIR", .help = "The OAM's folder, made by nfsim init."                         \
    }
#define NFS_KEY                                                                                    \
    {                                                                                              \
        .path = "nfs", .type = CONFIG_INT, .fallback = "0", .max = FLEET_MAX, .option = "--nfs",   \
        .argument = "N",                                                                           \
        .help = "How many NFs, in the fleet's proportions; 0: as the scenario says."               \
    }
#define SEED_KEY                                                                                   \
    {                                                                                              \
        .path = "seed", .type = CONFIG_INT, .max = 9e15, .option = "--seed", .argument = "S",      \
        .help = "Instead of the scenario's seed."                                                  \
    }
#define PLMN_KEY                                                                                   \
    {                                                                                              \
        .path = "plmn", .type = CONFIG_TEXT, .option = "--plmn", .argument = "MCC-MNC",            \
        .help = "Instead of the scenario's PLMN."                                                  \
    }
#define CLOCK_KEYS                                                                                 \
    {.path = "time.scale",                                                                         \
     .type = CONFIG_NUMBER,                                                                        \
     .fallback = "1",                                                                              \
     .min = 0.001,                                                                                 \
     .max = 1e6,                                                                                   \
     .option = "--time-scale",                                                                     \
     .argument = "F",                                                                              \
     .help = "Seconds of its clock per real second."},                                             \
    {                                                                                              \
        .path = "time.origin", .type = CONFIG_NUMBER, .fallback = "0", .max = 1e11,                \
        .option = "--time-origin", .argument = "T",                                                \
        .help = "Real epoch second at which scaled and real time agree."                           \
    }
#define TIME_SECTION                                                                               \
    { .path = "time", .type = CONFIG_SECTION, .help = "The bed's clock." }

/* clang-format off */
static const struct config_key init_keys[] = {
    STATE_KEY, NFS_KEY, SEED_KEY, PLMN_KEY,
    {.path = "rate", .type = CONFIG_NUMBER, .fallback = "0", .max = 1e6, .option = "--rate", .argument = "R", .help = "As for run: with --for it says how many NFs."},
    {.path = "for", .type = CONFIG_DURATION, .fallback = "0", .max = 1e7, .option = "--for", .argument = "SECONDS", .help = "As for run."},
    {.path = "quiet", .type = CONFIG_BOOL, .fallback = "false", .option = "--quiet", .help = "No progress on standard error."},
    {.path = "no_tui", .type = CONFIG_BOOL, .fallback = "false", .option = "--no-tui", .help = "Plain progress lines."},
    TIME_SECTION, CLOCK_KEYS, {0}};
static const struct config_key oam_keys[] = {
    STATE_KEY,
    {.path = "listen", .type = CONFIG_TEXT, .fallback = "127.0.0.1:16000", .option = "--listen", .argument = "ADDR:PORT", .help = "Where to serve; port 0 picks a free one."},
    {.path = "operator_root", .type = CONFIG_TEXT, .option = "--operator-root", .argument = "PEM", .help = "Assertions may be signed under the operator's certificates, too."},
    {.path = "token_lifetime", .type = CONFIG_DURATION, .fallback = "90d", .min = 1, .max = 9.5e7, .option = "--token-lifetime", .argument = "D", .help = "How long authority tokens live."},
    {.path = "threads", .type = CONFIG_INT, .fallback = "1", .min = 1, .max = 64, .option = "--threads", .argument = "N", .help = "HTTP threads."},
    {.path = "trace", .type = CONFIG_TEXT, .option = "--trace", .argument = "FILE", .help = "Append spans to FILE."},
    {.path = "events", .type = CONFIG_TEXT, .option = "--events", .argument = "FILE", .help = "Append events to FILE."},
    TIME_SECTION, CLOCK_KEYS, {0}};
static const struct config_key run_keys[] = {
    STATE_KEY, NFS_KEY, SEED_KEY, PLMN_KEY,
    {.path = "api", .type = CONFIG_TEXT, .option = "--api", .argument = "URL", .help = "The shared client's API root."},
    {.path = "operator_root", .type = CONFIG_TEXT, .option = "--operator-root", .argument = "PEM", .help = "The operator's root: what certificates must lead to."},
    {.path = "client_name", .type = CONFIG_TEXT, .option = "--client-name", .argument = "NAME", .help = "Whom assertions are for; default: the registered client."},
    {.path = "out", .type = CONFIG_TEXT, .option = "--out", .argument = "DIR", .help = "Write the run bundle there."},
    {.path = "rate", .type = CONFIG_NUMBER, .fallback = "0", .max = 1e6, .option = "--rate", .argument = "R", .help = "Starts per second, instead of the scenario's."},
    {.path = "for", .type = CONFIG_DURATION, .fallback = "0", .max = 1e7, .option = "--for", .argument = "SECONDS", .help = "How long NFs start; with --rate and without --nfs the fleet is as large as needed."},
    {.path = "client_pid", .type = CONFIG_INT, .fallback = "0", .max = 4194304, .option = "--client-pid", .argument = "N", .help = "Measure its CPU and memory."},
    {.path = "server_pid", .type = CONFIG_INT, .fallback = "0", .max = 4194304, .option = "--server-pid", .argument = "N", .help = "Measure its CPU and memory."},
    {.path = "oam_pid", .type = CONFIG_INT, .fallback = "0", .max = 4194304, .option = "--oam-pid", .argument = "N", .help = "Measure its CPU and memory."},
    {.path = "client_admin", .type = CONFIG_TEXT, .option = "--client-admin", .argument = "URL", .help = "Count ACME requests by its metrics."},
    {.path = "server_admin", .type = CONFIG_TEXT, .option = "--server-admin", .argument = "URL", .help = "Count ACME requests by its metrics when there is no client's."},
    {.path = "no_tui", .type = CONFIG_BOOL, .fallback = "false", .option = "--no-tui", .help = "Plain progress lines."},
    TIME_SECTION, CLOCK_KEYS, {0}};
static const struct config_key report_keys[] = {{0}};
static const struct config_key export_keys[] = {
    STATE_KEY,
    {.path = "out", .type = CONFIG_TEXT, .option = "--out", .argument = "DIR", .help = "Where the files go; made when absent."},
    {.path = "client_name", .type = CONFIG_TEXT, .option = "--client-name", .argument = "NAME", .help = "Whom the assertion is for; default: the registered client."},
    {.path = "fqdn", .type = CONFIG_BOOL, .fallback = "false", .option = "--fqdn", .help = "Ask for the FQDN, too."},
    {.path = "bind", .type = CONFIG_TEXT, .option = "--bind", .argument = "PEM", .help = "The assertion names this private key as the one the certificate will be for (cnf.jkt)."},
    {.path = "profile", .type = CONFIG_TEXT, .option = "--profile", .argument = "NAME", .help = "Ask for this profile."},
    TIME_SECTION, CLOCK_KEYS, {0}};
static const struct config_key scenario_keys[] = {
    {.path = "get", .type = CONFIG_TEXTS, .option = "--get", .argument = "PATH", .help = "Print the value at PATH, one line each for lists."},
    SEED_KEY, PLMN_KEY, {0}};

static const struct config_program programs[] = {
    [OPTIONS_INIT] = {"nfsim init", "SCENARIO --state DIR [--nfs N] [--set path=value]...",
        "Make the fleet and its first trust: the OAM's CA and certificates, and per NF an id, names, a key and a bootstrap certificate.", init_keys, 1},
    [OPTIONS_OAM] = {"nfsim oam", "[--state DIR] [--listen ADDR:PORT] [--token-lifetime D]",
        "Serve the OAM: inventory and Token Authority.", oam_keys, 0},
    [OPTIONS_RUN] = {"nfsim run", "SCENARIO --state DIR --api URL --operator-root PEM [--out DIR] [--set path=value]...",
        "Let the fleet enrol through the shared client and measure the nine steps.", run_keys, 1},
    [OPTIONS_REPORT] = {"nfsim report", "DIR",
        "Render flow.svg and report.html of a run bundle anew.", report_keys, 1},
    [OPTIONS_EXPORT] = {"nfsim export", "NF --state DIR --out DIR",
        "Write one NF's bootstrap certificate, key, assertion and trust as files. NF is an id, an FQDN, an index, or type and number such as amf-1.", export_keys, 1},
    [OPTIONS_SCENARIO] = {"nfsim scenario", "SCENARIO [--get PATH]... [--set path=value]...",
        "Check a scenario and print its values.", scenario_keys, 1},
};
/* clang-format on */
static_assert(COUNT(programs) == OPTIONS__COUNT, "one table per command");

static const char *word_of(enum options_command command) {
    return programs[command].name + strlen("nfsim ");
}

bool options_command(const char *word, enum options_command *ret) {
    for (int i = 0; i < OPTIONS__COUNT; i++) {
        if (strcmp(word, word_of(i)) == 0) {
            *ret = (enum options_command)i;
            return true;
        }
    }
    return false;
}

static void help(FILE *out) {
    (void)fprintf(out, "usage: nfsim COMMAND ...   (nfsim COMMAND --help says more)\n\n");
    for (int i = 0; i < OPTIONS__COUNT; i++) {
        (void)fprintf(out, "  %-9s %s\n", word_of(i), programs[i].purpose);
    }
}

int options_no_command(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        help(stdout);
        return RUN_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        (void)printf("nfsim %s\n", run_version);
        return RUN_OK;
    }
    if (argc > 1) {
        (void)fprintf(stderr, "nfsim: no command \"%s\"\n\n", argv[1]);
    }
    help(stderr);
    return RUN_USAGE;
}

void options_done(struct options *options) {
    config_free(options->config);
    free(options->command);
    *options = (struct options){0};
}

void options_done_auto(struct options *options) { options_done(options); }

static int complain(enum options_command command, const char *what) {
    (void)fprintf(stderr, "%s: %s (see --help)\n", programs[command].name, what);
    return RUN_USAGE;
}

/* --set belongs to the scenario, not to the command's own document: taken out of argv. */
static bool take_sets(int *argc, char **argv, const char **sets, unsigned *ret_count) {
    unsigned count = 0;
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        const char *value = NULL;
        if (strncmp(argv[i], "--set=", 6) == 0) {
            value = argv[i] + 6;
        } else if (strcmp(argv[i], "--set") == 0) {
            if (++i == *argc) {
                return false;
            }
            value = argv[i];
        }
        if (value == NULL) {
            argv[kept++] = argv[i];
        } else if (count == OPTIONS_SETS_MAX) {
            return false;
        } else {
            sets[count++] = value;
        }
    }
    argv[kept] = NULL;
    *argc = kept;
    *ret_count = count;
    return true;
}

/* --seed and --plmn are edits of the scenario, too. */
static void add_sets(struct options *options, unsigned count) {
    const struct config *config = options->config;

    if (config_is_set(config, "seed")) {
        (void)snprintf(options->seed, sizeof options->seed, "seed=%lld",
                       (long long)config_int(config, "seed"));
        options->sets[count++] = options->seed;
    }
    if (config_is_set(config, "plmn")) {
        (void)snprintf(options->plmn, sizeof options->plmn, "plmn=%.32s",
                       config_text(config, "plmn"));
        options->sets[count++] = options->plmn;
    }
    options->sets[count] = NULL;
}

/* What a command cannot do without. */
static const char *missing(enum options_command command, const struct config *config) {
    const bool word = config_positional(config, 0) != NULL;

    switch (command) {
    case OPTIONS_INIT:
    case OPTIONS_SCENARIO:
        return word ? NULL : "which scenario?";
    case OPTIONS_RUN:
        return !word                                          ? "which scenario?"
               : config_text(config, "api") == NULL           ? "--api is missing"
               : config_text(config, "operator_root") == NULL ? "--operator-root is missing"
                                                              : NULL;
    case OPTIONS_REPORT:
        return word ? NULL : "which folder?";
    case OPTIONS_EXPORT:
        return !word ? "which NF?" : config_text(config, "out") == NULL ? "--out is missing" : NULL;
    case OPTIONS_OAM:
    case OPTIONS__COUNT:
        break;
    }
    return NULL;
}

/* The line as a shell takes it. */
static char *line_of(int argc, char **argv) {
    AUTO(buf_done) struct buf line = buf_new(COMMAND_MAX);

    (void)buf_text(&line, "nfsim");
    for (int i = 0; i < argc; i++) {
        const bool plain =
            argv[i][0] != '\0' && strpbrk(argv[i], " \t\n'\"\\$`*?[]{}()<>|&;#~!") == NULL;
        (void)buf_text(&line, plain ? " " : " '");
        for (const char *c = argv[i]; *c != '\0'; c++) {
            (void)(*c == '\'' ? buf_text(&line, "'\\''") : buf_add(&line, c, 1));
        }
        (void)buf_text(&line, plain ? "" : "'");
    }
    return buf_take(&line);
}

bool options_read(enum options_command command, int argc, char **argv, struct options *ret,
                  int *ret_exit) {
    unsigned count = 0;

    *ret = (struct options){.clock = clock_real(), .command = line_of(argc, argv)};
    if (!take_sets(&argc, argv, ret->sets, &count)) {
        *ret_exit = complain(command, "--set wants path=value, 64 times at most");
        return false;
    }
    const enum config_outcome outcome = config_start(&programs[command], argc, argv, &ret->config);
    if (outcome != CONFIG_RUN) {
        *ret_exit = outcome == CONFIG_EXIT_OK ? RUN_OK : RUN_USAGE;
        return false;
    }
    const char *what = missing(command, ret->config);
    if (what != NULL) {
        *ret_exit = complain(command, what);
        return false;
    }
    if (command == OPTIONS_INIT || command == OPTIONS_RUN || command == OPTIONS_SCENARIO) {
        add_sets(ret, count);
    }
    if (command != OPTIONS_REPORT && command != OPTIONS_SCENARIO) {
        ret->clock.scale = config_number(ret->config, "time.scale");
        ret->clock.origin_us = (uint64_t)(config_number(ret->config, "time.origin") * 1e6);
    }
    return true;
}

bool options_scenario(const struct options *options, struct scenario *ret, struct err *err) {
    return scenario_read(config_positional(options->config, 0), options->sets, ret, err);
}

struct init_options options_init(const struct options *options, const struct scenario *scenario) {
    const struct config *config = options->config;
    const double rate_per_s = config_number(config, "rate") > 0 ? config_number(config, "rate")
                                                                : scenario->phases[0].rate_per_s;

    return (struct init_options){.state = config_text(config, "state"),
                                 .fleet = scenario->fleet,
                                 .nfs = scenario_nfs(scenario, (uint32_t)config_int(config, "nfs"),
                                                     rate_per_s, config_duration_us(config, "for")),
                                 .clock = &options->clock,
                                 .quiet = config_bool(config, "quiet"),
                                 .plain = config_bool(config, "no_tui")};
}

struct oam_options options_oam(const struct options *options) {
    const struct config *config = options->config;

    return (struct oam_options){
        .state = config_text(config, "state"),
        .listen = config_text(config, "listen"),
        .operator_root = config_text(config, "operator_root"),
        .token_lifetime_s = (int64_t)(config_duration_us(config, "token_lifetime") / 1000000),
        .threads = (unsigned)config_int(config, "threads"),
        .clock = &options->clock};
}

struct runner_options options_run(const struct options *options, struct scenario *scenario) {
    const struct config *config = options->config;

    return (struct runner_options){.scenario = scenario,
                                   .state = config_text(config, "state"),
                                   .api = config_text(config, "api"),
                                   .operator_root = config_text(config, "operator_root"),
                                   .client_name = config_text(config, "client_name"),
                                   .out = config_text(config, "out"),
                                   .nfs = (uint32_t)config_int(config, "nfs"),
                                   .rate_per_s = config_number(config, "rate"),
                                   .for_us = config_duration_us(config, "for"),
                                   .client_pid = (pid_t)config_int(config, "client_pid"),
                                   .server_pid = (pid_t)config_int(config, "server_pid"),
                                   .oam_pid = (pid_t)config_int(config, "oam_pid"),
                                   .client_admin = config_text(config, "client_admin"),
                                   .server_admin = config_text(config, "server_admin"),
                                   .plain = config_bool(config, "no_tui"),
                                   .command = options->command,
                                   .clock = &options->clock};
}
