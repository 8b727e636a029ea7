/* Growing text with a maximum given at birth; no other code reallocates text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"

struct buf {
    char *data;  /* NUL-terminated whenever not NULL */
    size_t len;  /* octets before the NUL */
    size_t size; /* octets allocated */
    size_t max;  /* len never passes this */
    bool failed; /* an append did not fit or memory ran out; later appends do nothing */
};

/* An empty buffer that will hold at most max octets.  AUTO(buf_done) cleans it up. */
struct buf buf_new(size_t max);
void buf_done(struct buf *buf);
void buf_done_auto(struct buf *buf);

/* Append; false, and failed set, when it would pass max or memory ran out. */
bool buf_add(struct buf *buf, const void *data, size_t len);
bool buf_text(struct buf *buf, const char *text);
__attribute__((format(printf, 2, 3))) bool buf_printf(struct buf *buf, const char *fmt, ...);

/* Move the text out (caller owns, free()); NULL when failed.  The buffer is empty afterwards. */
char *buf_take(struct buf *buf);
