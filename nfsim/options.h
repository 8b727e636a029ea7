/* The command lines of nfsim's commands, one table each. */
#pragma once

#include "common/clock.h"
#include "common/config.h"
#include "common/err.h"
#include "nfsim/init.h"
#include "nfsim/oam.h"
#include "nfsim/runner.h"
#include "nfsim/scenario.h"

#define OPTIONS_SETS_MAX 64 /* --set on one command line */

enum options_command {
    OPTIONS_INIT,
    OPTIONS_OAM,
    OPTIONS_RUN,
    OPTIONS_REPORT,
    OPTIONS_EXPORT,
    OPTIONS_SCENARIO,
    OPTIONS__COUNT
};

/* Which command a word names; false: none. */
bool options_command(const char *word, enum options_command *ret);
/* What to do without one: --help, --version, or usage; returns the exit status. */
int options_no_command(int argc, char **argv);

struct options {
    struct config *config;                  /* owned */
    char *command;                          /* the whole line, to repeat it; owned */
    const char *sets[OPTIONS_SETS_MAX + 3]; /* NULL-terminated, of the scenario; borrowed */
    char seed[48], plmn[48];                /* "seed=…", "plmn=…", pointed to by sets */
    struct clock clock;
};
void options_done(struct options *options);
void options_done_auto(struct options *options);

/*
 * Read a command's line; argv[0] is the command.  false: *ret_exit is the exit status (help was
 * printed, or what is wrong was).   ret must stay where it is while in use.
 */
MUST_CHECK bool options_read(enum options_command command, int argc, char **argv,
                             struct options *ret, int *ret_exit);

/* The parts of each command; texts are borrowed from options. */
MUST_CHECK bool options_scenario(const struct options *options, struct scenario *ret,
                                 struct err *err);
struct init_options options_init(const struct options *options, const struct scenario *scenario);
struct oam_options options_oam(const struct options *options);
struct runner_options options_run(const struct options *options, struct scenario *scenario);
