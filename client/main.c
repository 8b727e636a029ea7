/* nfacme-client: parse the configuration, build the rooms, serve until told to stop. */
#include <signal.h>

#include "client/client.h"
#include "client/command.h"
#include "common/run.h"

int main(int argc, char **argv) {
    struct config *config = NULL;
    struct err err = {0};

    run_signals_block();
    const enum config_outcome outcome = config_start(&options_program, argc, argv, &config);
    if (outcome != CONFIG_RUN) {
        return outcome == CONFIG_EXIT_OK ? RUN_OK : RUN_USAGE;
    }
    (void)run_files_max();
    if (config_positional(config, 0) != NULL) {
        return command_run(config);
    }
    AUTO(options_done) struct options options = {0};
    AUTO(client_stop) struct client *client = NULL;
    if (!options_read(config, &options, &err)) {
        run_complain(options_program.name, &err);
        return RUN_USAGE;
    }
    client = client_start(&options, &err);
    if (client == NULL) {
        run_complain(options_program.name, &err);
        return err.kind == ERR_CONFIG ? RUN_USAGE : RUN_SETUP;
    }
    client_ready(client);
    while (run_signals_wait() == SIGHUP) {
        client_reload(client, argc, argv);
    }
    return RUN_OK;
}
