#include "nfsim/flow.h"

#include <stdio.h>
#include <string.h>

#include "nfsim/bundle_file.h"
#include "nfsim/bundle_merge.h"
#include "nfsim/flow_svg.h"

#define SVG_BYTES_MAX (1 << 20)

static void flow_done_auto(struct flow *flow) { free(flow->calls); }

static void file_close_auto(FILE **file) {
    if (*file != NULL) {
        (void)fclose(*file);
    }
}

/* Nanoseconds as decimal text to microseconds; 0 when it is not a number. */
static uint64_t micros(const json_t *text) {
    const char *digit = json_string_value(text);
    uint64_t nanos = 0;

    for (; digit != NULL && *digit >= '0' && *digit <= '9'; digit++) {
        nanos = nanos * 10 + (uint64_t)(*digit - '0');
    }
    return nanos / 1000;
}

/* The string value of an OTLP attribute, "" when it has none. */
static const char *attribute(const json_t *span, const char *key) {
    const json_t *list = json_object_get(span, "attributes");
    const json_t *each = NULL;
    size_t i = 0;

    json_array_foreach(list, i, each) {
        const char *name = json_string_value(json_object_get(each, "key"));
        const char *value =
            json_string_value(json_object_get(json_object_get(each, "value"), "stringValue"));
        if (name != NULL && value != NULL && strcmp(name, key) == 0) {
            return value;
        }
    }
    return "";
}

/* Who a program is in the picture, in the order of merge_program. */
static const enum flow_party party_of_program[MERGE_PROGRAMS] = {FLOW_NF, FLOW_CLIENT, FLOW_SERVER,
                                                                 FLOW_OAM};

static bool party_of_peer(const char *peer, enum flow_party *ret) {
    static const struct {
        const char *peer;
        enum flow_party party;
    } peers[] = {{"client", FLOW_CLIENT},
                 {"server", FLOW_SERVER},
                 {"oam", FLOW_OAM},
                 {"producer", FLOW_PRODUCER},
                 {"nf", FLOW_NF}};

    for (size_t i = 0; i < COUNT(peers); i++) {
        if (strcmp(peers[i].peer, peer) == 0) {
            *ret = peers[i].party;
            return true;
        }
    }
    return false;
}

/* "1 request" … "9 certificate" of the root. */
static bool take_step(struct flow *flow, const char *name, uint64_t start_us, uint64_t end_us) {
    if (name[0] < '1' || name[0] > '9' || name[1] != ' ') {
        return false;
    }
    flow->steps[name[0] - '1'] =
        (struct flow_step){.seen = true, .start_us = start_us, .end_us = end_us};
    return true;
}

static void take_call(struct flow *flow, unsigned program, const json_t *span, const char *name,
                      uint64_t start_us, uint64_t end_us) {
    struct flow_call call = {
        .from = party_of_program[program], .start_us = start_us, .end_us = end_us};
    json_int_t kind = json_integer_value(json_object_get(span, "kind"));

    call.to = call.from;
    if (kind == 3 && !party_of_peer(attribute(span, "peer"), &call.to)) {
        return;
    }
    if (kind != 1 && kind != 3) {
        return; /* the other end of a CLIENT span */
    }
    if (flow->count == FLOW_SPANS_MAX) {
        flow->left_out++;
        return;
    }
    (void)snprintf(call.name, sizeof(call.name), "%s", name);
    (void)snprintf(call.status, sizeof(call.status), "%s", attribute(span, "status"));
    flow->calls[flow->count++] = call;
}

static void take_span(struct flow *flow, unsigned program, const json_t *span) {
    const char *name = json_string_value(json_object_get(span, "name"));
    uint64_t start_us = micros(json_object_get(span, "startTimeUnixNano"));
    uint64_t end_us = micros(json_object_get(span, "endTimeUnixNano"));

    if (name == NULL) {
        return;
    }
    if (party_of_program[program] == FLOW_NF && strcmp(name, "enrolment") == 0) {
        flow->has_root = true;
        flow->start_us = start_us;
        flow->end_us = end_us;
        (void)snprintf(flow->nf, sizeof(flow->nf), "%s", attribute(span, "nf"));
        (void)snprintf(flow->type, sizeof(flow->type), "%s", attribute(span, "nf.type"));
    } else if (party_of_program[program] != FLOW_NF || !take_step(flow, name, start_us, end_us)) {
        take_call(flow, program, span, name, start_us, end_us);
    }
}

