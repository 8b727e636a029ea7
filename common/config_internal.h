/* What the config rooms share: the document as a tree, and the table's rows.  Only config*.c
 * include this. */
#pragma once

#include "common/buf.h"
#include "common/config.h"

#define CONFIG_PATH_SIZE 160
#define CONFIG_NODES_MAX 100000 /* after aliases are followed, so that they cannot multiply */
#define CONFIG_DEPTH_MAX 12
#define CONFIG_MEMBERS_MAX 1024 /* of one mapping */

enum config_shape { CONFIG_SCALAR, CONFIG_MAP, CONFIG_SEQ };

struct config_node {
    enum config_shape shape;
    bool quoted;        /* a scalar that was not plain: never a number, a boolean or null */
    bool fallback;      /* from the table, not given */
    unsigned line;      /* in the file, from 1 */
    const char *origin; /* "--listen", "--set"; NULL = the file; borrowed */
    char *key;          /* in a mapping */
    char *text;         /* of a scalar */
    size_t count;       /* children */
    struct config_node *first, *last, *next;
};

struct config {
    char *name; /* of the file, for messages */
    const struct config_key *keys;
    struct config_node *root;
    const char **positional; /* ended by NULL; words borrowed from argv */
};

/* config_node: the tree.  text is copied (NULL for none). */
struct config_node *config_node_new(enum config_shape shape, const char *text, struct err *err);
void config_node_free(struct config_node *node);
AUTO_DEFINE(struct config_node, config_node_free)
/* Append child to a mapping (under key, copied) or a sequence (key NULL); taken even on failure. */
MUST_CHECK bool config_node_add(struct config_node *parent, const char *key,
                                struct config_node *child, struct err *err);
/* Put child where old stands, under its key; old is freed, child taken. */
void config_node_replace(struct config_node *parent, struct config_node *old,
                         struct config_node *child);
void config_node_remove(struct config_node *parent, struct config_node *child);
struct config_node *config_node_member(const struct config_node *map, const char *key, size_t len);
struct config_node *config_node_item(const struct config_node *seq, size_t index);
/* The node at a path with real indices, or NULL. */
struct config_node *config_node_at(struct config_node *root, const char *path);
/* YAML text as a tree; an empty document is an empty mapping.  origin as in struct config_node. */
struct config_node *config_node_read(const char *name, const char *text, size_t len,
                                     const char *origin, struct err *err);
bool config_node_is_null(const struct config_node *node);

/* config_schema: rows and checks. */
/* "fleet[3].type" as "fleet[].type"; false when too long. */
bool config_path_pattern(const char *path, char out[CONFIG_PATH_SIZE]);
/* The row of a path with real indices, or NULL. */
const struct config_key *config_row(const struct config_key *keys, const char *path);
/* The last part of a row's path, when it stands directly under parent ("" = top); else NULL. */
const char *config_row_under(const struct config_key *row, const char *parent);
/* Check the tree against the rows, drop nulls, then add every fallback. */
MUST_CHECK bool config_check(const struct config *config, struct err *err);
/* Text to value; false when it is not one. */
bool config_parse_int(const char *text, int64_t *ret);
bool config_parse_number(const char *text, double *ret);
bool config_parse_bool(const char *text, bool *ret);
/* ERR_CONFIG "file:line: key: what" or, for what came from the command line, "--option: what". */
__attribute__((format(printf, 5, 6))) bool config_fail(const char *name,
                                                       const struct config_node *node,
                                                       const char *path, struct err *err,
                                                       const char *fmt, ...);
/* The nearest to word of those offered one after another; start with {0}. */
struct config_guess {
    const char *best;
    size_t distance;
};
void config_guess_try(struct config_guess *guess, const char *word, const char *candidate);

/* config: edits.  append: add to a CONFIG_TEXTS instead of replacing it. */
MUST_CHECK bool config_edit(struct config *config, const char *path, const char *value, bool append,
                            const char *origin, struct err *err);
struct config *config_new(const char *name, const struct config_key *keys, struct err *err);
/* One "path=value". */
MUST_CHECK bool config_edit_set(struct config *config, const char *set, struct err *err);

/* config_help. */
void config_help(const struct config_program *program, FILE *out);
