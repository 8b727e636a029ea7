/* One table per program gives the YAML schema, the command line, --help, the man page and
 * --print-config.  Errors name file, line and key. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"

enum config_type {
    CONFIG_TEXT,
    CONFIG_INT,
    CONFIG_NUMBER, /* double */
    CONFIG_BOOL,
    CONFIG_DURATION, /* "90d", "12h", "5m", "30s", "250ms" or plain seconds; read as microseconds */
    CONFIG_TEXTS,    /* a sequence of texts; on the command line given several times */
    CONFIG_SECTION,  /* a mapping; its keys follow as "section.key" */
    CONFIG_LIST      /* a sequence of mappings; their keys follow as "list[].key" */
};

struct config_key {
    const char *path; /* "listen", "limits.body", "fleet[].type" */
    enum config_type type;
    const char *fallback; /* default as text; NULL = none (unset) */
    double min, max;      /* INT, NUMBER, DURATION (seconds); both 0 = any */
    const char *choices;  /* TEXT: "sqlite|memory"; NULL = any */
    const char *option;   /* "--listen"; NULL = file and --set only */
    const char *argument; /* "ADDR:PORT" for --help; NULL for a flag (BOOL) */
    const char *help;     /* one sentence */
};

struct config_program {
    const char *name;              /* "nfacme-server" */
    const char *synopsis;          /* one line after the name in --help */
    const char *purpose;           /* a paragraph for --help and the man page */
    const struct config_key *keys; /* ended by {0} */
    unsigned positional_max;       /* words that are not options */
};

struct config;

enum config_outcome { CONFIG_RUN, CONFIG_EXIT_OK, CONFIG_EXIT_USAGE };

/*
 * Command line and, with --config FILE, the file; options win over the file; --set path=value edits
 * the document before it is checked.  Handles --help, --man, --version, --print-config (printed to
 * stdout: CONFIG_EXIT_OK) and every usage error (printed to stderr: CONFIG_EXIT_USAGE, exit 2).
 */
enum config_outcome config_start(const struct config_program *program, int argc, char **argv,
                                 struct config **ret);

/* A document alone (a scenario, a fleet).  sets: NULL-terminated "path=value".
 * ERR_CONFIG: "file:line: key: what". */
struct config *config_read(const char *path, const struct config_key *keys, const char *const *sets,
                           struct err *err);
struct config *config_read_text(const char *name, const char *text, size_t len,
                                const struct config_key *keys, const char *const *sets,
                                struct err *err);
void config_free(struct config *config);
AUTO_DEFINE(struct config, config_free)

/* Values.  path with real indices ("fleet[3].type").  Fallbacks apply.  Borrowed. */
const char *config_text(const struct config *config, const char *path); /* NULL = unset */
int64_t config_int(const struct config *config, const char *path);
double config_number(const struct config *config, const char *path);
bool config_bool(const struct config *config, const char *path);
uint64_t config_duration_us(const struct config *config, const char *path);
size_t config_count(const struct config *config, const char *path); /* of TEXTS or LIST */
const char *config_text_at(const struct config *config, const char *path, size_t index);
bool config_is_set(const struct config *config, const char *path); /* given, not a fallback */
const char *config_positional(const struct config *config, size_t index); /* or NULL */
/* "90d", "250ms", plain seconds; false when it is no duration. */
bool config_parse_duration(const char *text, uint64_t *ret_us);
/* "file:line: key" of a value, for errors found after reading. */
void config_where(const struct config *config, const char *path, char *out, size_t size);
/* The effective document as YAML. */
void config_print(const struct config *config, FILE *out);
/* The man page in roff, from the same table. */
void config_man(const struct config_program *program, FILE *out);
