#include "nfsim/report_parts.h"

#include <stdio.h>
#include <string.h>

#include "nfsim/report_steps.h"

/* The programs as result.json and as people name them. */
static const struct {
    const char *member, *name, *what;
} programs[] = {
    {"nfsim", "nfsim", "the NFs"},
    {"client", "nfacme-client", "shared ACME client"},
    {"server", "nfacme-server", "ACME server and CA"},
    {"oam", "nfsim oam", "Token Authority"},
};

static void answer(const struct report *report) {
    const json_t *result = report->result, *total = json_object_get(result, "total");
    uint64_t offered = report_count(result, "offered"), enrolled = report_count(result, "enrolled");
    int slowest = report_slowest(report);
    char a[MARKUP_FIGURE_SIZE], b[MARKUP_FIGURE_SIZE];

    report_add(report, "<h1>%s of %s NFs enrolled", markup_count(enrolled, a),
               markup_count(offered, b));
    if (slowest == 0) {
        report_add(report, "</h1>\n");
        return;
    }
    report_add(report, "; median\u00a0%s, p99\u00a0%s</h1>\n<p>Slowest step: %d ",
               markup_us(report_count(total, "p50_us"), a),
               markup_us(report_count(total, "p99_us"), b), slowest);
    report_escape(report, report_text(report_step(report, slowest), "name"));
    report_add(report, ", %.0f\u00a0%% of the mean time.</p>\n",
               100 * report_number(report_step(report, slowest), "mean_us")
                   / report_number(total, "mean_us"));
}

/* CPU of all programs per enrolment in ms; negative when one of them is not known. */
static double cpu_per_enrolment_ms(const struct report *report) {
    const json_t *cpu = json_object_get(report->result, "cpu_s");
    double sum = 0;

    for (size_t i = 0; i < COUNT(programs); i++) {
        if (!json_is_number(json_object_get(cpu, programs[i].member))) {
            return -1;
        }
        sum += report_number(cpu, programs[i].member);
    }
    uint64_t enrolled = report_count(report->result, "enrolled");
    return enrolled > 0 ? sum * 1000 / (double)enrolled : -1;
}

static void tiles(const struct report *report) {
    static const char *const lost[] = {"failed", "timeout", "shed", "in_flight"};
    uint64_t others = 0;
    double cpu_ms = cpu_per_enrolment_ms(report);
    char figure[MARKUP_FIGURE_SIZE];

    for (size_t i = 0; i < COUNT(lost); i++) {
        others += report_count(report->result, lost[i]);
    }
    report_add(report, "<dl class=\"tiles\"><div><dt>enrolled</dt><dd>%s</dd></div>",
               markup_count(report_count(report->result, "enrolled"), figure));
    report_add(report, "<div><dt>not enrolled</dt><dd>%s</dd></div>", markup_count(others, figure));
    report_add(report, "<div><dt>enrolled per second</dt><dd>%.1f <small>/s</small></dd></div>",
               report_number(report->result, "rate_per_s"));
    report_add(report, "<div><dt>slowest enrolment</dt><dd>%s</dd></div>",
               markup_us(report_count(json_object_get(report->result, "total"), "max_us"), figure));
    if (cpu_ms >= 0) {
        report_add(report, "<div><dt>CPU per enrolment</dt><dd>%.2f <small>ms</small></dd></div>",
                   cpu_ms);
    }
    report_add(report, "<div><dt>wall time</dt><dd>%.2f <small>s</small></dd></div></dl>\n",
               report_number(report->result, "wall_s"));
}

void report_headline(const struct report *report) {
    const json_t *checks = json_object_get(report->result, "expect");
    const json_t *check = NULL;
    size_t i = 0, failed = 0;

    json_array_foreach(checks, i, check) {
        failed += json_is_true(json_object_get(check, "ok")) ? 0 : 1;
    }
    report_add(report, "<header>\n<p class=\"over\">");
    report_escape(report, report_text(report->result, "scenario"));
    report_add(report, " \u00b7 ");
    report_escape(report, report_text(report->result, "started"));
    report_add(report, " \u00b7 seed %" JSON_INTEGER_FORMAT " &nbsp; ",
               json_integer_value(json_object_get(report->result, "seed")));
    if (failed > 0) {
        report_add(report, "<span class=\"badge bad\">%zu of %zu expectations not met</span>",
                   failed, json_array_size(checks));
    } else if (json_array_size(checks) > 0) {
        report_add(report, "<span class=\"badge\">%s</span>",
                   json_array_size(checks) == 1 ? "the expectation is met"
                                                : "all expectations met");
    }
    report_add(report, "</p>\n");
    answer(report);
    if (report_text(report->timeline, "question")[0] != '\0') {
        report_add(report, "<p class=\"question\">");
        report_escape(report, report_text(report->timeline, "question"));
        report_add(report, "</p>\n");
    }
    tiles(report);
    report_add(report, "</header>\n");
}

