#include "tests/bench/load_stats.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/histogram.h"
#include "common/ossl.h"

#define PRINTED_MAX 10 /* errors that are printed whole */

struct load_stats {
    uint64_t requests[LOAD_OP__COUNT];
    struct histogram *took[LOAD_OP__COUNT];
    struct histogram *flows;
    uint64_t bad_nonces, interrupted, certificates, errors;
    json_t *kinds; /* "operation kind" to count */
    uint64_t begun_us;
    pid_t pid;
    double cpu_s; /* of pid, at the beginning */
};

const char *load_op_name(enum load_op op) {
    static const char *const names[] = {
        [LOAD_DIRECTORY] = "directory",
        [LOAD_NONCE] = "newNonce",
        [LOAD_ACCOUNT] = "newAccount",
        [LOAD_ORDER] = "newOrder",
        [LOAD_AUTHZ] = "authz",
        [LOAD_CHALLENGE] = "challenge",
        [LOAD_POLL] = "order",
        [LOAD_FINALIZE] = "finalize",
        [LOAD_CERTIFICATE] = "certificate",
    };
    static_assert(COUNT(names) == LOAD_OP__COUNT, "a name per operation");
    return names[op];
}

struct load_stats *load_stats_new(void) {
    AUTO(load_stats_free) struct load_stats *stats = calloc(1, sizeof(*stats));
    bool whole = stats != NULL;

    for (unsigned i = 0; whole && i < LOAD_OP__COUNT; i++) {
        stats->took[i] = histogram_new();
        whole = stats->took[i] != NULL;
    }
    if (!whole) {
        return NULL;
    }
    stats->flows = histogram_new();
    stats->kinds = json_object();
    return stats->flows != NULL && stats->kinds != NULL ? TAKE(stats) : NULL;
}

void load_stats_free(struct load_stats *stats) {
    if (stats != NULL) {
        for (unsigned i = 0; i < LOAD_OP__COUNT; i++) {
            histogram_free(stats->took[i]);
        }
        histogram_free(stats->flows);
        json_decref(stats->kinds);
        free(stats);
    }
}

void load_stats_request(struct load_stats *stats, enum load_op op, uint64_t took_us) {
    stats->requests[op]++;
    histogram_add(stats->took[op], took_us);
}

void load_stats_bad_nonce(struct load_stats *stats) { stats->bad_nonces++; }

void load_stats_interrupted(struct load_stats *stats) { stats->interrupted++; }

void load_stats_error(struct load_stats *stats, enum load_op op, const struct err *err) {
    char kind[96];

    (void)snprintf(kind, sizeof(kind), "%s %s", load_op_name(op), err_name(err->kind));
    json_int_t count = json_integer_value(json_object_get(stats->kinds, kind));
    (void)json_object_set_new(stats->kinds, kind, json_integer(count + 1));
    if (stats->errors++ < PRINTED_MAX) {
        (void)fprintf(stderr, "acmeload: %s: %s%s%s\n", kind, err->detail,
                      err->cause[0] != '\0' ? ": " : "", err->cause);
    }
}

void load_stats_done(struct load_stats *stats, uint64_t took_us) {
    stats->certificates++;
    histogram_add(stats->flows, took_us);
}

uint64_t load_stats_certificates(const struct load_stats *stats) { return stats->certificates; }

uint64_t load_stats_errors(const struct load_stats *stats) { return stats->errors; }

/* ---- the server's process ---- */

/* A file of procfs, which comes in one read, NUL-terminated; "" when there is none. */
static void slurp(pid_t pid, const char *name, char *text, size_t size) {
    char path[64];

    text[0] = '\0';
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        text[fread(text, 1, size - 1, file)] = '\0';
        (void)fclose(file);
    }
}

static double process_cpu_s(pid_t pid) {
    char text[4096];
    uint64_t user = 0, sys = 0;

    slurp(pid, "stat", text, sizeof(text));
    /* the name, in parentheses, may hold anything; 11 fields stand between it and utime */
    const char *at = strrchr(text, ')');
    if (at != NULL) {
        (void)sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                     &user, &sys);
    }
    return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t process_kib(pid_t pid, const char *key) {
    char text[4096];
    uint64_t kib = 0;

    slurp(pid, "status", text, sizeof(text));
    const char *line = strstr(text, key);
    if (line != NULL) {
        (void)sscanf(line + strlen(key), " %" SCNu64, &kib);
    }
    return kib;
}

