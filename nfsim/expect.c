#include "nfsim/expect.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct { const char *name; size_t at; } counters[] = {
    {"offered",   offsetof(struct run_result, offered)},
    {"enrolled",  offsetof(struct run_result, enrolled)},
    {"failed",    offsetof(struct run_result, failed)},
    {"timeout",   offsetof(struct run_result, timeout)},
    {"shed",      offsetof(struct run_result, shed)},
    {"in_flight", offsetof(struct run_result, in_flight)},
    {"retries",   offsetof(struct run_result, retries)},
    {"clamped",   offsetof(struct run_result, clamped)},
};
static const struct { const char *name; size_t at; } moments[] = {
    {"_mean_ms", offsetof(struct result_figures, mean_us)},
    {"_p50_ms",  offsetof(struct result_figures, p50_us)},
    {"_p90_ms",  offsetof(struct result_figures, p90_us)},
    {"_p99_ms",  offsetof(struct result_figures, p99_us)},
    {"_p999_ms", offsetof(struct result_figures, p999_us)},
    {"_max_ms",  offsetof(struct result_figures, max_us)},
};
static const struct { const char *name; size_t at; } programs[] = {
    {"nfsim",  offsetof(struct result_programs, nfsim)},
    {"client", offsetof(struct result_programs, client)},
    {"server", offsetof(struct result_programs, server)},
    {"oam",    offsetof(struct result_programs, oam)},
};
/* clang-format on */

static uint64_t u64_at(const void *base, size_t at) {
    uint64_t value = 0;

    memcpy(&value, (const char *)base + at, sizeof value);
    return value;
}

static double number_at(const void *base, size_t at) {
    double value = 0;

    memcpy(&value, (const char *)base + at, sizeof value);
    return value;
}

static bool counter_value(const struct run_result *result, const char *check, double *ret) {
    for (size_t i = 0; i < COUNT(counters); i++) {
        if (strcmp(check, counters[i].name) == 0) {
            *ret = (double)u64_at(result, counters[i].at);
            return true;
        }
    }
    if (strcmp(check, "rate_per_s") == 0) {
        *ret = result->rate_per_s;
    } else if (strcmp(check, "wall_s") == 0) {
        *ret = result->wall_s;
    } else if (strcmp(check, "enrolled_share") == 0) {
        *ret = result->offered == 0 ? 0 : (double)result->enrolled / (double)result->offered;
    } else {
        return false;
    }
    return true;
}

/* "order_p99_ms" begins with the lower-case name of a row of figures. */
static const struct result_figures *figures_of(const struct run_result *result, const char *check,
                                               const char **ret_rest) {
    for (size_t i = 0; i < RESULT_STEPS; i++) {
        const size_t len = strlen(result_step_name[i]);
        if (strncasecmp(check, result_step_name[i], len) == 0 && check[len] == '_') {
            *ret_rest = check + len;
            return &result->steps[i];
        }
    }
    if (strncmp(check, "total_", 6) == 0) {
        *ret_rest = check + 5;
        return &result->total;
    }
    if (strncmp(check, "service_", 8) == 0) {
        *ret_rest = check + 7;
        return &result->service;
    }
    return NULL;
}

static bool latency_value(const struct run_result *result, const char *check, double *ret) {
    const char *rest = NULL;
    const struct result_figures *figures = figures_of(result, check, &rest);

    for (size_t i = 0; figures != NULL && i < COUNT(moments); i++) {
        if (strcmp(rest, moments[i].name) == 0) {
            *ret = (double)u64_at(figures, moments[i].at) / 1e3;
            return true;
        }
    }
    return false;
}

static bool cost_value(const struct run_result *result, const char *check, double *ret) {
    for (size_t i = 0; i < COUNT(programs); i++) {
        const size_t len = strlen(programs[i].name);
        const double cpu_s = number_at(&result->cpu_s, programs[i].at);
        if (strncmp(check, programs[i].name, len) != 0) {
            continue;
        }
        if (strcmp(check + len, "_cpu_s") == 0) {
            *ret = cpu_s;
        } else if (strcmp(check + len, "_rss_kib") == 0) {
            *ret = number_at(&result->rss_kib, programs[i].at);
        } else if (strcmp(check + len, "_cpu_us_per_nf") == 0) {
            *ret = result->enrolled == 0 ? 0 : cpu_s * 1e6 / (double)result->enrolled;
        } else {
            continue;
        }
        return true;
    }
    return false;
}

bool expect_value(const struct run_result *result, const char *check, double *ret) {
    return counter_value(result, check, ret) || latency_value(result, check, ret)
           || cost_value(result, check, ret);
}

bool expect_known(const char *check) {
    static const struct run_result empty;
    double value = 0;

    return expect_value(&empty, check, &value);
}

bool expect_judge(struct run_result *result) {
    bool all = true;

    for (size_t i = 0; i < result->expect_count; i++) {
        struct result_expect *expect = &result->expect[i];
        expect->ok = expect_value(result, expect->check, &expect->value)
                     && (!expect->has_min || expect->value >= expect->min)
                     && (!expect->has_max || expect->value <= expect->max);
        all = all && expect->ok;
    }
    return all;
}
