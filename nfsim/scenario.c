#include "nfsim/scenario.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "nfsim/expect.h"

#define PATH_SIZE 64
#define FILE_SIZE 4096

/* clang-format off */
static const struct config_key keys[] = {
    {.path = "name", .type = CONFIG_TEXT, .fallback = "unnamed", .help = "Its name."},
    {.path = "question", .type = CONFIG_TEXT, .fallback = "", .help = "What the run answers."},
    {.path = "seed", .type = CONFIG_INT, .fallback = "1", .max = 9e15, .help = "Seed of ids and samples."},
    {.path = "plmn", .type = CONFIG_TEXT, .fallback = "001-01", .help = "MCC-MNC."},
    {.path = "profile", .type = CONFIG_TEXT, .fallback = "nf-client", .choices = "nf-client|nf-server|nf-both|tls-server|none", .help = "Certificate profile asked for."},
    {.path = "fqdn", .type = CONFIG_BOOL, .fallback = "false", .help = "NFs ask for their FQDN too."},
    {.path = "key_binding", .type = CONFIG_BOOL, .fallback = "false", .help = "An NF's assertion names the key its certificate will be for (cnf.jkt), and the token is bound to it."},
    {.path = "use", .type = CONFIG_TEXT, .fallback = "mtls", .choices = "mtls|none", .help = "What an NF does with its certificate."},
    {.path = "verify", .type = CONFIG_TEXT, .fallback = "nf", .choices = "nf|names", .help = "How an NF judges its certificate."},
    {.path = "fleet", .type = CONFIG_LIST, .help = "Types and how many of each."},
    {.path = "fleet[].type", .type = CONFIG_TEXT, .help = "NF type, TS 29.510."},
    {.path = "fleet[].count", .type = CONFIG_INT, .fallback = "1", .min = 1, .max = FLEET_MAX, .help = "How many."},
    {.path = "phases", .type = CONFIG_LIST, .help = "Arrivals, one after the other."},
    {.path = "phases[].arrival", .type = CONFIG_TEXT, .fallback = "constant", .choices = "constant|closed", .help = "Open loop at a constant rate, or closed loop."},
    {.path = "phases[].rate_per_s", .type = CONFIG_NUMBER, .fallback = "50", .min = 0.001, .max = 1e6, .help = "Starts per second."},
    {.path = "phases[].for_s", .type = CONFIG_DURATION, .fallback = "0", .max = 1e7, .help = "How long; 0: until count."},
    {.path = "phases[].count", .type = CONFIG_INT, .fallback = "0", .max = FLEET_MAX, .help = "How many; 0: the rest of the fleet."},
    {.path = "phases[].concurrency", .type = CONFIG_INT, .fallback = "16", .min = 1, .max = 100000, .help = "Closed loop: at once."},
    {.path = "max_in_flight", .type = CONFIG_INT, .fallback = "0", .max = 1000000, .help = "NFs at once; 0: from the open-file limit."},
    {.path = "start_timeout_s", .type = CONFIG_DURATION, .fallback = "10", .max = 86400, .help = "How long an arrival waits for its turn before it is shed."},
    {.path = "timeout_s", .type = CONFIG_DURATION, .fallback = "120", .min = 1, .max = 86400, .help = "How long an enrolment may take."},
    {.path = "trace_sample", .type = CONFIG_INT, .fallback = "100", .max = 10000, .help = "How many enrolments are traced."},
    {.path = "expect", .type = CONFIG_LIST, .help = "What decides the exit status."},
    {.path = "expect[].check", .type = CONFIG_TEXT, .help = "The figure judged."},
    {.path = "expect[].min", .type = CONFIG_NUMBER, .help = "Not less than."},
    {.path = "expect[].max", .type = CONFIG_NUMBER, .help = "Not more than."},
    {.path = "client", .type = CONFIG_SECTION, .help = "The shared client of the bed."},
    {.path = "client.args", .type = CONFIG_TEXTS, .help = "Further words of its command line."},
    {.path = "server", .type = CONFIG_SECTION, .help = "The ACME server of the bed."},
    {.path = "server.args", .type = CONFIG_TEXTS, .help = "Further words of its command line."},
    {0},
};
/* clang-format on */

void scenario_done(struct scenario *scenario) {
    free(scenario->path);
    config_free(scenario->config);
    *scenario = (struct scenario){0};
}

void scenario_done_auto(struct scenario *scenario) { scenario_done(scenario); }

/* An error found after reading, at the place of a value. */
static bool wrong(const struct config *config, const char *path, const char *what,
                  struct err *err) {
    char where[160];

    config_where(config, path, where, sizeof where);
    return err_set(err, ERR_CONFIG, "%s: %s", where, what);
}

