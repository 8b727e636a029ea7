/* The whole client: every room built, wired and started, or stopped in the right order. */
#pragma once

#include "client/options.h"
#include "common/err.h"

struct client;

/* Serving when it returns.  options outlive the client.  ERR_CONFIG: a file or an address. */
struct client *client_start(const struct options *options, struct err *err);
/* Stops the engine (held requests get 503), the listeners, and flushes the store. */
void client_stop(struct client *client);
AUTO_DEFINE(struct client, client_stop)

/* SIGHUP: read the configuration and the files it names again (reload.h); what is wrong is told in
 * the log, and then nothing changes. */
void client_reload(struct client *client, int argc, char **argv);

/* Print the ready line. */
void client_ready(const struct client *client);
unsigned client_api_port(const struct client *client);
unsigned client_admin_port(const struct client *client);
