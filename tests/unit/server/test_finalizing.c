/* Orders issued some time after they were finalized: RFC 8555 7.4, "processing". */
#include <poll.h>

#include "issue_bed.h"

#define POLLS_MAX 1000 /* 10 s: far beyond what any machine needs */
#define HOUR_US 3600000000ULL

static struct issue_bed bed;
static struct finalizing *finalizing;
static struct err err;

static void set_up(void) {
    issue_bed_start(&bed);
    finalizing = finalizing_new(&bed.options, &err);
    ck_good(finalizing != NULL);
}

static void tear_down(void) {
    finalizing_free(finalizing);
    issue_bed_stop(&bed);
}

/* The same state directory in a new life. */
static void restart(void) {
    finalizing_free(finalizing);
    issue_bed_close_store(&bed);
    issue_bed_open_store(&bed);
    finalizing = finalizing_new(&bed.options, &err);
    ck_good(finalizing != NULL);
}

static int left(void) { return issue_bed_number(&bed, "SELECT count(*) FROM finalizing"); }
static int issued(void) { return issue_bed_number(&bed, "SELECT count(*) FROM certificate"); }

/* Until what the store remembers of orders to be issued is that many. */
static void wait_left(int count) {
    for (unsigned i = 0; left() != count; i++) {
        ck_assert_msg(i < POLLS_MAX, "%d are left", left());
        (void)poll(NULL, 0, 10);
    }
}

static void get_order(struct order *ret) {
    ck_good(store_order_get(bed.options.store, "a", "o", ret, &err));
}

static void expect_status(enum order_status status) {
    AUTO(order_done) struct order order = {0};
    get_order(&order);
    ck_assert_str_eq(order_status_name(order.status), order_status_name(status));
}

/* Its end is that, its problem names it, and no certificate was issued for it. */
static void expect_problem(const char *type) {
    AUTO(order_done) struct order order = {0};
    get_order(&order);
    ck_assert_str_eq(order_status_name(order.status), "invalid");
    ck_assert_ptr_nonnull(order.error);
    ck_assert_msg(strstr(order.error, type) != NULL, "%s", order.error);
    ck_assert_str_eq(order.serial, "");
    ck_assert_int_eq(issued(), 0);
}

START_TEST(it_is_issued_at_its_time_and_forgotten) {
    AUTO(order_done) struct order order = {0};
    AUTO(certificate_done) struct certificate certificate = {0};

    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    ck_assert(finalizing_room(finalizing));
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    wait_left(0);
    get_order(&order);
    ck_assert_str_eq(order_status_name(order.status), "valid");
    ck_good(store_certificate_get(bed.options.store, order.serial, &certificate, &err));
    ck_assert_str_eq(certificate.order, "o");
    ck_assert_str_eq(certificate.account, "a");
    ck_assert_uint_eq(finalizing_count(finalizing), 0);
    tear_down();
}
END_TEST

START_TEST(what_waits_stays_in_the_store_and_is_gone_on_with) {
    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US + HOUR_US);
    ck_assert_uint_eq(finalizing_count(finalizing), 1);
    finalizing_stop(finalizing);
    ck_assert_uint_eq(finalizing_count(finalizing), 0);
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US); /* too late */
    restart();
    expect_status(ORDER_PROCESSING);
    ck_assert_int_eq(left(), 1);
    ck_good(finalizing_resume(finalizing, &err));
    wait_left(0);
    expect_status(ORDER_VALID);
    ck_assert_int_eq(issued(), 1);
    tear_down();
}
END_TEST

START_TEST(an_order_ended_meanwhile_is_forgotten_in_the_same_life) {
    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    issue_bed_order_to(&bed, "o", ORDER_PROCESSING, ORDER_INVALID);
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    wait_left(0);
    expect_status(ORDER_INVALID);
    ck_assert_int_eq(issued(), 0);
    tear_down();
}
END_TEST

START_TEST(an_order_long_gone_is_forgotten) {
    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    finalizing_free(finalizing);
    issue_bed_close_store(&bed);
    sqlite3 *db = issue_bed_database(&bed);
    issue_bed_exec(db, "DELETE FROM orders");
    (void)sqlite3_close(db);
    issue_bed_open_store(&bed);
    finalizing = finalizing_new(&bed.options, &err);
    ck_good(finalizing_resume(finalizing, &err));
    wait_left(0);
    ck_assert_int_eq(issued(), 0);
    tear_down();
}
END_TEST

