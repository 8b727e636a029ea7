#include <string.h>

#include "common/config_internal.h"
#include "common/utf8.h"

#define WIDTH 80
#define INDENT 28

/* What every program has. */
/* clang-format off */
static const struct config_key common_keys[] = {
    {.option = "--config", .argument = "FILE", .help = "Read settings from this YAML file."},
    {.option = "--set", .argument = "PATH=VALUE", .help = "Change one setting of the file, such as fleet[0].count=5; may be repeated."},
    {.option = "--print-config", .help = "Print the settings in force as YAML and exit."},
    {.option = "--man", .help = "Print the manual page (roff) and exit."},
    {.option = "--version", .help = "Print the version and exit."},
    {.option = "--help", .help = "Print this and exit."},
    {0},
};
/* clang-format on */

/* Text in lines of at most WIDTH columns; the first starts in column at, the others in indent. */
static void wrap(FILE *out, const char *text, size_t at, size_t indent) {
    size_t column = at;
    bool first = true;

    while (*text != '\0') {
        size_t len = strcspn(text, " \n");
        if (text[0] == '[' && strcspn(text, "]") < WIDTH / 2) { /* "[--config FILE]" stays whole */
            len = strcspn(text, "]") + strcspn(text + strcspn(text, "]"), " \n");
        }
        if (!first && column + 1 + len > WIDTH) {
            (void)fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            (void)fputc(' ', out);
            column++;
        }
        (void)fwrite(text, 1, len, out);
        column += len;
        first = false;
        text += len;
        text += strspn(text, " \n");
    }
    (void)fputc('\n', out);
}

/* The help sentence with its default, choices and whether it repeats. */
static void sentence(const struct config_key *row, char *out, size_t size) {
    bool shown = row->fallback != NULL && row->fallback[0] != '\0' && row->argument != NULL;
    bool told = row->argument != NULL && row->choices != NULL
                && strcmp(row->argument, row->choices) == 0; /* the label lists them already */
    const char *choices = row->choices == NULL || told ? "" : row->choices;
    bool repeats = row->type == CONFIG_TEXTS && row->option != NULL;

    (void)snprintf(out, size, "%s%s%s%s%s%s%s%s", row->help == NULL ? "" : row->help,
                   choices[0] == '\0' ? "" : " One of ", choices, choices[0] == '\0' ? "" : ".",
                   repeats ? " May be repeated." : "", shown ? " [default: " : "",
                   shown ? row->fallback : "", shown ? "]" : "");
}

static void entry(FILE *out, const char *label, const struct config_key *row) {
    char text[512];

    sentence(row, text, sizeof(text));
    int len = fprintf(out, "  %s", label);
    if (len < 0 || len + 2 > INDENT) {
        (void)fprintf(out, "\n%*s", INDENT, "");
    } else {
        (void)fprintf(out, "%*s", INDENT - len, "");
    }
    wrap(out, text, INDENT, INDENT);
}

static void option_label(const struct config_key *row, char *out, size_t size) {
    (void)snprintf(out, size, "%s%s%s", row->option, row->argument == NULL ? "" : " ",
                   row->argument == NULL ? "" : row->argument);
}

/* The options standing directly under a section, or at the top; a heading goes before the first. */
static void option_group(FILE *out, const struct config_key *keys, const char *parent,
                         const char *heading) {
    bool any = false;

    for (const struct config_key *row = keys; row->path != NULL; row++) {
        char label[CONFIG_PATH_SIZE];
        if (row->option == NULL || config_row_under(row, parent) == NULL) {
            continue;
        }
        if (!any) {
            (void)fputc('\n', out);
            wrap(out, heading, 0, 0);
            any = true;
        }
        option_label(row, label, sizeof(label));
        entry(out, label, row);
    }
}

