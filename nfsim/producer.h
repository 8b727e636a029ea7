/* The producer: an NRF that enrols first, through the same client and unmeasured, then serves over
 * mutual TLS and lets in who shows an operator certificate with clientAuth. */
#pragma once

#include "common/err.h"
#include "nfsim/nf.h"

struct producer;

struct producer_options {
    const struct nf_world *world;  /* as the fleet's; its profile and use are the producer's own */
    const char *state;             /* of the OAM: the producer's row in the inventory */
    const char *operator_root_pem; /* text: whom it lets in */
};

/* Enrol and serve; runs the world's loop until it is enrolled.  err  why it could not enrol. */
struct producer *producer_start(const struct producer_options *options, struct err *err);
void producer_stop(struct producer *producer);
AUTO_DEFINE(struct producer, producer_stop)

const char *producer_url(const struct producer *producer);
const char *producer_uuid(const struct producer *producer);
/* Requests it answered, and handshakes it refused. */
uint64_t producer_served(const struct producer *producer);
uint64_t producer_refused(const struct producer *producer);
