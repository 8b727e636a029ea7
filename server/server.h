/* All rooms of nfacme-server, built and wired: what main starts, waits beside and stops. */
#pragma once

#include "server/ca.h"
#include "server/options.h"

#define SERVER_DATABASE "server.db" /* in the state directory */

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
/* The CA as the options describe it: loaded, or made in the state directory. */
struct ca *server_ca_open(const struct options *options, struct err *err);
/* The audit log's path, in text[size] or borrowed; NULL: there is none. */
const char *server_audit_path(const struct options *options, char *text, size_t size);
/* Where it listens, port 0 resolved; for tests. */
unsigned server_port(const struct server *server);
unsigned server_admin_port(const struct server *server);
