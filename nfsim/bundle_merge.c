#include "nfsim/bundle_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "nfsim/bundle_file.h"

const char *const merge_program[MERGE_PROGRAMS] = {"nfsim", "client", "server", "oam"};
const char *const merge_service[MERGE_PROGRAMS] = {"nfsim", "nfacme-client", "nfacme-server",
                                                   "nfsim-oam"};

/* A log file as it was when it was opened: the programs may still append to it. */
struct source {
    char *data; /* NULL = empty or absent */
    size_t len;
};

static void source_done_auto(struct source *source) {
    if (source->data != NULL) {
        (void)munmap(source->data, source->len);
    }
}

static bool source_open(const char *path, struct source *ret, struct err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT
               || (err_set(err, ERR_CONFIG, "%s: cannot be read", path),
                   err_cause(err, "open: %s", strerror(errno)));
    }
    struct stat facts;
    bool ok = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
    if (ok && facts.st_size > 0) {
        void *data = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        ok = data != MAP_FAILED;
        if (ok) {
            *ret = (struct source){.data = data, .len = (size_t)facts.st_size};
        }
    }
    (void)close(fd);
    return ok || err_set(err, ERR_CONFIG, "%s: cannot be read", path);
}

static bool program_source(const char *folder, unsigned program, const char *kind,
                           struct source *ret, struct err *err) {
    char path[BUNDLE_PATH_MAX];
    char name[64];

    (void)snprintf(name, sizeof(name), "logs/%s.%s.jsonl", merge_program[program], kind);
    return bundle_path(folder, name, path, err) && source_open(path, ret, err);
}

/* The line that starts at *place, without its end; moves on.  The last one may lack its end. */
static bool source_line(const struct source *source, size_t *place, const char **ret_line,
                        size_t *ret_len) {
    if (source->data == NULL || *place >= source->len) {
        return false;
    }
    const char *line = source->data + *place;
    const char *end = memchr(line, '\n', source->len - *place);
    *ret_len = end != NULL ? (size_t)(end - line) : source->len - *place;
    *ret_line = line;
    *place += *ret_len + 1;
    return true;
}

static json_t *line_object(const char *line, size_t len) {
    if (len < 2 || len > MERGE_LINE_MAX || line[0] != '{' || line[len - 1] != '}') {
        return NULL;
    }
    struct err ignored = {0};
    return json_read_object(line, len, &ignored);
}

static bool is_span(const json_t *span) {
    static const char *const members[] = {"traceId", "spanId", "name", "startTimeUnixNano",
                                          "endTimeUnixNano"};

    for (size_t i = 0; i < COUNT(members); i++) {
        if (!json_is_string(json_object_get(span, members[i]))) {
            return false;
        }
    }
    return true;
}

static bool dump_resource(FILE *file, const char *service) {
    json_auto_t *resource = json_pack("{s:[{s:s,s:{s:s}},{s:s,s:{s:s}}]}", "attributes", "key",
                                      "service.name", "value", "stringValue", service, "key",
                                      "service.version", "value", "stringValue", NFACME_VERSION);

    return resource != NULL && fputs("{\"resource\":", file) >= 0
           && json_dumpf(resource, file, JSON_COMPACT) == 0
           && fputs(",\"scopeSpans\":[{\"scope\":{\"name\":\"nfacme\"},\"spans\":[\n", file) >= 0;
}

static bool spans_of(FILE *file, const struct source *source, unsigned program, bool first,
                     struct merge_count *count) {
    size_t place = 0, len = 0;
    const char *line = NULL;
    uint64_t written = 0;

    while (source_line(source, &place, &line, &len)) {
        json_auto_t *span = line_object(line, len);
        if (span == NULL || !is_span(span) || written == MERGE_SPANS_MAX) {
            count->dropped++;
            continue;
        }
        (void)json_object_del(span, "service");
        if (written == 0
            && ((!first && fputs(",\n", file) < 0)
                || !dump_resource(file, merge_service[program]))) {
            return false;
        }
        if ((written > 0 && fputs(",\n", file) < 0) || json_dumpf(span, file, JSON_COMPACT) != 0) {
            return false;
        }
        written++;
    }
    count->written += written;
    return written == 0 || fputs("\n]}]}", file) >= 0;
}

bool merge_spans(const char *folder, struct merge_count *ret, struct err *err) {
    static const char name[] = "trace.otlp.json";
    struct merge_count count = {0};
    FILE *file = bundle_open(folder, name, err);
    if (file == NULL) {
        return false;
    }
    bool ok = fputs("{\"resourceSpans\":[\n", file) >= 0;

    for (unsigned i = 0; ok && i < MERGE_PROGRAMS; i++) {
        AUTO(source_done) struct source source = {0};
        ok = program_source(folder, i, "spans", &source, err)
             && spans_of(file, &source, i, count.written == 0, &count);
    }
    ok = ok && fputs("\n]}\n", file) >= 0;
    if (!bundle_close(file, folder, name, ok, err)) {
        return false;
    }
    *ret = count;
    return true;
}

/* Where an event's line is. */
struct place {
    uint64_t ts_us;
    uint64_t offset;
    uint32_t len;
    uint32_t program;
};

struct events {
    struct source sources[MERGE_PROGRAMS];
    struct place *places;
    size_t count, max;
    uint64_t bytes[MERGE_FORM__COUNT]; /* of the lines in each form, with their ends */
};

static void events_done_auto(struct events *events) {
    for (unsigned i = 0; i < MERGE_PROGRAMS; i++) {
        source_done_auto(&events->sources[i]);
    }
    free(events->places);
}