static bool read_fleet(struct scenario *scenario, struct err *err) {
    const struct config *config = scenario->config;
    struct fleet *fleet = &scenario->fleet;
    const size_t count = config_count(config, "fleet");
    uint64_t total = 0;

    if (count == 0 || count > FLEET_TYPES_MAX) {
        return wrong(config, "fleet", "needs 1 to 64 entries", err);
    }
    for (size_t i = 0; i < count; i++) {
        struct fleet_type *type = &fleet->types[i];
        char path[PATH_SIZE];

        (void)snprintf(path, sizeof path, "fleet[%zu].type", i);
        const char *name = config_text(config, path);
        if (name == NULL) {
            (void)snprintf(path, sizeof path, "fleet[%zu]", i);
            return wrong(config, path, "type is missing", err);
        }
        if (!nftypes_known(name)) {
            return wrong(config, path, "is not an NF type of TS 29.510", err);
        }
        (void)snprintf(type->type, sizeof type->type, "%s", name);
        (void)snprintf(path, sizeof path, "fleet[%zu].count", i);
        type->count = (uint32_t)config_int(config, path);
        total += type->count;
    }
    fleet->types_count = (unsigned)count;
    return total <= FLEET_MAX || wrong(config, "fleet", "has more than 1000000 NFs", err);
}

static void read_phase(const struct config *config, size_t index, struct scenario_phase *ret) {
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "phases[%zu].arrival", index);
    ret->arrival =
        strcmp(config_text(config, path), "closed") == 0 ? SCENARIO_CLOSED : SCENARIO_CONSTANT;
    (void)snprintf(path, sizeof path, "phases[%zu].rate_per_s", index);
    ret->rate_per_s = config_number(config, path);
    (void)snprintf(path, sizeof path, "phases[%zu].for_s", index);
    ret->for_us = config_duration_us(config, path);
    (void)snprintf(path, sizeof path, "phases[%zu].count", index);
    ret->count = (uint32_t)config_int(config, path);
    (void)snprintf(path, sizeof path, "phases[%zu].concurrency", index);
    ret->concurrency = (uint32_t)config_int(config, path);
}

static bool read_phases(struct scenario *scenario, struct err *err) {
    const size_t count = config_count(scenario->config, "phases");

    if (count > SCENARIO_PHASES_MAX) {
        return wrong(scenario->config, "phases", "has more than 32 entries", err);
    }
    for (size_t i = 0; i < count; i++) {
        read_phase(scenario->config, i, &scenario->phases[i]);
    }
    if (count == 0) {
        scenario->phases[0] = (struct scenario_phase){.rate_per_s = 50, .concurrency = 16};
    }
    scenario->phases_count = count == 0 ? 1 : (unsigned)count;
    return true;
}

static bool read_expect(struct scenario *scenario, struct err *err) {
    const struct config *config = scenario->config;
    const size_t count = config_count(config, "expect");

    if (count > SCENARIO_EXPECT_MAX) {
        return wrong(config, "expect", "has more than 64 entries", err);
    }
    for (size_t i = 0; i < count; i++) {
        struct scenario_expect *expect = &scenario->expect[i];
        char path[PATH_SIZE];

        (void)snprintf(path, sizeof path, "expect[%zu].check", i);
        const char *check = config_text(config, path);
        if (check == NULL) {
            (void)snprintf(path, sizeof path, "expect[%zu]", i);
            return wrong(config, path, "check is missing", err);
        }
        if (!expect_known(check)) {
            return wrong(config, path, "is not a figure", err);
        }
        (void)snprintf(expect->check, sizeof expect->check, "%s", check);
        (void)snprintf(path, sizeof path, "expect[%zu].min", i);
        expect->has_min = config_is_set(config, path);
        expect->min = expect->has_min ? config_number(config, path) : 0;
        (void)snprintf(path, sizeof path, "expect[%zu].max", i);
        expect->has_max = config_is_set(config, path);
        expect->max = expect->has_max ? config_number(config, path) : 0;
        if (!expect->has_min && !expect->has_max) {
            (void)snprintf(path, sizeof path, "expect[%zu].check", i);
            return wrong(config, path, "needs min, max or both", err);
        }
    }
    scenario->expect_count = (unsigned)count;
    return true;
}

static bool fill(struct scenario *scenario, struct err *err) {
    const struct config *config = scenario->config;

    scenario->name = config_text(config, "name");
    scenario->question = config_text(config, "question");
    scenario->fleet.seed = (uint64_t)config_int(config, "seed");
    scenario->profile = config_text(config, "profile");
    if (strcmp(scenario->profile, "none") == 0) {
        scenario->profile = "";
    }
    scenario->fqdn = config_bool(config, "fqdn");
    scenario->key_binding = config_bool(config, "key_binding");
    scenario->use_mtls = strcmp(config_text(config, "use"), "mtls") == 0;
    scenario->verify_names = strcmp(config_text(config, "verify"), "names") == 0;
    scenario->max_in_flight = (uint32_t)config_int(config, "max_in_flight");
    scenario->start_timeout_us = config_duration_us(config, "start_timeout_s");
    scenario->timeout_us = config_duration_us(config, "timeout_s");
    scenario->trace_sample = (uint32_t)config_int(config, "trace_sample");
    struct err plmn = {0};
    if (!fleet_plmn(config_text(config, "plmn"), &scenario->fleet, &plmn)) {
        return wrong(config, "plmn", plmn.detail, err);
    }
    return read_fleet(scenario, err) && read_phases(scenario, err) && read_expect(scenario, err);
}

