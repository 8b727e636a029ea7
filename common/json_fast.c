#include "common/json_fast.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/json_rest.h"

#define WORD_OF(octet) (UINT64_MAX / 0xff * (octet))
#define INT_DIGITS_MAX 18 /* fewer than any that might not fit */
#define INT_TEXT_SIZE 20  /* INT64_MIN */

/* An octet that means itself in a string. */
static bool is_plain(unsigned char octet) {
    return octet >= ' ' && octet < 0x80 && octet != '"' && octet != '\\';
}

/* How many octets at the beginning of text are plain.  Eight at a time: the borrow of a subtraction
 * needs a true hit below it. */
static size_t plain_len(const char *text, size_t len) {
    size_t at = 0;
    uint64_t word;

    for (; len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        uint64_t quote = word ^ WORD_OF('"');
        uint64_t backslash = word ^ WORD_OF('\\');
        uint64_t below = (word - WORD_OF(' ')) | (quote - WORD_OF(1)) | (backslash - WORD_OF(1));
        if (((word | below) & WORD_OF(0x80)) != 0) {
            break;
        }
    }
    while (at < len && is_plain((unsigned char)text[at])) {
        at++;
    }
    return at;
}

static bool take_string(struct rest *rest, const char **ret_text, size_t *ret_len) {
    if (!rest_take(rest, '"')) {
        return false;
    }
    const char *text = rest->at;
    size_t len = plain_len(text, (size_t)(rest->end - text));
    if (text + len == rest->end || text[len] != '"') {
        return false;
    }
    *ret_text = text;
    *ret_len = len;
    rest->at += len + 1;
    return true;
}

static json_t *read_value(struct rest *rest, unsigned depth);

static json_t *read_object(struct rest *rest, unsigned depth) {
    AUTO(json_release) json_t *object = json_object();
    const char *name = NULL;
    size_t name_len = 0, count = 0;

    if (rest_take(rest, '}')) {
        return TAKE(object);
    }
    do {
        if (!take_string(rest, &name, &name_len) || !rest_take(rest, ':')
            || json_object_setn_new_nocheck(object, name, name_len, read_value(rest, depth)) != 0
            || json_object_size(object) != ++count) {
            return NULL;
        }
    } while (rest_take(rest, ','));
    return rest_take(rest, '}') ? TAKE(object) : NULL;
}

static json_t *read_array(struct rest *rest, unsigned depth) {
    AUTO(json_release) json_t *array = json_array();

    if (rest_take(rest, ']')) {
        return TAKE(array);
    }
    do {
        if (json_array_append_new(array, read_value(rest, depth)) != 0) {
            return NULL;
        }
    } while (rest_take(rest, ','));
    return rest_take(rest, ']') ? TAKE(array) : NULL;
}

static json_t *read_word(struct rest *rest, const char *word, json_t *value) {
    size_t len = strlen(word);

    if ((size_t)(rest->end - rest->at) < len || memcmp(rest->at, word, len) != 0) {
        return NULL;
    }
    rest->at += len;
    return value;
}

static bool is_digit(const struct rest *rest) {
    return rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9';
}

/* Whatever follows that does not belong there (a digit after 0, a point) the caller refuses. */
static json_t *read_int(struct rest *rest) {
    bool negative = *rest->at == '-';
    json_int_t value = 0;

    rest->at += negative;
    if (!is_digit(rest) || (negative && *rest->at == '0')) {
        return NULL;
    }
    const char *first = rest->at;
    do {
        value = value * 10 + (*rest->at++ - '0');
    } while (*first != '0' && is_digit(rest) && rest->at - first < INT_DIGITS_MAX);
    return json_integer(negative ? -value : value);
}

