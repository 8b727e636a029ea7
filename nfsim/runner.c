#include "nfsim/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/log.h"
#include "common/run.h"
#include "common/x509.h"
#include "nfsim/crowd.h"
#include "nfsim/expect.h"
#include "nfsim/init.h"
#include "nfsim/process.h"
#include "nfsim/producer.h"
#include "nfsim/progress.h"
#include "nfsim/scrape.h"

#define PATH_SIZE 4096
#define PROGRAMS 4

/* Everything a run holds; the result borrows from it. */
struct runner_keep {
    const struct runner_options *options;
    uint32_t nfs;
    uint32_t max_in_flight;
    char client_name[FLEET_FQDN_SIZE];
    char arrival[512];
    struct loop *loop;
    struct trace *trace;
    X509_STORE *oam_trust, *operator_trust;
    char *operator_pem;
    struct nf_check *check;
    struct nf_world world;
    struct producer *producer;
    struct stats *stats;
    struct inventory_nf *ids;
    struct nf_identity *identities;
    struct crowd *crowd;
    struct scrape before, after;
    struct process_usage used[PROGRAMS];
    bool has_used[PROGRAMS];
};

void runner_keep_free(struct runner_keep *keep) {
    if (keep->crowd != NULL) {
        crowd_free(keep->crowd);
    }
    if (keep->producer != NULL) {
        producer_stop(keep->producer);
    }
    if (keep->stats != NULL) {
        stats_free(keep->stats);
    }
    for (uint32_t i = 0; keep->ids != NULL && i < keep->nfs; i++) {
        inventory_nf_done(&keep->ids[i]);
    }
    for (uint32_t i = 0; keep->identities != NULL && i < keep->nfs; i++) {
        nf_identity_done(&keep->identities[i]);
    }
    free(keep->ids);
    free(keep->identities);
    nf_check_free(keep->check);
    X509_STORE_free(keep->oam_trust);
    X509_STORE_free(keep->operator_trust);
    free(keep->operator_pem);
    if (keep->trace != NULL) {
        trace_close(keep->trace);
    }
    if (keep->loop != NULL) {
        loop_free(keep->loop);
    }
    free(keep);
}

uint32_t runner_max_in_flight(uint32_t wanted, unsigned files_max) {
    const unsigned usable =
        files_max > RUNNER_FILES_SPARE * 2 ? files_max - RUNNER_FILES_SPARE : files_max / 2;
    const uint32_t most = usable / RUNNER_FILES_PER_NF > 0 ? usable / RUNNER_FILES_PER_NF : 1;

    return wanted == 0 || wanted > most ? most : wanted;
}

int runner_verdict(const struct run_result *result) {
    bool met = result->in_flight == 0;

    for (size_t i = 0; i < result->expect_count; i++) {
        met = met && result->expect[i].ok;
    }
    return result->offered == 0 ? RUN_NOTHING : met ? RUN_OK : RUN_FAILED;
}

/* --rate and --for override every constant phase. */
static void override_phases(const struct runner_options *options) {
    for (unsigned i = 0; i < options->scenario->phases_count; i++) {
        struct scenario_phase *phase = &options->scenario->phases[i];
        if (phase->arrival == SCENARIO_CONSTANT && options->rate_per_s > 0) {
            phase->rate_per_s = options->rate_per_s;
        }
        if (options->for_us > 0) {
            phase->for_us = options->for_us;
            phase->count = 0;
        }
    }
}

static X509_STORE *read_trust(const char *pem, size_t len, struct err *err) {
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read(pem, len, err);

    return anchors == NULL ? NULL : x509_trust(anchors, err);
}

static bool prepare_trust(struct runner_keep *keep, struct err *err) {
    char path[PATH_SIZE];
    size_t len = 0;

    (void)snprintf(path, sizeof path, "%s/oam-ca.pem", keep->options->state);
    AUTO(free) char *oam_pem = file_read(path, &len, err);
    keep->oam_trust = oam_pem == NULL ? NULL : read_trust(oam_pem, len, err);
    if (keep->oam_trust == NULL) {
        return false;
    }
    keep->operator_pem = file_read(keep->options->operator_root, &len, err);
    keep->operator_trust =
        keep->operator_pem == NULL ? NULL : read_trust(keep->operator_pem, len, err);
    if (keep->operator_trust == NULL) {
        return false;
    }
    keep->check = nf_check_new(keep->operator_trust, keep->options->scenario->verify_names, err);
    return keep->check != NULL;
}

