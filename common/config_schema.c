#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "common/config_internal.h"

#define NAME_SHOWN 80 /* octets of a file's name in a message */
#define GUESS_MAX 48  /* octets of a word worth comparing */

bool config_fail(const char *name, const struct config_node *node, const char *path,
                 struct err *err, const char *fmt, ...) {
    char what[sizeof(err->detail)];
    const char *tail = strlen(name) > NAME_SHOWN ? name + strlen(name) - NAME_SHOWN : name;
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    const char *colon = path[0] == '\0' ? "" : ": ";
    if (node != NULL && node->origin != NULL) {
        bool option = strcmp(node->origin, "--set") != 0;
        return err_set_param(err, ERR_CONFIG, path, "%s%s%s: %s", node->origin, option ? "" : colon,
                             option ? "" : path, what);
    }
    if (node == NULL || node->line == 0) {
        return err_set_param(err, ERR_CONFIG, path, "%s%s%s: %s", tail, colon, path, what);
    }
    return err_set_param(err, ERR_CONFIG, path, "%s:%u%s%s: %s", tail, node->line, colon, path,
                         what);
}

bool config_path_pattern(const char *path, char out[CONFIG_PATH_SIZE]) {
    size_t used = 0;

    while (*path != '\0') {
        if (used + 2 > CONFIG_PATH_SIZE) {
            return false;
        }
        out[used++] = *path;
        if (*path++ == '[') {
            while (isdigit((unsigned char)*path)) {
                path++;
            }
        }
    }
    out[used] = '\0';
    return true;
}

const struct config_key *config_row(const struct config_key *keys, const char *path) {
    char pattern[CONFIG_PATH_SIZE];

    if (!config_path_pattern(path, pattern)) {
        return NULL;
    }
    while (keys->path != NULL && strcmp(keys->path, pattern) != 0) {
        keys++;
    }
    return keys->path == NULL ? NULL : keys;
}

const char *config_row_under(const struct config_key *row, const char *parent) {
    size_t len = strlen(parent);
    const char *rest = row->path;

    if (len > 0) {
        if (strncmp(row->path, parent, len) != 0 || row->path[len] != '.') {
            return NULL;
        }
        rest = row->path + len + 1;
    }
    return strchr(rest, '.') == NULL ? rest : NULL;
}

/* Edits (insert, drop, change, swap neighbours) between two short words. */
static size_t distance(const char *a, const char *b) {
    size_t rows[3][GUESS_MAX + 1];
    size_t len = strlen(b);

    if (len > GUESS_MAX || strlen(a) > GUESS_MAX) {
        return GUESS_MAX;
    }
    for (size_t j = 0; j <= len; j++) {
        rows[0][j] = j;
    }
    size_t i = 0;
    for (i = 1; a[i - 1] != '\0'; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && rows[(i - 2) % 3][j - 2] + 1 < best) {
                best = rows[(i - 2) % 3][j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return rows[(i - 1) % 3][len];
}

void config_guess_try(struct config_guess *guess, const char *word, const char *candidate) {
    size_t near = distance(word, candidate);

    if (near <= 1 + strlen(word) / 4 && 2 * near < strlen(candidate)
        && (guess->best == NULL || near < guess->distance)) {
        *guess = (struct config_guess){.best = candidate, .distance = near};
    }
}

bool config_parse_int(const char *text, int64_t *ret) {
    bool minus = *text == '-';
    uint64_t value = 0;

    text += minus;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (!isdigit((unsigned char)*text) || value > INT64_MAX / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > INT64_MAX) {
            return false;
        }
    }
    *ret = minus ? -(int64_t)value : (int64_t)value;
    return true;
}

bool config_parse_number(const char *text, double *ret) {
    char *end = NULL;

    /* strtod alone would take white space, hexadecimal, inf and nan */
    if (*text == '\0' || text[strspn(text, "0123456789.eE+-")] != '\0' || *text == '+') {
        return false;
    }
    double value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value)) {
        return false;
    }
    *ret = value;
    return true;
}

bool config_parse_bool(const char *text, bool *ret) {
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        return false;
    }
    *ret = text[0] == 't';
    return true;
}

bool config_parse_duration(const char *text, uint64_t *ret_us) {
    /* clang-format off */
    static const struct { const char *unit; double us; } units[] = {
        {"", 1e6}, {"s", 1e6}, {"ms", 1e3}, {"us", 1}, {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6},
    };
    /* clang-format on */
    char number[32];
    size_t len = strspn(text, "0123456789.");
    double value;

    if (len >= sizeof(number)) {
        return false;
    }
    memcpy(number, text, len);
    number[len] = '\0';
    if (!config_parse_number(number, &value)) {
        return false;
    }
    for (unsigned i = 0; i < COUNT(units); i++) {
        if (strcmp(text + len, units[i].unit) == 0 && value * units[i].us < 1e18) {
            *ret_us = (uint64_t)(value * units[i].us + 0.5);
            return true;
        }
    }
    return false;
}

