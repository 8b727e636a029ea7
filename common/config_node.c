#include <string.h>
#include <yaml.h>

#include "common/config_internal.h"

struct config_node *config_node_new(enum config_shape shape, const char *text, struct err *err) {
    struct config_node *node = calloc(1, sizeof(*node));

    if (node == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the configuration");
        return NULL;
    }
    node->shape = shape;
    node->text = text == NULL ? NULL : strdup(text);
    if (text != NULL && node->text == NULL) {
        free(node);
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the configuration");
        return NULL;
    }
    return node;
}

/* Trees are at most CONFIG_DEPTH_MAX deep and a little more for edits. */
void config_node_free(struct config_node *node) {
    while (node != NULL) {
        struct config_node *next = node->next;
        config_node_free(node->first);
        free(node->key);
        free(node->text);
        free(node);
        node = next;
    }
}

bool config_node_add(struct config_node *parent, const char *key, struct config_node *child,
                     struct err *err) {
    char *copy = key == NULL ? NULL : strdup(key);

    if (key != NULL && copy == NULL) {
        config_node_free(child);
        return err_set(err, ERR_NO_MEMORY, "no memory for the configuration");
    }
    free(child->key);
    child->key = copy;
    child->next = NULL;
    if (parent->last == NULL) {
        parent->first = child;
    } else {
        parent->last->next = child;
    }
    parent->last = child;
    parent->count++;
    return true;
}

static struct config_node **link_to(struct config_node *parent, const struct config_node *child) {
    struct config_node **link = &parent->first;
    while (*link != child) {
        link = &(*link)->next;
    }
    return link;
}

void config_node_replace(struct config_node *parent, struct config_node *old,
                         struct config_node *child) {
    *link_to(parent, old) = child;
    child->next = old->next;
    free(child->key);
    child->key = TAKE(old->key);
    if (parent->last == old) {
        parent->last = child;
    }
    old->next = NULL;
    config_node_free(old);
}

void config_node_remove(struct config_node *parent, struct config_node *child) {
    *link_to(parent, child) = child->next;
    if (parent->last == child) {
        parent->last = parent->first;
        while (parent->last != NULL && parent->last->next != NULL) {
            parent->last = parent->last->next;
        }
    }
    parent->count--;
    child->next = NULL;
    config_node_free(child);
}

struct config_node *config_node_member(const struct config_node *map, const char *key, size_t len) {
    struct config_node *child = map->shape == CONFIG_MAP ? map->first : NULL;
    while (child != NULL && (strncmp(child->key, key, len) != 0 || child->key[len] != '\0')) {
        child = child->next;
    }
    return child;
}

struct config_node *config_node_item(const struct config_node *seq, size_t index) {
    struct config_node *child = seq->shape == CONFIG_SEQ ? seq->first : NULL;
    while (child != NULL && index-- > 0) {
        child = child->next;
    }
    return child;
}

struct config_node *config_node_at(struct config_node *root, const char *path) {
    struct config_node *node = root;

    while (node != NULL && *path != '\0') {
        if (*path == '[') {
            size_t index = 0;
            for (path++; *path >= '0' && *path <= '9'; path++) {
                index = index > CONFIG_NODES_MAX ? index : index * 10 + (size_t)(*path - '0');
            }
            node = config_node_item(node, index);
            path += *path == ']';
        } else {
            size_t len = strcspn(path, ".[");
            node = config_node_member(node, path, len);
            path += len;
        }
        path += *path == '.';
    }
    return node;
}

