#include "client/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/ossl.h"
#include "common/utf8.h"

#define LINE_MAX_LEN (20 + 1 + 32 + 1 + HISTORY_CAUSE_MAX + 1)
#define HISTORY_MAX (HISTORY_LINES_MAX * LINE_MAX_LEN)
#define PROBLEM_BODY_MAX 65536
#define PROBLEM_PART_MAX 512 /* octets of a member of a document that is too long */

/* Whole printable characters of text, at most size - 1 octets. */
static void copy_printable(const char *text, char *out, size_t size) {
    size_t used = 0;

    while (*text != '\0') {
        const size_t len = utf8_len(text);
        const size_t step = len == 0 ? 1 : len;
        if (used + step + 1 > size) {
            break;
        }
        memcpy(out + used, len == 0 ? " " : text, step);
        used += step;
        text += step;
    }
    out[used] = '\0';
}

static unsigned lines_of(const char *history) {
    unsigned count = 0;

    for (const char *at = history; at != NULL && (at = strchr(at, '\n')) != NULL; at++) {
        count++;
    }
    return count;
}

bool history_add(char **history, uint64_t at_us, const char *state, const char *cause) {
    AUTO(buf_done) struct buf buf = buf_new(HISTORY_MAX);
    char printable[HISTORY_CAUSE_MAX + 1] = "";
    const char *rest = *history == NULL ? "" : *history;

    if (lines_of(*history) >= HISTORY_LINES_MAX) {
        const char *second = strchr(rest, '\n') + 1;
        (void)buf_add(&buf, rest, (size_t)(second - rest));
        rest = strchr(second, '\n') + 1;
    }
    copy_printable(cause == NULL ? "" : cause, printable, sizeof printable);
    if (!buf_text(&buf, rest)
        || !buf_printf(&buf, "%" PRIu64 " %s%s%s\n", at_us, state, printable[0] == '\0' ? "" : " ",
                       printable)) {
        return false;
    }
    char *text = buf_take(&buf);
    if (text == NULL) {
        return false;
    }
    free(*history);
    *history = text;
    return true;
}

/* "INSTANT STATE[ CAUSE]" of len octets into its parts; false when it is none. */
static bool line_read(const char *line, size_t len, uint64_t *ret_us, char state[33],
                      char cause[HISTORY_CAUSE_MAX + 1]) {
    uint64_t us = 0;
    size_t at = 0, from = 0;

    for (; at < len && line[at] >= '0' && line[at] <= '9'; at++) {
        us = us * 10 + (uint64_t)(line[at] - '0');
    }
    if (at == 0 || at > 20 || at >= len || line[at] != ' ') {
        return false;
    }
    for (from = ++at; at < len && line[at] != ' '; at++) {
    }
    if (at == from || at - from > 32) {
        return false;
    }
    memcpy(state, line + from, at - from);
    state[at - from] = '\0';
    at += at < len ? 1 : 0;
    if (len - at > HISTORY_CAUSE_MAX) {
        return false;
    }
    memcpy(cause, line + at, len - at);
    cause[len - at] = '\0';
    *ret_us = us;
    return true;
}

uint64_t history_last_us(const char *history) {
    char state[33], cause[HISTORY_CAUSE_MAX + 1];
    uint64_t last_us = 0, us = 0;

    for (const char *at = history, *end = NULL; at != NULL && (end = strchr(at, '\n')) != NULL;
         at = end + 1) {
        if (line_read(at, (size_t)(end - at), &us, state, cause)) {
            last_us = us;
        }
    }
    return last_us;
}

static bool render_line(json_t *list, uint64_t us, const char *state, const char *cause) {
    char at[CLOCK_TEXT_SIZE];

    clock_text(us, at);
    json_t *one = json_pack("{s:s,s:s}", "at", at, "state", state);
    if (cause[0] != '\0') {
        (void)json_object_set_new(one, "cause", json_string(cause));
    }
    return json_array_append_new(list, one) == 0;
}

json_t *history_render(const char *history) {
    char state[33], cause[HISTORY_CAUSE_MAX + 1];
    AUTO(json_release) json_t *list = json_array();
    uint64_t us = 0;

    for (const char *at = history, *end = NULL; at != NULL && (end = strchr(at, '\n')) != NULL;
         at = end + 1) {
        if (line_read(at, (size_t)(end - at), &us, state, cause)
            && !render_line(list, us, state, cause)) {
            return NULL;
        }
    }
    return TAKE(list);
}

/* A member's text, cut. */
static void keep_part(json_t *object, const json_t *from, const char *name) {
    const char *text = json_string_value(json_object_get(from, name));
    char part[PROBLEM_PART_MAX + 1];

    if (text != NULL) {
        copy_printable(text, part, sizeof part);
        (void)json_object_set_new(object, name, json_string(part));
    }
}

char *history_problem(unsigned status, const char *body, size_t len) {
    struct err ignored = {0};
    AUTO(json_release)
    json_t *object = len <= PROBLEM_BODY_MAX ? json_read_object(body, len, &ignored) : NULL;
    AUTO(free) char *text = object == NULL ? NULL : json_text(object);

    if (text != NULL && strlen(text) <= HISTORY_PROBLEM_MAX) {
        return TAKE(text);
    }
    AUTO(json_release) json_t *less = json_pack("{s:i}", "status", (int)status);
    keep_part(less, object, "type");
    keep_part(less, object, "detail");
    return less == NULL ? NULL : json_text(less);
}
