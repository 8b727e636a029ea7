/* nfacme-server: parse the configuration, build the rooms, serve until told to stop. */
#include <signal.h>

#include "common/run.h"
#include "server/command.h"
#include "server/server.h"

/* jemalloc: what a crowd needed goes back to the system soon after it left, without a request. */
extern const char *malloc_conf;
const char *malloc_conf = "background_thread:true";

int main(int argc, char **argv) {
    struct config *config = NULL;
    struct err err = {0};

    run_signals_block();
    enum config_outcome outcome = config_start(&options_program, argc, argv, &config);
    if (outcome != CONFIG_RUN) {
        return outcome == CONFIG_EXIT_OK ? RUN_OK : RUN_USAGE;
    }
    (void)run_files_max();
    AUTO(options_done) struct options options = {0};
    AUTO(server_stop) struct server *server = NULL;
    if (!options_read(config, &options, &err)) {
        run_complain(options_program.name, &err);
        return RUN_USAGE;
    }
    const char *const words[] = {config_positional(config, 0), config_positional(config, 1)};
    if (words[0] != NULL) {
        return command_run(&options, words);
    }
    server = server_start(&options, &err);
    if (server == NULL) {
        run_complain(options_program.name, &err);
        return err.kind == ERR_CONFIG ? RUN_USAGE : RUN_SETUP;
    }
    server_ready(server);
    while (run_signals_wait() == SIGHUP) {
        server_reopen(server);
    }
    return RUN_OK;
}
