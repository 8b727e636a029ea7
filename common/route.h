/* Path patterns such as "/order/{id}/finalize": what a dispatcher's table is matched with. */
#pragma once

#include <stdbool.h>

#define ROUTE_PARAMS_MAX 4
#define ROUTE_PARAM_SIZE 128

struct route_params {
    unsigned count;
    char value[ROUTE_PARAMS_MAX][ROUTE_PARAM_SIZE]; /* in the pattern's order */
};

/* True when path (no query) fits; a parameter is one non-empty segment of [A-Za-z0-9._~-]. */
bool route_match(const char *pattern, const char *path, struct route_params *ret);
