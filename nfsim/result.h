/* What one run found, as plain data: filled by the runner and its stats, rendered by the bundle
 * (result.json, charts, certificates).  Times are clock_wall_us unless named otherwise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/histogram.h"

#define RESULT_SCHEMA 1
#define RESULT_STEPS 9
#define RESULT_INSTANTS 10 /* t0 … t9: step k is t[k] - t[k-1] */

/* "request", "account", "order", "challenge", "response", "validation", "acknowledgement", "CSR",
 * "certificate": step k is result_step_name[k - 1]. */
extern const char *const result_step_name[RESULT_STEPS];

struct result_figures {
    uint64_t count, sum_us;
    uint64_t mean_us, p50_us, p90_us, p99_us, p999_us, max_us;
};

struct result_programs { /* the four programs, in result.json's order */
    double nfsim, client, server, oam;
};

/* One second of the run, by when the thing happened; second 0 begins at started_us. */
struct result_second {
    uint32_t offered, started, enrolled, failed, timeout, shed;
    uint32_t in_flight;                                /* at the end of the second */
    uint64_t total_p50_us, total_p99_us, total_max_us; /* of those enrolled in it; 0 = none */
};

/* One sampled enrolment, in order of its place in the schedule. */
struct result_sample {
    uint32_t index; /* in the schedule, from 0 */
    char nf[37];    /* nfInstanceId */
    char type[33];  /* "AMF" */
    char fqdn[254];
    char enrolment[64]; /* the client's id; "" = never learnt */
    char order[64];     /* last segment of the order URL; "" = not known */
    char trace_id[33];  /* its trace, lower-case hex */
    char serial[41];    /* of the certificate; "" = none */
    bool enrolled;      /* then every instant is set and the spans sum to the total */
    char failure[48];   /* kind when not enrolled */
    uint64_t t_us[RESULT_INSTANTS];
    uint64_t started_us; /* actual start; service time is t9 - started */
    char *chain_pem;     /* what the NF received; owned; NULL = none */
};

struct result_count {
    char name[48];
    uint64_t count;
};

struct result_failure {
    char kind[48];
    unsigned step; /* 1 … 9: the step it was in; 0 = its use of the certificate */
    uint64_t count;
    char detail[192]; /* of the first one */
};

struct result_fault {
    char rule[128];
    uint64_t hits;
};

struct result_expect {
    char check[64]; /* "failed", "total_p99_ms" … */
    bool has_min, has_max;
    double min, max;
    bool ok;
    double value;
};

struct run_result {
    const char *scenario; /* its name; borrowed, as every text here */
    const char *question;
    const char *profile;    /* "nf-client" */
    const char *challenges; /* "tkauth-01" or "tkauth-01 and http-01" */
    uint64_t seed;
    uint64_t started_us, ended_us;
    double wall_s;
    const char *arrival; /* "constant 50/s", "closed loop of 16" */
    uint64_t max_in_flight;

    /* offered = the sum of the other five */
    uint64_t offered, enrolled, failed, timeout, shed, in_flight;
    double rate_per_s; /* enrolled over the span from the first start to the last end */
    uint64_t clamped;  /* instants moved because two clocks disagreed on their order */
    uint64_t retries;  /* requests repeated after a refused connection, 503 or 202 */

    struct result_figures steps[RESULT_STEPS], total, service;
    /* the distributions behind them, for the charts; borrowed */
    const struct histogram *step_histogram[RESULT_STEPS], *total_histogram, *service_histogram;

    bool has_cpu[4]; /* nfsim, client, server, oam: was its pid known? */
    struct result_programs cpu_s, rss_kib;

    struct result_count *acme_requests; /* by operation; owned */
    size_t acme_requests_count;
    struct result_failure *failures; /* owned */
    size_t failures_count;
    struct result_fault *faults; /* owned */
    size_t faults_count;
    struct result_expect *expect; /* owned */
    size_t expect_count;
    struct result_second *seconds; /* owned */
    size_t seconds_count;
    struct result_sample *samples; /* owned */
    size_t samples_count;

    /* files; borrowed */
    const char *scenario_path;
    const char *state;         /* of the OAM: fleet.db, trust */
    const char *operator_root; /* PEM */
    const char *out;           /* the bundle's folder; out/logs/<program>.{spans,events}.jsonl */
    const char *command;       /* the command line, to repeat it */
};

/* Free what it owns (not the struct). */
void run_result_done(struct run_result *result);
void run_result_done_auto(struct run_result *result);
