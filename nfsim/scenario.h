/* A scenario: the story of one run as data (YAML).  Unknown keys, wrong types
 * and values out of range name file, line and key. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "common/config.h"
#include "common/err.h"
#include "nfsim/fleet.h"

#define SCENARIO_PHASES_MAX 32
#define SCENARIO_EXPECT_MAX 64

enum scenario_arrival { SCENARIO_CONSTANT, SCENARIO_CLOSED };

struct scenario_phase {
    enum scenario_arrival arrival;
    double rate_per_s;    /* constant: starts per second */
    uint64_t for_us;      /* ends after that long; 0 = when count is reached */
    uint32_t count;       /* at most that many starts; 0 = the rest of the fleet */
    uint32_t concurrency; /* closed: as many at once */
};

struct scenario_expect {
    char check[64];
    bool has_min, has_max;
    double min, max;
};

struct scenario {
    char *path;            /* the file it was read from; owned */
    struct config *config; /* owned; every text below is borrowed from it */
    const char *name, *question;
    struct fleet fleet;
    const char *profile; /* of the certificates; "" = the client's choice */
    bool fqdn;           /* the NF asks for its FQDN too */
    bool key_binding;    /* its assertion names its key */
    bool use_mtls;       /* the NF uses its certificate, towards the producer */
    bool verify_names;   /* verify: names: judge chain, names and key only */
    unsigned phases_count;
    struct scenario_phase phases[SCENARIO_PHASES_MAX];
    uint32_t max_in_flight; /* 0 = from the open-file limit */
    uint64_t start_timeout_us, timeout_us;
    uint32_t trace_sample;
    unsigned expect_count;
    struct scenario_expect expect[SCENARIO_EXPECT_MAX];
};
void scenario_done(struct scenario *scenario);
void scenario_done_auto(struct scenario *scenario);

/*
 * Read a scenario by path, or by name from scenarios/ of the working directory or of the tree the
 * program was built in.
 * sets   NULL-terminated "path=value", or NULL.   err  ERR_CONFIG "file:line: key: what".
 */
MUST_CHECK bool scenario_read(const char *file_or_name, const char *const *sets,
                              struct scenario *ret, struct err *err);
/* The same from text, for tests. */
MUST_CHECK bool scenario_read_text(const char *name, const char *text, size_t len,
                                   const char *const *sets, struct scenario *ret, struct err *err);

/* Print the value at path ("client.args", "fleet[0].type"), one line each for lists, nothing when
 * unset.  ERR_CONFIG: no such key. */
MUST_CHECK bool scenario_print(const struct scenario *scenario, const char *path, FILE *out,
                               struct err *err);

/* How many NFs run: nfs when not 0, else rate x seconds when both are not 0, else the fleet. */
uint32_t scenario_nfs(const struct scenario *scenario, uint32_t nfs, double rate_per_s,
                      uint64_t for_us);
