/* The rest of a JSON text, for the readers that know what comes next. */
#pragma once

#include <stdbool.h>

struct rest {
    const char *at, *end;
};

static inline void rest_skip_space(struct rest *rest) {
    while (rest->at < rest->end
           && (*rest->at == ' ' || *rest->at == '\t' || *rest->at == '\n' || *rest->at == '\r')) {
        rest->at++;
    }
}

/* The character after white space. */
static inline bool rest_take(struct rest *rest, char character) {
    rest_skip_space(rest);
    if (rest->at == rest->end || *rest->at != character) {
        return false;
    }
    rest->at++;
    return true;
}