/* The NFs of this run, from the inventory; those that are missing are made first. */
static bool prepare_fleet(struct runner_keep *keep, struct err *err) {
    const struct runner_options *options = keep->options;
    const double rate_per_s =
        options->rate_per_s > 0 ? options->rate_per_s : options->scenario->phases[0].rate_per_s;

    keep->nfs = scenario_nfs(options->scenario, options->nfs, rate_per_s, options->for_us);
    const struct init_options init = {.state = options->state,
                                      .fleet = options->scenario->fleet,
                                      .nfs = keep->nfs,
                                      .clock = options->clock,
                                      .quiet = true};
    if (!init_state(&init, err)) {
        return false;
    }
    keep->ids = calloc(keep->nfs, sizeof *keep->ids);
    if (keep->ids == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for %u NFs", keep->nfs);
    }
    AUTO(inventory_close) struct inventory *inventory = inventory_open(options->state, false, err);
    if (inventory == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < keep->nfs; i++) {
        if (!inventory_get(inventory, i, &keep->ids[i], err)) {
            return false;
        }
    }
    if (options->client_name != NULL) {
        (void)snprintf(keep->client_name, sizeof keep->client_name, "%s", options->client_name);
        return true;
    }
    return inventory_client(inventory, 0, keep->client_name, err);
}

/* An NF has read its key and certificate long before it enrols: not the run's cost.  Beyond what
 * memory bears each NF reads its own when it starts. */
static bool prepare_identities(struct runner_keep *keep, struct err *err) {
    if (keep->nfs > RUNNER_IDENTITIES_MAX) {
        return true;
    }
    keep->identities = calloc(keep->nfs, sizeof *keep->identities);
    if (keep->identities == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for %u NFs", keep->nfs);
    }
    for (uint32_t i = 0; i < keep->nfs; i++) {
        if (!nf_identity_read(&keep->ids[i], &keep->identities[i], err)) {
            return false;
        }
    }
    return true;
}

static bool prepare_trace(struct runner_keep *keep, struct err *err) {
    char logs[PATH_SIZE], spans[PATH_SIZE], events[PATH_SIZE];

    if (keep->options->out == NULL) {
        keep->trace = trace_open("nfsim", NULL, NULL, err);
        return keep->trace != NULL;
    }
    (void)snprintf(logs, sizeof logs, "%.4000s/logs", keep->options->out);
    (void)snprintf(spans, sizeof spans, "%.4000s/logs/nfsim.spans.jsonl", keep->options->out);
    (void)snprintf(events, sizeof events, "%.4000s/logs/nfsim.events.jsonl", keep->options->out);
    if (!file_folder(keep->options->out, err) || !file_folder(logs, err)) {
        return false;
    }
    /* what an earlier run left there is not this run's */
    (void)remove(spans);
    (void)remove(events);
    keep->trace = trace_open("nfsim", spans, events, err);
    return keep->trace != NULL;
}

static bool prepare_world(struct runner_keep *keep, struct err *err) {
    const struct scenario *scenario = keep->options->scenario;

    keep->world = (struct nf_world){.loop = keep->loop,
                                    .clock = keep->options->clock,
                                    .trace = keep->trace,
                                    .api = keep->options->api,
                                    .oam_trust = keep->oam_trust,
                                    .operator_trust = keep->operator_trust,
                                    .check = keep->check,
                                    .client_name = keep->client_name,
                                    .profile = scenario->profile,
                                    .fqdn = scenario->fqdn,
                                    .key_binding = scenario->key_binding,
                                    .timeout_us = scenario->timeout_us};
    if (!scenario->use_mtls) {
        return true;
    }
    const struct producer_options producer = {.world = &keep->world,
                                              .state = keep->options->state,
                                              .operator_root_pem = keep->operator_pem};
    keep->producer = producer_start(&producer, err);
    if (keep->producer == NULL) {
        return false;
    }
    keep->world.producer_url = producer_url(keep->producer);
    keep->world.producer_uuid = producer_uuid(keep->producer);
    return true;
}

/* The cost of each program so far; programs that are not known or gone are left out. */
static void usage_now(const struct runner_options *options, struct process_usage used[PROGRAMS],
                      bool has[PROGRAMS]) {
    const pid_t pids[PROGRAMS] = {0, options->client_pid, options->server_pid, options->oam_pid};

    for (unsigned i = 0; i < PROGRAMS; i++) {
        has[i] = (i == 0 || pids[i] != 0) && process_usage(pids[i], &used[i]);
    }
}

static void scrape_now(struct runner_keep *keep, struct scrape *ret) {
    const char *url = keep->options->client_admin != NULL ? keep->options->client_admin
                                                          : keep->options->server_admin;
    struct err err = {0};

    if (url != NULL && !scrape_requests(keep->loop, url, ret, &err)) {
        char quoted[256];
        log_line(LOG_WARNING, "runner", "metrics", "url=%s detail=%s", url,
                 log_quote(err.detail, quoted, sizeof quoted));
    }
}

