#include "common/config_internal.h"

#include <assert.h>
#include <string.h>

#include "common/file.h"
#include "common/utf8.h"

struct config *config_new(const char *name, const struct config_key *keys, struct err *err) {
    AUTO(config_free) struct config *config = calloc(1, sizeof(*config));

    if (config == NULL || (config->name = strdup(name)) == NULL
        || (config->positional = calloc(1, sizeof(*config->positional))) == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the configuration");
        return NULL;
    }
    config->keys = keys;
    return TAKE(config);
}

void config_free(struct config *config) {
    if (config != NULL) {
        config_node_free(config->root);
        free(config->name);
        free(config->positional);
        free(config);
    }
}

struct config *config_read_text(const char *name, const char *text, size_t len,
                                const struct config_key *keys, const char *const *sets,
                                struct err *err) {
    AUTO(config_free) struct config *config = config_new(name, keys, err);

    if (config == NULL) {
        return NULL;
    }
    if (len > FILE_BYTES_MAX) {
        (void)config_fail(name, NULL, "", err, "longer than %d octets", FILE_BYTES_MAX);
        return NULL;
    }
    config->root = config_node_read(name, text, len, NULL, err);
    if (config->root == NULL) {
        return NULL;
    }
    for (; sets != NULL && *sets != NULL; sets++) {
        if (!config_edit_set(config, *sets, err)) {
            return NULL;
        }
    }
    return config_check(config, err) ? TAKE(config) : NULL;
}

struct config *config_read(const char *path, const struct config_key *keys, const char *const *sets,
                           struct err *err) {
    size_t len = 0;
    AUTO(free) char *text = file_read(path, &len, err);

    return text == NULL ? NULL : config_read_text(path, text, len, keys, sets, err);
}

/* One step of an edit's path: the child there, made when it may be. */
struct step {
    struct config *config;
    const char *path; /* whole, for messages */
    const char *origin;
    struct err *err;
};

/* A node for the row's type, empty. */
static struct config_node *empty_new(const struct step *step, enum config_type type) {
    enum config_shape shape = type == CONFIG_SECTION                        ? CONFIG_MAP
                              : type == CONFIG_LIST || type == CONFIG_TEXTS ? CONFIG_SEQ
                                                                            : CONFIG_SCALAR;
    struct config_node *node =
        config_node_new(shape, shape == CONFIG_SCALAR ? "" : NULL, step->err);
    if (node != NULL) {
        node->origin = step->origin;
    }
    return node;
}

static bool fail_edit(const struct step *step, const char *what) {
    struct config_node at = {.origin = step->origin};
    return config_fail(step->config->name, &at, step->path, step->err, "%s", what);
}

/* The member of parent whose name are the len octets at key, inside step->path. */
static struct config_node *step_member(const struct step *step, struct config_node *parent,
                                       const char *key, size_t len) {
    char prefix[CONFIG_PATH_SIZE];
    char name[CONFIG_PATH_SIZE];

    (void)snprintf(prefix, sizeof(prefix), "%.*s", (int)(key + len - step->path), step->path);
    (void)snprintf(name, sizeof(name), "%.*s", (int)len, key);
    const struct config_key *row = config_row(step->config->keys, prefix);
    struct config_node *child = config_node_member(parent, key, len);
    if (row == NULL || parent->shape != CONFIG_MAP) {
        (void)fail_edit(step, "no such key");
        return NULL;
    }
    if (child != NULL && !config_node_is_null(child)) {
        return child;
    }
    struct config_node *fresh = empty_new(step, row->type);
    if (fresh == NULL) {
        return NULL;
    }
    if (child != NULL) {
        config_node_replace(parent, child, fresh);
        return fresh;
    }
    return config_node_add(parent, name, fresh, step->err) ? fresh : NULL;
}

