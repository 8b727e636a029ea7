#include "common/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/utf8.h"

#define LINE_MAX_OCTETS 1024
#define NAME_MAX_OCTETS 80
#define CUT "\xe2\x80\xa6" /* … */

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
static_assert(COUNT(level_names) == LOG__COUNT, "every level has a name");

static _Atomic int current = LOG_INFO;

void log_level_set(enum log_level level) { atomic_store(&current, (int)level); }

enum log_level log_level_get(void) { return (enum log_level)atomic_load(&current); }

bool log_level_parse(const char *name, enum log_level *ret) {
    for (unsigned i = 0; i < LOG__COUNT; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Octets of printable ASCII text begins with. */
static size_t plain(const char *text) {
    size_t len = 0;

    while (text[len] >= ' ' && text[len] <= '~') {
        len++;
    }
    return len;
}

/* Copy text with every octet that could break a line or steer a terminal as \n or \xHH.
 * Returns the octets written, at most size; *ret_cut when something did not fit. */
static size_t escape(const char *text, char *out, size_t size, bool *ret_cut) {
    size_t used = 0;

    *ret_cut = false;
    while (*text != '\0' && !*ret_cut) {
        char hex[8];
        size_t run = plain(text);
        size_t whole = run != 0 ? run : utf8_len(text);
        size_t len = whole;
        const char *piece = text;
        if (whole == 0) {
            piece = hex;
            len = *text == '\n'
                      ? (size_t)snprintf(hex, sizeof(hex), "\\n")
                      : (size_t)snprintf(hex, sizeof(hex), "\\x%02x", (unsigned char)*text);
        }
        if (len > size - used) {
            *ret_cut = true;
            len = run == 0 ? 0 : size - used; /* ASCII may end anywhere */
        }
        memcpy(out + used, piece, len);
        used += len;
        text += whole == 0 ? 1 : whole;
    }
    return used;
}

/* Append text, at most max octets of it. */
static char *put(char *at, const char *text, size_t max) {
    size_t len = strnlen(text, max);
    return (char *)memcpy(at, text, len) + len;
}

/* "ts=… level=… room=… event=… ", without printf and with the second's text kept: a line costs a
 * third.  Returns the octets written. */
static size_t put_head(char *line, enum log_level level, const char *room, const char *event) {
    static thread_local uint64_t kept_s = UINT64_MAX;
    static thread_local char kept[CLOCK_TEXT_SIZE];
    uint64_t now_us = clock_wall_us();
    char *at = put(line, "ts=", 3);

    if (now_us / 1000000 != kept_s) {
        kept_s = now_us / 1000000;
        clock_text(now_us, kept);
    }
    at = put(at, kept, 19);
    *at++ = '.';
    for (unsigned unit = 100000; unit > 0; unit /= 10) {
        *at++ = (char)('0' + now_us / unit % 10);
    }
    at = put(put(at, "Z level=", 8), level_names[level], NAME_MAX_OCTETS);
    at = put(put(at, " room=", 6), room, NAME_MAX_OCTETS);
    at = put(put(at, " event=", 7), event, NAME_MAX_OCTETS);
    *at++ = ' ';
    return (size_t)(at - line);
}

void log_line(enum log_level level, const char *room, const char *event, const char *fmt, ...) {
    if (level > log_level_get()) {
        return;
    }
    char line[LINE_MAX_OCTETS];
    size_t used = put_head(line, level, room, event);

    char text[LINE_MAX_OCTETS];
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (wanted < 0) {
        text[0] = '\0';
    }
    bool cut;
    used += escape(text, line + used, sizeof(line) - used - sizeof(CUT), &cut);
    if (cut || wanted >= (int)sizeof(text)) {
        memcpy(line + used, CUT, sizeof(CUT) - 1);
        used += sizeof(CUT) - 1;
    }
    while (used > 0 && line[used - 1] == ' ') {
        used--;
    }
    line[used++] = '\n';
    /* a log line that cannot be written is lost: there is nowhere to say so */
    ssize_t wrote = write(STDERR_FILENO, line, used);
    (void)wrote;
}

const char *log_quote(const char *text, char *out, unsigned size) {
    bool quote = text[0] == '\0';
    size_t used = 0;

    assert(size >= 3);
    for (const char *c = text; *c != '\0'; c++) {
        quote = quote || *c == ' ' || *c == '"' || *c == '=' || *c == '\\' || utf8_len(c) == 0;
        c += utf8_len(c) > 1 ? utf8_len(c) - 1 : 0;
    }
    if (quote) {
        out[used++] = '"';
    }
    for (const char *c = text; *c != '\0';) {
        char piece[8];
        size_t whole = utf8_len(c);
        bool cut;
        size_t len;
        if (*c == '"' || *c == '\\') {
            piece[0] = '\\';
            piece[1] = *c;
            len = 2;
        } else {
            char one[5] = "";
            memcpy(one, c, whole == 0 ? 1 : whole);
            len = escape(one, piece, sizeof(piece), &cut);
        }
        if (used + len + 2 > size) {
            break;
        }
        memcpy(out + used, piece, len);
        used += len;
        c += whole == 0 ? 1 : whole;
    }
    if (quote) {
        out[used++] = '"';
    }
    out[used] = '\0';
    return out;
}
