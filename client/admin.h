/* The operators' listener, plain HTTP: /healthz, /readyz, /metrics, and the enrolments of all NFs
 * (docs/client.md). */
#pragma once

#include "client/engine.h"
#include "client/store.h"
#include "common/err.h"
#include "common/trace.h"

struct admin;

struct admin_options { /* all borrowed for the life */
    const char *listen;
    struct loop *loop;
    struct store *store;
    struct engine *engine;
    struct trace *trace;
};

/* ERR_CONFIG names the address. */
struct admin *admin_start(const struct admin_options *options, struct err *err);
/* Nothing is asked any more; what is held gets 503.  After the loop has stopped. */
void admin_stop(struct admin *admin);
/* admin_stop, and frees; after the store is closed. */
void admin_free(struct admin *admin);
AUTO_DEFINE(struct admin, admin_free)
unsigned admin_port(const struct admin *admin);
