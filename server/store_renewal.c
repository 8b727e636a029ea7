#include "server/store_renewal.h"

#include <stdio.h>

#include "server/store_sql.h"

#define US_PER_S 1000000

bool store_replace_run(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *claim = store_statement(conn, SQL_REPLACE, err);
    int changed = 0;

    if (claim == NULL) {
        return false;
    }
    store_bind_text(claim, 1, op->replace.serial);
    store_bind_text(claim, 2, op->account);
    store_bind_int(claim, 3, (int64_t)op->replace.at_us);
    store_bind_text(claim, 4, op->order);
    if (!store_run(conn, claim, &changed, err)) {
        return false;
    }
    if (changed != 1) {
        return err_set(err, ERR_ALREADY_REPLACED, "another order replaces that certificate");
    }
    sqlite3_stmt *note = store_statement(conn, SQL_ORDER_REPLACES, err);
    if (note == NULL) {
        return false;
    }
    store_bind_text(note, 1, op->account);
    store_bind_text(note, 2, op->order);
    store_bind_text(note, 3, op->replace.serial);
    return store_run(conn, note, NULL, err);
}

bool store_replaced_run(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_REPLACED, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->replace.serial);
    store_bind_text(statement, 2, op->order);
    store_bind_int(statement, 3, (int64_t)(op->replace.at_us / US_PER_S));
    return store_run(conn, statement, NULL, err);
}

bool store_window_run(struct conn *conn, struct store_op *op, struct err *err) {
    const struct renewal_window *window = op->window;
    bool put = window->start_s != 0;
    sqlite3_stmt *statement = store_statement(conn, put ? SQL_WINDOW_PUT : SQL_WINDOW_DELETE, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, window->serial);
    if (put) {
        store_bind_int(statement, 2, window->start_s);
        store_bind_int(statement, 3, window->end_s);
        store_bind_int(statement, 4, window->set_at_s);
        store_bind_text(statement, 5, window->url);
    }
    return store_run(conn, statement, NULL, err);
}

/* Ends the reading. */
static bool put_back(struct store *store, struct conn *conn, sqlite3_stmt *statement, int outcome,
                     struct err *err) {
    bool good = statement != NULL;

    if (good && outcome != SQLITE_ROW && outcome != SQLITE_DONE) {
        good = store_fail(conn, err);
    }
    if (statement != NULL) {
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
    }
    store_reader_put(store, conn);
    return good;
}

bool store_replaced_get(struct store *store, const char *serial, const char *account,
                        uint64_t now_us, bool *ret, struct err *err) {
    struct conn *conn = store_reader_take(store, err);
    int outcome = SQLITE_ERROR;

    if (conn == NULL) {
        return false;
    }
    sqlite3_stmt *statement = store_statement(conn, SQL_REPLACED_GET, err);
    if (statement != NULL) {
        store_bind_text(statement, 1, serial);
        store_bind_text(statement, 2, account);
        store_bind_int(statement, 3, (int64_t)now_us);
        outcome = sqlite3_step(statement);
    }
    if (!put_back(store, conn, statement, outcome, err)) {
        return false;
    }
    *ret = outcome == SQLITE_ROW;
    return true;
}

static void window_read(sqlite3_stmt *row, struct renewal_window *ret) {
    (void)snprintf(ret->serial, sizeof(ret->serial), "%s",
                   (const char *)sqlite3_column_text(row, 0));
    ret->start_s = sqlite3_column_int64(row, 1);
    ret->end_s = sqlite3_column_int64(row, 2);
    ret->set_at_s = sqlite3_column_int64(row, 3);
    (void)snprintf(ret->url, sizeof(ret->url), "%s", (const char *)sqlite3_column_text(row, 4));
}

bool store_windows_get(struct store *store, const char *serial,
                       struct renewal_window ret[RENEWAL_WINDOWS_MAX], unsigned *ret_count,
                       struct err *err) {
    struct conn *conn = store_reader_take(store, err);
    int outcome = SQLITE_ERROR;
    unsigned count = 0;

    if (conn == NULL) {
        return false;
    }
    sqlite3_stmt *statement = store_statement(conn, SQL_WINDOW_GET, err);
    if (statement != NULL) {
        store_bind_text(statement, 1, serial);
        while ((outcome = sqlite3_step(statement)) == SQLITE_ROW && count < RENEWAL_WINDOWS_MAX) {
            window_read(statement, &ret[count++]);
        }
    }
    if (!put_back(store, conn, statement, outcome, err)) {
        return false;
    }
    *ret_count = count;
    return true;
}