/* The item of parent; one past the last makes a new one. */
static struct config_node *step_item(const struct step *step, struct config_node *parent,
                                     const char *at, bool texts) {
    int64_t index = -1;
    char digits[16];

    (void)snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(at, "]"), at);
    if (parent->shape != CONFIG_SEQ || !config_parse_int(digits, &index) || index < 0
        || (size_t)index > parent->count) {
        (void)fail_edit(step, "no such place in the sequence");
        return NULL;
    }
    if ((size_t)index < parent->count) {
        return config_node_item(parent, (size_t)index);
    }
    struct config_node *fresh = empty_new(step, texts ? CONFIG_TEXT : CONFIG_SECTION);
    return fresh != NULL && config_node_add(parent, NULL, fresh, step->err) ? fresh : NULL;
}

/* Well-formed UTF-8, control characters included: what a YAML file can hold. */
static bool is_utf8(const char *text) {
    while (*text != '\0') {
        bool c1 = (unsigned char)text[0] == 0xc2 && ((unsigned char)text[1] & 0xe0) == 0x80;
        size_t len = c1 ? 2 : (unsigned char)*text < 0x80 ? 1 : utf8_len(text);
        if (len == 0) {
            return false;
        }
        text += len;
    }
    return true;
}

/* The value an edit puts in place: YAML for what has parts, else the text as it stands. */
static struct config_node *value_new(const struct step *step, const struct config_key *row,
                                     bool item, const char *value) {
    bool parts = row->type == CONFIG_SECTION || row->type == CONFIG_LIST
                 || (row->type == CONFIG_TEXTS && !item && value[0] == '[');
    AUTO(config_node_free) struct config_node *node = NULL;

    if (!is_utf8(value)) {
        (void)fail_edit(step, "not UTF-8 text");
        return NULL;
    }
    if (parts) {
        return config_node_read(step->origin, value, strlen(value), step->origin, step->err);
    }
    node = config_node_new(CONFIG_SCALAR, value, step->err);
    if (node == NULL) {
        return NULL;
    }
    node->origin = step->origin;
    if (row->type != CONFIG_TEXTS || item) {
        return TAKE(node);
    }
    AUTO(config_node_free) struct config_node *seq = empty_new(step, CONFIG_TEXTS);
    return seq != NULL && config_node_add(seq, NULL, TAKE(node), step->err) ? TAKE(seq) : NULL;
}

/* Say which key may have been meant. */
static bool fail_path(const struct step *step) {
    struct config_node at = {.origin = step->origin};
    struct config_guess guess = {0};
    char pattern[CONFIG_PATH_SIZE] = "";

    (void)config_path_pattern(step->path, pattern);
    for (const struct config_key *row = step->config->keys; row->path != NULL; row++) {
        config_guess_try(&guess, pattern, row->path);
    }
    if (guess.best != NULL) {
        return config_fail(step->config->name, &at, step->path, step->err,
                           "unknown key; did you mean \"%s\"?", guess.best);
    }
    return fail_edit(step, "unknown key");
}

/* Walk to the node at the path, making what is missing; *ret_parent is what holds it. */
static struct config_node *walk(const struct step *step, bool texts,
                                struct config_node **ret_parent) {
    struct config_node *node = step->config->root;

    for (const char *at = step->path; *at != '\0' && node != NULL;) {
        *ret_parent = node;
        if (*at == '[') {
            const char *number = at + 1;
            at += strcspn(at, "]");
            at += *at == ']';
            node = step_item(step, node, number, texts && *at == '\0');
        } else {
            size_t len = strcspn(at, ".[");
            node = step_member(step, node, at, len);
            at += len;
        }
        at += *at == '.';
    }
    return node;
}

