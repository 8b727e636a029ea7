#include "server/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/run.h"
#include "server/check.h"
#include "server/server.h"

#define PATH_SIZE 1024

static int failed(const struct err *err) {
    run_complain(options_program.name, err);
    return err->kind == ERR_CONFIG ? RUN_USAGE : RUN_SETUP;
}

static int backup(const struct options *options, const char *to) {
    char path[PATH_SIZE];
    struct err err = {0};

    if (to == NULL) {
        (void)err_set(&err, ERR_CONFIG, "backup needs the name of a file");
        return failed(&err);
    }
    (void)snprintf(path, sizeof(path), "%s/" SERVER_DATABASE, options->state_dir);
    if (!store_file_copy(path, to, &err)) {
        return failed(&err);
    }
    (void)printf("backup: %s\n", to);
    return RUN_OK;
}

static void print_finding(void *ctx, const char *text) {
    (void)ctx;
    (void)printf("%s\n", text);
}

static void print_progress(void *ctx, int64_t done, int64_t all) {
    (void)ctx;
    (void)fprintf(stderr, "check: %lld of %lld certificates\n", (long long)done, (long long)all);
}

static int check(const struct options *options) {
    char database[PATH_SIZE], audit[PATH_SIZE], root[PATH_SIZE];
    struct check_result result;
    struct err err = {0};

    (void)snprintf(database, sizeof(database), "%s/" SERVER_DATABASE, options->state_dir);
    (void)snprintf(root, sizeof(root), "%s/root.pem", options->state_dir);
    const char *log = server_audit_path(options, audit, sizeof(audit));
    if (access(root, R_OK) != 0) { /* opening the CA would make one */
        (void)err_set(&err, ERR_CONFIG, "%s: no state directory of a server", options->state_dir);
        return failed(&err);
    }
    AUTO(ca_free) struct ca *ca = server_ca_open(options, &err);
    if (ca == NULL
        || !check_run(&(struct check_options){.database = database,
                                              .audit = log,
                                              .ca = ca,
                                              .finding = print_finding,
                                              .progress = print_progress},
                      &result, &err)) {
        return failed(&err);
    }
    (void)printf("check: %lld accounts, %lld orders, %lld authorizations, %lld certificates, "
                 "%lld audit lines (%lld certificates due): ",
                 (long long)result.counts.accounts, (long long)result.counts.orders,
                 (long long)result.counts.authorizations, (long long)result.counts.certificates,
                 (long long)result.lines, (long long)result.due);
    if (result.findings > 0) {
        (void)printf("%lld findings\n", (long long)result.findings);
        return RUN_FAILED;
    }
    (void)printf("clean\n");
    return RUN_OK;
}

int command_run(const struct options *options, const char *const words[2]) {
    struct err err = {0};

    if (strcmp(words[0], "backup") == 0) {
        return backup(options, words[1]);
    }
    if (strcmp(words[0], "check") == 0 && words[1] == NULL) {
        return check(options);
    }
    (void)err_set(&err, ERR_CONFIG, "%s: no such command (backup FILE, check)", words[0]);
    return failed(&err);
}
