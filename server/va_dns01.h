/* dns-01: a digest of the key authorization in a TXT record, RFC 8555 section 8.4. */
#pragma once

#include "server/resolver.h"
#include "server/va.h"

#define VA_DNS01_LABEL "_acme-challenge"

struct va_dns01;

/* Lives on loop's thread.  resolver is borrowed for the life. */
struct va_dns01 *va_dns01_new(const struct va_options *options, struct resolver *resolver,
                              struct err *err);
/* Once the loop has stopped; what is under way is dropped without calling back. */
void va_dns01_free(struct va_dns01 *va_dns01);
AUTO_DEFINE(struct va_dns01, va_dns01_free)

/*
 * Validate; on the loop's thread.  task is borrowed until done, which is called once, possibly
 * before this returns.  One TXT record of several is enough; one of several strings is their
 * concatenation.
 * Failures: ERR_DNS (no such name, an error of the server, no answer in time),
 * ERR_INCORRECT_RESPONSE (no record, or none that fits), ERR_UNAUTHORIZED (no dns identifier).
 */
void va_dns01_start(struct va_dns01 *va_dns01, const struct va_task *task, va_done *done,
                    void *ctx);