static void file_group(FILE *out, const struct config_key *keys) {
    bool any = false;

    for (const struct config_key *row = keys; row->path != NULL; row++) {
        if (row->option == NULL && row->type != CONFIG_SECTION) {
            (void)fprintf(out, "%s", any ? "" : "\nIn the file or with --set only:\n");
            any = true;
            struct config_key shown = *row;
            shown.argument = "";
            entry(out, row->path, &shown);
        }
    }
}

static const char *synopsis_of(const struct config_program *program) {
    return program->synopsis == NULL ? "[OPTION]..." : program->synopsis;
}

void config_help(const struct config_program *program, FILE *out) {
    int len = fprintf(out, "Usage: %s ", program->name);
    wrap(out, synopsis_of(program), len < 0 ? 0 : (size_t)len, 7);
    if (program->purpose != NULL) {
        (void)fputc('\n', out);
        wrap(out, program->purpose, 0, 0);
    }
    option_group(out, program->keys, "", "Options:");
    for (const struct config_key *row = program->keys; row->path != NULL; row++) {
        if (row->type == CONFIG_SECTION) {
            char heading[256];
            size_t stop = row->help == NULL ? 0 : strcspn(row->help, ".");
            (void)snprintf(heading, sizeof(heading),
                           "%.*s:", (int)(stop == 0 ? strlen(row->path) : stop),
                           stop == 0 ? row->path : row->help);
            option_group(out, program->keys, row->path, heading);
        }
    }
    (void)fprintf(out, "\nGeneral:\n");
    for (const struct config_key *row = common_keys; row->option != NULL; row++) {
        char label[CONFIG_PATH_SIZE];
        option_label(row, label, sizeof(label));
        entry(out, label, row);
    }
    file_group(out, program->keys);
}

/* Text for roff: backslashes, hyphens that are minus signs, and a control character that would
 * begin a line. */
static void roff(FILE *out, const char *text) {
    if (*text == '.' || *text == '\'') {
        (void)fputs("\\&", out);
    }
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            (void)fputs("\\e", out);
        } else if (*text == '-') {
            (void)fputs("\\-", out);
        } else {
            (void)fputc(*text, out);
        }
    }
}

static void man_entry(FILE *out, const char *label, const struct config_key *row) {
    char text[512];

    sentence(row, text, sizeof(text));
    (void)fputs(".TP\n\\fB", out);
    roff(out, label);
    (void)fputs("\\fR\n", out);
    roff(out, text);
    (void)fputc('\n', out);
}

static void man_options(FILE *out, const struct config_key *keys) {
    for (const struct config_key *row = keys; row->path != NULL || row->option != NULL; row++) {
        if (row->option != NULL) {
            char label[CONFIG_PATH_SIZE];
            option_label(row, label, sizeof(label));
            man_entry(out, label, row);
        }
    }
}

void config_man(const struct config_program *program, FILE *out) {
    const char *purpose = program->purpose == NULL ? "" : program->purpose;
    const char *stop = strstr(purpose, ". "); /* a sentence's end, not the dot of "TS 33.310" */
    size_t len = strlen(purpose);
    size_t first =
        stop != NULL ? (size_t)(stop - purpose) : len - (len > 0 && purpose[len - 1] == '.');

    (void)fprintf(out, ".TH \"%s\" 1 \"\" \"nfacme %s\"\n.SH NAME\n", program->name,
                  NFACME_VERSION);
    roff(out, program->name);
    (void)fprintf(out, " \\- %.*s\n.SH SYNOPSIS\n.B ", (int)first, purpose);
    roff(out, program->name);
    (void)fputs("\n", out);
    roff(out, synopsis_of(program));
    (void)fputs("\n.SH DESCRIPTION\n", out);
    roff(out, purpose);
    (void)fputs("\n.SH OPTIONS\n", out);
    man_options(out, program->keys);
    man_options(out, common_keys);
    (void)fputs(".SH CONFIGURATION FILE\nYAML.  Unknown keys are errors.\n", out);
    for (const struct config_key *row = program->keys; row->path != NULL; row++) {
        struct config_key shown = *row;
        shown.argument = row->argument == NULL ? "" : row->argument;
        man_entry(out, row->path, &shown);
    }
    (void)fputs(".SH EXIT STATUS\n.TP\n0\nSuccess; every expectation met.\n.TP\n1\n"
                "An expectation failed.\n.TP\n2\nBad usage or configuration.\n.TP\n3\n"
                "Nothing was run.\n.TP\n4\nCould not set up.\n",
                out);
}

