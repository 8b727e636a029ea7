#include "common/b64.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[64] = {'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M',
                                  'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z',
                                  'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',
                                  'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
                                  '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '-', '_'};

/* One more than the value of each character; 0 = foreign. */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64};

void b64_encode_into(const void *data, size_t len, char *text, size_t size) {
    const uint8_t *in = data;
    size_t i = 0;

    assert(size > B64_LEN(len));
    for (; i + 3 <= len; i += 3) {
        uint32_t group = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = alphabet[group >> 6 & 63];
        *text++ = alphabet[group & 63];
    }
    if (len - i == 1) {
        *text++ = alphabet[in[i] >> 2];
        *text++ = alphabet[(in[i] & 3) << 4];
    } else if (len - i == 2) {
        *text++ = alphabet[in[i] >> 2];
        *text++ = alphabet[(in[i] & 3) << 4 | in[i + 1] >> 4];
        *text++ = alphabet[(in[i + 1] & 15) << 2];
    }
    *text = '\0';
}

char *b64_encode(const void *data, size_t len) {
    size_t size = B64_LEN(len) + 1;
    char *text = len > SIZE_MAX / 4 - 1 ? NULL : malloc(size);

    if (text != NULL) {
        b64_encode_into(data, len, text, size);
    }
    return text;
}

bool b64_is(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (values[(uint8_t)text[i]] == 0) {
            return false;
        }
    }
    return len > 0;
}

/* The last group of 2 or 3 characters; false when foreign or with spare bits set. */
static bool decode_tail(const uint8_t *in, size_t count, uint8_t *out) {
    uint32_t group = 0;

    for (size_t i = 0; i < count; i++) {
        if (values[in[i]] == 0) {
            return false;
        }
        group = group << 6 | (uint32_t)(values[in[i]] - 1);
    }
    if (count == 2) {
        out[0] = (uint8_t)(group >> 4);
        return (group & 15) == 0;
    }
    out[0] = (uint8_t)(group >> 10);
    out[1] = (uint8_t)(group >> 2);
    return (group & 3) == 0;
}

bool b64_decode_into(const char *text, size_t len, void *out, size_t size, size_t *ret_len,
                     struct err *err) {
    const uint8_t *in = (const uint8_t *)text;
    uint8_t *to = out;
    size_t octets = len / 4 * 3 + (len % 4 == 0 ? 0 : len % 4 - 1);
    size_t i = 0;

    if (len % 4 == 1) {
        return err_set(err, ERR_MALFORMED, "base64url text of an impossible length");
    }
    if (octets > size) {
        return err_set(err, ERR_MALFORMED, "base64url text is too long");
    }
    for (; i + 4 <= len; i += 4) {
        uint8_t a = values[in[i]], b = values[in[i + 1]];
        uint8_t c = values[in[i + 2]], d = values[in[i + 3]];
        if (a == 0 || b == 0 || c == 0 || d == 0) {
            return err_set(err, ERR_MALFORMED, "not base64url");
        }
        uint32_t group = (uint32_t)(a - 1) << 18 | (uint32_t)(b - 1) << 12 | (uint32_t)(c - 1) << 6
                         | (uint32_t)(d - 1);
        *to++ = (uint8_t)(group >> 16);
        *to++ = (uint8_t)(group >> 8);
        *to++ = (uint8_t)group;
    }
    if (i < len && !decode_tail(in + i, len - i, to)) {
        return err_set(err, ERR_MALFORMED, "not base64url");
    }
    *ret_len = octets;
    return true;
}

bool b64_decode(const char *text, size_t len, unsigned char **ret_data, size_t *ret_len,
                struct err *err) {
    size_t size = len / 4 * 3 + 3;
    AUTO(free) unsigned char *data = malloc(size);
    size_t octets = 0;

    if (data == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory");
    }
    if (!b64_decode_into(text, len, data, size - 1, &octets, err)) {
        return false;
    }
    data[octets] = '\0';
    *ret_data = TAKE(data);
    *ret_len = octets;
    return true;
}
