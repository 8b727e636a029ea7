/* One DNS message to a name server and its answer, over TCP, on the loop. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/endpoint.h"
#include "common/err.h"
#include "common/loop.h"

#define DNS_EXCHANGE_PATIENCE_US 5000000

/* Called once, on the loop's thread; wire (borrowed) or err is given. */
typedef void dns_exchange_done(void *ctx, const uint8_t *wire, size_t len, const struct err *err);

struct dns_exchange;
/* wire is copied.  NULL: ERR_UNREACHABLE, done is not called.  The handle is valid until done. */
struct dns_exchange *dns_exchange_start(struct loop *loop, const struct endpoint *server,
                                        const uint8_t *wire, size_t len, dns_exchange_done *done,
                                        void *ctx, struct err *err);
/* Stop it; done is not called.  NULL is harmless. */
void dns_exchange_cancel(struct dns_exchange *exchange);
