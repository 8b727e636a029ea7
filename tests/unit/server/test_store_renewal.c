/* Who may replace a certificate, and the windows set for it: RFC 9773 5 and 4.2. */
#include "server/store_renewal.h"

#include <sqlite3.h>

#include "server/store_upkeep.h"
#include "store_bed.h"

#define SERIAL "ab"

/* An order of an account, ending at expires_us. */
static void add_order_of(const char *account, const char *id, uint64_t expires_us) {
    struct authz authzs[1] = {0};
    AUTO(order_done) struct order order = order_of(1, authzs);

    (void)snprintf(order.id, ID_SIZE, "%s", id);
    (void)snprintf(order.account, ID_SIZE, "%s", account);
    (void)snprintf(authzs[0].order, ID_SIZE, "%s", id);
    (void)snprintf(authzs[0].account, ID_SIZE, "%s", account);
    order.expires_us = expires_us;
    add_order(&order, authzs);
    authz_done(&authzs[0]);
}

static void move(const char *id, enum order_status from, enum order_status to) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_ORDER_MOVE);

    op->account = "a";
    op->order = id;
    op->from = from;
    op->to = to;
    ck_good(store_write(store, &tx, &err));
}

static bool claim(const char *account, const char *order, const char *serial, uint64_t at_us) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_REPLACE);

    op->account = account;
    op->order = order;
    op->replace.serial = serial;
    op->replace.at_us = at_us;
    return store_write(store, &tx, &err);
}

static bool replaced(const char *order, const char *serial) {
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_REPLACED);

    op->order = order;
    op->replace.serial = serial;
    op->replace.at_us = 7000000;
    return store_write(store, &tx, &err);
}

static bool is_replaced(const char *account, const char *serial, uint64_t now_us) {
    bool ret = false;
    ck_good(store_replaced_get(store, serial, account, now_us, &ret, &err));
    return ret;
}

static void ck_replaces(const char *id, const char *serial) {
    AUTO(order_done) struct order order = {0};
    ck_good(store_order_get(store, "a", id, &order, &err));
    ck_assert_str_eq(order.replaces, serial);
}

static void certify(const char *serial, int64_t not_after_s) {
    struct certificate certificate = {
        .account = "a", .order = "o", .chain_pem = strdup("PEM"), .not_after_s = not_after_s};
    struct store_tx tx = {0};

    (void)snprintf(certificate.serial, sizeof(certificate.serial), "%s", serial);
    store_tx_add(&tx, STORE_CERTIFICATE_INSERT)->certificate = &certificate;
    ck_good(store_write(store, &tx, &err));
    certificate_done(&certificate);
}

/* As newOrder does: an order of account "a" with its claim, in one transaction. */
static bool place(const char *id, const char *serial) {
    struct authz authzs[1] = {0};
    AUTO(order_done) struct order order = order_of(1, authzs);
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_ORDER_INSERT);

    (void)snprintf(order.id, ID_SIZE, "%s", id);
    (void)snprintf(authzs[0].order, ID_SIZE, "%s", id);
    (void)snprintf(order.replaces, sizeof(order.replaces), "%s", serial);
    op->new_order.order = &order;
    op->new_order.authzs = authzs;
    op->new_order.authz_count = 1;
    op = store_tx_add(&tx, STORE_REPLACE);
    op->account = "a";
    op->order = id;
    op->replace.serial = serial;
    op->replace.at_us = 12;
    bool done = store_write(store, &tx, &err);
    authz_done(&authzs[0]);
    return done;
}

START_TEST(a_claim_is_shown_by_its_order_and_keeps_others_out_while_it_stands) {
    AUTO(order_done) struct order order = {0};

    set_up(_i == 1);
    ck_assert(!is_replaced("a", SERIAL, 12));
    ck_good(place("o", SERIAL));
    ck_replaces("o", SERIAL);
    ck_assert(is_replaced("a", SERIAL, 12));
    ck_assert(!is_replaced("a", "cd", 12)); /* of this one alone */
    ck_refused(place("p", SERIAL), ERR_ALREADY_REPLACED);
    ck_refused(store_order_get(store, "a", "p", &order, &err), ERR_NOT_FOUND); /* nor is it there */
    ck_good(place("p", "cd"));
    ck_replaces("p", "cd");
    if (_i == 0) { /* as written, not as kept */
        store_close(store);
        open_disk();
        ck_replaces("o", SERIAL);
        ck_replaces("p", "cd");
    }
    tear_down();
}
END_TEST

/* clang-format off */
static const struct { enum order_status path[3]; bool stands, stands_when_ended; } claims[] = {
    {{ORDER_PENDING},                                  true,  false},
    {{ORDER_PENDING, ORDER_READY},                     true,  false},
    {{ORDER_PENDING, ORDER_READY, ORDER_PROCESSING},   true,  true},
    {{ORDER_PENDING, ORDER_READY, ORDER_VALID},        true,  true},
    {{ORDER_PENDING, ORDER_INVALID},                   false, false},
    {{ORDER_PENDING, ORDER_READY, ORDER_INVALID},      false, false},
};
/* clang-format on */

