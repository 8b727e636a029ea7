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

/* Print the ready line. */
/* What may change while it runs, on SIGHUP; from the main thread. */
void client_reread(struct client *client);
void client_ready(const struct client *client);
unsigned client_api_port(const struct client *client);
unsigned client_admin_port(const struct client *client);
