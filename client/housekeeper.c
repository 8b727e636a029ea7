#include "client/housekeeper.h"

#include <inttypes.h>
#include <stdlib.h>

#include "client/stats.h"
#include "client/store_sql.h"
#include "common/log.h"

#define MORE_US 20000       /* between two batches */
#define LOOK_LEAST_US 50000 /* between two looks of a fast clock */
#define LOOK_PART 10        /* of the time to keep */

struct housekeeper {
    struct housekeeper_options options;
    struct loop_timer timer;
    bool busy;
    /* the writer's, while busy */
    uint64_t now_us, before_us;
    int64_t rows[HOUSEKEEPER_BATCH];
    unsigned count, removed;
};

static void look(void *ctx);

static void look_after(struct housekeeper *housekeeper, uint64_t wait_us) {
    loop_timer_set(housekeeper->options.loop, &housekeeper->timer, clock_wall_us() + wait_us, look,
                   housekeeper);
}

static bool take_row(void *ctx, const struct store_row *row, struct err *err) {
    struct housekeeper *housekeeper = ctx;

    (void)err;
    housekeeper->rows[housekeeper->count++] = store_row_int(row, 0);
    return true;
}

static bool found(void *ctx, const struct store_row *row, struct err *err) {
    (void)row;
    (void)err;
    *(bool *)ctx = true;
    return true;
}

/* Is there a reason to keep it? */
static bool wanted(struct store_sql *sql, const struct store_value *row, bool *ret,
                   struct err *err) {
    static const char reason[] =
        "SELECT 1 FROM enrolment e JOIN progress p ON p.row=e.row WHERE e.row=?1 AND ("
        "EXISTS(SELECT 1 FROM renewal WHERE row=?1) OR EXISTS(SELECT 1 FROM job WHERE"
        " enrolment=?1) OR EXISTS(SELECT 1 FROM publication WHERE row=?1) OR"
        " p.state NOT IN ('ISSUED','FAILED','WITHDRAWN') OR (p.state='ISSUED' AND"
        " NOT EXISTS(SELECT 1 FROM enrolment n JOIN progress q ON q.row=n.row WHERE n.nf=e.nf AND"
        " n.row>?1 AND q.state='ISSUED')))";

    *ret = false;
    return store_sql_each(sql, reason, row, 1, found, ret, err);
}

static bool settle_row(struct store_sql *sql, struct housekeeper *housekeeper, int64_t number,
                       struct err *err) {
    static const char put_off[] = "UPDATE progress SET ended=? WHERE row=?";
    static const char *const removals[] = {"DELETE FROM certificate WHERE row=?",
                                           "DELETE FROM progress WHERE row=?",
                                           "DELETE FROM enrolment WHERE row=?"};
    const struct store_value row = STORE_INT(number);
    const struct store_value later[] = {STORE_INT(housekeeper->now_us), row};
    bool keep = false;

    if (!wanted(sql, &row, &keep, err)) {
        return false;
    }
    if (keep) {
        return store_sql_do(sql, put_off, later, 2, err);
    }
    for (unsigned i = 0; i < COUNT(removals); i++) {
        if (!store_sql_do(sql, removals[i], &row, 1, err)) {
            return false;
        }
    }
    housekeeper->removed++;
    return true;
}

/* On the writer's thread. */
static bool work(struct store_sql *sql, void *ctx, struct err *err) {
    static const char due[] =
        "SELECT row FROM progress WHERE ended IS NOT NULL AND ended<? ORDER BY ended LIMIT ?";
    struct housekeeper *housekeeper = ctx;
    const struct store_value values[] = {STORE_INT(housekeeper->before_us),
                                         STORE_INT(HOUSEKEEPER_BATCH)};

    housekeeper->count = housekeeper->removed = 0;
    if (!store_sql_each(sql, due, values, 2, take_row, housekeeper, err)) {
        return false;
    }
    for (unsigned i = 0; i < housekeeper->count; i++) {
        if (!settle_row(sql, housekeeper, housekeeper->rows[i], err)) {
            return false;
        }
    }
    return true;
}

/* When there is nothing left: a tenth of the time to keep, an hour at most. */
static uint64_t pause_us(const struct housekeeper *housekeeper) {
    const struct housekeeper_options *options = &housekeeper->options;
    const uint64_t part_us = clock_real_delay_us(options->clock, options->keep_us / LOOK_PART);

    return part_us < LOOK_LEAST_US         ? LOOK_LEAST_US
           : part_us < HOUSEKEEPER_LOOK_US ? part_us
                                           : HOUSEKEEPER_LOOK_US;
}

static void done(void *ctx, const struct err *err) {
    struct housekeeper *housekeeper = ctx;
    const bool full = err == NULL && housekeeper->count == HOUSEKEEPER_BATCH;

    housekeeper->busy = false;
    if (err != NULL) {
        log_line(LOG_WARNING, "housekeeper", "failed", "kind=%s", err_name(err->kind));
    } else if (housekeeper->count > 0) {
        metric_add(stats_count(STATS_REMOVED), housekeeper->removed);
        log_line(LOG_INFO, "housekeeper", "batch", "removed=%u kept=%u", housekeeper->removed,
                 housekeeper->count - housekeeper->removed);
    }
    look_after(housekeeper, full ? MORE_US : pause_us(housekeeper));
}

static void look(void *ctx) {
    struct housekeeper *housekeeper = ctx;
    const struct housekeeper_options *options = &housekeeper->options;
    struct err err = {0};

    if (housekeeper->busy || options->keep_us == 0) {
        return;
    }
    housekeeper->now_us = clock_now_us(options->clock);
    if (housekeeper->now_us < options->keep_us) {
        return;
    }
    housekeeper->before_us = housekeeper->now_us - options->keep_us;
    housekeeper->busy = true;
    if (!store_write(options->store, work, done, housekeeper, &err)) {
        done(housekeeper, &err);
    }
}

struct housekeeper *housekeeper_new(const struct housekeeper_options *options, struct err *err) {
    struct housekeeper *housekeeper = calloc(1, sizeof *housekeeper);

    if (housekeeper == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    housekeeper->options = *options;
    return housekeeper;
}

void housekeeper_free(struct housekeeper *housekeeper) {
    if (housekeeper != NULL) {
        loop_timer_unset(housekeeper->options.loop, &housekeeper->timer);
        free(housekeeper);
    }
}

void housekeeper_start(struct housekeeper *housekeeper) { look_after(housekeeper, 0); }

void housekeeper_tune(struct housekeeper *housekeeper, uint64_t keep_us) {
    housekeeper->options.keep_us = keep_us;
    look_after(housekeeper, 0);
}
