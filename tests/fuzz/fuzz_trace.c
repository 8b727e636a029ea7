/* Any octets as a traceparent (what is read is written again) and as the texts of an event and a
 * span (what is written is one line of JSON). */
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/trace.h"
#include "target.h"

#define TEXT_MAX 4096

/* The line in the file, which is emptied. */
static void check_line(int fd, size_t longest) {
    static char line[TEXT_MAX + 1];
    struct err err = {0};
    ssize_t len = pread(fd, line, sizeof(line), 0);

    PROMISE(len > 1 && (size_t)len <= longest && line[len - 1] == '\n');
    PROMISE(memchr(line, '\n', (size_t)len) == line + len - 1);
    AUTO(json_release) json_t *json = json_read_object(line, (size_t)len, &err);
    PROMISE(json != NULL);
    PROMISE(ftruncate(fd, 0) == 0);
}

static void parent(const char *text) {
    struct trace_context context;
    char back[TRACE_PARENT_SIZE];

    if (trace_read(text, &context)) {
        trace_write(&context, back);
        PROMISE(strncmp(back, text, TRACE_PARENT_SIZE - 3) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct trace *trace;
    static FILE *events;
    static FILE *spans;
    char text[TEXT_MAX + 1];
    size_t len = size < TEXT_MAX ? size : TEXT_MAX;

    memcpy(text, data, len);
    text[len] = '\0';
    parent(text);
    if (trace == NULL) {
        char paths[2][64];
        struct err err = {0};
        events = tmpfile();
        spans = tmpfile();
        PROMISE(events != NULL && spans != NULL);
        (void)snprintf(paths[0], sizeof(paths[0]), "/proc/self/fd/%d", fileno(spans));
        (void)snprintf(paths[1], sizeof(paths[1]), "/proc/self/fd/%d", fileno(events));
        trace = trace_open("fuzz", paths[0], paths[1], &err);
        PROMISE(trace != NULL);
    }
    struct trace_context root = trace_root(1, 2, true);
    const struct trace_attribute attributes[] = {{text, text}, {"status", text}};
    trace_event(trace, &(struct trace_event){text, text, text, text, text, text, text, text});
    check_line(fileno(events), 1024);
    trace_span(trace, &root, NULL, text, TRACE_CLIENT, 1, 2, attributes, COUNT(attributes));
    check_line(fileno(spans), TEXT_MAX);
    return 0;
}
