/* Where a host of a validation is: the addresses to try, in order, without those the operator
 * excludes.  Shared by the validators that connect. */
#pragma once

#include "server/resolver.h"
#include "server/va.h"

struct va_targets;

/* Lives on loop's thread.  ERR_CONFIG: resolver, resolve_to or a range of exclude is not one. */
struct va_targets *va_targets_new(const struct va_options *options, struct loop *loop,
                                  struct err *err);
/* Once the loop has stopped; what is being looked up is dropped without calling back. */
void va_targets_free(struct va_targets *targets);
AUTO_DEFINE(struct va_targets, va_targets_free)

/*
 * Find a host; done is called once on the loop's thread, possibly before this returns.  An address
 * is itself (RFC 8738 4: no DNS), a name is at resolve_to or looked up; IPv6 comes first (RFC
 * 6724's order otherwise), at most RESOLVER_ADDRESSES_MAX of them. ERR_DNS: there is no address.
 * ERR_REJECTED_IDENTIFIER: there is none but excluded ones.
 */
void va_targets_find(struct va_targets *targets, const char *host, resolver_done *done, void *ctx);
