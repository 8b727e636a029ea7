/* JSON the strict way (RFC 8259): one value, no duplicate names, no byte order mark, bounded depth;
 * and member getters whose errors name the member. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/ossl.h"

#define JSON_DEPTH_MAX 16

/* Parse; caller owns the reference.  NULL and ERR_MALFORMED (line, column) otherwise. */
json_t *json_read(const char *text, size_t len, struct err *err);

/* As json_read, and the value must be an object. */
json_t *json_read_object(const char *text, size_t len, struct err *err);

/* Compact text; caller owns, free(); NULL: no memory. */
char *json_text(const json_t *json);

enum json_need { JSON_OPTIONAL, JSON_REQUIRED };

/* Member getters.  Absent and optional: true, *ret untouched.  Absent and required: ERR_MISSING.
 * Wrong type or out of bounds: ERR_INVALID.  Both set err->param to name.  Results are borrowed. */
MUST_CHECK bool json_get_text(const json_t *object, const char *name, enum json_need need,
                              size_t len_max, const char **ret, struct err *err);
MUST_CHECK bool json_get_int(const json_t *object, const char *name, enum json_need need,
                             int64_t min, int64_t max, int64_t *ret, struct err *err);
MUST_CHECK bool json_get_bool(const json_t *object, const char *name, enum json_need need,
                              bool *ret, struct err *err);
MUST_CHECK bool json_get_array(const json_t *object, const char *name, enum json_need need,
                               size_t count_max, const json_t **ret, struct err *err);
MUST_CHECK bool json_get_object(const json_t *object, const char *name, enum json_need need,
                                const json_t **ret, struct err *err);

/* Names not in allowed (NULL-terminated): ERR_INVALID naming the first. */
MUST_CHECK bool json_only(const json_t *object, const char *const *allowed, struct err *err);
