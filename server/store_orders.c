/* Orders off the ordinary way: authorizations that several orders use, and orders that are issued
 * later than they were finalized. */
#include <string.h>

#include "server/store_sql.h"

static bool made_now(const struct store_op *op, const char *id) {
    for (unsigned i = 0; i < op->new_order.authz_count; i++) {
        if (strcmp(op->new_order.authzs[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* The older authorizations an order uses: valid still, and known to be used by more than one. */
bool store_authzs_share(struct conn *conn, const struct store_op *op, struct err *err) {
    const struct order *order = op->new_order.order;

    for (unsigned i = 0; i < order->count; i++) {
        if (made_now(op, order->authzs[i])) {
            continue;
        }
        sqlite3_stmt *statement = store_statement(conn, SQL_AUTHZ_SHARE, err);
        if (statement == NULL) {
            return false;
        }
        store_bind_text(statement, 1, order->account);
        store_bind_text(statement, 2, order->authzs[i]);
        store_bind_int(statement, 3, (int64_t)order->created_us);
        if (!store_change(conn, statement, "authorization", err)) {
            return false;
        }
    }
    return true;
}

/* Most authorizations are of one order, and then the account's orders are not gone through. */
static bool is_shared(struct conn *conn, const struct store_op *op, bool *ret, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_AUTHZ_SHARED, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->authz);
    int outcome = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    *ret = outcome == SQLITE_ROW;
    return outcome == SQLITE_ROW || outcome == SQLITE_DONE || store_fail(conn, err);
}

bool store_orders_fail_run(struct conn *conn, struct store_op *op, struct err *err) {
    bool shared = false;

    if (!is_shared(conn, op, &shared, err)) {
        return false;
    }
    sqlite3_stmt *statement = shared ? store_statement(conn, SQL_ORDERS_FAIL, err) : NULL;
    if (statement == NULL) {
        return !shared;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->authz);
    store_bind_text(statement, 3, op->error);
    return store_run(conn, statement, NULL, err);
}

bool store_order_reject_run(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_ORDER_REJECT, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->order);
    store_bind_text(statement, 3, op->error);
    return store_change(conn, statement, "order", err);
}

bool store_finalizing_insert_run(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_FINALIZING_INSERT, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->order);
    store_bind_int(statement, 3, (int64_t)op->finalizing.due_us);
    store_bind_text(statement, 4, op->finalizing.csr);
    return store_run(conn, statement, NULL, err);
}

bool store_finalizing_delete_run(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_FINALIZING_DELETE, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->order);
    return store_run(conn, statement, NULL, err);
}