/* RFC 9773 5: an order that is invalid has no claim; one out of time is invalid. */
START_TEST(what_the_order_is_decides_whether_its_claim_stands) {
    for (unsigned i = 0; i < COUNT(claims); i++) {
        set_up(_i == 1);
        add_order_of("a", "o", 20);
        ck_good(claim("a", "o", SERIAL, 12));
        for (unsigned k = 1; k < 3 && claims[i].path[k] != ORDER_PENDING; k++) {
            move("o", claims[i].path[k - 1], claims[i].path[k]);
        }
        ck_assert_msg(is_replaced("a", SERIAL, 19) == claims[i].stands, "row %u", i);
        ck_assert_msg(is_replaced("a", SERIAL, 20) == claims[i].stands_when_ended, "row %u", i);
        add_order_of("a", "p", 40);
        if (claims[i].stands_when_ended) {
            ck_refused(claim("a", "p", SERIAL, 20), ERR_ALREADY_REPLACED);
        } else {
            ck_good(claim("a", "p", SERIAL, 20));
            ck_assert(is_replaced("a", SERIAL, 21)); /* by the other now */
        }
        tear_down();
    }
}
END_TEST

START_TEST(a_claim_of_an_order_that_is_not_the_accounts_does_not_stand) {
    set_up(_i == 1);
    add_order_of("b", "q", 40);
    add_order_of("a", "o", 40);
    ck_good(claim("a", "q", SERIAL, 12));
    ck_assert(!is_replaced("a", SERIAL, 12));
    ck_good(claim("a", "o", SERIAL, 12));
    ck_assert(is_replaced("a", SERIAL, 12));
    tear_down();
}
END_TEST

START_TEST(a_fulfilled_claim_stands_after_its_order_was_swept) {
    struct store_chunk chunk;
    const struct store_place beginning = {0};
    struct store_tx tx = {0};

    set_up(_i == 1);
    add_order_of("a", "o", 20);
    add_order_of("a", "p", 9000000);
    ck_good(claim("a", "o", SERIAL, 12));
    ck_good(replaced("p", SERIAL)); /* it has no claim: nothing happens */
    ck_good(replaced("o", "cd"));
    ck_assert(!is_replaced("a", SERIAL, 20));
    ck_good(claim("a", "o", SERIAL, 20)); /* so the order may have it again */
    ck_good(replaced("o", SERIAL));
    ck_good(store_stale_look(store, STORE_KIND_ORDER, 1, &beginning, &chunk, &err));
    struct store_op *op = store_tx_add(&tx, STORE_SWEEP);
    op->sweep.kind = STORE_KIND_ORDER;
    op->sweep.chunk = &chunk;
    op->sweep.before_s = 1;
    ck_good(store_write(store, &tx, &err));
    ck_assert_uint_eq(op->sweep.ret_removed, 1);
    ck_assert(is_replaced("a", SERIAL, 8000000));
    ck_refused(claim("a", "p", SERIAL, 8000000), ERR_ALREADY_REPLACED);
    tear_down();
}
END_TEST

/* ---- windows ---- */

static void set_window(const char *serial, int64_t start_s, int64_t end_s, const char *url) {
    struct renewal_window window = {.start_s = start_s, .end_s = end_s, .set_at_s = 50};
    struct store_tx tx = {0};

    (void)snprintf(window.serial, sizeof(window.serial), "%s", serial);
    (void)snprintf(window.url, sizeof(window.url), "%s", url);
    store_tx_add(&tx, STORE_WINDOW)->window = &window;
    ck_good(store_write(store, &tx, &err));
}

/* The windows of a serial, as "serial:start-end " each. */
static void ck_windows(const char *serial, const char *want) {
    struct renewal_window windows[RENEWAL_WINDOWS_MAX];
    char text[256] = "";
    size_t at = 0;
    unsigned count = 9;

    ck_good(store_windows_get(store, serial, windows, &count, &err));
    for (unsigned i = 0; i < count; i++) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s:%d-%d ", windows[i].serial,
                               (int)windows[i].start_s, (int)windows[i].end_s);
    }
    ck_assert_str_eq(text, want);
}

START_TEST(a_certificates_own_window_comes_before_everybodys) {
    set_up(_i == 1);
    ck_windows(SERIAL, "");
    set_window("", 10, 20, "");
    ck_windows(SERIAL, ":10-20 ");
    set_window(SERIAL, 30, 40, "");
    set_window("cd", 50, 60, "");
    ck_windows(SERIAL, "ab:30-40 :10-20 ");
    set_window(SERIAL, 31, 41, ""); /* the later one counts */
    ck_windows(SERIAL, "ab:31-41 :10-20 ");
    set_window("", 0, 0, ""); /* taken back */
    ck_windows(SERIAL, "ab:31-41 ");
    ck_windows("cd", "cd:50-60 ");
    set_window(SERIAL, 0, 0, "");
    set_window(SERIAL, 0, 0, ""); /* there is none any more */
    ck_windows(SERIAL, "");
    tear_down();
}
END_TEST

