#include "nfsim/report.h"

#include <stdio.h>
#include <string.h>

#include "nfsim/bundle_file.h"
#include "nfsim/flow.h"
#include "nfsim/report_chart.h"
#include "nfsim/report_parts.h"
#include "nfsim/report_steps.h"

#define FLOW_BYTES_MAX (4 << 20)

static void file_close_auto(FILE **file) {
    if (*file != NULL) {
        (void)fclose(*file);
    }
}

/* flow.svg as text; caller owns. */
static char *flow_text(const char *folder, struct err *err) {
    char path[BUNDLE_PATH_MAX];
    AUTO(buf_done) struct buf text = buf_new(FLOW_BYTES_MAX);
    char piece[4096];

    if (!bundle_path(folder, "flow.svg", path, err)) {
        return NULL;
    }
    AUTO(file_close) FILE *file = fopen(path, "re");
    for (size_t len = 0; file != NULL && (len = fread(piece, 1, sizeof(piece), file)) > 0;) {
        (void)buf_add(&text, piece, len);
    }
    if (file == NULL || text.failed || text.len == 0) {
        (void)err_set(err, ERR_CONFIG, "%.150s: cannot be read", path);
        return NULL;
    }
    return buf_take(&text);
}

/* Nothing may be fetched or sent: the page says so to the browser, too. */
static void head(const struct report *report) {
    report_add(report, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                       "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
                       "<title>");
    report_escape(report, report_text(report->result, "scenario"));
    report_add(report, " \u00b7 nfacme run report</title>\n");
    report_style(report);
    report_add(report, "</head>\n<body>\n<main>\n");
}

static void sequence(const struct report *report) {
    report_heading(report, "Message sequence",
                   "The enrolment with the median total among those sampled, as its trace tells "
                   "it: requests solid, answers dashed.");
    report_add(report, "<div class=\"card flowbox\">\n");
    (void)buf_text(report->out, report->flow);
    report_add(report, "</div>\n");
}

/* What went wrong is told before the figures; that nothing did, after them. */
static bool has_trouble(const struct report *report) {
    const json_t *check = NULL;
    size_t i = 0;

    json_array_foreach(json_object_get(report->result, "expect"), i, check) {
        if (!json_is_true(json_object_get(check, "ok"))) {
            return true;
        }
    }
    return json_array_size(json_object_get(report->result, "failures")) > 0;
}

static void verdict(const struct report *report) {
    report_expectations(report);
    report_failures(report);
}

static void page(const struct report *report) {
    bool trouble = has_trouble(report);

    head(report);
    report_headline(report);
    if (trouble) {
        verdict(report);
    }
    report_steps(report);
    report_charts(report);
    report_lanes(report);
    sequence(report);
    if (!trouble) {
        verdict(report);
    }
    report_programs(report);
    report_repeat(report);
    report_add(report,
               "<footer>Made by nfsim %s from result.json, timeline.json and trace.otlp.json of "
               "this folder. Charts by Chart.js (MIT licence).</footer>\n</main>\n",
               NFACME_VERSION);
    report_scripts(report);
    report_add(report, "</body>\n</html>\n");
}

bool report_write(const char *folder, struct err *err) {
    struct err absent = {0};
    AUTO(buf_done) struct buf out = buf_new(REPORT_BYTES_MAX);
    json_auto_t *result = bundle_read(folder, "result.json", err);
    json_auto_t *timeline = result != NULL ? bundle_read(folder, "timeline.json", err) : NULL;

    if (timeline == NULL) {
        return false;
    }
    if (json_array_size(json_object_get(result, "steps")) != REPORT_STEPS) {
        return err_set(err, ERR_CONFIG, "%.120s/result.json: \"steps\" is not nine objects",
                       folder);
    }
    if (!flow_write(folder, NULL, err)) {
        return false;
    }
    AUTO(free) char *flow = flow_text(folder, err);
    json_auto_t *machine = bundle_read(folder, "config/machine.json", &absent);
    struct report report = {
        .result = result, .timeline = timeline, .machine = machine, .flow = flow, .out = &out};
    if (flow == NULL) {
        return false;
    }
    page(&report);
    if (out.failed) {
        return err_set(err, ERR_NO_MEMORY, "report.html passes %d octets or memory ran out",
                       REPORT_BYTES_MAX);
    }
    return bundle_text(folder, "report.html", out.data, out.len, err);
}
