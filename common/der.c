#include "common/der.h"

#include <assert.h>
#include <string.h>

/* The length octets at in; false unless definite, minimal and within in. */
static bool length(struct der *in, size_t *ret) {
    size_t count = 0, len = 0;

    if (in->len == 0) {
        return false;
    }
    len = *in->at++;
    in->len--;
    if (len >= 0x80) {
        count = len & 0x7F;
        if (count == 0 || count > 3 || count > in->len || in->at[0] == 0) {
            return false;
        }
        len = 0;
        for (size_t i = 0; i < count; i++) {
            len = len << 8 | in->at[i];
        }
        if (len < 0x80) {
            return false;
        }
        in->at += count;
        in->len -= count;
    }
    *ret = len;
    return len <= in->len && len <= DER_LEN_MAX;
}

bool der_next(struct der *in, unsigned *ret_tag, struct der *ret_content, struct der *ret_whole) {
    struct der rest = *in;
    size_t len = 0;

    if (rest.len < 2 || (rest.at[0] & 0x1F) == 0x1F || rest.at[0] == 0) {
        return false;
    }
    unsigned tag = *rest.at++;
    rest.len--;
    if (!length(&rest, &len)) {
        return false;
    }
    if (ret_content != NULL) {
        *ret_content = (struct der){rest.at, len};
    }
    if (ret_whole != NULL) {
        *ret_whole = (struct der){in->at, (size_t)(rest.at - in->at) + len};
    }
    *ret_tag = tag;
    *in = (struct der){rest.at + len, rest.len - len};
    return true;
}

bool der_take(struct der *in, unsigned tag, struct der *ret_content) {
    struct der rest = *in, content = {0};
    unsigned got = 0;

    if (!der_next(&rest, &got, &content, NULL) || got != tag) {
        return false;
    }
    *ret_content = content;
    *in = rest;
    return true;
}

static bool wellformed(struct der in, unsigned depth) {
    struct der content = {0};
    unsigned tag = 0;

    while (in.len > 0) {
        if (!der_next(&in, &tag, &content, NULL)) {
            return false;
        }
        if ((tag & 0x20) != 0 && (depth == 0 || !wellformed(content, depth - 1))) {
            return false;
        }
    }
    return true;
}

bool der_wellformed(struct der in) { return in.len > 0 && wellformed(in, DER_DEPTH_MAX); }

bool der_is(struct der content, const void *data, size_t len) {
    return content.len == len && memcmp(content.at, data, len) == 0;
}

size_t der_header(unsigned char out[5], unsigned tag, size_t len) {
    size_t count = len < 0x80 ? 0 : len < 0x100 ? 1 : len < 0x10000 ? 2 : 3;

    assert(len <= DER_LEN_MAX);
    out[0] = (unsigned char)tag;
    out[1] = (unsigned char)(count == 0 ? len : 0x80 | count);
    for (size_t i = 0; i < count; i++) {
        out[2 + i] = (unsigned char)(len >> 8 * (count - 1 - i));
    }
    return 2 + count;
}