static void fill_usage(struct runner_keep *keep, struct run_result *ret) {
    struct process_usage used[PROGRAMS] = {0};
    double *const cpu_s[PROGRAMS] = {&ret->cpu_s.nfsim, &ret->cpu_s.client, &ret->cpu_s.server,
                                     &ret->cpu_s.oam};
    double *const rss_kib[PROGRAMS] = {&ret->rss_kib.nfsim, &ret->rss_kib.client,
                                       &ret->rss_kib.server, &ret->rss_kib.oam};

    usage_now(keep->options, used, ret->has_cpu);
    for (unsigned i = 0; i < PROGRAMS; i++) {
        ret->has_cpu[i] = ret->has_cpu[i] && keep->has_used[i];
        if (ret->has_cpu[i]) {
            *cpu_s[i] = used[i].cpu_s - keep->used[i].cpu_s;
            *rss_kib[i] = used[i].rss_peak_kib;
        }
    }
}

static bool fill_expect(const struct scenario *scenario, struct run_result *ret, struct err *err) {
    ret->expect = calloc(scenario->expect_count + 1, sizeof *ret->expect);
    if (ret->expect == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for the expectations");
    }
    for (unsigned i = 0; i < scenario->expect_count; i++) {
        const struct scenario_expect *from = &scenario->expect[i];
        struct result_expect *to = &ret->expect[ret->expect_count++];
        *to = (struct result_expect){
            .has_min = from->has_min, .has_max = from->has_max, .min = from->min, .max = from->max};
        (void)snprintf(to->check, sizeof to->check, "%s", from->check);
    }
    (void)expect_judge(ret);
    return true;
}

static void fill_texts(struct runner_keep *keep, struct run_result *ret) {
    const struct runner_options *options = keep->options;
    const struct scenario *scenario = options->scenario;

    arrival_text(scenario->phases, scenario->phases_count, keep->arrival, sizeof keep->arrival);
    ret->scenario = scenario->name;
    ret->question = scenario->question;
    ret->profile = scenario->profile[0] == '\0' ? "by the client" : scenario->profile;
    ret->challenges = scenario->fqdn ? "tkauth-01 and http-01" : "tkauth-01";
    ret->seed = scenario->fleet.seed;
    ret->arrival = keep->arrival;
    ret->max_in_flight = keep->max_in_flight;
    ret->scenario_path = scenario->path;
    ret->state = options->state;
    ret->operator_root = options->operator_root;
    ret->out = options->out;
    ret->command = options->command;
}

static bool prepare(struct runner_keep *keep, struct err *err) {
    keep->max_in_flight =
        runner_max_in_flight(keep->options->scenario->max_in_flight, run_files_max());
    keep->loop = loop_new(err);
    override_phases(keep->options);
    return keep->loop != NULL && prepare_fleet(keep, err) && prepare_identities(keep, err)
           && prepare_trust(keep, err) && prepare_trace(keep, err) && prepare_world(keep, err);
}

/* The measured part. */
static bool enrol_fleet(struct runner_keep *keep, struct run_result *ret, struct err *err) {
    const struct scenario *scenario = keep->options->scenario;

    scrape_now(keep, &keep->before);
    usage_now(keep->options, keep->used, keep->has_used);
    const uint64_t start_us = clock_wall_us();
    keep->stats = stats_new(start_us, keep->nfs, err);
    if (keep->stats == NULL) {
        return false;
    }
    const struct crowd_options crowd = {.world = &keep->world,
                                        .scenario = scenario,
                                        .ids = keep->ids,
                                        .identities = keep->identities,
                                        .nfs = keep->nfs,
                                        .max_in_flight = keep->max_in_flight,
                                        .start_us = start_us,
                                        .stats = keep->stats};
    keep->crowd = crowd_new(&crowd, err);
    if (keep->crowd == NULL) {
        return false;
    }
    struct progress *progress =
        progress_start(keep->loop, keep->stats, keep->nfs, keep->options->plain);
    const bool ran = crowd_run(keep->crowd, err);
    progress_stop(progress);
    const bool counted = stats_finish(keep->stats, clock_wall_us(), ret, err);
    fill_usage(keep, ret);
    scrape_now(keep, &keep->after);
    return ran && counted;
}

bool runner_run(const struct runner_options *options, struct run_result *ret,
                struct runner_keep **ret_keep, struct err *err) {
    AUTO(runner_keep_free) struct runner_keep *keep = calloc(1, sizeof *keep);
    AUTO(run_result_done) struct run_result result = {0};

    if (keep == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a run");
    }
    keep->options = options;
    if (!prepare(keep, err)) {
        return false;
    }
    (void)fprintf(stderr, "%s: %u NFs, at most %u at once (%u open files)\n",
                  options->scenario->name, keep->nfs, keep->max_in_flight, run_files_max());
    if (!enrol_fleet(keep, &result, err)) {
        return false;
    }
    fill_texts(keep, &result);
    result.acme_requests =
        scrape_difference(&keep->before, &keep->after, &result.acme_requests_count);
    if (!fill_expect(options->scenario, &result, err)) {
        return false;
    }
    *ret = result;
    result = (struct run_result){0};
    *ret_keep = TAKE(keep);
    return true;
}
