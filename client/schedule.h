/* When certificates are to be renewed, and telling their NFs.
 *
 * Each issued certificate has one row in table `renewal`, found by an index on its due instant, so
 * that nothing is kept in memory for certificates that wait.  At its due instant the CA is asked
 * for its window (RFC 9773), and asked again at each Retry-After or poll interval until the moment
 * picked in the window has come; a CA without renewal information is replaced by a fraction of the
 * lifetime, jittered.  Then the NF is told at its notificationUri, and told again if it does
 * nothing.  Only the NF can renew: it brings the key, the CSR and its assertion. */
#pragma once

#include <stdint.h>

#include "client/cas.h"
#include "client/notify.h"
#include "client/store.h"

#define SCHEDULE_BATCH 64   /* certificates looked at in one turn */
#define SCHEDULE_ASK_MAX 16 /* of them asked or told about at a time */

struct schedule_policy {
    double fraction;  /* of the lifetime, when the CA says nothing; 0 to 1 */
    uint64_t poll_us; /* of the bed's clock: ask for the window at least so often */
    uint64_t seed;    /* of the jitter */
};

/* When to renew by the lifetime alone: the fraction less up to a twentieth of the lifetime, the
 * same for the same row. */
uint64_t schedule_planned_us(const struct schedule_policy *policy, uint64_t not_before_us,
                             uint64_t not_after_us, int64_t row);
/* When to look at a certificate first. */
uint64_t schedule_first_us(const struct schedule_policy *policy, bool ari, uint64_t now_us,
                           uint64_t not_before_us, uint64_t not_after_us, int64_t row);

struct schedule;
/* All borrowed for the life. */
struct schedule_options {
    struct loop *loop;
    struct store *store;
    const struct cas *cas;
    const struct clock *clock;
    const struct schedule_policy *policy;
    const struct notify_options *notify;
};
struct schedule *schedule_new(const struct schedule_options *options, struct err *err);
/* Begin looking; on the loop's thread or before it runs. */
void schedule_start(struct schedule *schedule);
/* On the loop's thread, or after it has stopped; after the store was closed. */
void schedule_free(struct schedule *schedule);
AUTO_DEFINE(struct schedule, schedule_free)