START_TEST(a_window_keeps_when_and_why_it_was_set) {
    struct renewal_window windows[RENEWAL_WINDOWS_MAX];
    char url[RENEWAL_URL_SIZE], serial[X509_SERIAL_SIZE];
    unsigned count = 0;

    set_up(_i == 1);
    memset(url, 'u', sizeof(url) - 1);
    url[sizeof(url) - 1] = '\0';
    memset(serial, 'f', sizeof(serial) - 1);
    serial[sizeof(serial) - 1] = '\0';
    set_window(serial, 1LL << 40, 1LL << 41, url);
    ck_good(store_windows_get(store, serial, windows, &count, &err));
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(windows[0].serial, serial);
    ck_assert_int_eq(windows[0].start_s, 1LL << 40);
    ck_assert_int_eq(windows[0].end_s, 1LL << 41);
    ck_assert_int_eq(windows[0].set_at_s, 50);
    ck_assert_str_eq(windows[0].url, url);
    set_window(serial, 2, 3, "'); DROP TABLE renewal_window; --");
    ck_good(store_windows_get(store, serial, windows, &count, &err));
    ck_assert_str_eq(windows[0].url, "'); DROP TABLE renewal_window; --");
    tear_down();
}
END_TEST

START_TEST(claims_and_windows_leave_with_their_certificate) {
    struct store_chunk chunk;
    const struct store_place beginning = {0};
    struct store_tx tx = {0};

    set_up(_i == 1);
    add_order_of("a", "o", 9000000);
    certify(SERIAL, 10);
    certify("cd", 1000);
    set_window("", 10, 20, "");
    set_window(SERIAL, 30, 40, "");
    set_window("cd", 50, 60, "");
    ck_good(claim("a", "o", SERIAL, 12));
    ck_good(store_stale_look(store, STORE_KIND_CERTIFICATE, 20, &beginning, &chunk, &err));
    struct store_op *op = store_tx_add(&tx, STORE_SWEEP);
    op->sweep.kind = STORE_KIND_CERTIFICATE;
    op->sweep.chunk = &chunk;
    op->sweep.before_s = 20;
    ck_good(store_write(store, &tx, &err));
    ck_assert_uint_eq(op->sweep.ret_removed, 1);
    ck_assert(!is_replaced("a", SERIAL, 12));
    ck_windows(SERIAL, ":10-20 ");
    ck_windows("cd", "cd:50-60 :10-20 ");
    tear_down();
}
END_TEST

START_TEST(claims_and_windows_are_there_after_a_restart) {
    set_up(false);
    add_order_of("a", "o", 9000000);
    ck_good(claim("a", "o", SERIAL, 12));
    set_window(SERIAL, 30, 40, "");
    store_close(store);
    open_disk();
    ck_assert(is_replaced("a", SERIAL, 12));
    ck_windows(SERIAL, "ab:30-40 ");
    tear_down();
}
END_TEST

/* The tables are gone under the store: every call fails and says so, and its answer is untouched.
 */
START_TEST(a_broken_store_is_an_error_of_every_call) {
    struct renewal_window windows[RENEWAL_WINDOWS_MAX], window = {.start_s = 1, .end_s = 2};
    struct store_tx tx = {0};
    sqlite3 *other = NULL;
    unsigned count = 9;
    bool taken = true;

    set_up(false);
    add_order_of("a", "o", 9000000);
    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(other, "DROP TABLE replacement; DROP TABLE renewal_window", NULL, NULL, NULL),
        SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
    ck_refused(claim("a", "o", SERIAL, 12), ERR_STORE);
    ck_refused(replaced("o", SERIAL), ERR_STORE);
    store_tx_add(&tx, STORE_WINDOW)->window = &window;
    ck_refused(store_write(store, &tx, &err), ERR_STORE);
    ck_refused(store_replaced_get(store, SERIAL, "a", 12, &taken, &err), ERR_STORE);
    ck_assert(taken);
    ck_refused(store_windows_get(store, SERIAL, windows, &count, &err), ERR_STORE);
    ck_assert_uint_eq(count, 9);
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const both[] = {a_claim_is_shown_by_its_order_and_keeps_others_out_while_it_stands,
                                 what_the_order_is_decides_whether_its_claim_stands,
                                 a_claim_of_an_order_that_is_not_the_accounts_does_not_stand,
                                 a_fulfilled_claim_stands_after_its_order_was_swept,
                                 a_certificates_own_window_comes_before_everybodys,
                                 a_window_keeps_when_and_why_it_was_set,
                                 claims_and_windows_leave_with_their_certificate};
    const TTest *const disk[] = {claims_and_windows_are_there_after_a_restart,
                                 a_broken_store_is_an_error_of_every_call};
    return store_suite("server/store_renewal", both, COUNT(both), disk, COUNT(disk));
}