/* What a path's values are checked and filled against. */
struct checker {
    const struct config *config;
    struct err *err;
};

static bool check_choice(const struct checker *checker, const struct config_key *row,
                         const struct config_node *node, const char *path) {
    struct config_guess guess = {0};

    if (row->choices == NULL) {
        return true;
    }
    AUTO(free) char *choices = strdup(row->choices);
    char *rest = choices;
    for (char *one = strsep(&rest, "|"); one != NULL; one = strsep(&rest, "|")) {
        if (strcmp(one, node->text) == 0) {
            return true;
        }
        config_guess_try(&guess, node->text, one);
    }
    if (guess.best != NULL) {
        return config_fail(checker->config->name, node, path, checker->err,
                           "\"%.40s\" is not one of %s; did you mean \"%s\"?", node->text,
                           row->choices, guess.best);
    }
    return config_fail(checker->config->name, node, path, checker->err,
                       "\"%.40s\" is not one of %s", node->text, row->choices);
}

/* A number's text: of its type, and its value for the bounds. */
static const char *parse_any(const struct config_key *row, const struct config_node *node,
                             double *ret) {
    int64_t whole = 0;
    uint64_t us = 0;
    bool truth = false;

    switch (row->type) {
    case CONFIG_INT:
        if (node->quoted || !config_parse_int(node->text, &whole)) {
            return "an integer";
        }
        *ret = (double)whole;
        return NULL;
    case CONFIG_NUMBER:
        return node->quoted || !config_parse_number(node->text, ret) ? "a number" : NULL;
    case CONFIG_BOOL:
        return node->quoted || !config_parse_bool(node->text, &truth) ? "true or false" : NULL;
    case CONFIG_DURATION:
        if (!config_parse_duration(node->text, &us)) {
            return "a duration such as 90d, 12h, 5m, 30s or 250ms";
        }
        *ret = (double)us / 1e6;
        return NULL;
    case CONFIG_TEXT:
    case CONFIG_TEXTS:
    case CONFIG_SECTION:
    case CONFIG_LIST:
        break;
    }
    return NULL;
}

static bool check_scalar(const struct checker *checker, const struct config_key *row,
                         const struct config_node *node, const char *path) {
    double value = 0;

    if (node->shape != CONFIG_SCALAR) {
        return config_fail(checker->config->name, node, path, checker->err,
                           "a %s where one value is wanted",
                           node->shape == CONFIG_MAP ? "mapping" : "sequence");
    }
    if (row->type == CONFIG_TEXT || row->type == CONFIG_TEXTS) {
        return check_choice(checker, row, node, path);
    }
    const char *wanted = parse_any(row, node, &value);
    if (wanted != NULL) {
        return config_fail(checker->config->name, node, path, checker->err, "\"%.40s\" is not %s",
                           node->text, wanted);
    }
    bool bounded = row->type != CONFIG_BOOL && (row->min != 0 || row->max != 0);
    if (bounded && (value < row->min || value > row->max)) {
        return config_fail(checker->config->name, node, path, checker->err,
                           "%s is not in %.15g to %.15g%s", node->text, row->min, row->max,
                           row->type == CONFIG_DURATION ? " seconds" : "");
    }
    return true;
}

static bool check_map(const struct checker *checker, struct config_node *map, const char *path);

static bool check_texts(const struct checker *checker, const struct config_key *row,
                        const struct config_node *node, const char *path) {
    if (node->shape != CONFIG_SEQ) {
        return config_fail(checker->config->name, node, path, checker->err,
                           "not a sequence of texts");
    }
    for (const struct config_node *item = node->first; item != NULL; item = item->next) {
        if (!check_scalar(checker, row, item, path)) {
            return false;
        }
    }
    return true;
}

static bool check_list(const struct checker *checker, struct config_node *node, const char *path) {
    size_t index = 0;

    if (node->shape != CONFIG_SEQ) {
        return config_fail(checker->config->name, node, path, checker->err,
                           "not a sequence of mappings");
    }
    for (struct config_node *item = node->first; item != NULL; item = item->next, index++) {
        char at[CONFIG_PATH_SIZE];
        (void)snprintf(at, sizeof(at), "%.120s[%zu]", path, index);
        if (item->shape != CONFIG_MAP) {
            return config_fail(checker->config->name, item, at, checker->err, "not a mapping");
        }
        if (!check_map(checker, item, at)) {
            return false;
        }
    }
    return true;
}

