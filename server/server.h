/* All rooms of nfacme-server, built and wired: what main starts, waits beside and stops. */
#pragma once

#include "server/options.h"

struct server;

/* Serving when it returns.  options is borrowed for the life.  ERR_CONFIG: what to mend. */
struct server *server_start(const struct options *options, struct err *err);
/* Print the one ready line. */
void server_ready(const struct server *server);
/* Open the files again that may have been moved away (SIGHUP). */
void server_reopen(struct server *server);
/* Answer what is under way, refuse the rest, stop. */
void server_stop(struct server *server);
AUTO_DEFINE(struct server, server_stop)
/* Where it listens, port 0 resolved; for tests. */
unsigned server_port(const struct server *server);
