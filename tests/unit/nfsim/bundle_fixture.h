/* A run as the programs would leave it: logs with spans and events, and the run_result of the
 * runner, with plausible times that follow from a seed. */
#pragma once

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/trace.h"
#include "nfsim/bundle_file.h"
#include "nfsim/bundle_merge.h"
#include "nfsim/result.h"

#define FIXTURE_EPOCH_US UINT64_C(1795438800000000) /* 2026-11-23T13:00:00Z */
#define FIXTURE_SCRIPT_END "</script><script>alert(1)</script>"

struct fixture {
    char folder[64];
    char root[96], scenario[96]; /* files beside the bundle */
    uint64_t random;
    bool http01;
    struct run_result result;
    struct histogram *histograms[RESULT_STEPS + 2];
};

static uint64_t fixture_random(struct fixture *fixture) {
    fixture->random =
        fixture->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return fixture->random >> 33;
}

/* About typical_us, with a long tail. */
static uint64_t fixture_span_us(struct fixture *fixture, double typical_us) {
    double unit = (double)(fixture_random(fixture) % 100000 + 1) / 100001;

    return (uint64_t)(typical_us * (0.7 + 0.25 * -log(unit)));
}

/* A file of the bundle as text; caller owns; fails the test when it is not there. */
static inline char *fixture_text(const struct fixture *fixture, const char *name) {
    char path[BUNDLE_PATH_MAX], piece[4096];
    struct buf text = buf_new(64 << 20);
    struct err err = {0};

    ck_assert(bundle_path(fixture->folder, name, path, &err));
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s is not there", path);
    for (size_t len = 0; (len = fread(piece, 1, sizeof(piece), file)) > 0;) {
        ck_assert(buf_add(&text, piece, len));
    }
    (void)fclose(file);
    return text.data != NULL ? buf_take(&text) : calloc(1, 1);
}

static void fixture_put(const struct fixture *fixture, const char *name, const char *text) {
    char path[BUNDLE_PATH_MAX];
    struct err err = {0};

    ck_assert(bundle_path(fixture->folder, name, path, &err));
    FILE *file = fopen(path, "ae");
    ck_assert(file != NULL);
    ck_assert(fputs(text, file) >= 0);
    ck_assert(fclose(file) == 0);
}

static inline void fixture_event(const struct fixture *fixture, const char *program, uint64_t ts_us,
                                 const char *event, const char *to) {
    char name[64], line[256];

    (void)snprintf(name, sizeof(name), "logs/%s.events.jsonl", program);
    (void)snprintf(line, sizeof(line),
                   "{\"ts_us\":%" PRIu64 ",\"program\":\"%s\",\"event\":\"%s\",\"to\":\"%s\"}\n",
                   ts_us, program, event, to);
    fixture_put(fixture, name, line);
}

/* One exchange: the caller's CLIENT span and the SERVER span beneath it.  Returns when it ended. */
struct fixture_call {
    struct trace *from, *to; /* to NULL: its own program writes nothing */
    const char *name, *peer, *status;
    uint64_t start_us, took_us;
};

static struct trace_context fixture_exchange(const struct trace_context *parent,
                                             const struct fixture_call *call) {
    struct trace_context caller = trace_child(parent), callee = trace_child(&caller);
    const struct trace_attribute attributes[] = {{"peer", call->peer}, {"status", call->status}};

    trace_span(call->from, &caller, parent->span_id, call->name, TRACE_CLIENT, call->start_us,
               call->start_us + call->took_us, attributes, 2);
    if (call->to != NULL) {
        trace_span(call->to, &callee, caller.span_id, call->name, TRACE_SERVER, call->start_us + 5,
                   call->start_us + call->took_us - 5, attributes + 1, 1);
    }
    return callee;
}

