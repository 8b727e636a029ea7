/* Telling an observer of a validation's query. */
#pragma once

#include "server/resolver.h"
#include "server/va.h"

/*
 * query is completed (addresses, tried, at_us, us; answer cut to VA_ANSWER_SEEN) and shown. Nothing
 * when nobody observes.
 * addresses   what the name resolved to, tried at index; count 0: nothing was tried.
 * begun_us    clock_wall_us.   clock: the bed's, or NULL.
 */
void va_query_tell(const struct va_observer *observer, const struct va_query *query,
                   const struct resolver_answer *addresses, unsigned index, unsigned port,
                   uint64_t begun_us, const struct clock *clock);