/* A scalar as YAML: plain where that reads back as the same text. */
static void print_scalar(FILE *out, const char *text) {
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_./+-:@";
    struct config_node node = {.text = (char *)(uintptr_t)text};
    size_t len = strlen(text);
    bool plain = len > 0 && text[strspn(text, safe)] == '\0' && strchr("-:@+", text[0]) == NULL
                 && text[len - 1] != ':' && !config_node_is_null(&node);

    if (plain) {
        (void)fputs(text, out);
        return;
    }
    (void)fputc('"', out);
    while (*text != '\0') {
        size_t whole = utf8_len(text);
        if (*text == '"' || *text == '\\') {
            (void)fprintf(out, "\\%c", *text);
        } else if (whole == 0) { /* a control character; C1 has two octets */
            text += (unsigned char)*text == 0xc2 && text[1] != '\0';
            (void)fprintf(out, "\\x%02x", (unsigned char)*text);
        } else {
            (void)fwrite(text, 1, whole, out);
        }
        text += whole == 0 ? 1 : whole;
    }
    (void)fputc('"', out);
}

static void print_map(FILE *out, const struct config_key *keys, const struct config_node *map,
                      const char *pattern, int indent, bool dash);

static void print_seq(FILE *out, const struct config_key *keys, const struct config_key *row,
                      const struct config_node *seq, int indent) {
    if (seq->count == 0) {
        (void)fputs(" []\n", out);
        return;
    }
    (void)fputc('\n', out);
    char pattern[CONFIG_PATH_SIZE];
    (void)snprintf(pattern, sizeof(pattern), "%.150s[]", row->path);
    for (const struct config_node *item = seq->first; item != NULL; item = item->next) {
        (void)fprintf(out, "%*s- ", indent + 2, "");
        if (item->shape == CONFIG_MAP) {
            print_map(out, keys, item, pattern, indent + 4, true);
        } else {
            print_scalar(out, item->text);
            (void)fputc('\n', out);
        }
    }
}

/* after_dash: the first line's indentation is already there. */
static void print_map(FILE *out, const struct config_key *keys, const struct config_node *map,
                      const char *pattern, int indent, bool after_dash) {
    bool bare = after_dash;
    bool any = false;

    for (const struct config_key *row = keys; row->path != NULL; row++) {
        const char *name = config_row_under(row, pattern);
        const struct config_node *node =
            name == NULL ? NULL : config_node_member(map, name, strlen(name));
        if (name == NULL || (after_dash && node == NULL)) {
            continue;
        }
        if (!after_dash && row->help != NULL) {
            (void)fprintf(out, "%*s# %s\n", indent, "", row->help);
        }
        (void)fprintf(out, "%*s%s%s:", bare ? 0 : indent, "", node == NULL ? "# " : "", name);
        bare = false;
        any = true;
        if (node == NULL) {
            (void)fputc('\n', out);
        } else if (node->shape == CONFIG_SEQ) {
            print_seq(out, keys, row, node, indent);
        } else if (node->shape == CONFIG_MAP) {
            (void)fputc('\n', out);
            print_map(out, keys, node, row->path, indent + 2, false);
        } else {
            (void)fputc(' ', out);
            print_scalar(out, node->text);
            (void)fputc('\n', out);
        }
    }
    if (after_dash && !any) {
        (void)fputs("{}\n", out);
    }
}

void config_print(const struct config *config, FILE *out) {
    print_map(out, config->keys, config->root, "", 0, false);
}