static size_t lines_of(const struct source *source) {
    size_t place = 0, len = 0, count = 0;
    const char *line = NULL;

    while (source_line(source, &place, &line, &len)) {
        count++;
    }
    return count;
}

static bool is_member(const json_t *event, const char *name, const char *value) {
    const char *text = json_string_value(json_object_get(event, name));

    return text != NULL && (value == NULL || strcmp(text, value) == 0);
}

/* Does this event tie an enrolment or an order to its NF? */
static bool is_tie(const json_t *event) {
    return is_member(event, "to", "AUTHORISED") || is_member(event, "to", "ORDERED")
           || is_member(event, "to", "pending") || is_member(event, "serial", NULL);
}

/* Bring an event from the form before into this one. */
static void shorten(json_t *event, enum merge_form form) {
    bool nf = is_member(event, "nf", NULL);

    switch (form) {
    case MERGE_NO_ENROLMENT:
        if (nf && is_member(event, "order", NULL)) {
            (void)json_object_del(event, "enrolment");
        }
        break;
    case MERGE_ONCE:
        if (nf && !is_tie(event)) {
            (void)json_object_del(event, "enrolment");
            (void)json_object_del(event, "order");
        }
        break;
    case MERGE_NO_FROM:
        (void)json_object_del(event, "from");
        break;
    case MERGE_NO_DETAIL:
        (void)json_object_del(event, "detail");
        break;
    case MERGE_WHOLE:
    case MERGE_FORM__COUNT:
        break;
    }
}

/* A line in a shorter form; caller owns.  NULL: no memory. */
static char *shorter_line(const char *line, size_t len, enum merge_form form) {
    json_auto_t *event = line_object(line, len);

    for (enum merge_form each = MERGE_WHOLE; each < form; each++) {
        shorten(event, each + 1);
    }
    return json_text(event);
}

static void events_measure(struct events *events, json_t *event, size_t len) {
    events->bytes[MERGE_WHOLE] += len + 1;
    for (enum merge_form form = MERGE_WHOLE + 1; form < MERGE_FORM__COUNT; form++) {
        shorten(event, form);
        AUTO(free) char *text = json_text(event);
        events->bytes[form] += (text == NULL ? 0 : strlen(text)) + 1;
    }
}

static void events_index(struct events *events, unsigned program, struct merge_count *count) {
    const struct source *source = &events->sources[program];
    size_t place = 0, len = 0;
    const char *line = NULL;

    while (source_line(source, &place, &line, &len)) {
        json_auto_t *event = line_object(line, len);
        const json_t *ts = json_object_get(event, "ts_us");
        if (!json_is_integer(ts) || json_integer_value(ts) < 0
            || !json_is_string(json_object_get(event, "event")) || events->count == events->max) {
            count->dropped++;
            continue;
        }
        events->places[events->count++] = (struct place){.ts_us = (uint64_t)json_integer_value(ts),
                                                         .offset = (uint64_t)(line - source->data),
                                                         .len = (uint32_t)len,
                                                         .program = program};
        events_measure(events, event, len);
    }
}

static bool events_read(const char *folder, struct events *events, struct merge_count *count,
                        struct err *err) {
    for (unsigned i = 0; i < MERGE_PROGRAMS; i++) {
        if (!program_source(folder, i, "events", &events->sources[i], err)) {
            return false;
        }
        events->max += lines_of(&events->sources[i]);
    }
    events->max = events->max < MERGE_EVENTS_MAX ? events->max : MERGE_EVENTS_MAX;
    events->places = calloc(events->max + 1, sizeof(*events->places));
    if (events->places == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the order of %zu events", events->max);
    }
    for (unsigned i = 0; i < MERGE_PROGRAMS; i++) {
        events_index(events, i, count);
    }
    return true;
}

static int by_time(const void *left, const void *right) {
    const struct place *a = left, *b = right;

    if (a->ts_us != b->ts_us) {
        return a->ts_us < b->ts_us ? -1 : 1;
    }
    if (a->program != b->program) {
        return a->program < b->program ? -1 : 1;
    }
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static bool events_dump(FILE *file, const struct events *events, uint64_t budget,
                        struct merge_count *count) {
    uint64_t left = budget;

    while (count->form + 1 < MERGE_FORM__COUNT && events->bytes[count->form] > budget) {
        count->form++;
    }
    for (size_t i = 0; i < events->count; i++) {
        const struct place *place = &events->places[i];
        const char *line = events->sources[place->program].data + place->offset;
        AUTO(free)
        char *shorter =
            count->form != MERGE_WHOLE ? shorter_line(line, place->len, count->form) : NULL;
        size_t len = shorter != NULL ? strlen(shorter) : place->len;
        if (len + 1 > left) {
            count->dropped += events->count - i;
            return true;
        }
        if (fwrite(shorter != NULL ? shorter : line, 1, len, file) != len
            || fputc('\n', file) == EOF) {
            return false;
        }
        left -= len + 1;
        count->written++;
    }
    return true;
}

bool merge_events(const char *folder, uint64_t enrolments, struct merge_count *ret,
                  struct err *err) {
    static const char name[] = "events.jsonl";
    struct merge_count count = {0};
    AUTO(events_done) struct events events = {0};

    if (!events_read(folder, &events, &count, err)) {
        return false;
    }
    qsort(events.places, events.count, sizeof(*events.places), by_time);
    FILE *file = bundle_open(folder, name, err);
    if (file == NULL) {
        return false;
    }
    uint64_t budget = MERGE_EVENT_BYTES_PER_ENROLMENT * (enrolments > 0 ? enrolments : 1);
    if (!bundle_close(file, folder, name, events_dump(file, &events, budget, &count), err)) {
        return false;
    }
    *ret = count;
    return true;
}