/* What another transaction, ahead of the certificate's, does to it. */
struct ahead {
    struct store_tx tx;
    _Atomic enum err_kind kind;
};

static void ahead_done(void *ctx, const struct err *done_err) {
    ((struct ahead *)ctx)->kind = done_err->kind;
}

/* Until that many transactions wait behind the one the writer has. */
static void wait_queued(unsigned count) {
    for (unsigned i = 0; store_counts(bed.options.store).queued != count; i++) {
        ck_assert_uint_lt(i, POLLS_MAX);
        (void)poll(NULL, 0, 10);
    }
}

/* Until db's COMMIT the store's writer is busy with that transaction, and all others wait. */
static void hold_writer(sqlite3 *db, struct ahead *ahead) {
    issue_bed_exec(db, "BEGIN IMMEDIATE");
    if (ahead->tx.count == 0) {
        struct store_op *op = store_tx_add(&ahead->tx, STORE_SETTING);
        op->setting.name = "n";
        op->setting.value = "v";
    }
    ck_good(store_submit(bed.options.store, &ahead->tx, ahead_done, ahead, &err));
    wait_queued(0);
}

START_TEST(an_order_ended_between_the_look_and_the_commit_is_forgotten_too) {
    struct ahead ahead = {.kind = ERR_TIMEOUT};

    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    sqlite3 *db = issue_bed_database(&bed);
    struct store_op *op = store_tx_add(&ahead.tx, STORE_ORDER_MOVE);
    op->account = "a";
    op->order = "o";
    op->from = ORDER_PROCESSING;
    op->to = ORDER_INVALID;
    hold_writer(db, &ahead);
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    wait_queued(1); /* it saw the order processing */
    issue_bed_exec(db, "COMMIT");
    (void)sqlite3_close(db);
    wait_left(0);
    ck_assert_int_eq(ahead.kind, ERR_NONE);
    expect_status(ORDER_INVALID);
    ck_assert_int_eq(issued(), 0);
    tear_down();
}
END_TEST

START_TEST(an_account_deactivated_meanwhile_makes_it_invalid) {
    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    issue_bed_account_to(&bed, ACCOUNT_DEACTIVATED);
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    wait_left(0);
    expect_problem("urn:ietf:params:acme:error:unauthorized");
    tear_down();
}
END_TEST

START_TEST(an_authorization_expired_meanwhile_makes_it_invalid) {
    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    bed.fixture.clock.manual_us = ISSUE_NOW_US + 2 * HOUR_US;
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    wait_left(0);
    expect_problem("urn:ietf:params:acme:error:orderNotReady");
    tear_down();
}
END_TEST

START_TEST(a_request_that_does_not_fit_makes_it_invalid) {
    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_OTHER_UUID);
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    wait_left(0);
    expect_problem("urn:ietf:params:acme:error:badCSR");
    tear_down();
}
END_TEST

START_TEST(without_its_request_it_does_not_stay_processing_for_ever) {
    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    sqlite3 *db = issue_bed_database(&bed);
    issue_bed_exec(db, "DELETE FROM finalizing");
    (void)sqlite3_close(db);
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    AUTO(order_done) struct order order = {0};
    for (unsigned i = 0; get_order(&order), order.status == ORDER_PROCESSING; i++) {
        order_done(&order);
        ck_assert_uint_lt(i, POLLS_MAX);
        (void)poll(NULL, 0, 10);
    }
    ck_assert_str_eq(order_status_name(order.status), "invalid");
    ck_assert_ptr_nonnull(order.error);
    tear_down();
}
END_TEST

/* Until so many transactions were refused or lost. */
static void wait_failed(uint64_t count) {
    for (unsigned i = 0; store_counts(bed.options.store).failed < count; i++) {
        ck_assert_uint_lt(i, POLLS_MAX);
        (void)poll(NULL, 0, 10);
    }
}

/* clang-format off */
static const struct { const char *name, *begin, *end; } failures[] = {
    {"the disk", "ALTER TABLE certificate RENAME TO away", "ALTER TABLE away RENAME TO certificate"},
    {"a rule of the store",
     "CREATE TRIGGER no BEFORE INSERT ON certificate BEGIN SELECT RAISE(ABORT, 'no'); END",
     "DROP TRIGGER no"},
};
/* clang-format on */

