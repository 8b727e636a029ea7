#include <string.h>

#include "common/config_internal.h"
#include "common/file.h"
#include "common/run.h"

/* What a command line asks for, besides edits. */
struct command {
    const struct config_program *program;
    int argc;
    char **argv;
    const char *file;
    bool print;
    unsigned positional;
};

enum built_in { NOT_BUILT_IN, HELP, MAN, VERSION, PRINT, CONFIG_FILE, SET };
static const struct {
    const char *option;
    enum built_in what;
    bool value;
} built_ins[] = {
    {"--help", HELP, false},
    {"-h", HELP, false},
    {"--man", MAN, false},
    {"--version", VERSION, false},
    {"--print-config", PRINT, false},
    {"--config", CONFIG_FILE, true},
    {"--set", SET, true},
};

/* One word of the command line, taken apart. */
struct word {
    char option[CONFIG_PATH_SIZE]; /* without "=value"; "" = positional */
    const char *value;             /* after "=", or the next word when the option takes one */
    enum built_in built_in;
    const struct config_key *row;
};

static bool fail_unknown(const struct command *command, const char *option, struct err *err) {
    struct config_guess guess = {0};

    for (unsigned i = 0; i < COUNT(built_ins); i++) {
        config_guess_try(&guess, option, built_ins[i].option);
    }
    for (const struct config_key *row = command->program->keys; row->path != NULL; row++) {
        if (row->option != NULL) {
            config_guess_try(&guess, option, row->option);
        }
    }
    if (guess.best != NULL) {
        return err_set_param(err, ERR_CONFIG, option, "unknown option \"%.60s\"; did you mean %s?",
                             option, guess.best);
    }
    return err_set_param(err, ERR_CONFIG, option, "unknown option \"%.60s\"; see --help", option);
}

static bool find_option(const struct command *command, struct word *word, bool *ret_takes) {
    for (unsigned i = 0; i < COUNT(built_ins); i++) {
        if (strcmp(built_ins[i].option, word->option) == 0) {
            word->built_in = built_ins[i].what;
            *ret_takes = built_ins[i].value;
            return true;
        }
    }
    for (const struct config_key *row = command->program->keys; row->path != NULL; row++) {
        if (row->option != NULL && strcmp(row->option, word->option) == 0) {
            word->row = row;
            *ret_takes = row->type != CONFIG_BOOL || row->argument != NULL;
            return true;
        }
    }
    return false;
}

/* A reading of the command line, from left to right. */
struct reader {
    const struct command *command;
    int at;
    bool only_words; /* "--" was seen */
};

/* The option at the reader taken apart, with its value. */
static bool read_option(struct reader *reader, struct word *word, struct err *err) {
    const char *text = reader->command->argv[reader->at++];
    size_t len = strcspn(text, "=");
    bool takes = false;

    (void)snprintf(word->option, sizeof(word->option), "%.*s", (int)(len < 100 ? len : 100), text);
    word->value = text[len] == '=' ? text + len + 1 : NULL;
    if (!find_option(reader->command, word, &takes)) {
        return fail_unknown(reader->command, word->option, err);
    }
    if (!takes && word->value != NULL) {
        return err_set_param(err, ERR_CONFIG, word->option, "%s takes no value", word->option);
    }
    if (takes && word->value == NULL) {
        if (reader->at >= reader->command->argc) {
            return err_set_param(err, ERR_CONFIG, word->option, "%s needs a value", word->option);
        }
        word->value = reader->command->argv[reader->at++];
    }
    return true;
}

/* The next word; false at the end and, with err set, at a word that cannot be understood. */
static bool next_word(struct reader *reader, struct word *word, struct err *err) {
    const struct command *command = reader->command;

    if (reader->at < command->argc && !reader->only_words
        && strcmp(command->argv[reader->at], "--") == 0) {
        reader->only_words = true;
        reader->at++;
    }
    if (reader->at >= command->argc) {
        return false;
    }
    const char *text = command->argv[reader->at];
    *word = (struct word){.value = text};
    if (!reader->only_words && text[0] == '-' && text[1] != '\0') {
        return read_option(reader, word, err);
    }
    reader->at++;
    return true;
}

