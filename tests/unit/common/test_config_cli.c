#include "common/config.h"
#include "suite.h"

/* clang-format off */
static const struct config_key keys[] = {
    {.path = "state", .type = CONFIG_TEXT, .fallback = "./x.state", .option = "--state", .argument = "DIR", .help = "Where accounts, orders and keys are kept, in a folder made when it is not there yet."},
    {.path = "name", .type = CONFIG_TEXTS, .option = "--name", .argument = "HOST", .help = "A further name."},
    {.path = "store", .type = CONFIG_TEXT, .fallback = "sqlite", .choices = "sqlite|memory", .option = "--store", .argument = "KIND", .help = "Where records live."},
    {.path = "no_tui", .type = CONFIG_BOOL, .fallback = "false", .option = "--no-tui", .help = "No table."},
    {.path = "port", .type = CONFIG_INT, .fallback = "80", .min = 1, .max = 65535, .option = "--http01-port", .argument = "N", .help = "Port."},
    {.path = "limits", .type = CONFIG_SECTION, .help = "Limits of one process. And more."},
    {.path = "limits.body", .type = CONFIG_INT, .fallback = "100", .option = "--a-quite-long-option-name", .argument = "OCTETS", .help = "Longest body."},
    {.path = "limits.life", .type = CONFIG_DURATION, .fallback = "90d", .help = "Only in the file."},
    {0},
};
/* clang-format on */
static const struct config_program program = {
    "nfacme-test", "[OPTION]... [SCENARIO]",
    "Does nothing at all, in a way that is described here in more words than fit into one line "
    "of a terminal. Twice.",
    keys, 1};

/* Run a command line of words parted by "|"; what went to stdout and stderr is the caller's. */
static enum config_outcome start(const char *line, struct config **ret, char **ret_out,
                                 char **ret_err) {
    static char copy[2000];
    static char name[] = "nfacme-test";
    char *argv[32] = {name};
    int argc = 1;
    char *rest = copy;
    (void)snprintf(copy, sizeof(copy), "%s", line);
    while (line[0] != '\0' && rest != NULL) {
        argv[argc++] = strsep(&rest, "|");
    }
    struct caught out = catch_start(STDOUT_FILENO);
    struct caught err = catch_start(STDERR_FILENO);
    enum config_outcome outcome = config_start(&program, argc, argv, ret);
    *ret_err = catch_end(&err);
    *ret_out = catch_end(&out);
    return outcome;
}

static struct config *run(const char *line) {
    struct config *config = NULL;
    AUTO(free) char *out = NULL;
    AUTO(free) char *err = NULL;
    enum config_outcome outcome = start(line, &config, &out, &err);
    ck_assert_msg(outcome == CONFIG_RUN && config != NULL, "%s", err);
    ck_assert_str_eq(out, "");
    ck_assert_str_eq(err, "");
    return config;
}

START_TEST(options_come_in_both_forms) {
    AUTO(config_free)
    struct config *config = run("--state|a|--name=x|--no-tui|--http01-port=5|--name|y|word");
    ck_assert_str_eq(config_text(config, "state"), "a");
    ck_assert_uint_eq(config_count(config, "name"), 2);
    ck_assert_str_eq(config_text_at(config, "name", 0), "x");
    ck_assert_str_eq(config_text_at(config, "name", 1), "y");
    ck_assert(config_bool(config, "no_tui"));
    ck_assert_int_eq(config_int(config, "port"), 5);
    ck_assert_str_eq(config_positional(config, 0), "word");
    ck_assert_ptr_null(config_positional(config, 1));
    ck_assert(config_is_set(config, "port"));
    ck_assert(!config_is_set(config, "store"));
}
END_TEST

START_TEST(nothing_at_all_is_every_default) {
    AUTO(config_free) struct config *config = run("");
    ck_assert_str_eq(config_text(config, "state"), "./x.state");
    ck_assert_ptr_null(config_positional(config, 0));
}
END_TEST

START_TEST(after_two_hyphens_words_are_words) {
    AUTO(config_free) struct config *config = run("--no-tui|--|--state");
    ck_assert_str_eq(config_positional(config, 0), "--state");
    ck_assert(config_bool(config, "no_tui"));
}
END_TEST

static void file_write_text(char *path, const char *text) {
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, text, strlen(text)), (long)strlen(text));
    (void)close(fd);
}

START_TEST(options_win_over_the_file_and_sets_change_it) {
    char path[] = "/tmp/cliXXXXXX";
    char line[200];
    file_write_text(path, "state: f\nname: [p, q]\nport: 7\nlimits: {body: 1}\n");
    (void)snprintf(line, sizeof(line), "--state|o|--name|z|--config|%s|--set|limits.life=5m", path);
    AUTO(config_free) struct config *config = run(line);
    ck_assert_str_eq(config_text(config, "state"), "o");
    ck_assert_uint_eq(config_count(config, "name"), 1);
    ck_assert_str_eq(config_text_at(config, "name", 0), "z");
    ck_assert_int_eq(config_int(config, "port"), 7);
    ck_assert_int_eq(config_int(config, "limits.body"), 1);
    ck_assert_uint_eq(config_duration_us(config, "limits.life"), 300000000);
    char where[100];
    config_where(config, "state", where, sizeof(where));
    ck_assert_str_eq(where, "--state");
    (void)unlink(path);
}
END_TEST

