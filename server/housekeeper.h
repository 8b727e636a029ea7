/* What has ended leaves the store: orders, authorizations with their challenges, authority tokens
 * and certificates, in small bites on a thread of its own, so that nobody waits for it. */
#pragma once

#include "common/clock.h"
#include "server/store_upkeep.h"

struct housekeeper;

struct housekeeper_options {
    struct store *store;        /* borrowed for the life */
    const struct clock *clock;  /* borrowed for the life */
    uint64_t interval_us;       /* between rounds, on that clock; 0 = no rounds */
    int64_t keep_s;             /* an order or authorization stays that long after its end */
    int64_t certificate_keep_s; /* a certificate, after its notAfter */
};

struct housekeeper *housekeeper_start(const struct housekeeper_options *options, struct err *err);
/* Ends a round under way after the bite it is at. */
void housekeeper_stop(struct housekeeper *housekeeper);
AUTO_DEFINE(struct housekeeper, housekeeper_stop)

struct housekeeper_counts {
    uint64_t rounds;
    uint64_t removed[STORE_KIND__COUNT];
};
struct housekeeper_counts housekeeper_counts(struct housekeeper *housekeeper);