bool config_node_is_null(const struct config_node *node) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

    if (node->shape != CONFIG_SCALAR || node->quoted) {
        return false;
    }
    for (unsigned i = 0; i < COUNT(nulls); i++) {
        if (strcmp(node->text, nulls[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Copying a libyaml document into a tree. */
struct copy {
    const char *name, *origin;
    yaml_document_t *document;
    unsigned nodes, depth;
};

static struct config_node *copy_node(struct copy *copy, yaml_node_t *from, struct err *err);

static bool copy_scalar(struct copy *copy, yaml_node_t *from, struct config_node *node,
                        struct err *err) {
    const char *text = (const char *)from->data.scalar.value;

    if (strlen(text) != from->data.scalar.length) {
        return config_fail(copy->name, node, "", err, "a NUL inside a text");
    }
    node->quoted = from->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = strdup(text);
    return node->text != NULL || err_set(err, ERR_NO_MEMORY, "no memory for the configuration");
}

static bool copy_seq(struct copy *copy, yaml_node_t *from, struct config_node *node,
                     struct err *err) {
    for (yaml_node_item_t *item = from->data.sequence.items.start;
         item < from->data.sequence.items.top; item++) {
        struct config_node *child =
            copy_node(copy, yaml_document_get_node(copy->document, *item), err);
        if (child == NULL || !config_node_add(node, NULL, child, err)) {
            return false;
        }
    }
    return true;
}

static bool copy_map(struct copy *copy, yaml_node_t *from, struct config_node *node,
                     struct err *err) {
    for (yaml_node_pair_t *pair = from->data.mapping.pairs.start;
         pair < from->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_document_get_node(copy->document, pair->key);
        struct config_node at = {.line = (unsigned)key->start_mark.line + 1,
                                 .origin = copy->origin};
        if (key->type != YAML_SCALAR_NODE
            || strlen((const char *)key->data.scalar.value) != key->data.scalar.length) {
            return config_fail(copy->name, &at, "", err, "a key that is not a text");
        }
        const char *name = (const char *)key->data.scalar.value;
        if (config_node_member(node, name, strlen(name)) != NULL) {
            return config_fail(copy->name, &at, name, err, "given twice");
        }
        if (node->count >= CONFIG_MEMBERS_MAX) {
            return config_fail(copy->name, &at, name, err, "more than %d keys in one mapping",
                               CONFIG_MEMBERS_MAX);
        }
        struct config_node *child =
            copy_node(copy, yaml_document_get_node(copy->document, pair->value), err);
        if (child == NULL || !config_node_add(node, name, child, err)) {
            return false;
        }
    }
    return true;
}

static struct config_node *copy_node(struct copy *copy, yaml_node_t *from, struct err *err) {
    static const enum config_shape shapes[] = {[YAML_SCALAR_NODE] = CONFIG_SCALAR,
                                               [YAML_SEQUENCE_NODE] = CONFIG_SEQ,
                                               [YAML_MAPPING_NODE] = CONFIG_MAP};
    AUTO(config_node_free)
    struct config_node *node = config_node_new(shapes[from->type], NULL, err);

    if (node == NULL) {
        return NULL;
    }
    node->line = (unsigned)from->start_mark.line + 1;
    node->origin = copy->origin;
    if (++copy->nodes > CONFIG_NODES_MAX || copy->depth >= CONFIG_DEPTH_MAX) {
        (void)config_fail(copy->name, node, "", err, "%s",
                          copy->depth >= CONFIG_DEPTH_MAX ? "nested too deeply"
                                                          : "too many values");
        return NULL;
    }
    copy->depth++;
    bool copied = from->type == YAML_SCALAR_NODE     ? copy_scalar(copy, from, node, err)
                  : from->type == YAML_SEQUENCE_NODE ? copy_seq(copy, from, node, err)
                                                     : copy_map(copy, from, node, err);
    copy->depth--;
    return copied ? TAKE(node) : NULL;
}

/* The parser's complaint; its memory failures have no mark. */
static bool fail_parse(const char *name, const char *origin, const yaml_parser_t *parser,
                       struct err *err) {
    struct config_node at = {.line = (unsigned)parser->problem_mark.line + 1, .origin = origin};

    if (parser->error == YAML_MEMORY_ERROR) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the configuration");
    }
    return config_fail(name, &at, "", err, "not YAML: %s",
                       parser->problem == NULL ? "unreadable" : parser->problem);
}

/* The tree of the parser's first document, which must be its last. */
static struct config_node *read_only(yaml_parser_t *parser, const char *name, const char *origin,
                                     struct err *err) {
    yaml_document_t document;
    yaml_document_t second;
    AUTO(config_node_free) struct config_node *root = NULL;

    if (!yaml_parser_load(parser, &document)) {
        (void)fail_parse(name, origin, parser, err);
        return NULL;
    }
    struct copy copy = {.name = name, .origin = origin, .document = &document};
    yaml_node_t *top = yaml_document_get_root_node(&document);
    root = top == NULL ? config_node_new(CONFIG_MAP, NULL, err) : copy_node(&copy, top, err);
    yaml_document_delete(&document);
    if (root == NULL || top == NULL) {
        return TAKE(root);
    }
    if (!yaml_parser_load(parser, &second)) {
        (void)fail_parse(name, origin, parser, err);
        return NULL;
    }
    top = yaml_document_get_root_node(&second);
    if (top != NULL) {
        struct config_node at = {.line = (unsigned)top->start_mark.line + 1, .origin = origin};
        (void)config_fail(name, &at, "", err, "a second document");
    }
    yaml_document_delete(&second);
    return top == NULL ? TAKE(root) : NULL;
}

struct config_node *config_node_read(const char *name, const char *text, size_t len,
                                     const char *origin, struct err *err) {
    yaml_parser_t parser;

    if (!yaml_parser_initialize(&parser)) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the configuration");
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    struct config_node *root = read_only(&parser, name, origin, err);
    yaml_parser_delete(&parser);
    return root;
}