static bool check_node(const struct checker *checker, const struct config_key *row,
                       struct config_node *node, const char *path) {
    switch (row->type) {
    case CONFIG_TEXTS:
        return check_texts(checker, row, node, path);
    case CONFIG_LIST:
        return check_list(checker, node, path);
    case CONFIG_SECTION:
        if (node->shape != CONFIG_MAP) {
            return config_fail(checker->config->name, node, path, checker->err, "not a mapping");
        }
        return check_map(checker, node, path);
    case CONFIG_TEXT:
    case CONFIG_INT:
    case CONFIG_NUMBER:
    case CONFIG_BOOL:
    case CONFIG_DURATION:
        break;
    }
    return check_scalar(checker, row, node, path);
}

/* "parent.key", without the dot at the top. */
static void join(char out[CONFIG_PATH_SIZE], const char *parent, const char *key) {
    (void)snprintf(out, CONFIG_PATH_SIZE, "%.110s%s%.40s", parent, parent[0] == '\0' ? "" : ".",
                   key);
}

static bool fail_unknown(const struct checker *checker, const struct config_node *child,
                         const char *parent, const char *path) {
    char pattern[CONFIG_PATH_SIZE];
    struct config_guess guess = {0};

    (void)config_path_pattern(parent, pattern);
    for (const struct config_key *row = checker->config->keys; row->path != NULL; row++) {
        const char *name = config_row_under(row, pattern);
        if (name != NULL) {
            config_guess_try(&guess, child->key, name);
        }
    }
    if (guess.best != NULL) {
        return config_fail(checker->config->name, child, path, checker->err,
                           "unknown key; did you mean \"%s\"?", guess.best);
    }
    return config_fail(checker->config->name, child, path, checker->err, "unknown key");
}

/* The default of an absent key, as nodes. */
static struct config_node *fallback_new(const struct checker *checker,
                                        const struct config_key *row) {
    bool seq = row->type == CONFIG_TEXTS || row->type == CONFIG_LIST;
    enum config_shape shape = seq                           ? CONFIG_SEQ
                              : row->type == CONFIG_SECTION ? CONFIG_MAP
                                                            : CONFIG_SCALAR;
    const char *text = shape == CONFIG_SCALAR ? row->fallback : NULL;
    AUTO(config_node_free) struct config_node *node = config_node_new(shape, text, checker->err);

    if (node == NULL) {
        return NULL;
    }
    node->fallback = true;
    if (row->type != CONFIG_TEXTS || row->fallback == NULL) {
        return TAKE(node);
    }
    AUTO(free) char *copy = strdup(row->fallback);
    char *rest = copy;
    for (char *one = strsep(&rest, ","); one != NULL; one = strsep(&rest, ",")) {
        struct config_node *item = config_node_new(CONFIG_SCALAR, one, checker->err);
        if (item == NULL || !config_node_add(node, NULL, item, checker->err)) {
            return NULL;
        }
        item->fallback = true;
    }
    return TAKE(node);
}

static bool fill_map(const struct checker *checker, struct config_node *map, const char *path) {
    char pattern[CONFIG_PATH_SIZE];

    (void)config_path_pattern(path, pattern);
    for (const struct config_key *row = checker->config->keys; row->path != NULL; row++) {
        const char *name = config_row_under(row, pattern);
        bool scalar =
            row->type != CONFIG_SECTION && row->type != CONFIG_LIST && row->type != CONFIG_TEXTS;
        if (name == NULL || config_node_member(map, name, strlen(name)) != NULL
            || (scalar && row->fallback == NULL)) {
            continue;
        }
        struct config_node *node = fallback_new(checker, row);
        if (node == NULL || !config_node_add(map, name, node, checker->err)) {
            return false;
        }
        char at[CONFIG_PATH_SIZE];
        join(at, path, name);
        double ignored;
        assert(!scalar || parse_any(row, node, &ignored) == NULL); /* a default of its own type */
        if (row->type == CONFIG_SECTION && !fill_map(checker, node, at)) {
            return false;
        }
    }
    return true;
}

static bool check_map(const struct checker *checker, struct config_node *map, const char *path) {
    struct config_node *child = map->first;

    while (child != NULL) {
        struct config_node *next = child->next;
        char at[CONFIG_PATH_SIZE];
        join(at, path, child->key);
        const struct config_key *row =
            strpbrk(child->key, ".[") != NULL ? NULL : config_row(checker->config->keys, at);
        if (row == NULL) {
            return fail_unknown(checker, child, path, at);
        }
        if (config_node_is_null(child)) {
            config_node_remove(map, child); /* "key:" without a value is the default */
        } else if (!check_node(checker, row, child, at)) {
            return false;
        }
        child = next;
    }
    return fill_map(checker, map, path);
}

bool config_check(const struct config *config, struct err *err) {
    struct checker checker = {.config = config, .err = err};

    if (config->root->shape != CONFIG_MAP) {
        if (!config_node_is_null(config->root)) {
            return config_fail(config->name, config->root, "", err, "not a mapping");
        }
        config->root->shape = CONFIG_MAP;
    }
    return check_map(&checker, config->root, "");
}
