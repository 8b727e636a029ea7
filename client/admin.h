/* The admin listener: /healthz, /readyz, /metrics over plain HTTP. */
#pragma once

#include "client/store.h"
#include "common/err.h"

struct admin;

/* store is borrowed for the life.  ERR_CONFIG names the address. */
struct admin *admin_start(const char *listen, const struct store *store, struct err *err);
void admin_stop(struct admin *admin);
AUTO_DEFINE(struct admin, admin_stop)
unsigned admin_port(const struct admin *admin);