START_TEST(a_failure_of_the_store_is_tried_again) {
    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    sqlite3 *db = issue_bed_database(&bed);
    issue_bed_exec(db, failures[_i].begin);
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    wait_failed(1);
    expect_status(ORDER_PROCESSING);
    ck_assert_int_eq(left(), 1);
    issue_bed_exec(db, failures[_i].end);
    (void)sqlite3_close(db);
    wait_left(0);
    expect_status(ORDER_VALID);
    ck_assert_int_eq(issued(), 1);
    tear_down();
}
END_TEST

START_TEST(what_could_not_be_forgotten_is_tried_again) {
    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    issue_bed_order_to(&bed, "o", ORDER_PROCESSING, ORDER_INVALID);
    sqlite3 *db = issue_bed_database(&bed);
    issue_bed_exec(db, "CREATE TRIGGER no BEFORE DELETE ON finalizing"
                       " BEGIN SELECT RAISE(ABORT, 'no'); END");
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    wait_failed(1);
    ck_assert_int_eq(left(), 1);
    issue_bed_exec(db, "DROP TRIGGER no");
    (void)sqlite3_close(db);
    wait_left(0);
    tear_down();
}
END_TEST

static void *stop(void *ctx) {
    finalizing_stop(ctx);
    return NULL;
}

START_TEST(a_stop_waits_for_what_is_under_way) {
    struct ahead ahead = {.kind = ERR_TIMEOUT};
    pthread_t thread;

    set_up();
    issue_bed_processing(&bed, "o", FIXTURE_UUID);
    sqlite3 *db = issue_bed_database(&bed);
    hold_writer(db, &ahead);
    finalizing_add(finalizing, "a", "o", ISSUE_NOW_US);
    wait_queued(1); /* the certificate is made, and waits for its commit */
    ck_assert_int_eq(pthread_create(&thread, NULL, stop, finalizing), 0);
    issue_bed_exec(db, "COMMIT");
    (void)sqlite3_close(db);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    expect_status(ORDER_VALID); /* at once */
    ck_assert_int_eq(left(), 0);
    ck_assert_int_eq(issued(), 1);
    tear_down();
}
END_TEST

#define MANY 40

START_TEST(a_stop_while_many_are_due_loses_none) {
    set_up();
    for (unsigned i = 0; i < MANY; i++) {
        char id[ID_SIZE];
        (void)snprintf(id, sizeof(id), "o%u", i);
        issue_bed_processing(&bed, id, FIXTURE_UUID);
    }
    ck_good(finalizing_resume(finalizing, &err));
    finalizing_stop(finalizing);
    ck_assert_int_eq(issued() + left(), MANY);
    restart();
    ck_assert_int_eq(issued() + left(), MANY);
    ck_good(finalizing_resume(finalizing, &err));
    wait_left(0);
    ck_assert_int_eq(issued(), MANY);
    ck_assert_int_eq(issue_bed_number(&bed, "SELECT count(DISTINCT orders) FROM certificate"),
                     MANY);
    tear_down();
}
END_TEST

START_TEST(half_of_what_can_wait_is_left_to_orders) {
    set_up();
    for (unsigned i = 0; i < LATER_MAX / 2; i++) {
        ck_assert_msg(finalizing_room(finalizing), "no room after %u", i);
        finalizing_add(finalizing, "a", "o", ISSUE_NOW_US + HOUR_US);
    }
    ck_assert(!finalizing_room(finalizing));
    ck_assert_uint_eq(finalizing_count(finalizing), LATER_MAX / 2);
    tear_down();
}
END_TEST

static void add_tests(TCase *all) {
    const TTest *const tests[] = {
        it_is_issued_at_its_time_and_forgotten,
        what_waits_stays_in_the_store_and_is_gone_on_with,
        an_order_ended_meanwhile_is_forgotten_in_the_same_life,
        an_order_long_gone_is_forgotten,
        an_order_ended_between_the_look_and_the_commit_is_forgotten_too,
        an_account_deactivated_meanwhile_makes_it_invalid,
        an_authorization_expired_meanwhile_makes_it_invalid,
        a_request_that_does_not_fit_makes_it_invalid,
        without_its_request_it_does_not_stay_processing_for_ever,
        what_could_not_be_forgotten_is_tried_again,
        a_stop_waits_for_what_is_under_way,
        a_stop_while_many_are_due_loses_none,
        half_of_what_can_wait_is_left_to_orders,
    };

    for (size_t i = 0; i < COUNT(tests); i++) {
        tcase_add_test(all, tests[i]);
    }
    tcase_add_loop_test(all, a_failure_of_the_store_is_tried_again, 0, (int)COUNT(failures));
}

int main(void) {
    Suite *suite = suite_create("server/finalizing");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    add_tests(all);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