/* merge_spans writes one resource, then one span, per line: only lines of this trace are parsed. */
static void take_line(struct flow *flow, char *line, size_t len, unsigned *program) {
    static const char start[] = "{\"resource\":";

    if (strncmp(line, start, strlen(start)) == 0) {
        for (unsigned i = 0; i < MERGE_PROGRAMS; i++) {
            char quoted[64];
            (void)snprintf(quoted, sizeof(quoted), "\"stringValue\":\"%s\"", merge_service[i]);
            *program = strstr(line, quoted) != NULL ? i : *program;
        }
        return;
    }
    if (strstr(line, flow->trace_id) == NULL) {
        return;
    }
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == ',')) {
        len--;
    }
    json_auto_t *span = json_loadb(line, len, 0, NULL);
    const char *trace_id = json_string_value(json_object_get(span, "traceId"));
    if (trace_id != NULL && strcmp(trace_id, flow->trace_id) == 0) {
        take_span(flow, *program, span);
    }
}

static bool flow_read(const char *folder, struct flow *flow, struct err *err) {
    char path[BUNDLE_PATH_MAX];
    AUTO(free) char *line = NULL;
    size_t size = 0;
    unsigned program = 0;

    if (!bundle_path(folder, "trace.otlp.json", path, err)) {
        return false;
    }
    AUTO(file_close) FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(err, ERR_CONFIG, "%.150s: cannot be read", path);
    }
    flow->calls = calloc(FLOW_SPANS_MAX, sizeof(*flow->calls));
    if (flow->calls == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a trace");
    }
    for (ssize_t len = 0; (len = getline(&line, &size, file)) >= 0;) {
        take_line(flow, line, (size_t)len, &program);
    }
    return true;
}

struct candidate {
    uint64_t total_us;
    const char *trace_id;
};

static int by_total(const void *left, const void *right) {
    const struct candidate *a = left, *b = right;

    return a->total_us < b->total_us ? -1 : a->total_us > b->total_us;
}

/* The sample with the median total among those enrolled; else the first; "" when there is none. */
static bool pick(const json_t *timeline, char trace_id[33], struct err *err) {
    const json_t *samples = json_object_get(timeline, "samples");
    size_t count = 0, i = 0;
    const json_t *sample = NULL;
    AUTO(free)
    struct candidate *list = calloc(json_array_size(samples) + 1, sizeof(struct candidate));
    const char *first = "";

    if (list == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the samples");
    }
    json_array_foreach(samples, i, sample) {
        const json_t *instants = json_object_get(sample, "t_us");
        const char *text = json_string_value(json_object_get(sample, "trace"));
        if (text == NULL || text[0] == '\0') {
            continue;
        }
        first = first[0] == '\0' ? text : first;
        if (json_is_true(json_object_get(sample, "enrolled")) && json_array_size(instants) == 10) {
            json_int_t total = json_integer_value(json_array_get(instants, 9))
                               - json_integer_value(json_array_get(instants, 0));
            list[count++] = (struct candidate){.total_us = (uint64_t)total, .trace_id = text};
        }
    }
    qsort(list, count, sizeof(*list), by_total);
    (void)snprintf(trace_id, 33, "%s", count > 0 ? list[(count - 1) / 2].trace_id : first);
    return true;
}

bool flow_write(const char *folder, const char *trace_id, struct err *err) {
    AUTO(flow_done) struct flow flow = {0};
    AUTO(buf_done) struct buf svg = buf_new(SVG_BYTES_MAX);

    if (trace_id != NULL) {
        (void)snprintf(flow.trace_id, sizeof(flow.trace_id), "%s", trace_id);
    } else {
        json_auto_t *timeline = bundle_read(folder, "timeline.json", err);
        if (timeline == NULL || !pick(timeline, flow.trace_id, err)) {
            return false;
        }
    }
    if (flow.trace_id[0] != '\0' && !flow_read(folder, &flow, err)) {
        return false;
    }
    if (flow.trace_id[0] == '\0') {
        flow_draw_none("No enrolment of this run was sampled.", &svg);
    } else if (flow.count == 0) {
        flow_draw_none("The trace of this enrolment holds no messages.", &svg);
    } else {
        flow_draw(&flow, &svg);
    }
    if (svg.failed) {
        return err_set(err, ERR_NO_MEMORY, "flow.svg passes %d octets", SVG_BYTES_MAX);
    }
    return bundle_text(folder, "flow.svg", svg.data, svg.len, err);
}
