/* What the server under test asks while it validates: HTTP on --http01-port, one for all cases.
 * Answers are kept by path, so cases running at the same time do not meet. */
#pragma once

#include "tests/conformance/spec.h"

struct responder;

/* Port 0: that responder is not started.  All listen on 127.0.0.1.  ERR_CONFIG: port taken. */
struct responder_options {
    unsigned http01_port;
};
struct responder *responder_start(const struct responder_options *options, struct err *err);
void responder_stop(struct responder *responder);
AUTO_DEFINE(struct responder, responder_stop)

/* What a challenge of this type wants to see for name; skips the case when there is no responder
 * for it. */
void responder_publish(struct spec *spec, const char *type, const char *name, const char *token,
                       const char *key_authorization);

/* GET /.well-known/acme-challenge/TOKEN is answered 200 with this text. */
void spec_http01(struct spec *spec, const char *token, const char *text);
/* A path ("/x?y") is answered with these very octets of HTTP, delay_ms later. */
void spec_http01_raw(struct spec *spec, const char *path, const char *octets, unsigned delay_ms);

struct spec_http01_seen {
    unsigned count;   /* requests for the path so far */
    const char *head; /* request line and headers of the last one */
};
struct spec_http01_seen spec_http01_seen(struct spec *spec, const char *path);
/* "/.well-known/acme-challenge/TOKEN" */
const char *spec_http01_path(struct spec *spec, const char *token);
