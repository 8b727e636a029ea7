#include "nfsim/markup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Octets of the UTF-8 sequence at text (which ends with a NUL), 0 when it is not one. */
static size_t sequence(const unsigned char *text) {
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t len;
    } forms[] = {
        {0x20, 0x7e, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < COUNT(forms); i++) {
        if (text[0] < forms[i].first_min || text[0] > forms[i].first_max) {
            continue;
        }
        if (forms[i].len > 1 && (text[1] < forms[i].second_min || text[1] > forms[i].second_max)) {
            return 0;
        }
        for (size_t k = 2; k < forms[i].len; k++) {
            if ((text[k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return forms[i].len;
    }
    return text[0] == '\n' || text[0] == '\t';
}

static const char *entity(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void markup_text(struct buf *out, const char *text, size_t max) {
    size_t taken = 0;

    while (*text != '\0') {
        size_t len = sequence((const unsigned char *)text);
        const char *escaped = entity(*text);
        if (max > 0 && taken + (len > 0 ? len : 1) > max) {
            (void)buf_text(out, "…");
            return;
        }
        if (escaped != NULL) {
            (void)buf_text(out, escaped);
        } else if (len > 0) {
            (void)buf_add(out, text, len);
        } else {
            (void)buf_text(out, "\xef\xbf\xbd");
        }
        len = len > 0 ? len : 1;
        text += len;
        taken += len;
    }
}

const char *markup_us(uint64_t us, char out[MARKUP_FIGURE_SIZE]) {
    double ms = (double)us / 1000;

    if (us < 10000) {
        (void)snprintf(out, MARKUP_FIGURE_SIZE, "%.2f\u00a0ms", ms);
    } else if (us < 100000) {
        (void)snprintf(out, MARKUP_FIGURE_SIZE, "%.1f\u00a0ms", ms);
    } else if (us < 1000000) {
        (void)snprintf(out, MARKUP_FIGURE_SIZE, "%.0f\u00a0ms", ms);
    } else {
        (void)snprintf(out, MARKUP_FIGURE_SIZE, "%.2f\u00a0s", ms / 1000);
    }
    return out;
}

const char *markup_count(uint64_t count, char out[MARKUP_FIGURE_SIZE]) {
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count);
    size_t at = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && len > 4) {
            at += (size_t)snprintf(out + at, MARKUP_FIGURE_SIZE - at, "\u202f");
        }
        if (at + 1 < MARKUP_FIGURE_SIZE) {
            out[at++] = digits[i];
        }
    }
    out[at < MARKUP_FIGURE_SIZE ? at : MARKUP_FIGURE_SIZE - 1] = '\0';
    return out;
}
