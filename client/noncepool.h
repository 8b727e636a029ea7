/* Anti-replay nonces taken from the ACME server's answers, RFC 8555 section 6.5: a bounded queue,
 * oldest first; one thread. */
#pragma once

#include <stdbool.h>

#include "common/cleanup.h"

#define NONCEPOOL_MAX 256       /* nonces kept; further ones push out the oldest */
#define NONCEPOOL_TEXT_SIZE 256 /* characters of one nonce and the NUL */

struct noncepool;

struct noncepool *noncepool_new(void); /* NULL: no memory */
void noncepool_free(struct noncepool *pool);
AUTO_DEFINE(struct noncepool, noncepool_free)

/* Keep a Replay-Nonce; false, and not kept, unless it is base64url and short enough (6.5.1: a
 * client MUST ignore invalid values).  NULL is not one. */
bool noncepool_put(struct noncepool *pool, const char *nonce);
/* Move the oldest out; false when empty. */
MUST_CHECK bool noncepool_take(struct noncepool *pool, char ret[NONCEPOOL_TEXT_SIZE]);
/* Forget all: the server has shown that it does not know them. */
void noncepool_flush(struct noncepool *pool);
unsigned noncepool_count(const struct noncepool *pool);
