#include "nfsim/report_steps.h"

#include <stdlib.h>

static double mean_of(const struct report *report, int k) {
    return report_number(report_step(report, k), "mean_us");
}

int report_slowest(const struct report *report) {
    int slowest = 0;

    for (int k = 1; k <= REPORT_STEPS; k++) {
        if (mean_of(report, k) > (slowest > 0 ? mean_of(report, slowest) : 0)) {
            slowest = k;
        }
    }
    return slowest;
}

static void figures(const struct report *report, const json_t *of) {
    static const char *const names[] = {"mean_us", "p50_us",  "p90_us",
                                        "p99_us",  "p999_us", "max_us"};

    for (size_t i = 0; i < COUNT(names); i++) {
        bool less = i == 2 || i == 4; /* left away on a narrow screen */
        report_add(report, "<td class=\"n%s\">%.2f</td>", less ? " less" : "",
                   report_number(of, names[i]) / 1000);
    }
}

static void sum_row(const struct report *report, const char *class, const char *name,
                    const char *note, const json_t *of) {
    report_add(report, "<tr class=\"%s\"><th scope=\"row\">%s</th><td class=\"wide\">%s</td>",
               class, name, note);
    figures(report, of);
    report_add(report, "<td class=\"n less\"></td></tr>\n");
}

void report_steps(const struct report *report) {
    const json_t *total = json_object_get(report->result, "total");
    double whole = report_number(total, "mean_us");
    double before = 0;

    report_heading(report, "The nine steps",
                   "Milliseconds. The spans lie end to end: each bar begins at the mean at which "
                   "the step before it ended, and the nine means sum to the total.");
    report_add(
        report,
        "<div class=\"card scroll steps\"><table>\n<thead><tr><th>step</th>"
        "<th class=\"wide\">mean, in place</th><th class=\"n\">mean</th>"
        "<th class=\"n\">p50</th><th class=\"n less\">p90</th><th class=\"n\">p99</th>"
        "<th class=\"n less\">p99.9</th><th class=\"n\">max</th><th class=\"n less\">share</th>"
        "</tr></thead>\n<tbody>\n");
    for (int k = 1; k <= REPORT_STEPS; k++) {
        double share = whole > 0 ? 100 * mean_of(report, k) / whole : 0;
        report_add(report, "<tr><th scope=\"row\"><i class=\"dot s%d\"></i>%d ", k, k);
        report_escape(report, report_text(report_step(report, k), "name"));
        report_add(report, "</th><td class=\"wide\"><div class=\"bar\">");
        if (share > 0) {
            report_add(report, "<i class=\"s%d\" style=\"left:%.2f%%;width:%.2f%%\"></i>", k,
                       before, share);
        }
        report_add(report, "</div></td>");
        figures(report, report_step(report, k));
        report_add(report, "<td class=\"n less\">%.0f\u00a0%%</td></tr>\n", share);
        before += share;
    }
    sum_row(report, "sum", "total", "", total);
    sum_row(report, "quiet", "service", "from the actual start",
            json_object_get(report->result, "service"));
    report_add(report, "</tbody></table></div>\n");
}

struct lane {
    uint64_t total_us;
    const json_t *sample;
};

static int by_total(const void *left, const void *right) {
    const struct lane *a = left, *b = right;

    return a->total_us < b->total_us ? -1 : a->total_us > b->total_us;
}

static uint64_t instant(const json_t *sample, int k) {
    json_int_t value =
        json_integer_value(json_array_get(json_object_get(sample, "t_us"), (size_t)k));

    return value > 0 ? (uint64_t)value : 0;
}

/* Those enrolled, in order of their total; caller owns; NULL: none, or no memory. */
static struct lane *lanes_of(const struct report *report, size_t *ret_count) {
    const json_t *samples = json_object_get(report->timeline, "samples");
    struct lane *lanes = calloc(json_array_size(samples) + 1, sizeof(*lanes));
    const json_t *sample = NULL;
    size_t i = 0, count = 0;

    json_array_foreach(samples, i, sample) {
        if (lanes != NULL && json_is_true(json_object_get(sample, "enrolled"))
            && instant(sample, 9) > instant(sample, 0)) {
            lanes[count++] = (struct lane){.total_us = instant(sample, 9) - instant(sample, 0),
                                           .sample = sample};
        }
    }
    if (lanes != NULL) {
        qsort(lanes, count, sizeof(*lanes), by_total);
    }
    *ret_count = count;
    return lanes;
}

static void lane_row(const struct report *report, const struct lane *lane, uint64_t longest_us) {
    report_add(report, "<tr><th scope=\"row\">");
    report_escape(report, report_text(lane->sample, "type"));
    report_add(report, " <span class=\"unit\">");
    markup_text(report->out, report_text(lane->sample, "nf"), 8);
    report_add(report, "</span></th><td class=\"wide\"><div class=\"lane\">");
    for (int k = 1; k <= REPORT_STEPS; k++) {
        uint64_t from = instant(lane->sample, k - 1), to = instant(lane->sample, k);
        if (to > from) {
            report_add(report, "<i class=\"s%d\" style=\"width:%.3f%%\"></i>", k,
                       100 * (double)(to - from) / (double)longest_us);
        }
    }
    report_add(report, "</div></td>");
    report_cell_ms(report, (double)lane->total_us);
    report_add(report, "</tr>\n");
}

void report_lanes(const struct report *report) {
    size_t count = 0;
    AUTO(free) struct lane *lanes = lanes_of(report, &count);
    size_t shown = count < REPORT_LANES_MAX ? count : REPORT_LANES_MAX;

    if (shown == 0) {
        return;
    }
    report_heading(report, "Single enrolments", NULL);
    report_add(report,
               "<p>%zu of the %zu sampled, evenly from the fastest to the slowest; each lane "
               "begins when the NF intended to start.</p>\n<ul class=\"key\">",
               shown, count);
    for (int k = 1; k <= REPORT_STEPS; k++) {
        report_add(report, "<li><i class=\"s%d\"></i>%d ", k, k);
        report_escape(report, report_text(report_step(report, k), "name"));
        report_add(report, "</li>");
    }
    report_add(report, "</ul>\n<div class=\"card scroll\"><table class=\"lanes\"><thead><tr>"
                       "<th>NF</th><th class=\"wide\"></th><th class=\"n\">total, ms</th></tr>"
                       "</thead><tbody>\n");
    for (size_t i = 0; i < shown; i++) {
        size_t place = shown > 1 ? i * (count - 1) / (shown - 1) : 0;
        lane_row(report, &lanes[place], lanes[count - 1].total_us);
    }
    report_add(report, "</tbody></table></div>\n");
}
