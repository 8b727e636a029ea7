/* Link headers, RFC 8288. */
#pragma once

#include "common/httpc.h"

#define LINK_ALTERNATES_MAX 8

/* The absolute URLs of rel="alternate", in the order they came; each the caller's, free().  Returns
 * how many; what is malformed, no URL or beyond the limit is left out. */
unsigned link_alternates(const struct httpc_answer *answer, char *urls[LINK_ALTERNATES_MAX]);

/* The same of one header's value, after those that are there. */
unsigned link_alternates_of(const char *value, char *urls[LINK_ALTERNATES_MAX], unsigned count);