/* First reading: usage errors, what is to be printed, which file; nothing is edited yet. */
static bool scan(struct command *command, enum built_in *ret_print, struct err *err) {
    struct reader reader = {.command = command, .at = 1};
    struct word word;

    while (next_word(&reader, &word, err)) {
        if (word.option[0] == '\0' && ++command->positional > command->program->positional_max) {
            return err_set(err, ERR_CONFIG, "unexpected word \"%.60s\"; see --help", word.value);
        }
        if (word.built_in == HELP || word.built_in == MAN || word.built_in == VERSION) {
            *ret_print = word.built_in;
            return true;
        }
        if (word.built_in == CONFIG_FILE && command->file != NULL) {
            return err_set_param(err, ERR_CONFIG, "--config", "--config is given twice");
        }
        command->file = word.built_in == CONFIG_FILE ? word.value : command->file;
        command->print = command->print || word.built_in == PRINT;
    }
    return err->kind == ERR_NONE;
}

/* Was this option given before the word at end?  Then a CONFIG_TEXTS grows instead of being
 * replaced. */
static bool given_before(const struct command *command, const struct config_key *row, int end) {
    struct reader reader = {.command = command, .at = 1};
    struct err ignored = {0};
    struct word word;

    while (reader.at < end && next_word(&reader, &word, &ignored)) {
        if (word.row == row) {
            return true;
        }
    }
    return false;
}

/* Second reading: every edit, in the order given. */
static bool apply(const struct command *command, struct config *config, struct err *err) {
    struct reader reader = {.command = command, .at = 1};
    struct word word;
    unsigned positional = 0;

    for (int start = 1; next_word(&reader, &word, err); start = reader.at) {
        bool applied = true;
        if (word.option[0] == '\0') {
            config->positional[positional++] = word.value;
        } else if (word.built_in == SET) {
            applied = config_edit_set(config, word.value, err);
        } else if (word.row != NULL) {
            applied = config_edit(config, word.row->path, word.value == NULL ? "true" : word.value,
                                  given_before(command, word.row, start), word.row->option, err);
        }
        if (!applied) {
            return false;
        }
    }
    return err->kind == ERR_NONE;
}

static struct config *build(const struct command *command, struct err *err) {
    size_t len = 0;
    AUTO(free) char *text = command->file == NULL ? NULL : file_read(command->file, &len, err);
    const char *name = command->file == NULL ? "command line" : command->file;

    if (command->file != NULL && text == NULL) {
        return NULL;
    }
    AUTO(config_free) struct config *config = config_new(name, command->program->keys, err);
    if (config == NULL) {
        return NULL;
    }
    free(config->positional);
    config->positional = calloc(command->positional + 1, sizeof(*config->positional));
    config->root = config_node_read(name, text == NULL ? "" : text, len, NULL, err);
    if (config->positional == NULL || config->root == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the configuration");
        return NULL;
    }
    if (!apply(command, config, err) || !config_check(config, err)) {
        return NULL;
    }
    return TAKE(config);
}

static void print(const struct config_program *program, enum built_in what) {
    if (what == HELP) {
        config_help(program, stdout);
    } else if (what == MAN) {
        config_man(program, stdout);
    } else {
        (void)printf("%s %s\n", program->name, run_version);
    }
}

enum config_outcome config_start(const struct config_program *program, int argc, char **argv,
                                 struct config **ret) {
    struct command command = {.program = program, .argc = argc, .argv = argv};
    enum built_in wanted = NOT_BUILT_IN;
    struct err err = {0};

    if (!scan(&command, &wanted, &err)) {
        run_complain(program->name, &err);
        return CONFIG_EXIT_USAGE;
    }
    if (wanted != NOT_BUILT_IN) {
        print(program, wanted);
        return CONFIG_EXIT_OK;
    }
    AUTO(config_free) struct config *config = build(&command, &err);
    if (config == NULL) {
        run_complain(program->name, &err);
        return CONFIG_EXIT_USAGE;
    }
    if (command.print) {
        config_print(config, stdout);
        return CONFIG_EXIT_OK;
    }
    *ret = TAKE(config);
    return CONFIG_RUN;
}
