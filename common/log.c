#include "common/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/utf8.h"

#define LINE_MAX_OCTETS 1024
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

/* Copy text with every octet that could break a line or steer a terminal as \n or \xHH.
 * Returns the octets written, at most size; *ret_cut when something did not fit. */
static size_t escape(const char *text, char *out, size_t size, bool *ret_cut) {
    size_t used = 0;

    *ret_cut = false;
    while (*text != '\0') {
        char piece[8];
        size_t whole = utf8_len(text);
        size_t len = whole;
        if (whole != 0) {
            memcpy(piece, text, whole);
        } else if (*text == '\n') {
            len = (size_t)snprintf(piece, sizeof(piece), "\\n");
        } else {
            len = (size_t)snprintf(piece, sizeof(piece), "\\x%02x", (unsigned char)*text);
        }
        if (used + len > size) {
            *ret_cut = true;
            break;
        }
        memcpy(out + used, piece, len);
        used += len;
        text += whole == 0 ? 1 : whole;
    }
    return used;
}

void log_line(enum log_level level, const char *room, const char *event, const char *fmt, ...) {
    if (level > log_level_get()) {
        return;
    }
    char ts[CLOCK_TEXT_SIZE];
    uint64_t now_us = clock_wall_us();
    clock_text(now_us, ts);
    char line[LINE_MAX_OCTETS];
    int head = snprintf(line, sizeof(line), "ts=%.19s.%06uZ level=%s room=%.40s event=%.80s ", ts,
                        (unsigned)(now_us % 1000000), level_names[level], room, event);
    size_t used = head < 0 ? 0 : (size_t)head;

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
