#include "nfsim/report_chart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nfsim/report_assets.h"

/* The time line is drawn from whole seconds.  A run of a few seconds would be a handful of points,
 * so when every enrolment was sampled it is counted anew in finer bins. */
struct bin {
    uint64_t offered, enrolled, failed, timeout, shed, p50_us, p99_us, max_us;
};

struct bins {
    struct bin *list;
    size_t count;
    uint64_t width_us;
};

static void bins_done_auto(struct bins *bins) { free(bins->list); }

static uint64_t instant(const json_t *sample, size_t k) {
    json_int_t value = json_integer_value(json_array_get(json_object_get(sample, "t_us"), k));

    return value > 0 ? (uint64_t)value : 0;
}

static uint64_t last_instant(const json_t *sample) {
    uint64_t last = 0;

    for (size_t k = 0; k < REPORT_STEPS + 1; k++) {
        last = instant(sample, k) > last ? instant(sample, k) : last;
    }
    return last;
}

static int by_value(const void *left, const void *right) {
    const uint64_t *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

static size_t bin_at(const struct bins *bins, uint64_t start_us, uint64_t at_us) {
    size_t place = at_us > start_us ? (size_t)((at_us - start_us) / bins->width_us) : 0;

    return place < bins->count ? place : bins->count - 1;
}

static void bin_figures(const struct report *report, struct bins *bins, size_t place,
                        uint64_t start_us, uint64_t *totals) {
    const json_t *sample = NULL;
    size_t i = 0, count = 0;
    struct bin *bin = &bins->list[place];

    json_array_foreach(json_object_get(report->timeline, "samples"), i, sample) {
        uint64_t end = instant(sample, REPORT_STEPS);
        if (json_is_true(json_object_get(sample, "enrolled")) && end >= instant(sample, 0)
            && bin_at(bins, start_us, end) == place) {
            totals[count++] = end - instant(sample, 0);
        }
    }
    if (count > 0) {
        qsort(totals, count, sizeof(*totals), by_value);
        bin->p50_us = totals[(count - 1) / 2];
        bin->p99_us = totals[(count * 99 + 99) / 100 - 1];
        bin->max_us = totals[count - 1];
    }
}

static bool bins_of_samples(const struct report *report, struct bins *bins) {
    const json_t *samples = json_object_get(report->timeline, "samples");
    uint64_t start_us = report_count(report->timeline, "started_us");
    uint64_t end_us = start_us + 1;
    AUTO(free) uint64_t *totals = calloc(json_array_size(samples) + 1, sizeof(*totals));
    const json_t *sample = NULL;
    size_t i = 0;

    json_array_foreach(samples, i, sample) {
        end_us = last_instant(sample) > end_us ? last_instant(sample) : end_us;
    }
    bins->width_us = end_us - start_us > 500000 ? 100000 : 10000;
    bins->count = (size_t)((end_us - start_us) / bins->width_us) + 1;
    bins->list = bins->count <= REPORT_BINS_MAX ? calloc(bins->count, sizeof(*bins->list)) : NULL;
    if (bins->list == NULL || totals == NULL) {
        return false;
    }
    json_array_foreach(samples, i, sample) {
        struct bin *end = &bins->list[bin_at(bins, start_us, last_instant(sample))];
        const char *failure = report_text(sample, "failure");
        bins->list[bin_at(bins, start_us, instant(sample, 0))].offered++;
        if (json_is_true(json_object_get(sample, "enrolled"))) {
            end->enrolled++;
        } else if (strcmp(failure, "timeout") == 0 || strcmp(failure, "shed") == 0) {
            *(failure[0] == 't' ? &end->timeout : &end->shed) += 1;
        } else {
            end->failed++;
        }
    }
    for (size_t place = 0; place < bins->count; place++) {
        bin_figures(report, bins, place, start_us, totals);
    }
    return true;
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

static bool bins_of_seconds(const struct report *report, struct bins *bins) {
    const json_t *seconds = json_object_get(report->timeline, "seconds");
    size_t count = json_array_size(seconds), i = 0;
    size_t per_bin = (count + REPORT_BINS_MAX - 1) / REPORT_BINS_MAX;
    const json_t *second = NULL;

    per_bin = per_bin > 0 ? per_bin : 1;
    bins->width_us = 1000000 * (uint64_t)per_bin;
    bins->count = (count + per_bin - 1) / per_bin;
    bins->list = calloc(bins->count + 1, sizeof(*bins->list));
    if (bins->list == NULL) {
        return false;
    }
    json_array_foreach(seconds, i, second) {
        struct bin *bin = &bins->list[i / per_bin];
        bin->offered += report_count(second, "offered");
        bin->enrolled += report_count(second, "enrolled");
        bin->failed += report_count(second, "failed");
        bin->timeout += report_count(second, "timeout");
        bin->shed += report_count(second, "shed");
        bin->p50_us = larger(bin->p50_us, report_count(second, "total_p50_us"));
        bin->p99_us = larger(bin->p99_us, report_count(second, "total_p99_us"));
        bin->max_us = larger(bin->max_us, report_count(second, "total_max_us"));
    }
    return true;
}

static bool bins_make(const struct report *report, struct bins *bins) {
    size_t seconds = json_array_size(json_object_get(report->timeline, "seconds"));
    size_t samples = json_array_size(json_object_get(report->timeline, "samples"));
    bool all = samples > 0 && samples <= 1000 && samples == report_count(report->result, "offered");

    if (all && seconds < 6 && bins_of_samples(report, bins)) {
        return true;
    }
    free(bins->list);
    *bins = (struct bins){0};
    return bins_of_seconds(report, bins);
}

static json_t *bins_json(const struct bins *bins) {
    json_auto_t *list = json_array();

    for (size_t i = 0; i < bins->count; i++) {
        const struct bin *bin = &bins->list[i];
        char at[32];
        (void)snprintf(at, sizeof(at),
                       bins->width_us < 100000    ? "%.2f"
                       : bins->width_us < 1000000 ? "%.1f"
                                                  : "%.0f",
                       (double)i * (double)bins->width_us / 1e6);
        (void)json_array_append_new(
            list, json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "at", at, "offered",
                            (json_int_t)bin->offered, "enrolled", (json_int_t)bin->enrolled,
                            "failed", (json_int_t)bin->failed, "timeout", (json_int_t)bin->timeout,
                            "shed", (json_int_t)bin->shed, "p50", (json_int_t)bin->p50_us, "p99",
                            (json_int_t)bin->p99_us, "max", (json_int_t)bin->max_us));
    }
    return json_incref(list);
}

static void curve_add(json_t *list, const char *name, const char *colour, bool total,
                      const json_t *us, uint64_t count) {
    if (json_array_size(us) > 0 && count > 0) {
        (void)json_array_append_new(list, json_pack("{s:s,s:s,s:b,s:I,s:O}", "name", name, "colour",
                                                    colour, "total", (int)total, "count",
                                                    (json_int_t)count, "us", us));
    }
}

static json_t *curves_json(const struct report *report) {
    const json_t *spread = json_object_get(report->timeline, "distribution");
    const json_t *total = json_object_get(report->result, "total");
    json_auto_t *list = json_array();

    curve_add(list, "total", "--ink", true, json_object_get(spread, "total"),
              report_count(total, "count"));
    for (int k = 1; k <= REPORT_STEPS; k++) {
        char name[64], colour[16];
        (void)snprintf(name, sizeof(name), "%d %s", k, report_text(report_step(report, k), "name"));
        (void)snprintf(colour, sizeof(colour), "--s%d", k);
        curve_add(list, name, colour, false,
                  json_array_get(json_object_get(spread, "steps"), (size_t)(k - 1)),
                  report_count(report_step(report, k), "count"));
    }
    return json_incref(list);
}

/* How wide a bin is, for people. */
static void width_text(uint64_t width_us, char text[32]) {
    if (width_us == 1000000) {
        (void)snprintf(text, 32, "second");
    } else if (width_us < 1000000) {
        (void)snprintf(text, 32, "%u ms", (unsigned)(width_us / 1000));
    } else {
        (void)snprintf(text, 32, "%u s", (unsigned)(width_us / 1000000));
    }
}

static json_t *figures_json(const struct report *report) {
    AUTO(bins_done) struct bins bins = {0};
    const json_t *spread = json_object_get(report->timeline, "distribution");
    json_t *shares = json_object_get(spread, "shares");
    char width[32];

    if (!bins_make(report, &bins)) {
        return NULL;
    }
    width_text(bins.width_us, width);
    return json_pack("{s:I,s:O?,s:o,s:s,s:o}", "count",
                     (json_int_t)report_count(json_object_get(report->result, "total"), "count"),
                     "shares", shares, "curves", curves_json(report), "bin", width, "bins",
                     bins_json(&bins));
}

void report_charts(const struct report *report) {
    report_heading(report, "Latency by percentile",
                   "How long the slower enrolments take: each unit to the right is one more nine. "
                   "A name in the legend switches its line.");
    report_add(report,
               "<div class=\"card\"><div class=\"plot\"><canvas id=\"percentiles\" role=\"img\" "
               "aria-label=\"Latency of each step by percentile\"></canvas></div></div>\n");
    report_heading(report, "Time line",
                   "Offered counts an enrolment when it was due, the others when it ended.");
    report_add(report,
               "<div class=\"pair\"><div class=\"card\"><div class=\"plot low\">"
               "<canvas id=\"timeline\" role=\"img\" aria-label=\"Enrolments offered and ended "
               "over time\"></canvas></div></div>\n"
               "<div class=\"card\"><div class=\"plot low\"><canvas id=\"speed\" role=\"img\" "
               "aria-label=\"Latency over time\"></canvas></div></div></div>\n"
               "<noscript><p class=\"note\">The charts are drawn by a script in this page, which "
               "is switched off; the tables hold the same run.</p></noscript>\n");
}

/* JSON inside a script element: "<" never stands as itself, so nothing ends the element. */
static void add_figures(const struct report *report) {
    json_auto_t *figures = figures_json(report);
    AUTO(free) char *text = json_dumps(figures, JSON_COMPACT | JSON_REAL_PRECISION(12));

    if (text == NULL) {
        report->out->failed = true;
        return;
    }
    for (const char *c = text; *c != '\0';) {
        size_t plain = strcspn(c, "<");
        (void)buf_add(report->out, c, plain);
        c += plain;
        if (*c == '<') {
            (void)buf_text(report->out, "\\u003c");
            c++;
        }
    }
}

static void add_asset(const struct report *report, const struct report_asset *asset) {
    (void)buf_add(report->out, asset->data, asset->len);
}

void report_scripts(const struct report *report) {
    report_add(report, "<script type=\"application/json\" id=\"figures\">");
    add_figures(report);
    report_add(report, "</script>\n<script>");
    add_asset(report, &report_asset_chart_js);
    report_add(report, "</script>\n<script>");
    add_asset(report, &report_asset_page_js);
    report_add(report, "</script>\n");
}

void report_style(const struct report *report) {
    report_add(report, "<style>");
    add_asset(report, &report_asset_page_css);
    report_add(report, "</style>\n");
}
