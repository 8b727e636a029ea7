/* The three responders behind responder.h, each a thread of its own. */
#pragma once

#include "tests/conformance/responder.h"

struct responder_alpn;
struct responder_dns;

/* A TCP socket of 127.0.0.1 that listens. */
MUST_CHECK bool responder_listen(unsigned port, int *ret_fd, struct err *err);

struct responder_alpn *responder_alpn_start(unsigned port, struct err *err);
void responder_alpn_stop(struct responder_alpn *alpn);
struct responder_dns *responder_dns_start(unsigned port, struct err *err);
void responder_dns_stop(struct responder_dns *dns);

/* NULL, and the case skipped, when it was not started. */
struct responder_alpn *responder_alpn_of(struct spec *spec);
struct responder_dns *responder_dns_of(struct spec *spec);
