/* Ended enrolments are removed when they have been kept long enough, in small batches between other
 * changes, found by an index.
 *
 * What must stay is put off: an NF's newest certificate (of those that are ISSUED), a certificate
 * that is scheduled for renewal, what a job or a publication still names. */
#pragma once

#include <stdint.h>

#include "client/store.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"

#define HOUSEKEEPER_BATCH 64
#define HOUSEKEEPER_LOOK_US 3600000000u /* at least so often, real time */

struct housekeeper;

/* All borrowed for the life. */
struct housekeeper_options {
    struct loop *loop;
    struct store *store;
    const struct clock *clock;
    uint64_t keep_us; /* of the bed's clock; 0: for ever */
};
struct housekeeper *housekeeper_new(const struct housekeeper_options *options, struct err *err);
/* After the loop has stopped and the store is closed. */
void housekeeper_free(struct housekeeper *housekeeper);
AUTO_DEFINE(struct housekeeper, housekeeper_free)

/* Look now, and from then on; on the loop's thread, or before it runs. */
void housekeeper_start(struct housekeeper *housekeeper);
/* Another time from now on; on the loop's thread. */
void housekeeper_tune(struct housekeeper *housekeeper, uint64_t keep_us);
