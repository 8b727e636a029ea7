/* The operators' pages every daemon serves over plain HTTP: /healthz, /readyz and /metrics. */
#pragma once

#include "common/buf.h"
#include "common/httpd.h"

struct health;

struct health_options {
    const char *listen; /* "127.0.0.1:0" */
    /* Able to serve?  Runs on the listener's thread. */
    bool (*ready)(void *ctx);
    /* Append the program's metrics, Prometheus text; those of the process are added here. */
    void (*metrics)(void *ctx, struct buf *buf);
    httpd_handler *other; /* any further path; NULL: 404 */
    void *ctx;            /* of all three; borrowed */
    const char *program;  /* "nfacme-server"; borrowed */
};

/* Listening when it returns.  ERR_CONFIG names the address. */
struct health *health_start(const struct health_options *options, struct err *err);
void health_stop(struct health *health);
AUTO_DEFINE(struct health, health_stop)
unsigned health_port(const struct health *health);