/* ---- the figures ---- */

void load_stats_begin(struct load_stats *stats, pid_t pid) {
    stats->begun_us = clock_wall_us();
    stats->pid = pid;
    stats->cpu_s = pid != 0 ? process_cpu_s(pid) : 0;
}

static json_t *percentiles(const struct histogram *histogram) {
    uint64_t count = histogram_count(histogram);
    double mean = count == 0 ? 0 : (double)histogram_sum_us(histogram) / (double)count;

    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "count", (json_int_t)count, "mean_ms",
                     mean / 1e3, "p50_ms", (double)histogram_at_us(histogram, 0.5) / 1e3, "p90_ms",
                     (double)histogram_at_us(histogram, 0.9) / 1e3, "p99_ms",
                     (double)histogram_at_us(histogram, 0.99) / 1e3, "max_ms",
                     (double)histogram_max_us(histogram) / 1e3);
}

static json_t *operations(const struct load_stats *stats) {
    json_t *all = json_object();

    for (unsigned i = 0; i < LOAD_OP__COUNT; i++) {
        if (stats->requests[i] > 0) {
            (void)json_object_set_new(all, load_op_name(i), percentiles(stats->took[i]));
        }
    }
    return all;
}

json_t *load_stats_json(struct load_stats *stats) {
    double wall_s = (double)(clock_wall_us() - stats->begun_us) / 1e6;
    double done = (double)stats->certificates;
    json_t *figures =
        json_pack("{s:I, s:I, s:O, s:I, s:I, s:f, s:f, s:o, s:o}", "certificates",
                  (json_int_t)stats->certificates, "errors", (json_int_t)stats->errors,
                  "errors_by_kind", stats->kinds, "bad_nonces", (json_int_t)stats->bad_nonces,
                  "interrupted", (json_int_t)stats->interrupted, "wall_s", wall_s, "rate_per_s",
                  wall_s > 0 ? done / wall_s : 0, "flow", percentiles(stats->flows), "requests",
                  operations(stats));

    if (figures != NULL && stats->pid != 0) {
        double cpu_s = process_cpu_s(stats->pid) - stats->cpu_s;
        (void)json_object_set_new(figures, "cpu_s", json_real(cpu_s));
        (void)json_object_set_new(figures, "cpu_us_per_certificate",
                                  json_real(done > 0 ? cpu_s * 1e6 / done : 0));
        (void)json_object_set_new(figures, "rss_kib",
                                  json_integer((json_int_t)process_kib(stats->pid, "VmRSS:")));
        (void)json_object_set_new(figures, "rss_peak_kib",
                                  json_integer((json_int_t)process_kib(stats->pid, "VmHWM:")));
    }
    return figures;
}

static double number(const json_t *object, const char *name) {
    return json_number_value(json_object_get(object, name));
}

static void print_latency(const char *name, const json_t *latency) {
    (void)printf("%-12s %9.0f  mean %8.2f  p50 %8.2f  p90 %8.2f  p99 %8.2f  max %8.2f ms\n", name,
                 number(latency, "count"), number(latency, "mean_ms"), number(latency, "p50_ms"),
                 number(latency, "p90_ms"), number(latency, "p99_ms"), number(latency, "max_ms"));
}

void load_stats_print(const json_t *figures) {
    const char *name = NULL;
    json_t *value = NULL;

    (void)printf("%.0f certificates in %.2f s, %.1f/s; %.0f errors, %.0f bad nonces, "
                 "%.0f interrupted\n",
                 number(figures, "certificates"), number(figures, "wall_s"),
                 number(figures, "rate_per_s"), number(figures, "errors"),
                 number(figures, "bad_nonces"), number(figures, "interrupted"));
    print_latency("flow", json_object_get(figures, "flow"));
    json_object_foreach(json_object_get(figures, "requests"), name, value) {
        print_latency(name, value);
    }
    json_object_foreach(json_object_get(figures, "errors_by_kind"), name, value) {
        (void)printf("error %s: %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
    }
    if (json_object_get(figures, "cpu_s") != NULL) {
        (void)printf("server: %.0f us of CPU a certificate, %.0f KiB resident, %.0f at most\n",
                     number(figures, "cpu_us_per_certificate"), number(figures, "rss_kib"),
                     number(figures, "rss_peak_kib"));
    }
}
