/* acmespec: an ACME server, case by case against RFC 8555 and its extensions. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/file.h"
#include "common/run.h"
#include "tests/conformance/areas.h"
#include "tests/conformance/runner.h"
#include "tests/conformance/target.h"

static bool select_cases(const struct config *config, const struct spec_area *areas, size_t count,
                         struct run_list *ret, struct err *err) {
    const char *only[64];
    struct selection selection = {.only = only};

    for (size_t i = 0; i < config_count(config, "only") && i < COUNT(only); i++) {
        only[selection.only_count++] = config_text_at(config, "only", i);
    }
    for (size_t i = 0; i < config_count(config, "needing"); i++) {
        unsigned bit = need_parse(config_text_at(config, "needing", i));
        if (bit == 0) {
            return err_set(err, ERR_CONFIG, "--needing %.40s: unknown word",
                           config_text_at(config, "needing", i));
        }
        selection.needing |= bit;
    }
    return runner_select(areas, count, &selection, ret, err);
}

static bool write_reports(const struct config *config, const struct run_list *list,
                          struct err *err) {
    bool strict = config_bool(config, "strict");
    const char *json = config_text(config, "json"), *junit = config_text(config, "junit");

    report_text(list, strict, stdout);
    return (json == NULL || report_json(list, json, err))
           && (junit == NULL || report_junit(list, strict, junit, err));
}

static bool expect(const struct config *config, struct run_list *list, struct err *err) {
    const char *path = config_text(config, "expect");
    size_t len = 0;
    AUTO(free) char *text = path == NULL ? NULL : file_read(path, &len, err);

    return path == NULL || (text != NULL && runner_expect(list, text, err));
}

static bool run(const struct config *config, int *ret_exit, struct err *err) {
    struct spec_area areas[AREAS_MAX];
    struct run_list found = {0}, *list = &found;
    size_t count = 0;

    *ret_exit = RUN_USAGE;
    if (!areas_load(config_text(config, "catalogue"), areas, &count, err)
        || !select_cases(config, areas, count, list, err) || !expect(config, list, err)) {
        run_list_done(list);
        return false;
    }
    if (config_bool(config, "list")) {
        report_list(list, stdout);
        *ret_exit = RUN_OK;
        run_list_done(list);
        return true;
    }
    AUTO(target_free) struct spec_target *target = target_new(config, err);
    *ret_exit = err->kind == ERR_CONFIG ? RUN_USAGE : RUN_SETUP;
    bool done = target != NULL;
    if (done) {
        runner_run(list, target, (unsigned)config_int(config, "jobs"));
        done = write_reports(config, list, err);
        *ret_exit = done ? runner_exit(list, config_bool(config, "strict")) : RUN_SETUP;
    }
    run_list_done(list);
    return done;
}

int main(int argc, char **argv) {
    AUTO(config_free) struct config *config = NULL;
    struct err err = {0};
    int code = RUN_USAGE;

    if (argc > 1 && strcmp(argv[1], "client") == 0) {
        (void)fprintf(stderr, "acmespec: testing clients is not in this version\n");
        return RUN_USAGE;
    }
    enum config_outcome outcome = config_start(&target_program, argc, argv, &config);
    if (outcome != CONFIG_RUN) {
        return outcome == CONFIG_EXIT_OK ? RUN_OK : RUN_USAGE;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    const char *mode = config_positional(config, 0);
    if (mode == NULL || strcmp(mode, "server") != 0) {
        (void)err_set(&err, ERR_CONFIG, "say what to test: acmespec server … (see --help)");
    } else if (run(config, &code, &err)) {
        areas_unload();
        return code;
    }
    areas_unload();
    run_complain("acmespec", &err);
    return code;
}
