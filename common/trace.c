#include "common/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/rng.h"
#include "common/utf8.h"

#define EVENT_MAX 1024 /* octets of an event line */
#define SPAN_MAX 4096  /* octets of a span line */
#define VALUE_MAX 256  /* octets of one escaped value */
#define CLOSE_MAX 64   /* kept free for what must follow the last member */

struct trace {
    const char *program;
    int spans_fd, events_fd; /* -1: that half is a no-op */
};

/* A line being made in a fixed place: an append that would pass max is left out whole or, inside a
 * string, cut, so that the line stays one well-formed JSON value. */
struct line {
    size_t used, max;
    char text[SPAN_MAX];
};

static bool put(struct line *line, const char *text) {
    size_t len = strlen(text);
    if (line->used + len > line->max) {
        return false;
    }
    memcpy(line->text + line->used, text, len);
    line->used += len;
    return true;
}

/* The next character of text as JSON in piece: its octets; *ret_step octets of text are done. */
static size_t escaped(const char *text, char piece[8], size_t *ret_step) {
    unsigned char c = (unsigned char)*text;
    size_t len = utf8_len(text);

    *ret_step = len == 0 ? 1 : len;
    if (c == '"' || c == '\\') {
        piece[0] = '\\';
        piece[1] = (char)c;
        return 2;
    }
    if (len > 0) {
        memcpy(piece, text, len);
        return len;
    }
    if (c < 0x20 || c == 0x7f) {
        return (size_t)snprintf(piece, 8, "\\u%04x", c);
    }
    piece[0] = '?'; /* not UTF-8 */
    return 1;
}

/* A quoted string, cut to what VALUE_MAX and the line's maximum leave. */
static void put_string(struct line *line, const char *text) {
    size_t limit = line->used + VALUE_MAX;
    limit = limit > line->max - 1 ? line->max - 1 : limit;
    line->text[line->used++] = '"';
    while (*text != '\0') {
        char piece[8];
        size_t step;
        size_t len = escaped(text, piece, &step);
        if (line->used + len > limit) {
            break;
        }
        memcpy(line->text + line->used, piece, len);
        line->used += len;
        text += step;
    }
    line->text[line->used++] = '"';
}

/* `,"name":"value"`; left out when value is NULL or there is no room for a useful part of it. */
static void put_member(struct line *line, const char *name, const char *value) {
    if (value == NULL || line->used + strlen(name) + 8 > line->max) {
        return;
    }
    (void)put(line, ",\"");
    (void)put(line, name);
    (void)put(line, "\":");
    put_string(line, value);
}

static void put_hex(struct line *line, const char *before, const uint8_t *octets, unsigned count) {
    static const char digits[] = "0123456789abcdef";
    char text[33];

    for (unsigned i = 0; i < count; i++) {
        text[2 * i] = digits[octets[i] >> 4];
        text[2 * i + 1] = digits[octets[i] & 15];
    }
    text[2 * count] = '\0';
    (void)put(line, before);
    (void)put(line, text);
}

static void put_number(struct line *line, const char *before, uint64_t number, const char *after) {
    char text[21];
    char *at = text + sizeof(text) - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    (void)put(line, before);
    (void)put(line, at);
    (void)put(line, after);
}

/* One write, so that lines of several threads and of a killed program stay whole. */
static void put_end(struct line *line, int fd, const char *close) {
    line->max += CLOSE_MAX;
    (void)put(line, close);
    ssize_t wrote = write(fd, line->text, line->used);
    (void)wrote; /* a trace that cannot be written is lost: it never stops the work it describes */
}

static int hex_value(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower-case hex, not all zero (W3C Trace Context section 3.2.2). */
static bool hex_read(const char *text, uint8_t *out, unsigned count) {
    unsigned any = 0;

    for (unsigned i = 0; i < count; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
        any |= out[i];
    }
    return any != 0;
}

bool trace_read(const char *traceparent, struct trace_context *ret) {
    struct trace_context context;
    uint8_t flags;

    *ret = (struct trace_context){0};
    if (traceparent == NULL || strlen(traceparent) != TRACE_PARENT_SIZE - 1
        || strncmp(traceparent, "00-", 3) != 0 || traceparent[35] != '-' || traceparent[52] != '-'
        || !hex_read(traceparent + 3, context.trace_id, 16)
        || !hex_read(traceparent + 36, context.span_id, 8)) {
        return false;
    }
    if (!hex_read(traceparent + 53, &flags, 1) && strcmp(traceparent + 53, "00") != 0) {
        return false;
    }
    context.sampled = (flags & 1) != 0;
    *ret = context;
    return true;
}

void trace_write(const struct trace_context *context, char text[TRACE_PARENT_SIZE]) {
    struct line line = {.max = TRACE_PARENT_SIZE - 1};

    put_hex(&line, "00-", context->trace_id, 16);
    put_hex(&line, "-", context->span_id, 8);
    (void)put(&line, context->sampled ? "-01" : "-00");
    memcpy(text, line.text, TRACE_PARENT_SIZE - 1);
    text[TRACE_PARENT_SIZE - 1] = '\0';
}

static void octets_of(uint64_t number, uint8_t out[8]) {
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(number >> (56 - 8 * i));
    }
}

