#include "nfsim/bundle.h"

#include <math.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "nfsim/bundle_extra.h"
#include "nfsim/bundle_file.h"
#include "nfsim/bundle_merge.h"
#include "nfsim/report.h"

static json_t *count_json(uint64_t count) { return json_integer((json_int_t)count); }

/* A mean of whole microseconds, to the nanosecond, so that the means of the steps sum to the
 * total's. */
static json_t *mean_json(const struct result_figures *figures) {
    double mean = figures->count > 0 ? (double)figures->sum_us / (double)figures->count : 0;

    return json_real(round(mean * 1000) / 1000);
}

static json_t *figures_json(const struct result_figures *figures) {
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "count", count_json(figures->count),
                     "mean_us", mean_json(figures), "p50_us", count_json(figures->p50_us), "p90_us",
                     count_json(figures->p90_us), "p99_us", count_json(figures->p99_us), "p999_us",
                     count_json(figures->p999_us), "max_us", count_json(figures->max_us));
}

static json_t *steps_json(const struct run_result *result) {
    json_auto_t *steps = json_array();

    for (int k = 0; k < RESULT_STEPS; k++) {
        json_auto_t *step = json_pack("{s:i,s:s}", "step", k + 1, "name", result_step_name[k]);
        if (json_object_update_new(step, figures_json(&result->steps[k])) != 0
            || json_array_append(steps, step) != 0) {
            return NULL;
        }
    }
    return json_incref(steps);
}

/* A program whose process was not known is null, never 0. */
static json_t *programs_json(const struct run_result *result, const struct result_programs *values,
                             bool whole) {
    const double each[MERGE_PROGRAMS] = {values->nfsim, values->client, values->server,
                                         values->oam};
    json_auto_t *programs = json_object();

    for (unsigned i = 0; i < MERGE_PROGRAMS; i++) {
        json_t *value = !result->has_cpu[i] ? json_null()
                        : whole             ? json_integer((json_int_t)llround(each[i]))
                                            : json_real(round(each[i] * 1e6) / 1e6);
        if (json_object_set_new(programs, merge_program[i], value) != 0) {
            return NULL;
        }
    }
    return json_incref(programs);
}

static json_t *requests_json(const struct run_result *result) {
    json_auto_t *requests = json_object();

    for (size_t i = 0; i < result->acme_requests_count; i++) {
        const struct result_count *operation = &result->acme_requests[i];
        if (json_object_set_new(requests, operation->name, count_json(operation->count)) != 0) {
            return NULL;
        }
    }
    return json_incref(requests);
}

static json_t *failures_json(const struct run_result *result) {
    json_auto_t *failures = json_array();

    for (size_t i = 0; i < result->failures_count; i++) {
        const struct result_failure *failure = &result->failures[i];
        if (json_array_append_new(failures, json_pack("{s:s,s:i,s:o}", "kind", failure->kind,
                                                      "step", (int)failure->step, "count",
                                                      count_json(failure->count)))
            != 0) {
            return NULL;
        }
    }
    return json_incref(failures);
}

static json_t *faults_json(const struct run_result *result) {
    json_auto_t *faults = json_array();

    for (size_t i = 0; i < result->faults_count; i++) {
        if (json_array_append_new(faults, json_pack("{s:s,s:o}", "rule", result->faults[i].rule,
                                                    "hits", count_json(result->faults[i].hits)))
            != 0) {
            return NULL;
        }
    }
    return json_incref(faults);
}

static json_t *expect_json(const struct run_result *result) {
    json_auto_t *checks = json_array();

    for (size_t i = 0; i < result->expect_count; i++) {
        const struct result_expect *expect = &result->expect[i];
        bool whole = expect->value == floor(expect->value) && fabs(expect->value) < 1e15;
        json_t *value = whole ? json_integer((json_int_t)expect->value) : json_real(expect->value);
        if (json_array_append_new(checks, json_pack("{s:s,s:b,s:o}", "check", expect->check, "ok",
                                                    (int)expect->ok, "value", value))
            != 0) {
            return NULL;
        }
    }
    return json_incref(checks);
}

static json_t *result_json(const struct run_result *result) {
    char started[CLOCK_TEXT_SIZE];

    clock_text(result->started_us, started);
    json_auto_t *json = json_pack(
        "{s:i,s:s,s:o,s:s,s:f,s:o,s:o,s:o,s:o,s:o,s:o,s:f}", "schema", RESULT_SCHEMA, "scenario",
        result->scenario, "seed", count_json(result->seed), "started", started, "wall_s",
        round(result->wall_s * 1e6) / 1e6, "offered", count_json(result->offered), "enrolled",
        count_json(result->enrolled), "failed", count_json(result->failed), "timeout",
        count_json(result->timeout), "shed", count_json(result->shed), "in_flight",
        count_json(result->in_flight), "rate_per_s", round(result->rate_per_s * 1e3) / 1e3);
    const struct {
        const char *name;
        json_t *value;
    } members[] = {
        {"steps", steps_json(result)},
        {"total", figures_json(&result->total)},
        {"service", figures_json(&result->service)},
        {"cpu_s", programs_json(result, &result->cpu_s, false)},
        {"rss_kib", programs_json(result, &result->rss_kib, true)},
        {"acme_requests", requests_json(result)},
        {"failures", failures_json(result)},
        {"faults", faults_json(result)},
        {"expect", expect_json(result)},
    };
    bool ok = json != NULL;

    for (size_t i = 0; i < COUNT(members); i++) {
        ok = json_object_set_new(json, members[i].name, members[i].value) == 0 && ok;
    }
    return ok ? json_incref(json) : NULL;
}

static bool folders(const char *folder, struct err *err) {
    static const char *const names[] = {"certs", "config", "logs"};
    char path[BUNDLE_PATH_MAX];

    for (size_t i = 0; i < COUNT(names); i++) {
        if (!bundle_path(folder, names[i], path, err) || !file_folder(path, err)) {
            return false;
        }
    }
    return true;
}

bool bundle_write(const struct run_result *result, struct err *err) {
    struct bundle_dropped dropped = {0};
    struct merge_count spans = {0}, events = {0};

    if (!folders(result->out, err)) {
        return false;
    }
    json_auto_t *json = result_json(result);
    if (json == NULL) {
        return err_set(err, ERR_SERVER_INTERNAL, "result.json could not be made");
    }
    if (!bundle_json(result->out, "result.json", json, JSON_INDENT(2), err)
        || !merge_spans(result->out, &spans, err)
        || !merge_events(result->out, result->offered, &events, err)) {
        return false;
    }
    dropped = (struct bundle_dropped){
        .spans = spans.dropped, .events = events.dropped, .form = events.form};
    return bundle_timeline(result, &dropped, err) && bundle_config(result, err)
           && bundle_certs(result, err) && report_write(result->out, err);
}
