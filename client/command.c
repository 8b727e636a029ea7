#include "client/command.h"

#include <stdio.h>
#include <string.h>

#include "client/check.h"
#include "client/options.h"
#include "client/remote.h"
#include "client/state.h"
#include "client/store_file.h"
#include "common/run.h"

/* The options a command needs; on failure it has been told. */
static bool options_of(struct config *config, struct options *ret, int *ret_exit) {
    struct err err = {0};

    if (!options_read(config, ret, &err)) {
        run_complain(options_program.name, &err);
        *ret_exit = RUN_USAGE;
        return false;
    }
    return true;
}

/* The state directory alone matters. */
static int backup(struct config *config) {
    const struct options options = {.state_dir = config_text(config, "state")};
    const char *to = config_positional(config, 1);
    char path[STATE_PATH_SIZE];
    struct err err = {0};

    state_path(&options, STATE_DATABASE, path);
    const bool good = store_file_copy(path, to, &err);
    if (good) {
        (void)printf("backup: %s (the vault's key is not in it)\n", to);
    } else {
        run_complain(options_program.name, &err);
    }
    config_free(config);
    return good ? RUN_OK : err.kind == ERR_CONFIG ? RUN_USAGE : RUN_SETUP;
}

static void print_finding(void *ctx, const char *text) {
    (void)ctx;
    (void)printf("%s\n", text);
}

static int check(struct config *config) {
    AUTO(options_done) struct options options = {0};
    int code = RUN_OK;

    if (!options_of(config, &options, &code)) {
        return code;
    }
    const unsigned findings =
        check_run(&(struct check_options){.options = &options, .finding = print_finding});
    if (findings > 0) {
        (void)printf("check: %u findings\n", findings);
        return RUN_FAILED;
    }
    (void)printf("check: clean\n");
    return RUN_OK;
}

static int remote(struct config *config) {
    const int code = remote_run(config);

    config_free(config);
    return code;
}

/* clang-format off */
static const struct {
    const char *word;
    unsigned least, most; /* words after it */
    const char *usage;
    int (*run)(struct config *config); /* takes it */
} commands[] = {
    {"list",     0, 2, "list [STATE] [NF]", remote},
    {"show",     1, 1, "show ID",           remote},
    {"retry",    1, 1, "retry ID",          remote},
    {"withdraw", 1, 1, "withdraw ID",       remote},
    {"backup",   1, 1, "backup FILE",       backup},
    {"check",    0, 0, "check",             check},
};
/* clang-format on */

static int refuse(const char *fmt, const char *what) {
    struct err err = {0};

    (void)err_set(&err, ERR_CONFIG, "%s: %s", what, fmt);
    run_complain(options_program.name, &err);
    return RUN_USAGE;
}

int command_run(struct config *config) {
    AUTO(config_free) struct config *taken = config;
    const char *word = config_positional(taken, 0);
    unsigned words = 0;

    while (config_positional(taken, words + 1) != NULL) {
        words++;
    }
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (strcmp(commands[i].word, word) == 0) {
            return words < commands[i].least || words > commands[i].most
                       ? refuse("that is how it is called", commands[i].usage)
                       : commands[i].run(TAKE(taken));
        }
    }
    return refuse("no such command; see --help", word);
}