static void bound_cell(const struct report *report, const json_t *bound) {
    const json_t *min = json_object_get(bound, "min"), *max = json_object_get(bound, "max");

    report_add(report, "<td class=\"n\">");
    if (json_is_number(min) && json_is_number(max)
        && json_number_value(min) == json_number_value(max)) {
        report_add(report, "exactly %.10g", json_number_value(min));
    } else {
        if (json_is_number(min)) {
            report_add(report, "at least %.10g", json_number_value(min));
        }
        if (json_is_number(max)) {
            report_add(report, "%sat most %.10g", json_is_number(min) ? ", " : "",
                       json_number_value(max));
        }
    }
    report_add(report, "</td>");
}

void report_expectations(const struct report *report) {
    const json_t *checks = json_object_get(report->result, "expect");
    const json_t *check = NULL;
    size_t i = 0;

    report_heading(report, "Expectations", NULL);
    if (json_array_size(checks) == 0) {
        report_add(report, "<p>The scenario states none.</p>\n");
        return;
    }
    report_add(report, "<div class=\"card scroll\"><table><thead><tr><th>check</th><th></th>"
                       "<th class=\"n\">expected</th><th class=\"n\">measured</th></tr></thead>"
                       "<tbody>\n");
    json_array_foreach(checks, i, check) {
        bool ok = json_is_true(json_object_get(check, "ok"));
        report_add(report, "<tr><th scope=\"row\"><code>");
        report_escape(report, report_text(check, "check"));
        report_add(report, "</code></th><td><span class=\"badge%s\">%s</span></td>",
                   ok ? "" : " bad", ok ? "met" : "not met");
        bound_cell(report, json_array_get(json_object_get(report->timeline, "expect_bounds"), i));
        report_add(report, "<td class=\"n\">%.10g</td></tr>\n", report_number(check, "value"));
    }
    report_add(report, "</tbody></table></div>\n");
}

static void faults(const struct report *report) {
    const json_t *rules = json_object_get(report->result, "faults");
    const json_t *rule = NULL;
    size_t i = 0;

    if (json_array_size(rules) == 0) {
        return;
    }
    report_add(report, "<h3>Faults on purpose</h3><div class=\"card scroll\"><table><thead><tr>"
                       "<th>rule</th><th class=\"n\">hits</th></tr></thead><tbody>\n");
    json_array_foreach(rules, i, rule) {
        report_add(report, "<tr><td class=\"break\"><code>");
        report_escape(report, report_text(rule, "rule"));
        report_add(report, "</code></td>");
        report_cell_count(report, report_count(rule, "hits"));
        report_add(report, "</tr>\n");
    }
    report_add(report, "</tbody></table></div>\n");
}

static void failure_step(const struct report *report, uint64_t step) {
    if (step >= 1 && step <= REPORT_STEPS) {
        report_add(report, "<td>%d ", (int)step);
        report_escape(report, report_text(report_step(report, (int)step), "name"));
        report_add(report, "</td>");
    } else {
        report_add(report, "<td>use of the certificate</td>");
    }
}

void report_failures(const struct report *report) {
    const json_t *failures = json_object_get(report->result, "failures");
    const json_t *details = json_object_get(report->timeline, "failure_details");
    const json_t *failure = NULL;
    size_t i = 0;

    report_heading(report, "Failures by cause", NULL);
    if (json_array_size(failures) == 0) {
        report_add(report, "<p>None.</p>\n");
    } else {
        report_add(report, "<div class=\"card scroll\"><table><thead><tr><th>cause</th>"
                           "<th>in step</th><th class=\"n\">count</th><th>the first one said</th>"
                           "</tr></thead><tbody>\n");
    }
    json_array_foreach(failures, i, failure) {
        report_add(report, "<tr><th scope=\"row\"><code>");
        report_escape(report, report_text(failure, "kind"));
        report_add(report, "</code></th>");
        failure_step(report, report_count(failure, "step"));
        report_cell_count(report, report_count(failure, "count"));
        report_add(report, "<td class=\"break\">");
        report_escape(report, report_text(json_array_get(details, i), "detail"));
        report_add(report, "</td></tr>\n");
    }
    if (json_array_size(failures) > 0) {
        report_add(report, "</tbody></table></div>\n");
    }
    faults(report);
}

/* A cell with a bar of value against the largest of its column. */
static void bar_cell(const struct report *report, double value, double largest) {
    report_add(report,
               "<td class=\"wide\"><div class=\"bar\"><i class=\"sa\" "
               "style=\"left:0;width:%.1f%%\"></i></div></td>",
               largest > 0 ? 100 * value / largest : 0.0);
}

