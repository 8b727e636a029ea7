/* Rate limits of RFC 8555 section 6.6: so many of a thing per window and per account, identifier or
 * client address.  All are off (0) unless asked for, and then cost nothing. */
#pragma once

#include "common/err.h"

struct throttle;

enum throttle_limit {
    THROTTLE_ACCOUNTS,    /* new accounts per client address */
    THROTTLE_ORDERS,      /* new orders, and authorizations beforehand, per account */
    THROTTLE_IDENTIFIERS, /* the same per identifier */
    THROTTLE_REQUESTS,    /* POSTs per client address */
    THROTTLE__COUNT
};
const char *throttle_name(enum throttle_limit limit);

#define THROTTLE_KEPT_MAX 65536 /* who is remembered; the least recently counted goes first */

struct throttle_options {
    unsigned count[THROTTLE__COUNT]; /* per window and key; 0: no limit */
    uint64_t window_us;
};

struct throttle *throttle_new(const struct throttle_options *options, struct err *err);
void throttle_free(struct throttle *throttle);
AUTO_DEFINE(struct throttle, throttle_free)

bool throttle_on(const struct throttle *throttle, enum throttle_limit limit);
/*
 * Count one of limit under each of the keys, or under none of them.
 * ERR_RATE_LIMITED with retry_after_s: after that time there is room for one again.
 */
MUST_CHECK bool throttle_take(struct throttle *throttle, enum throttle_limit limit,
                              const char *const *keys, unsigned count, uint64_t now_us,
                              struct err *err);
/* Uncount one: it was not made. */
void throttle_give_back(struct throttle *throttle, enum throttle_limit limit, const char *key);

/* "192.0.2.1:4711" to the key of that client: an IPv4 address, or the /64 of an IPv6 address. */
#define THROTTLE_ADDRESS_SIZE 48
void throttle_address(const char *peer, char text[THROTTLE_ADDRESS_SIZE]);

struct throttle_counts {
    uint64_t refused[THROTTLE__COUNT];
    unsigned kept;
};
struct throttle_counts throttle_counts(struct throttle *throttle);