/* clang-format off */
static const struct { const char *line, *message; } wrong[] = {
    {"--stroe|x", "unknown option \"--stroe\"; did you mean --store?"},
    {"--stroe=x", "unknown option \"--stroe\"; did you mean --store?"},
    {"--verison", "unknown option \"--verison\"; did you mean --version?"},
    {"--entirely-else", "unknown option \"--entirely-else\"; see --help"},
    {"-x", "unknown option \"-x\"; see --help"},
    {"--state", "--state needs a value"},
    {"--no-tui=true", "--no-tui takes no value"},
    {"a|b", "unexpected word \"b\"; see --help"},
    {"--http01-port|x", "--http01-port: \"x\" is not an integer"},
    {"--http01-port|0", "--http01-port: 0 is not in 1 to 65535"},
    {"--store=x", "--store: \"x\" is not one of sqlite|memory"},
    {"--set|port", "--set: \"port\" is not path=value"},
    {"--set|prt=5", "--set: prt: unknown key; did you mean \"port\"?"},
    {"--config|a|--config|b", "--config is given twice"},
    {"--config|/nonexistent/x", "/nonexistent/x"},
};
/* clang-format on */

START_TEST(a_usage_error_is_one_line_and_not_a_run) {
    for (unsigned i = 0; i < COUNT(wrong); i++) {
        struct config *config = NULL;
        AUTO(free) char *out = NULL;
        AUTO(free) char *err = NULL;
        ck_assert_int_eq(start(wrong[i].line, &config, &out, &err), CONFIG_EXIT_USAGE);
        ck_assert_ptr_null(config);
        ck_assert_str_eq(out, "");
        ck_assert_msg(strncmp(err, "nfacme-test: ", 13) == 0, "%s", err);
        ck_assert_msg(strncmp(err + 13, wrong[i].message, strlen(wrong[i].message)) == 0, "%s",
                      err);
        ck_assert_msg(strchr(err, '\n') == err + strlen(err) - 1, "%s", err);
    }
}
END_TEST

START_TEST(help_fits_80_columns_and_shows_every_key) {
    struct config *config = NULL;
    AUTO(free) char *out = NULL;
    AUTO(free) char *err = NULL;
    ck_assert_int_eq(start("--state|x|--help", &config, &out, &err), CONFIG_EXIT_OK);
    for (const struct config_key *key = keys; key->path != NULL; key++) {
        bool shown = strstr(out, key->option == NULL ? key->path : key->option) != NULL;
        ck_assert_msg(shown, "%s", key->path);
    }
    ck_assert_ptr_nonnull(strstr(out, "Usage: nfacme-test [OPTION]... [SCENARIO]\n"));
    ck_assert_ptr_nonnull(strstr(out, "\nLimits of one process:\n"));
    ck_assert_ptr_nonnull(strstr(out, "[default: 80]"));
    ck_assert_ptr_nonnull(strstr(out, "--print-config"));
    char *rest = out;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        ck_assert_msg(strlen(line) <= 80, "%s", line);
        ck_assert_msg(line[0] == '\0' || line[strlen(line) - 1] != ' ', "%s", line);
    }
}
END_TEST

START_TEST(the_manual_page_is_roff) {
    struct config *config = NULL;
    AUTO(free) char *out = NULL;
    AUTO(free) char *err = NULL;
    ck_assert_int_eq(start("--man", &config, &out, &err), CONFIG_EXIT_OK);
    ck_assert_int_eq(strncmp(out, ".TH \"nfacme-test\" 1", 19), 0);
    static const char *const parts[] = {".SH NAME\nnfacme\\-test \\- Does nothing",
                                        ".SH SYNOPSIS",
                                        ".SH OPTIONS",
                                        "\\fB\\-\\-http01\\-port N\\fR",
                                        ".SH CONFIGURATION FILE",
                                        "\\fBlimits.life\\fR",
                                        ".SH EXIT STATUS"};
    for (unsigned i = 0; i < COUNT(parts); i++) {
        ck_assert_msg(strstr(out, parts[i]) != NULL, "%s in %s", parts[i], out);
    }
}
END_TEST

START_TEST(the_version_is_one_line) {
    struct config *config = NULL;
    AUTO(free) char *out = NULL;
    AUTO(free) char *err = NULL;
    ck_assert_int_eq(start("--version", &config, &out, &err), CONFIG_EXIT_OK);
    ck_assert_str_eq(out, "nfacme-test 0.1.0\n");
}
END_TEST

START_TEST(the_printed_config_is_a_config_file) {
    struct config *config = NULL;
    AUTO(free) char *out = NULL;
    AUTO(free) char *err = NULL;
    char path[] = "/tmp/cliXXXXXX";
    char line[100];
    ck_assert_int_eq(start("--name|a b|--http01-port|9|--print-config", &config, &out, &err),
                     CONFIG_EXIT_OK);
    ck_assert_ptr_nonnull(strstr(out, "# Port.\nport: 9\n"));
    file_write_text(path, out);
    (void)snprintf(line, sizeof(line), "--config=%s", path);
    AUTO(config_free) struct config *back = run(line);
    ck_assert_int_eq(config_int(back, "port"), 9);
    ck_assert_str_eq(config_text_at(back, "name", 0), "a b");
    (void)unlink(path);
    AUTO(free) char *none = NULL;
    AUTO(free) char *complaint = NULL;
    ck_assert_int_eq(start("--print-config|--http01-port|x", &config, &none, &complaint),
                     CONFIG_EXIT_USAGE);
}
END_TEST

int main(void) {
    const TTest *tests[] = {options_come_in_both_forms,
                            nothing_at_all_is_every_default,
                            after_two_hyphens_words_are_words,
                            options_win_over_the_file_and_sets_change_it,
                            a_usage_error_is_one_line_and_not_a_run,
                            help_fits_80_columns_and_shows_every_key,
                            the_manual_page_is_roff,
                            the_version_is_one_line,
                            the_printed_config_is_a_config_file};
    return suite_run("config_cli", tests, COUNT(tests));
}
