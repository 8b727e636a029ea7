/* The operators' listener, plain HTTP: GET /healthz, /readyz and /metrics. */
#pragma once

#include "common/httpd.h"
#include "server/meter.h"
#include "server/nonce.h"
#include "server/store.h"
#include "server/va.h"

struct admin;

struct admin_options { /* all borrowed for the life */
    const char *listen;
    struct meter *meter;
    struct nonce_pool *nonces;
    struct store *store;
    struct va *va;
    const struct httpd *acme;
};

/* Listening when it returns; ERR_CONFIG names the address. */
struct admin *admin_start(const struct admin_options *options, struct err *err);
void admin_stop(struct admin *admin);
AUTO_DEFINE(struct admin, admin_stop)
unsigned admin_port(const struct admin *admin);
