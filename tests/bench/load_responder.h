/* The load driver's own http-01 responder, RFC 8555 section 8.3. */
#pragma once

#include "common/err.h"

struct responder;

/* Listening on 127.0.0.1 when it returns. */
struct responder *responder_start(unsigned port, struct err *err);
void responder_stop(struct responder *responder);
AUTO_DEFINE(struct responder, responder_stop)

/* Answer for a token with its key authorization; until withdrawn. */
void responder_publish(struct responder *responder, const char *token, const char *thumbprint);
void responder_withdraw(struct responder *responder, const char *token);
