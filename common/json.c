#include "common/json.h"

#include <inttypes.h>
#include <string.h>

#include "common/guard.h"
#include "common/json_fast.h"

/* Behind the string that begins at text[at]; len when it does not end. */
static size_t string_end(const char *text, size_t at, size_t len) {
    const char *quote = text + at;

    while ((quote = memchr(quote + 1, '"', (size_t)(text + len - quote - 1))) != NULL) {
        const char *before = quote;
        while (before[-1] == '\\') { /* the opening quote ends this */
            before--;
        }
        if ((quote - before) % 2 == 0) {
            return (size_t)(quote - text) + 1;
        }
    }
    return len;
}

/* Nesting is bounded before the parser runs, because it recurses. */
static bool depth_ok(const char *text, size_t len) {
    unsigned depth = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"') {
            i = string_end(text, i, len) - 1;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                return false;
            }
        } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

json_t *json_read(const char *text, size_t len, struct err *err) {
    json_error_t error;
    json_t *json = json_fast_read(text, len);

    if (json != NULL) {
        return json;
    }
    if (!depth_ok(text, len)) {
        (void)err_set(err, ERR_MALFORMED, "JSON nested deeper than %d", JSON_DEPTH_MAX);
        return NULL;
    }
    const size_t once = GUARD("json-names-once", false) ? 0 : JSON_REJECT_DUPLICATES;
    json = json_loadb(text, len, once | JSON_DECODE_ANY, &error);
    if (json == NULL && json_error_code(&error) == json_error_out_of_memory) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a JSON value");
    } else if (json == NULL) {
        bool twice = json_error_code(&error) == json_error_duplicate_key;
        (void)err_set(err, ERR_MALFORMED, "%s at line %d, column %d",
                      twice ? "a JSON name given twice" : "not JSON", error.line, error.column);
    }
    return json;
}

json_t *json_read_object(const char *text, size_t len, struct err *err) {
    AUTO(json_release) json_t *json = json_read(text, len, err);

    if (json != NULL && !json_is_object(json)) {
        (void)err_set(err, ERR_MALFORMED, "not a JSON object");
        return NULL;
    }
    return TAKE(json);
}

char *json_text(const json_t *json) {
    char *text = json_fast_text(json);

    return text != NULL ? text : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* The member of that type in *ret, or NULL when it may be absent; false when err is set. */
static bool member(const json_t *object, const char *name, enum json_need need, bool fits(int type),
                   const char *what, const json_t **ret, struct err *err) {
    const json_t *found = json_object_get(object, name);

    *ret = NULL;
    if (found == NULL) {
        return need == JSON_OPTIONAL
               || err_set_param(err, ERR_MISSING, name, "member \"%s\" is missing", name);
    }
    if (!fits((int)json_typeof(found))) {
        return err_set_param(err, ERR_INVALID, name, "member \"%s\" is not %s", name, what);
    }
    *ret = found;
    return true;
}

static bool is_text(int type) { return type == JSON_STRING; }
static bool is_int(int type) { return type == JSON_INTEGER; }
static bool is_bool(int type) { return type == JSON_TRUE || type == JSON_FALSE; }
static bool is_array(int type) { return type == JSON_ARRAY; }
static bool is_object(int type) { return type == JSON_OBJECT; }

bool json_get_text(const json_t *object, const char *name, enum json_need need, size_t len_max,
                   const char **ret, struct err *err) {
    const json_t *found;

    if (!member(object, name, need, is_text, "a string", &found, err)) {
        return false;
    }
    if (found != NULL && json_string_length(found) > len_max) {
        return err_set_param(err, ERR_INVALID, name, "member \"%s\" is longer than %zu octets",
                             name, len_max);
    }
    if (found != NULL) {
        *ret = json_string_value(found);
    }
    return true;
}

bool json_get_int(const json_t *object, const char *name, enum json_need need, int64_t min,
                  int64_t max, int64_t *ret, struct err *err) {
    const json_t *found;

    if (!member(object, name, need, is_int, "an integer", &found, err)) {
        return false;
    }
    if (found == NULL) {
        return true;
    }
    int64_t value = json_integer_value(found);
    if (value < min || value > max) {
        return err_set_param(err, ERR_INVALID, name,
                             "member \"%s\" is not in %" PRId64 " to %" PRId64, name, min, max);
    }
    *ret = value;
    return true;
}

bool json_get_bool(const json_t *object, const char *name, enum json_need need, bool *ret,
                   struct err *err) {
    const json_t *found;

    if (!member(object, name, need, is_bool, "true or false", &found, err)) {
        return false;
    }
    if (found != NULL) {
        *ret = json_is_true(found);
    }
    return true;
}

bool json_get_array(const json_t *object, const char *name, enum json_need need, size_t count_max,
                    const json_t **ret, struct err *err) {
    const json_t *found;

    if (!member(object, name, need, is_array, "an array", &found, err)) {
        return false;
    }
    if (found != NULL && json_array_size(found) > count_max) {
        return err_set_param(err, ERR_INVALID, name, "member \"%s\" has more than %zu elements",
                             name, count_max);
    }
    if (found != NULL) {
        *ret = found;
    }
    return true;
}

bool json_get_object(const json_t *object, const char *name, enum json_need need,
                     const json_t **ret, struct err *err) {
    const json_t *found;

    if (!member(object, name, need, is_object, "an object", &found, err)) {
        return false;
    }
    if (found != NULL) {
        *ret = found;
    }
    return true;
}

bool json_only(const json_t *object, const char *const *allowed, struct err *err) {
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        const char *const *one = allowed;
        while (*one != NULL && strcmp(*one, name) != 0) {
            one++;
        }
        if (*one == NULL) {
            return err_set_param(err, ERR_INVALID, name, "member \"%s\" is not known here", name);
        }
    }
    return true;
}
