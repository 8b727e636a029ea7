/* The records of enrolments under way, as last committed, so that reading them needs no SQLite.
 * It holds what the store holds: filled by committed transactions, and by readings during which
 * nothing was committed. */
#pragma once

#include "server/store.h"

struct store_cache;

#define STORE_CACHE_SLOTS 8192 /* of a store on disk; about 2 KiB each */
#define STORE_CACHE_NAMES 8    /* orders of more names are not kept */

/* slots   records kept at most, a power of two; 0: it keeps nothing. */
struct store_cache *store_cache_new(unsigned slots, struct err *err);
void store_cache_free(struct store_cache *cache);
AUTO_DEFINE(struct store_cache, store_cache_free)

/* Copy a record out.  false: it is not kept; read it, and put it back with *ret_seen. */
MUST_CHECK bool store_cache_order_get(struct store_cache *cache, const char *account,
                                      const char *id, struct order *ret, uint64_t *ret_seen);
MUST_CHECK bool store_cache_authz_get(struct store_cache *cache, const char *account,
                                      const char *id, struct authz *ret, uint64_t *ret_seen);
/* Move a certificate out: it is fetched once after it was issued, and rarely again. */
MUST_CHECK bool store_cache_certificate_take(struct store_cache *cache, const char *serial,
                                             struct certificate *ret);

/* Keep a copy of what was read; nothing happens when there was a commit after `seen`. */
void store_cache_order_put(struct store_cache *cache, const struct order *order, uint64_t seen);
void store_cache_authz_put(struct store_cache *cache, const struct authz *authz, uint64_t seen);

/* The writer's, after a commit and before anybody is told: the batch, of which the transactions
 * with an error changed nothing. */
void store_cache_commit(struct store_cache *cache, const struct store_tx *first);
