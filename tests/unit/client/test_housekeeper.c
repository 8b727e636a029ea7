#include "client/housekeeper.h"

#include <sqlite3.h>

#include "client/stats.h"
#include "client/store_sql.h"
#include "common/log.h"
#include "tests/unit/common/suite.h"

#include "folder.h"
#include "loop_bed.h"

#define DAY_US 86400000000ull
#define NOW_US (1000 * DAY_US)

static struct clock bed_clock;
static struct store *store;
static struct housekeeper *housekeeper;
static struct loop_timer watch;

static void sql(const char *text) {
    sqlite3 *db = NULL;

    ck_assert_int_eq(sqlite3_open(folder_path("client.db"), &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 5000);
    ck_assert_msg(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static int64_t number(const char *text) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    ck_assert_int_eq(sqlite3_open(folder_path("client.db"), &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 5000);
    ck_assert_msg(sqlite3_prepare_v2(db, text, -1, &statement, NULL) == SQLITE_OK, "%s", text);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    const int64_t value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    return value;
}

/* An enrolment that ended so many days ago. */
static void add(int row, const char *nf, const char *state, unsigned days) {
    char text[512];

    (void)snprintf(text, sizeof text,
                   "INSERT INTO enrolment(row, id, nf, nf_type, with_nf, with_dns, account)"
                   " VALUES(%d, 'id', '%s', 'AMF', 1, 0, 'nf');"
                   "INSERT INTO progress(row, state, ended) VALUES(%d, '%s', %llu);"
                   "INSERT INTO certificate(row, chain) SELECT %d, 'c' WHERE '%s'='ISSUED';",
                   row, nf, row, state, (unsigned long long)(NOW_US - days * DAY_US), row, state);
    sql(text);
}

static void begin(void) {
    struct err err = {0};

    log_level_set(LOG_ERROR);
    folder_make();
    store_sql_close(store_sql_open(folder_path("client.db"), true, &err));
    bed_clock = clock_real();
    bed_clock.manual_us = NOW_US;
}

static void until_nothing_is_due(void *ctx) {
    if (number("SELECT count(*) FROM progress WHERE ended < 910 * 86400000000") == 0
        && metric_get(stats_count(STATS_REMOVED)) == *(const int64_t *)ctx) {
        loop_stop(bed_loop);
        return;
    }
    loop_timer_set(bed_loop, &watch, clock_wall_us() + 5000, until_nothing_is_due, ctx);
}

/* Keep 90 days; look until nothing is left that is older, and so many are counted. */
static void run(int64_t removed) {
    struct err err = {0};

    bed_loop_new();
    store = store_open(folder_path("client.db"), bed_loop, &err);
    ck_assert_msg(store != NULL, "%s %s", err.detail, err.cause);
    housekeeper = housekeeper_new(
        &(struct housekeeper_options){
            .loop = bed_loop, .store = store, .clock = &bed_clock, .keep_us = 90 * DAY_US},
        &err);
    housekeeper_start(housekeeper);
    loop_timer_set(bed_loop, &watch, clock_wall_us() + 5000, until_nothing_is_due, &removed);
    bed_run();
    store_close(store);
    housekeeper_free(housekeeper);
    loop_free(bed_loop);
}

START_TEST(what_has_been_kept_long_enough_goes_with_all_its_rows) {
    begin();
    add(1, "a", "FAILED", 91);
    add(2, "a", "WITHDRAWN", 100);
    add(3, "a", "FAILED", 89);
    add(4, "b", "ISSUED", 200); /* superseded by 5 */
    add(5, "b", "ISSUED", 0);
    run(3);
    ck_assert_int_eq(number("SELECT count(*) FROM enrolment WHERE row IN (3, 5)"), 2);
    ck_assert_int_eq(number("SELECT count(*) FROM enrolment"), 2);
    ck_assert_int_eq(number("SELECT count(*) FROM progress"), 2);
    ck_assert_int_eq(number("SELECT count(*) FROM certificate"), 1);
    folder_remove();
}
END_TEST

START_TEST(what_is_still_of_use_is_put_off) {
    begin();
    add(1, "a", "ISSUED", 400); /* the newest of its NF */
    add(2, "a", "FAILED", 10);
    add(3, "b", "ISSUED", 400); /* older, but scheduled */
    add(4, "b", "ISSUED", 1);
    add(5, "c", "ISSUED", 400); /* older, but a job names it */
    add(6, "c", "ISSUED", 1);
    add(7, "d", "ISSUED", 400); /* the newest that is not withdrawn */
    add(8, "d", "WITHDRAWN", 1);
    sql("INSERT INTO renewal(row, due) VALUES(3, 1);"
        "INSERT INTO job(kind, enrolment, due, created) VALUES('revoke', 5, 1, 1);");
    run(0);
    ck_assert_int_eq(number("SELECT count(*) FROM enrolment"), 8);
    ck_assert_int_eq(number("SELECT ended FROM progress WHERE row=1"), (int64_t)NOW_US);
    folder_remove();
}
END_TEST

START_TEST(many_go_in_batches) {
    begin();
    sql("WITH RECURSIVE n(row) AS (SELECT 1 UNION ALL SELECT row + 1 FROM n WHERE row < 300)"
        " INSERT INTO enrolment(row, id, nf, nf_type, with_nf, with_dns, account)"
        " SELECT row, 'id', 'nf', 'AMF', 1, 0, 'nf' FROM n;"
        "INSERT INTO progress(row, state, ended) SELECT row, 'FAILED', row FROM enrolment;");
    run(300);
    ck_assert_int_eq(number("SELECT count(*) FROM enrolment"), 0);
    folder_remove();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        what_has_been_kept_long_enough_goes_with_all_its_rows,
        what_is_still_of_use_is_put_off,
        many_go_in_batches,
    };

    return suite_run("client/housekeeper", tests, COUNT(tests));
}
