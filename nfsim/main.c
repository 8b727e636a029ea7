/* nfsim: a fleet of NFs, its OAM, and the measurement of the nine steps. */
#include <stdio.h>
#include <string.h>

#include "common/run.h"
#include "nfsim/bundle.h"
#include "nfsim/export.h"
#include "nfsim/options.h"
#include "nfsim/report.h"
#include "nfsim/summary.h"

static bool do_init(const struct options *options, int *ret_exit, struct err *err) {
    AUTO(scenario_done) struct scenario scenario = {0};

    *ret_exit = RUN_USAGE;
    if (!options_scenario(options, &scenario, err)) {
        return false;
    }
    const struct init_options init = options_init(options, &scenario);
    *ret_exit = RUN_SETUP;
    return init_state(&init, err);
}

static bool do_oam(const struct options *options, int *ret_exit, struct err *err) {
    struct oam_options oam_options = options_oam(options);

    *ret_exit = RUN_SETUP;
    run_signals_block();
    (void)run_files_max();
    AUTO(trace_close)
    struct trace *trace = trace_open("oam", config_text(options->config, "trace"),
                                     config_text(options->config, "events"), err);
    oam_options.trace = trace;
    AUTO(oam_stop) struct oam *oam = trace == NULL ? NULL : oam_start(&oam_options, err);
    if (oam == NULL) {
        return false;
    }
    run_ready("ready oam=%s", oam_url(oam));
    (void)run_signals_wait();
    return true;
}

static bool do_run(const struct options *options, int *ret_exit, struct err *err) {
    AUTO(scenario_done) struct scenario scenario = {0};
    AUTO(runner_keep_free) struct runner_keep *keep = NULL;
    AUTO(run_result_done) struct run_result result = {0};

    *ret_exit = RUN_USAGE;
    if (!options_scenario(options, &scenario, err)) {
        return false;
    }
    const struct runner_options run = options_run(options, &scenario);
    *ret_exit = RUN_SETUP;
    run_signals_block();
    if (!runner_run(&run, &result, &keep, err)) {
        return false;
    }
    summary_print(&result, stdout);
    if (run.out != NULL && !bundle_write(&result, err)) {
        return false;
    }
    *ret_exit = runner_verdict(&result);
    return true;
}

static bool do_report(const struct options *options, int *ret_exit, struct err *err) {
    *ret_exit = RUN_USAGE;
    return report_write(config_positional(options->config, 0), err);
}

static bool do_export(const struct options *options, int *ret_exit, struct err *err) {
    const struct config *config = options->config;
    const struct export_options export = {.nf = config_positional(config, 0),
                                          .state = config_text(config, "state"),
                                          .out = config_text(config, "out"),
                                          .client_name = config_text(config, "client_name"),
                                          .fqdn = config_bool(config, "fqdn"),
                                          .bind = config_text(config, "bind"),
                                          .profile = config_text(config, "profile"),
                                          .clock = &options->clock};

    *ret_exit = RUN_USAGE;
    return export_nf(&export, stdout, err);
}

static bool do_scenario(const struct options *options, int *ret_exit, struct err *err) {
    AUTO(scenario_done) struct scenario scenario = {0};
    bool good = options_scenario(options, &scenario, err);

    *ret_exit = RUN_USAGE;
    for (size_t i = 0; good && i < config_count(options->config, "get"); i++) {
        good = scenario_print(&scenario, config_text_at(options->config, "get", i), stdout, err);
    }
    return good;
}

static bool (*const commands[])(const struct options *, int *, struct err *) = {
    [OPTIONS_INIT] = do_init,     [OPTIONS_OAM] = do_oam,       [OPTIONS_RUN] = do_run,
    [OPTIONS_REPORT] = do_report, [OPTIONS_EXPORT] = do_export, [OPTIONS_SCENARIO] = do_scenario};

int main(int argc, char **argv) {
    AUTO(options_done) struct options options = {0};
    enum options_command command = OPTIONS__COUNT;
    struct err err = {0};
    int exit_status = RUN_USAGE;

    if (argc < 2 || !options_command(argv[1], &command)) {
        return options_no_command(argc, argv);
    }
    if (!options_read(command, argc - 1, argv + 1, &options, &exit_status)) {
        return exit_status;
    }
    if (!commands[command](&options, &exit_status, &err)) {
        run_complain("nfsim", &err);
        return err.kind == ERR_CONFIG ? RUN_USAGE : exit_status;
    }
    return command == OPTIONS_RUN ? exit_status : RUN_OK;
}
