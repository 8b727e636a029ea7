#include "common/route.h"

#include <assert.h>
#include <string.h>

static bool is_param_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
           || (c != '\0' && strchr("._~-", c) != NULL);
}

/* Copy the segment at path into the next parameter: its length, or 0 when it is not one. */
static size_t take_param(const char *path, struct route_params *params) {
    size_t len = 0;

    assert(params->count < ROUTE_PARAMS_MAX);
    while (is_param_char(path[len])) {
        len++;
    }
    if (len == 0 || len >= ROUTE_PARAM_SIZE) {
        return 0;
    }
    memcpy(params->value[params->count], path, len);
    params->value[params->count][len] = '\0';
    params->count++;
    return len;
}

bool route_match(const char *pattern, const char *path, struct route_params *ret) {
    struct route_params params;

    params.count = 0;
    while (*pattern != '\0') {
        if (*pattern == '{') {
            size_t len = take_param(path, &params);
            if (len == 0) {
                return false;
            }
            path += len;
            pattern += strcspn(pattern, "}");
            pattern += *pattern == '}';
        } else if (*pattern++ != *path++) {
            return false; /* also at the end of path: a NUL is not in the pattern */
        }
    }
    if (*path != '\0') {
        return false;
    }
    memcpy(ret->value, params.value, params.count * sizeof(params.value[0]));
    ret->count = params.count;
    return true;
}
