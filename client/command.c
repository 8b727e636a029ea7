#include "client/command.h"

#include <string.h>

#include "client/options.h"
#include "client/remote.h"
#include "common/run.h"

static int remote(const struct config *config) { return remote_run(config); }

/* clang-format off */
static const struct {
    const char *word;
    unsigned least, most; /* words after it */
    const char *usage;
    int (*run)(const struct config *config);
} commands[] = {
    {"list",     0, 2, "list [STATE] [NF]", remote},
    {"show",     1, 1, "show ID",           remote},
    {"retry",    1, 1, "retry ID",          remote},
    {"withdraw", 1, 1, "withdraw ID",       remote},
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
                       : commands[i].run(taken);
        }
    }
    return refuse("no such command; see --help", word);
}
