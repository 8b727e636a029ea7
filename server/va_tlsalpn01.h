/* tls-alpn-01: a certificate shown for the protocol acme-tls/1, RFC 8737; of an address, RFC 8738.
 */
#pragma once

#include "server/va_target.h"

struct va_tlsalpn01;

/* Lives on loop's thread.  targets is borrowed for the life. */
struct va_tlsalpn01 *va_tlsalpn01_new(const struct va_options *options, struct loop *loop,
                                      struct va_targets *targets, struct err *err);
/* Once the loop has stopped; what is under way is dropped without calling back. */
void va_tlsalpn01_free(struct va_tlsalpn01 *va_tlsalpn01);
AUTO_DEFINE(struct va_tlsalpn01, va_tlsalpn01_free)

/*
 * Validate; on the loop's thread.  task is borrowed until done, which is called once, possibly
 * before this returns.
 * Failures: ERR_DNS, ERR_REJECTED_IDENTIFIER (all addresses are excluded), ERR_CONNECTION (also a
 * timeout), ERR_TLS (the handshake), ERR_UNAUTHORIZED (acme-tls/1 was not agreed on),
 * ERR_INCORRECT_RESPONSE (the certificate).
 */
void va_tlsalpn01_start(struct va_tlsalpn01 *va_tlsalpn01, const struct va_task *task,
                        va_done *done, void *ctx);