/* Where the tree's scenarios/ is seen from build/nfsim/nfsim. */
static bool beside_program(const char *name, char path[FILE_SIZE]) {
    char program[FILE_SIZE - 256];
    const ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);

    if (len <= 0) {
        return false;
    }
    program[len] = '\0';
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(program, '/');
        if (slash == NULL) {
            return false;
        }
        *slash = '\0';
    }
    (void)snprintf(path, FILE_SIZE, "%s/scenarios/%.128s.yaml", program, name);
    return access(path, R_OK) == 0;
}

static void find(const char *file_or_name, char path[FILE_SIZE]) {
    if (access(file_or_name, R_OK) == 0 || strchr(file_or_name, '/') != NULL) {
        (void)snprintf(path, FILE_SIZE, "%s", file_or_name);
        return;
    }
    (void)snprintf(path, FILE_SIZE, "scenarios/%s.yaml", file_or_name);
    if (access(path, R_OK) != 0 && !beside_program(file_or_name, path)) {
        (void)snprintf(path, FILE_SIZE, "%s", file_or_name);
    }
}

static bool finish(struct scenario *scenario, const char *path, struct scenario *ret,
                   struct err *err) {
    scenario->path = strdup(path);
    if (scenario->path == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a scenario");
    }
    if (!fill(scenario, err)) {
        return false;
    }
    *ret = *scenario;
    *scenario = (struct scenario){0};
    return true;
}

bool scenario_read(const char *file_or_name, const char *const *sets, struct scenario *ret,
                   struct err *err) {
    AUTO(scenario_done) struct scenario scenario = {0};
    char path[FILE_SIZE];

    find(file_or_name, path);
    scenario.config = config_read(path, keys, sets, err);
    return scenario.config != NULL && finish(&scenario, path, ret, err);
}

bool scenario_read_text(const char *name, const char *text, size_t len, const char *const *sets,
                        struct scenario *ret, struct err *err) {
    AUTO(scenario_done) struct scenario scenario = {0};

    scenario.config = config_read_text(name, text, len, keys, sets, err);
    return scenario.config != NULL && finish(&scenario, name, ret, err);
}

/* "fleet[3].type" is described by the key "fleet[].type". */
static const struct config_key *key_of(const char *path) {
    AUTO(buf_done) struct buf plain = buf_new(PATH_SIZE);

    for (const char *c = path; *c != '\0'; c++) {
        (void)buf_add(&plain, c, 1);
        if (*c == '[') {
            c += strcspn(c, "]");
            (void)buf_text(&plain, "]");
            if (*c == '\0') {
                break;
            }
        }
    }
    for (const struct config_key *key = keys; key->path != NULL; key++) {
        if (!plain.failed && plain.data != NULL && strcmp(key->path, plain.data) == 0) {
            return key;
        }
    }
    return NULL;
}

bool scenario_print(const struct scenario *scenario, const char *path, FILE *out, struct err *err) {
    const struct config *config = scenario->config;
    const struct config_key *key = key_of(path);

    if (key == NULL) {
        return err_set(err, ERR_CONFIG, "%.128s: no such key", path);
    }
    switch (key->type) {
    case CONFIG_TEXT: {
        const char *text = config_text(config, path);
        if (text != NULL) {
            (void)fprintf(out, "%s\n", text);
        }
        break;
    }
    case CONFIG_INT:
        (void)fprintf(out, "%" PRId64 "\n", config_int(config, path));
        break;
    case CONFIG_NUMBER:
        (void)fprintf(out, "%g\n", config_number(config, path));
        break;
    case CONFIG_BOOL:
        (void)fprintf(out, "%s\n", config_bool(config, path) ? "true" : "false");
        break;
    case CONFIG_DURATION:
        (void)fprintf(out, "%g\n", (double)config_duration_us(config, path) / 1e6);
        break;
    case CONFIG_TEXTS:
        for (size_t i = 0; i < config_count(config, path); i++) {
            (void)fprintf(out, "%s\n", config_text_at(config, path, i));
        }
        break;
    case CONFIG_LIST:
        (void)fprintf(out, "%zu\n", config_count(config, path));
        break;
    case CONFIG_SECTION:
        return err_set(err, ERR_CONFIG, "%.128s: has keys of its own", path);
    }
    return true;
}

uint32_t scenario_nfs(const struct scenario *scenario, uint32_t nfs, double rate_per_s,
                      uint64_t for_us) {
    const double arrivals = ceil(rate_per_s * ((double)for_us / 1e6));

    if (nfs != 0) {
        return nfs;
    }
    if (arrivals >= 1) {
        return arrivals > FLEET_MAX ? FLEET_MAX : (uint32_t)arrivals;
    }
    return fleet_total(&scenario->fleet);
}