static void program_row(const struct report *report, size_t i, double largest_cpu_s) {
    const json_t *cpu =
        json_object_get(json_object_get(report->result, "cpu_s"), programs[i].member);
    const json_t *rss =
        json_object_get(json_object_get(report->result, "rss_kib"), programs[i].member);
    uint64_t enrolled = report_count(report->result, "enrolled");

    report_add(report, "<tr><th scope=\"row\">%s <span class=\"unit\">%s</span></th>",
               programs[i].name, programs[i].what);
    if (!json_is_number(cpu)) {
        report_add(report, "<td class=\"wide\"></td><td class=\"n\">\u2013</td>"
                           "<td class=\"n\">\u2013</td><td class=\"n\">\u2013</td></tr>\n");
        return;
    }
    bar_cell(report, json_number_value(cpu), largest_cpu_s);
    report_add(report, "<td class=\"n\">%.2f</td>", json_number_value(cpu));
    if (enrolled > 0) {
        report_cell_ms(report, json_number_value(cpu) * 1e6 / (double)enrolled);
    } else {
        report_add(report, "<td class=\"n\">\u2013</td>");
    }
    report_add(report, "<td class=\"n\">%.1f</td></tr>\n", json_number_value(rss) / 1024);
}

static void requests(const struct report *report) {
    json_t *operations = json_object_get(report->result, "acme_requests");
    uint64_t enrolled = report_count(report->result, "enrolled");
    const char *name = NULL;
    json_t *value = NULL;

    if (json_object_size(operations) == 0) {
        return;
    }
    report_add(report, "<h3>ACME requests of the client</h3><div class=\"card scroll\"><table>"
                       "<thead><tr><th>operation</th><th class=\"n\">count</th>"
                       "<th class=\"n\">per enrolment</th></tr></thead><tbody>\n");
    json_object_foreach(operations, name, value) {
        report_add(report, "<tr><th scope=\"row\">");
        report_escape(report, name);
        report_add(report, "</th>");
        report_cell_count(report, report_count(operations, name));
        report_add(report, "<td class=\"n\">");
        if (enrolled > 0) {
            report_add(report, "%.2f", (double)json_integer_value(value) / (double)enrolled);
        }
        report_add(report, "</td></tr>\n");
    }
    report_add(report, "</tbody></table></div>\n");
}

void report_programs(const struct report *report) {
    const json_t *cpu = json_object_get(report->result, "cpu_s");
    double largest_s = 0;

    for (size_t i = 0; i < COUNT(programs); i++) {
        double each = report_number(cpu, programs[i].member);
        largest_s = each > largest_s ? each : largest_s;
    }
    report_heading(report, "Programs",
                   "User and system time of each process during the run, and its memory.");
    report_add(report, "<div class=\"card scroll\"><table><thead><tr><th>program</th>"
                       "<th class=\"wide\">CPU</th><th class=\"n\">CPU, s</th>"
                       "<th class=\"n\">ms per enrolment</th><th class=\"n\">memory, MiB</th>"
                       "</tr></thead><tbody>\n");
    for (size_t i = 0; i < COUNT(programs); i++) {
        program_row(report, i, largest_s);
    }
    report_add(report, "</tbody></table></div>\n");
    requests(report);
}

static void fact(const struct report *report, const char *name, const char *value) {
    if (value[0] != '\0') {
        report_add(report, "<dt>%s</dt><dd>", name);
        report_escape(report, value);
        report_add(report, "</dd>\n");
    }
}

static void fact_count(const struct report *report, const char *name, uint64_t count) {
    char text[MARKUP_FIGURE_SIZE];

    fact(report, name, markup_count(count, text));
}

void report_repeat(const struct report *report) {
    const json_t *timeline = report->timeline, *machine = report->machine;

    report_heading(report, "To repeat it",
                   "The scenario as it was read is <code>config/scenario.yaml</code> of this "
                   "bundle; everything random follows from the seed.");
    report_add(report, "<div class=\"card\"><pre>");
    report_escape(report, report_text(timeline, "command"));
    report_add(report, "</pre></div>\n<p></p>\n<div class=\"card\"><dl class=\"facts\">\n");
    report_add(report, "<dt>seed</dt><dd>%" JSON_INTEGER_FORMAT "</dd>\n",
               json_integer_value(json_object_get(report->result, "seed")));
    fact(report, "arrivals", report_text(timeline, "arrival"));
    fact(report, "certificate profile", report_text(timeline, "profile"));
    fact(report, "challenges", report_text(timeline, "challenges"));
    fact_count(report, "in flight at most", report_count(timeline, "max_in_flight"));
    fact_count(report, "requests repeated", report_count(timeline, "retries"));
    fact_count(report, "instants put in order", report_count(timeline, "clamped"));
    fact_count(report, "log lines left out",
               report_count(timeline, "spans_dropped") + report_count(timeline, "events_dropped"));
    fact(report, "nfacme", report_text(machine, "nfacme"));
    fact(report, "OpenSSL", report_text(machine, "openssl"));
    fact(report, "kernel", report_text(machine, "kernel"));
    fact(report, "processor", report_text(machine, "processor"));
    fact_count(report, "processors", report_count(machine, "processors"));
    report_add(report, "</dl></div>\n");
}
