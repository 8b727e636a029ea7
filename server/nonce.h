/* Anti-replay nonces, RFC 8555 section 6.5: no storage per nonce, a bounded window of spent ones.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"

struct nonce_pool;

#define NONCE_SIZE 23             /* 22 base64url characters and the NUL */
#define NONCE_WINDOW_MAX 0x400000 /* nonces outstanding at a time; one bit each */

/* window  outstanding nonces, a power of two, 64 to NONCE_WINDOW_MAX.  Own key; nonces of another
 * pool, or of this program's earlier life, are unknown to it. */
struct nonce_pool *nonce_pool_new(uint32_t window, struct err *err);
void nonce_pool_free(struct nonce_pool *pool);
AUTO_DEFINE(struct nonce_pool, nonce_pool_free)

/* Write a fresh nonce.  Cost: one cipher block under the pool's lock; never allocates. */
void nonce_issue(struct nonce_pool *pool, char text[NONCE_SIZE]);

/*
 * Spend a nonce: true the first time, false ever after.
 *
 * text   from the protected header; borrowed; any octets, any length.
 * err    ERR_MALFORMED when not base64url (6.5.2); ERR_BAD_NONCE when never issued, already spent,
 *        or aged out of the window.
 */
MUST_CHECK bool nonce_spend(struct nonce_pool *pool, const char *text, struct err *err);

struct nonce_counts {
    uint64_t issued, spent;
    uint64_t unknown, again, aged; /* refused: not ours, spent before, out of the window */
    uint64_t evicted;              /* left the window unspent */
};
struct nonce_counts nonce_counts(struct nonce_pool *pool);