/* Steps 2 to 6: what the client does under the NF's request. */
static void fixture_order_calls(const struct fixture *fixture, struct trace *const traces[4],
                                const struct trace_context *post, const uint64_t *t) {
    struct trace *client = traces[1], *server = traces[2], *oam = traces[3];
    const struct fixture_call calls[] = {
        {client, server, "newAccount", "server", "201", t[1] + 90, t[2] - t[1] - 150},
        {client, server, "newOrder", "server", "201", t[2] + 70, t[3] - t[2] - 120},
        {client, server, "authz", "server", "200", t[3] + 60, (t[4] - t[3]) / 3},
        {client, oam, "token", "oam", "200", t[3] + (t[4] - t[3]) / 2, (t[4] - t[3]) / 3},
        {client, server, "challenge", "server", "200", t[4] + 80, t[5] - t[4] - 110},
        {client, server, "order", "server", "200", t[5] + 60, t[6] - t[5] - 70},
    };
    struct trace_context challenge = {0};
    for (size_t i = 0; i < COUNT(calls); i++) {
        struct trace_context callee = fixture_exchange(post, &calls[i]);
        challenge = i == 4 ? callee : challenge;
    }
    struct trace_context work = trace_child(&challenge);
    trace_span(server, &work, challenge.span_id, "validate tkauth-01", TRACE_INTERNAL, t[4] + 300,
               t[4] + 520, NULL, 0);
    if (fixture->http01) {
        (void)fixture_exchange(&challenge,
                               &(struct fixture_call){server, client, "validate http-01", "client",
                                                      "200", t[5] + 20, (t[6] - t[5]) / 2});
    }
}

/* Steps 8 and 9: finalize and the certificate, under the NF's CSR. */
static void fixture_chain_calls(struct trace *const traces[4], const struct trace_context *put,
                                const uint64_t *t) {
    struct trace *client = traces[1], *server = traces[2];

    (void)fixture_exchange(put, &(struct fixture_call){client, server, "finalize", "server", "200",
                                                       t[8] - 90, (t[9] - t[8]) / 2});
    (void)fixture_exchange(put,
                           &(struct fixture_call){client, server, "certificate", "server", "200",
                                                  t[8] + (t[9] - t[8]) / 2, (t[9] - t[8]) / 4});
}

/* Spans of all programs for one enrolment whose ten instants are known. */
static void fixture_trace(const struct fixture *fixture, struct trace *const traces[4],
                          const struct result_sample *sample) {
    struct trace *nf = traces[0], *client = traces[1];
    struct trace_context root = trace_root(sample->index + 1, fixture->random, true);
    const uint64_t *t = sample->t_us;
    const struct trace_attribute about[] = {
        {"nf", sample->nf}, {"nf.type", sample->type}, {"enrolment", sample->enrolment}};

    for (unsigned i = 0; i < 16; i++) {
        (void)snprintf((char *)sample->trace_id + 2 * i, 3, "%02x", root.trace_id[i]);
    }
    trace_span(nf, &root, NULL, "enrolment", TRACE_INTERNAL, t[0], t[9], about, 3);
    for (int k = 1; k <= RESULT_STEPS; k++) {
        char name[32];
        struct trace_context step = trace_child(&root);
        (void)snprintf(name, sizeof(name), "%d %s", k, result_step_name[k - 1]);
        trace_span(nf, &step, root.span_id, name, TRACE_INTERNAL, t[k - 1], t[k], NULL, 0);
    }
    struct trace_context post = fixture_exchange(
        &root, &(struct fixture_call){nf, client, "POST enrolments", "client", "201",
                                      sample->started_us, t[7] - sample->started_us});
    struct trace_context put =
        fixture_exchange(&root, &(struct fixture_call){nf, client, "PUT csr", "client", "200",
                                                       t[7] + 150, t[9] - t[7] - 400});
    fixture_order_calls(fixture, traces, &post, t);
    fixture_chain_calls(traces, &put, t);
    (void)fixture_exchange(
        &root, &(struct fixture_call){nf, NULL, "mtls use", "producer", "200", t[9] + 60, 1450});
}

