#include "nfsim/report_page.h"

#include <stdarg.h>
#include <stdio.h>

uint64_t report_count(const json_t *object, const char *name) {
    json_int_t value = json_integer_value(json_object_get(object, name));

    return value > 0 ? (uint64_t)value : 0;
}

double report_number(const json_t *object, const char *name) {
    return json_number_value(json_object_get(object, name));
}

const char *report_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

const json_t *report_step(const struct report *report, int k) {
    return json_array_get(json_object_get(report->result, "steps"), (size_t)(k - 1));
}

void report_add(const struct report *report, const char *fmt, ...) {
    AUTO(free) char *text = NULL;
    va_list arguments;

    va_start(arguments, fmt);
    int len = vasprintf(&text, fmt, arguments);
    va_end(arguments);
    if (len < 0) {
        text = NULL;
        report->out->failed = true;
        return;
    }
    (void)buf_add(report->out, text, (size_t)len);
}

void report_escape(const struct report *report, const char *text) {
    markup_text(report->out, text, 0);
}

void report_cell_ms(const struct report *report, double us) {
    report_add(report, "<td class=\"n\">%.2f</td>", us / 1000);
}

void report_cell_count(const struct report *report, uint64_t count) {
    char text[MARKUP_FIGURE_SIZE];

    report_add(report, "<td class=\"n\">%s</td>", markup_count(count, text));
}

void report_heading(const struct report *report, const char *heading, const char *note) {
    report_add(report, "<h2>%s</h2>\n", heading);
    if (note != NULL) {
        report_add(report, "<p>%s</p>\n", note);
    }
}
