/* Three parts of an input, which a target encodes itself: a mutation of base64url hardly ever says
 * something else that is well-formed. */
#pragma once

#include <string.h>

#include "common/b64.h"
#include "common/cleanup.h"
#include "tests/fuzz/target.h"

#define PARTS 3
#define PARTS_MARK '.' /* an input in parts begins with it; a line ends the first and the second   \
                        */

struct parts {
    char *text[PARTS]; /* base64url */
};

static inline void parts_done_auto(struct parts *parts) {
    for (unsigned i = 0; i < PARTS; i++) {
        free(parts->text[i]);
    }
}

/* false: the input is to be taken as it is. */
static inline bool parts_read(const uint8_t *data, size_t size, struct parts *ret) {
    if (size == 0 || data[0] != PARTS_MARK) {
        return false;
    }
    const uint8_t *at = data + 1, *end = data + size;
    for (unsigned i = 0; i < PARTS; i++) {
        const uint8_t *line = i + 1 < PARTS ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        const uint8_t *stop = line == NULL ? end : line;
        ret->text[i] = b64_encode(at, (size_t)(stop - at));
        PROMISE(ret->text[i] != NULL);
        at = line == NULL ? end : line + 1;
    }
    return true;
}