static void fixture_sample(struct fixture *fixture, struct result_sample *sample, uint32_t index,
                           uint64_t due_us) {
    static const char *const types[] = {"AMF", "SMF", "UPF", "NRF",  "AUSF",
                                        "UDM", "UDR", "PCF", "NSSF", "NEF"};
    static const double typical_us[RESULT_STEPS] = {1900, 2600, 1500, 2900, 1700,
                                                    900,  350,  1250, 2400};

    sample->index = index;
    (void)snprintf(sample->nf, sizeof(sample->nf), "%08x-0c1e-4a5b-8d2f-%012x",
                   (unsigned)fixture_random(fixture), (unsigned)fixture_random(fixture));
    (void)snprintf(sample->type, sizeof(sample->type), "%s", types[index % COUNT(types)]);
    (void)snprintf(sample->fqdn, sizeof(sample->fqdn), "nf%u.5gc.mnc001.mcc001.3gppnetwork.org",
                   index);
    (void)snprintf(sample->enrolment, sizeof(sample->enrolment), "en-%06u", index);
    (void)snprintf(sample->order, sizeof(sample->order), "or-%06u", index);
    (void)snprintf(sample->serial, sizeof(sample->serial), "5f%06x", index);
    sample->enrolled = true;
    sample->t_us[0] = due_us;
    sample->started_us = due_us + 40;
    for (int k = 1; k <= RESULT_STEPS; k++) {
        double typical = typical_us[k - 1] * (fixture->http01 && k == 6 ? 5 : 1);
        uint64_t span = 500 + fixture_span_us(fixture, typical);
        sample->t_us[k] = sample->t_us[k - 1] + span;
        histogram_add(fixture->histograms[k - 1], span);
    }
    histogram_add(fixture->histograms[RESULT_STEPS], sample->t_us[9] - sample->t_us[0]);
    histogram_add(fixture->histograms[RESULT_STEPS + 1], sample->t_us[9] - sample->started_us);
    sample->chain_pem = strdup("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
}

static struct result_figures fixture_figures(const struct histogram *histogram) {
    struct result_figures figures = {.count = histogram_count(histogram),
                                     .sum_us = histogram_sum_us(histogram),
                                     .p50_us = histogram_at_us(histogram, 0.5),
                                     .p90_us = histogram_at_us(histogram, 0.9),
                                     .p99_us = histogram_at_us(histogram, 0.99),
                                     .p999_us = histogram_at_us(histogram, 0.999),
                                     .max_us = histogram_max_us(histogram)};

    figures.mean_us = figures.count > 0 ? figures.sum_us / figures.count : 0;
    return figures;
}

static void fixture_lists(struct run_result *result, uint32_t nfs, uint32_t rate) {
    static const char *const operations[] = {"newNonce",  "newAccount", "newOrder", "authz",
                                             "challenge", "order",      "finalize", "certificate"};

    result->acme_requests_count = COUNT(operations);
    result->acme_requests = calloc(COUNT(operations), sizeof(*result->acme_requests));
    for (size_t i = 0; i < COUNT(operations); i++) {
        (void)snprintf(result->acme_requests[i].name, sizeof(result->acme_requests[i].name), "%s",
                       operations[i]);
        result->acme_requests[i].count = i == 0 ? 3 : nfs;
    }
    result->expect_count = 3;
    result->expect = calloc(3, sizeof(*result->expect));
    result->expect[0] = (struct result_expect){"failed", true, true, 0, 0, true, 0};
    result->expect[1] = (struct result_expect){"total_p99_ms", false, true, 0, 250, true, 0};
    result->expect[1].value = (double)result->total.p99_us / 1000;
    result->expect[2] =
        (struct result_expect){"enrolled", true, false, (double)nfs, 0, true, (double)nfs};
    result->seconds_count = nfs / rate + 1;
    result->seconds = calloc(result->seconds_count, sizeof(*result->seconds));
    for (size_t i = 0; i < result->samples_count; i++) {
        struct result_second *due = &result->seconds[i / rate];
        struct result_second *end =
            &result->seconds[(result->samples[i].t_us[9] - result->started_us) / 1000000];
        due->offered++;
        due->started++;
        end->enrolled++;
        end->total_p50_us = result->total.p50_us + 400 * (i % 7);
        end->total_p99_us = result->total.p99_us - 300 * (i % 5);
        end->total_max_us = result->total.max_us - 100 * (i % 9);
    }
}

static void fixture_folder(struct fixture *fixture) {
    char path[BUNDLE_PATH_MAX];
    struct err err = {0};

    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/nfsim-bundle-XXXXXX");
    ck_assert(mkdtemp(fixture->folder) != NULL);
    ck_assert(bundle_path(fixture->folder, "logs", path, &err) && file_folder(path, &err));
    fixture_put(fixture, "given-root.pem", "-----BEGIN CERTIFICATE-----\n");
    fixture_put(fixture, "given-scenario.yaml", "name: nine-steps\nseed: 7\n");
    (void)snprintf(fixture->root, sizeof(fixture->root), "%s/given-root.pem", fixture->folder);
    (void)snprintf(fixture->scenario, sizeof(fixture->scenario), "%s/given-scenario.yaml",
                   fixture->folder);
}

static void fixture_describe(struct fixture *fixture, uint32_t nfs, uint32_t rate, bool http01) {
    fixture->result = (struct run_result){
        .scenario = "nine-steps",
        .question = "How long does each of the nine steps take when the main network functions of "
                    "a 5G core obtain their first certificate through the shared ACME client?",
        .profile = http01 ? "nf-both" : "nf-client",
        .challenges = http01 ? "tkauth-01 and http-01" : "tkauth-01",
        .seed = 7,
        .started_us = FIXTURE_EPOCH_US,
        .arrival = "constant 50/s",
        .max_in_flight = 4096,
        .offered = nfs,
        .enrolled = nfs,
        .rate_per_s = (double)nfs / ((double)nfs / rate + 0.02),
        .wall_s = (double)nfs / rate + 0.31,
        .has_cpu = {true, true, true, true},
        .cpu_s = {0.00161 * nfs, 0.00204 * nfs, 0.00142 * nfs, 0.00051 * nfs},
        .rss_kib = {21840, 18212, 17320, 12904},
        .scenario_path = fixture->scenario,
        .state = fixture->folder,
        .operator_root = fixture->root,
        .out = fixture->folder,
        .command = "scenarios/run nine-steps --seed 7",
    };
}

static void fixture_count(struct fixture *fixture) {
    struct run_result *result = &fixture->result;

    for (int k = 0; k < RESULT_STEPS; k++) {
        result->steps[k] = fixture_figures(fixture->histograms[k]);
        result->step_histogram[k] = fixture->histograms[k];
    }
    result->total = fixture_figures(fixture->histograms[RESULT_STEPS]);
    result->service = fixture_figures(fixture->histograms[RESULT_STEPS + 1]);
    result->total_histogram = fixture->histograms[RESULT_STEPS];
    result->service_histogram = fixture->histograms[RESULT_STEPS + 1];
}

/* Make the folder, the logs and the result of nfs enrolments, rate per second. */
static struct fixture *fixture_new(uint32_t nfs, uint32_t rate, bool http01) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct run_result *result = &fixture->result;
    struct trace *traces[MERGE_PROGRAMS];
    struct err err = {0};
    char spans[BUNDLE_PATH_MAX];

    fixture->random = 42;
    fixture->http01 = http01;
    fixture_folder(fixture);
    for (unsigned i = 0; i < MERGE_PROGRAMS; i++) {
        (void)snprintf(spans, sizeof(spans), "%s/logs/%s.spans.jsonl", fixture->folder,
                       merge_program[i]);
        traces[i] = trace_open(merge_program[i], spans, NULL, &err);
        ck_assert_msg(traces[i] != NULL, "%s", err.detail);
    }
    for (size_t i = 0; i < COUNT(fixture->histograms); i++) {
        fixture->histograms[i] = histogram_new();
    }
    fixture_describe(fixture, nfs, rate, http01);
    result->samples_count = nfs;
    result->samples = calloc(nfs + 1, sizeof(*result->samples));
    for (uint32_t i = 0; i < nfs; i++) {
        fixture_sample(fixture, &result->samples[i], i,
                       FIXTURE_EPOCH_US + (uint64_t)i * 1000000 / rate);
        fixture_trace(fixture, traces, &result->samples[i]);
    }
    for (unsigned i = 0; i < MERGE_PROGRAMS; i++) {
        trace_close(traces[i]);
    }
    fixture_count(fixture);
    fixture_lists(result, nfs, rate);
    return fixture;
}

static inline void fixture_free(struct fixture *fixture) {
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf %s", fixture->folder);
    ck_assert(system(command) == 0);
    for (size_t i = 0; i < COUNT(fixture->histograms); i++) {
        histogram_free(fixture->histograms[i]);
    }
    run_result_done(&fixture->result);
    free(fixture);
}
AUTO_DEFINE(struct fixture, fixture_free)
