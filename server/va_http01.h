/* http-01: the key authorization fetched from the name itself, RFC 8555 section 8.3. */
#pragma once

#include "common/loop.h"
#include "server/va_target.h"

#define VA_HTTP01_REDIRECTS_MAX 10

struct va_http01;

/* Lives on loop's thread.  targets is borrowed for the life.  Redirects may go to ports 80, 443 and
 * the configured one. */
struct va_http01 *va_http01_new(const struct va_options *options, struct loop *loop,
                                struct va_targets *targets, struct err *err);
/* Once the loop has stopped; fetches under way are dropped without calling back. */
void va_http01_free(struct va_http01 *va_http01);
AUTO_DEFINE(struct va_http01, va_http01_free)

/*
 * Validate; on the loop's thread.  task is borrowed until done, which is called once, possibly
 * before this returns.
 * Failures: ERR_DNS, ERR_CONNECTION (also a timeout), ERR_TLS (a redirect's handshake),
 * ERR_INCORRECT_RESPONSE (status, body, redirect), ERR_REJECTED_IDENTIFIER (all its addresses are
 * excluded; of a redirect: ERR_CONNECTION).
 */
void va_http01_start(struct va_http01 *va_http01, const struct va_task *task, va_done *done,
                     void *ctx);
