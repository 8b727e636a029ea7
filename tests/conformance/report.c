/* A result as text, JSON (design: acmespec) and JUnit XML. */
#include <string.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/ossl.h"
#include "tests/conformance/runner.h"

#define REPORT_MAX (16 << 20)

static unsigned count_of(const struct run_list *list, enum outcome_status status) {
    unsigned count = 0;

    for (size_t i = 0; i < list->count; i++) {
        count += list->outcomes[i].status == status;
    }
    return count;
}

void report_text(const struct run_list *list, bool strict, FILE *out) {
    for (size_t i = 0; i < list->count; i++) {
        const struct outcome *outcome = &list->outcomes[i];
        if (outcome->status == OUTCOME_FAIL || outcome_fails(outcome, strict)) {
            const char *how = outcome->expected                ? (outcome->status == OUTCOME_FAIL
                                                                      ? "fails as expected"
                                                                      : "PASSES, was expected to fail")
                              : outcome_fails(outcome, strict) ? "FAIL"
                                                               : "fail";
            (void)fprintf(out, "%s %s %s [%s]: %s\n    %s\n", how, level_name(outcome->row->level),
                          outcome->row->id, outcome->row->rows, outcome->row->text,
                          outcome->reason);
        }
    }
    (void)fprintf(out, "%u passed, %u failed, %u skipped\n", count_of(list, OUTCOME_PASS),
                  count_of(list, OUTCOME_FAIL), count_of(list, OUTCOME_SKIP));
}

void report_list(const struct run_list *list, FILE *out) {
    for (size_t i = 0; i < list->count; i++) {
        const struct spec_case *row = list->outcomes[i].row;
        (void)fprintf(out, "%s\t%s\t%s\t%s\t%s\n", row->id, level_name(row->level), row->area,
                      row->rows, row->text);
    }
}

bool report_json(const struct run_list *list, const char *path, struct err *err) {
    json_auto_t *cases = json_array();

    for (size_t i = 0; i < list->count; i++) {
        const struct outcome *outcome = &list->outcomes[i];
        const struct spec_case *row = outcome->row;
        (void)json_array_append_new(
            cases, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:f}", "id", row->id, "rows",
                             row->rows, "level", level_name(row->level), "area", row->area, "text",
                             row->text, "status", outcome_name(outcome->status), "reason",
                             outcome->reason, "seconds", outcome->seconds));
    }
    json_auto_t *result =
        json_pack("{s:O, s:{s:i, s:i, s:i, s:i}}", "cases", cases, "summary", "total",
                  (int)list->count, "pass", (int)count_of(list, OUTCOME_PASS), "fail",
                  (int)count_of(list, OUTCOME_FAIL), "skip", (int)count_of(list, OUTCOME_SKIP));
    AUTO(free) char *text = json_dumps(result, JSON_INDENT(1) | JSON_REAL_PRECISION(4));
    if (text == NULL) {
        return err_set(err, ERR_NO_MEMORY, "the result does not become JSON");
    }
    return file_write(path, 0644, text, strlen(text), err);
}

static void xml(struct buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            (void)buf_text(out, "&amp;");
            break;
        case '<':
            (void)buf_text(out, "&lt;");
            break;
        case '"':
            (void)buf_text(out, "&quot;");
            break;
        default:
            (void)buf_add(out, (unsigned char)*text < ' ' ? " " : text, 1);
        }
    }
}

static void junit_case(struct buf *out, const struct outcome *outcome, bool strict) {
    bool fails = outcome_fails(outcome, strict);

    (void)buf_text(out, "  <testcase classname=\"acmespec.");
    xml(out, outcome->row->area);
    (void)buf_text(out, "\" name=\"");
    xml(out, outcome->row->id);
    (void)buf_printf(out, "\" time=\"%.3f\">", outcome->seconds);
    if (fails || outcome->status == OUTCOME_SKIP) {
        (void)buf_printf(out, "<%s message=\"", fails ? "failure" : "skipped");
        xml(out, outcome->reason);
        (void)buf_text(out, "\"/>");
    } else if (outcome->status == OUTCOME_FAIL) {
        (void)buf_text(out, "<system-out>");
        xml(out, outcome->reason);
        (void)buf_text(out, "</system-out>");
    }
    (void)buf_text(out, "</testcase>\n");
}

bool report_junit(const struct run_list *list, bool strict, const char *path, struct err *err) {
    AUTO(buf_done) struct buf out = buf_new(REPORT_MAX);
    unsigned failures = 0;

    for (size_t i = 0; i < list->count; i++) {
        failures += outcome_fails(&list->outcomes[i], strict);
    }
    (void)buf_printf(&out,
                     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"acmespec\" "
                     "tests=\"%zu\" failures=\"%u\" skipped=\"%u\">\n",
                     list->count, failures, count_of(list, OUTCOME_SKIP));
    for (size_t i = 0; i < list->count; i++) {
        junit_case(&out, &list->outcomes[i], strict);
    }
    if (!buf_text(&out, "</testsuite>\n")) {
        return err_set(err, ERR_NO_MEMORY, "the JUnit report is too large");
    }
    return file_write(path, 0644, out.data, out.len, err);
}
