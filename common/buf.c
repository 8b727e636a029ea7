#include "common/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIRST_SIZE 256

struct buf buf_new(size_t max) {
    return (struct buf){.max = max};
}

void buf_done(struct buf *buf) {
    free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

void buf_done_auto(struct buf *buf) { buf_done(buf); }

/* Room for len more octets and the NUL. */
static bool reserve(struct buf *buf, size_t len) {
    if (buf->failed || buf->max >= SIZE_MAX / 2 || len > buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + len + 1;
    if (need <= buf->size) {
        return true;
    }
    size_t size = buf->size < FIRST_SIZE / 2 ? FIRST_SIZE : buf->size * 2;
    size = size < need ? need : size;
    size = size > buf->max + 1 ? buf->max + 1 : size;
    char *data = realloc(buf->data, size);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->size = size;
    return true;
}

bool buf_add(struct buf *buf, const void *data, size_t len) {
    if (!reserve(buf, len)) {
        return false;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, data, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
    return true;
}

bool buf_text(struct buf *buf, const char *text) { return buf_add(buf, text, strlen(text)); }

bool buf_printf(struct buf *buf, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0 || !reserve(buf, (size_t)len)) {
        buf->failed = true;
        return false;
    }
    va_start(args, fmt);
    (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)len;
    return true;
}

char *buf_take(struct buf *buf) {
    char *text = NULL;
    if (reserve(buf, 0)) {
        buf->data[buf->len] = '\0';
        text = TAKE(buf->data);
    }
    buf_done(buf);
    return text;
}