/* A value at a certain depth of objects and arrays. */
static json_t *read_value(struct rest *rest, unsigned depth) {
    const char *text = NULL;
    size_t len = 0;

    rest_skip_space(rest);
    if (rest->at == rest->end) {
        return NULL;
    }
    switch (*rest->at) {
    case '"':
        return take_string(rest, &text, &len) ? json_stringn_nocheck(text, len) : NULL;
    case '{':
        rest->at++;
        return depth < JSON_DEPTH_MAX ? read_object(rest, depth + 1) : NULL;
    case '[':
        rest->at++;
        return depth < JSON_DEPTH_MAX ? read_array(rest, depth + 1) : NULL;
    case 't':
        return read_word(rest, "true", json_true());
    case 'f':
        return read_word(rest, "false", json_false());
    case 'n':
        return read_word(rest, "null", json_null());
    default:
        return read_int(rest);
    }
}

json_t *json_fast_read(const char *text, size_t len) {
    struct rest rest = {text, text + len};
    AUTO(json_release) json_t *json = len == 0 ? NULL : read_value(&rest, 0);

    rest_skip_space(&rest);
    return rest.at == rest.end ? TAKE(json) : NULL;
}

/* Writing goes twice over the value: at NULL finds out the length and whether all of it can be
 * written here, then it is written to memory of that length. */
struct out {
    char *at;
    size_t len;
};

static void put(struct out *out, const char *text, size_t len) {
    out->len += len;
    if (out->at != NULL) {
        out->at = mempcpy(out->at, text, len);
    }
}

static bool put_string(struct out *out, const char *text, size_t len) {
    if (out->at == NULL && plain_len(text, len) != len) {
        return false;
    }
    put(out, "\"", 1);
    put(out, text, len);
    put(out, "\"", 1);
    return true;
}

static bool put_int(struct out *out, json_int_t value) {
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char text[INT_TEXT_SIZE];
    char *first = text + sizeof text;

    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        *--first = '-';
    }
    put(out, first, (size_t)(text + sizeof text - first));
    return true;
}

static bool put_value(struct out *out, const json_t *json, unsigned depth);

static bool put_object(struct out *out, json_t *object, unsigned depth) {
    void *first = json_object_iter(object);

    put(out, "{", 1);
    for (void *each = first; each != NULL; each = json_object_iter_next(object, each)) {
        put(out, ",", each != first);
        if (!put_string(out, json_object_iter_key(each), json_object_iter_key_len(each))) {
            return false;
        }
        put(out, ":", 1);
        if (!put_value(out, json_object_iter_value(each), depth)) {
            return false;
        }
    }
    put(out, "}", 1);
    return true;
}

static bool put_array(struct out *out, const json_t *array, unsigned depth) {
    size_t count = json_array_size(array);

    put(out, "[", 1);
    for (size_t i = 0; i < count; i++) {
        put(out, ",", i > 0);
        if (!put_value(out, json_array_get(array, i), depth)) {
            return false;
        }
    }
    put(out, "]", 1);
    return true;
}

static bool put_word(struct out *out, const char *word) {
    put(out, word, strlen(word));
    return true;
}

/* A value at a certain depth; one that holds itself is deep. */
static bool put_value(struct out *out, const json_t *json, unsigned depth) {
    if (json == NULL || depth > JSON_DEPTH_MAX) {
        return false;
    }
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return put_object(out, (json_t *)(uintptr_t)json, depth + 1);
    case JSON_ARRAY:
        return put_array(out, json, depth + 1);
    case JSON_STRING:
        return put_string(out, json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
        return put_int(out, json_integer_value(json));
    case JSON_TRUE:
        return put_word(out, "true");
    case JSON_FALSE:
        return put_word(out, "false");
    case JSON_NULL:
        return put_word(out, "null");
    case JSON_REAL:
        break;
    }
    return false;
}

char *json_fast_text(const json_t *json) {
    struct out size = {0};
    char *text = put_value(&size, json, 0) ? malloc(size.len + 1) : NULL;

    if (text != NULL) {
        struct out out = {.at = text};
        (void)put_value(&out, json, 0);
        *out.at = '\0';
    }
    return text;
}
