#include "nfsim/summary.h"

#include <inttypes.h>

static double ms(uint64_t us) { return (double)us / 1e3; }

static void row(FILE *out, const char *number, const char *name,
                const struct result_figures *figures) {
    (void)fprintf(out, "%4s  %-15s %8" PRIu64 " %10.3f %10.3f %10.3f %10.3f %10.3f\n", number, name,
                  figures->count, ms(figures->mean_us), ms(figures->p50_us), ms(figures->p90_us),
                  ms(figures->p99_us), ms(figures->max_us));
}

static void table(const struct run_result *result, FILE *out) {
    (void)fprintf(out, "step  %-15s %8s %10s %10s %10s %10s %10s\n", "name", "count", "mean ms",
                  "p50 ms", "p90 ms", "p99 ms", "max ms");
    for (unsigned i = 0; i < RESULT_STEPS; i++) {
        char number[8];
        (void)snprintf(number, sizeof number, "%u", i + 1);
        row(out, number, result_step_name[i], &result->steps[i]);
    }
    row(out, "", "total", &result->total);
    row(out, "", "service", &result->service);
}

static void costs(const struct run_result *result, FILE *out) {
    static const char *const names[] = {"nfsim", "client", "server", "oam"};
    const double cpu_s[] = {result->cpu_s.nfsim, result->cpu_s.client, result->cpu_s.server,
                            result->cpu_s.oam};
    const double rss_kib[] = {result->rss_kib.nfsim, result->rss_kib.client, result->rss_kib.server,
                              result->rss_kib.oam};

    for (unsigned i = 0; i < COUNT(names); i++) {
        if (!result->has_cpu[i]) {
            continue;
        }
        (void)fprintf(out, "cpu   %-7s %8.2f s", names[i], cpu_s[i]);
        if (result->enrolled > 0) {
            (void)fprintf(out, " %9.0f us per enrolment",
                          cpu_s[i] * 1e6 / (double)result->enrolled);
        }
        (void)fprintf(out, " %9.1f MiB at most\n", rss_kib[i] / 1024);
    }
    for (size_t i = 0; i < result->acme_requests_count; i++) {
        (void)fprintf(out, "%s%s %" PRIu64, i == 0 ? "acme  " : ", ", result->acme_requests[i].name,
                      result->acme_requests[i].count);
    }
    (void)fprintf(out, "%s", result->acme_requests_count > 0 ? "\n" : "");
}

static void verdicts(const struct run_result *result, FILE *out) {
    for (size_t i = 0; i < result->failures_count; i++) {
        const struct result_failure *failure = &result->failures[i];
        (void)fprintf(out, "fail  %" PRIu64 " x %s in step %u: %s\n", failure->count, failure->kind,
                      failure->step, failure->detail);
    }
    for (size_t i = 0; i < result->expect_count; i++) {
        const struct result_expect *expect = &result->expect[i];
        (void)fprintf(out, "%-5s %s is %g", expect->ok ? "met" : "UNMET", expect->check,
                      expect->value);
        if (expect->has_min) {
            (void)fprintf(out, ", wanted at least %g", expect->min);
        }
        if (expect->has_max) {
            (void)fprintf(out, ", wanted at most %g", expect->max);
        }
        (void)fprintf(out, "\n");
    }
}

void summary_print(const struct run_result *result, FILE *out) {
    (void)fprintf(out, "\n%s: %s\n", result->scenario, result->question);
    (void)fprintf(
        out, "arrival %s, seed %" PRIu64 ", profile %s, %s, at most %" PRIu64 " at once\n\n",
        result->arrival, result->seed, result->profile, result->challenges, result->max_in_flight);
    table(result, out);
    (void)fprintf(out,
                  "\noffered %" PRIu64 " = enrolled %" PRIu64 " + failed %" PRIu64
                  " + timeout %" PRIu64 " + shed %" PRIu64 " + in flight %" PRIu64
                  "; %.1f/s in %.2f s",
                  result->offered, result->enrolled, result->failed, result->timeout, result->shed,
                  result->in_flight, result->rate_per_s, result->wall_s);
    if (result->retries + result->clamped > 0) {
        (void)fprintf(out, "; %" PRIu64 " requests repeated, %" PRIu64 " instants moved",
                      result->retries, result->clamped);
    }
    (void)fprintf(out, "\n");
    costs(result, out);
    verdicts(result, out);
    (void)fflush(out);
}