bool config_edit(struct config *config, const char *path, const char *value, bool append,
                 const char *origin, struct err *err) {
    struct step step = {.config = config, .path = path, .origin = origin, .err = err};
    char row_path[CONFIG_PATH_SIZE];
    size_t len = strlen(path);
    bool item = len > 0 && path[len - 1] == ']' && strrchr(path, '[') != NULL;

    if (len >= sizeof(row_path)) {
        return fail_path(&step);
    }
    memcpy(row_path, path, len + 1);
    if (item) {
        *strrchr(row_path, '[') = '\0';
    }
    const struct config_key *row = config_row(config->keys, row_path);
    if (row == NULL || (item && row->type != CONFIG_TEXTS && row->type != CONFIG_LIST)) {
        return fail_path(&step);
    }
    struct config_node *parent = NULL;
    struct config_node *node = walk(&step, row->type == CONFIG_TEXTS, &parent);
    struct config_node *fresh = node == NULL ? NULL : value_new(&step, row, item, value);
    if (fresh == NULL) {
        return false;
    }
    if (!append || node->shape != CONFIG_SEQ) {
        config_node_replace(parent, node, fresh);
        return true;
    }
    struct config_node *one = TAKE(fresh->first);
    config_node_free(fresh);
    return one == NULL || config_node_add(node, NULL, one, err);
}

bool config_edit_set(struct config *config, const char *set, struct err *err) {
    const char *equals = strchr(set, '=');
    char path[CONFIG_PATH_SIZE];

    if (equals == NULL || equals == set || (size_t)(equals - set) >= sizeof(path)) {
        return err_set_param(err, ERR_CONFIG, "--set", "--set: \"%.80s\" is not path=value", set);
    }
    (void)snprintf(path, sizeof(path), "%.*s", (int)(equals - set), set);
    return config_edit(config, path, equals + 1, false, "--set", err);
}

/* The node of a path the program's table must have. */
static const struct config_node *value(const struct config *config, const char *path) {
    assert(config_row(config->keys, path) != NULL);
    return config_node_at(config->root, path);
}

static const char *scalar(const struct config *config, const char *path) {
    const struct config_node *node = value(config, path);
    return node == NULL || node->shape != CONFIG_SCALAR ? NULL : node->text;
}

const char *config_text(const struct config *config, const char *path) {
    return scalar(config, path);
}

int64_t config_int(const struct config *config, const char *path) {
    const char *text = scalar(config, path);
    int64_t number = 0;
    bool read = text != NULL && config_parse_int(text, &number);
    return read ? number : 0;
}

double config_number(const struct config *config, const char *path) {
    const char *text = scalar(config, path);
    double number = 0;
    bool read = text != NULL && config_parse_number(text, &number);
    return read ? number : 0;
}

bool config_bool(const struct config *config, const char *path) {
    const char *text = scalar(config, path);
    bool truth = false;
    bool read = text != NULL && config_parse_bool(text, &truth);
    return read && truth;
}

uint64_t config_duration_us(const struct config *config, const char *path) {
    const char *text = scalar(config, path);
    uint64_t us = 0;
    bool read = text != NULL && config_parse_duration(text, &us);
    return read ? us : 0;
}

size_t config_count(const struct config *config, const char *path) {
    const struct config_node *node = value(config, path);
    return node == NULL || node->shape != CONFIG_SEQ ? 0 : node->count;
}

const char *config_text_at(const struct config *config, const char *path, size_t index) {
    const struct config_node *node = value(config, path);
    const struct config_node *item = node == NULL ? NULL : config_node_item(node, index);
    return item == NULL ? NULL : item->text;
}

bool config_is_set(const struct config *config, const char *path) {
    const struct config_node *node = config_node_at(config->root, path);
    return node != NULL && !node->fallback;
}

const char *config_positional(const struct config *config, size_t index) {
    size_t count = 0;
    while (count < index && config->positional[count] != NULL) {
        count++;
    }
    return config->positional[count];
}

void config_where(const struct config *config, const char *path, char *out, size_t size) {
    const struct config_node *node = config_node_at(config->root, path);

    if (node != NULL && node->origin != NULL) {
        bool set = strcmp(node->origin, "--set") == 0;
        (void)snprintf(out, size, "%s%s%s", node->origin, set ? ": " : "", set ? path : "");
    } else if (node != NULL && node->line != 0) {
        (void)snprintf(out, size, "%s:%u: %s", config->name, node->line, path);
    } else {
        (void)snprintf(out, size, "%s: %s", config->name, path);
    }
}