struct trace_context trace_root(uint64_t high, uint64_t low, bool sampled) {
    struct rng rng = rng_seeded(high ^ (low << 1));
    struct trace_context context = {.sampled = sampled};

    octets_of(high, context.trace_id);
    octets_of(low == 0 && high == 0 ? 1 : low, context.trace_id + 8); /* all zero is not an id */
    octets_of(rng_next(&rng) | 1, context.span_id);
    return context;
}

struct trace_context trace_child(const struct trace_context *parent) {
    static _Thread_local struct rng rng;
    static _Thread_local bool seeded;

    if (!seeded) {
        uint64_t seed;
        rng_secret(&seed, sizeof(seed));
        rng = rng_seeded(seed);
        seeded = true;
    }
    struct trace_context child = *parent;
    octets_of(rng_next(&rng) | 1, child.span_id);
    return child;
}

/* -1 for no path; -2 and err when it cannot be opened. */
static int open_append(const char *path, struct err *err) {
    if (path == NULL) {
        return -1;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
        int error = errno;
        (void)err_set(err, ERR_CONFIG, "cannot write %s: %s", path, strerror(error));
        return -2;
    }
    return fd;
}

struct trace *trace_open(const char *program, const char *spans_path, const char *events_path,
                         struct err *err) {
    AUTO(trace_close) struct trace *trace = calloc(1, sizeof(*trace));

    if (trace == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a trace");
        return NULL;
    }
    *trace = (struct trace){.program = program, .spans_fd = -1, .events_fd = -1};
    trace->spans_fd = open_append(spans_path, err);
    trace->events_fd = open_append(events_path, err);
    return trace->spans_fd == -2 || trace->events_fd == -2 ? NULL : TAKE(trace);
}

void trace_close(struct trace *trace) {
    if (trace == NULL) {
        return;
    }
    if (trace->spans_fd >= 0) {
        (void)close(trace->spans_fd);
    }
    if (trace->events_fd >= 0) {
        (void)close(trace->events_fd);
    }
    free(trace);
}

static void put_attributes(struct line *line, const struct trace_attribute *attributes,
                           unsigned count) {
    bool first = true;

    (void)put(line, ",\"attributes\":[");
    for (unsigned i = 0; i < count; i++) {
        if (attributes[i].value == NULL || line->used + 2 * VALUE_MAX + 64 > line->max) {
            continue;
        }
        (void)put(line, first ? "{\"key\":" : ",{\"key\":");
        put_string(line, attributes[i].key);
        (void)put(line, ",\"value\":{\"stringValue\":");
        put_string(line, attributes[i].value);
        (void)put(line, "}}");
        first = false;
    }
}

void trace_span(struct trace *trace, const struct trace_context *self, const uint8_t *parent_id,
                const char *name, enum trace_kind kind, uint64_t start_us, uint64_t end_us,
                const struct trace_attribute *attributes, unsigned count) {
    if (trace == NULL || trace->spans_fd < 0 || !self->sampled) {
        return;
    }
    struct line line;
    line.used = 0;
    line.max = SPAN_MAX - CLOSE_MAX;
    put_hex(&line, "{\"traceId\":\"", self->trace_id, 16);
    put_hex(&line, "\",\"spanId\":\"", self->span_id, 8);
    if (parent_id != NULL) {
        put_hex(&line, "\",\"parentSpanId\":\"", parent_id, 8);
    }
    (void)put(&line, "\"");
    put_member(&line, "name", name);
    put_number(&line, ",\"kind\":", (uint64_t)kind, "");
    put_number(&line, ",\"startTimeUnixNano\":\"", start_us, "000\"");
    put_number(&line, ",\"endTimeUnixNano\":\"", end_us, "000\"");
    put_member(&line, "service", trace->program);
    put_attributes(&line, attributes, count);
    put_end(&line, trace->spans_fd, "]}\n");
}

void trace_event(struct trace *trace, const struct trace_event *event) {
    if (trace == NULL || trace->events_fd < 0) {
        return;
    }
    struct line line;
    line.used = 0;
    line.max = EVENT_MAX - CLOSE_MAX;
    put_number(&line, "{\"ts_us\":", clock_wall_us(), "");
    put_member(&line, "program", trace->program);
    put_member(&line, "event", event->event);
    put_member(&line, "nf", event->nf);
    put_member(&line, "enrolment", event->enrolment);
    put_member(&line, "order", event->order);
    put_member(&line, "serial", event->serial);
    put_member(&line, "from", event->from);
    put_member(&line, "to", event->to);
    put_member(&line, "detail", event->detail);
    put_end(&line, trace->events_fd, "}\n");
}
