#include "server/store_upkeep.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store_sql.h"

/* A kind's statements, and what its times are counted in. */
static const struct {
    enum sql look, sweep, sweep_more; /* SQL__COUNT: no more */
    int64_t per_s;
} kinds[] = {
    [STORE_KIND_ORDER] = {SQL_ORDERS_LOOK, SQL_ORDERS_SWEEP, SQL__COUNT, 1000000},
    [STORE_KIND_AUTHZ] = {SQL_AUTHZ_LOOK, SQL_CHALLENGES_SWEEP, SQL_AUTHZ_SWEEP, 1000000},
    [STORE_KIND_CERTIFICATE] = {SQL_CERTIFICATES_LOOK, SQL_CERTIFICATES_SWEEP, SQL__COUNT, 1},
    [STORE_KIND_TOKEN] = {SQL_TOKENS_LOOK, SQL_TOKENS_SWEEP, SQL__COUNT, 1},
};
static_assert(COUNT(kinds) == STORE_KIND__COUNT, "every kind has its statements");

static void end(sqlite3_stmt *statement) {
    if (statement != NULL) {
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
    }
}

static void copy(sqlite3_stmt *row, int column, char *out, size_t size) {
    const char *text = (const char *)sqlite3_column_text(row, column);
    (void)snprintf(out, size, "%s", text == NULL ? "" : text);
}

static bool look(struct conn *conn, enum store_kind kind, int64_t before_s, struct store_chunk *ret,
                 struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, kinds[kind].look, err);
    int outcome = SQLITE_DONE;

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, ret->after.first);
    store_bind_text(statement, 2, ret->after.second);
    store_bind_int(statement, 3, before_s * kinds[kind].per_s);
    store_bind_int(statement, 4, STORE_CHUNK_MAX);
    while ((outcome = sqlite3_step(statement)) == SQLITE_ROW) {
        copy(statement, 0, ret->upto.first, sizeof(ret->upto.first));
        copy(statement, 1, ret->upto.second, sizeof(ret->upto.second));
        ret->stale += sqlite3_column_int(statement, 2) != 0;
        ret->rows++;
    }
    bool whole = outcome == SQLITE_DONE || store_fail(conn, err);
    end(statement);
    return whole;
}

bool store_stale_look(struct store *store, enum store_kind kind, int64_t before_s,
                      const struct store_place *after, struct store_chunk *ret, struct err *err) {
    struct conn *conn = store_reader_take(store, err);

    if (conn == NULL) {
        return false;
    }
    *ret = (struct store_chunk){.after = *after, .upto = *after};
    bool whole = look(conn, kind, before_s, ret, err);
    store_reader_put(store, conn);
    return whole;
}

static bool sweep(struct conn *conn, enum sql which, const struct store_op *op, int *ret_removed,
                  struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, which, err);
    const struct store_chunk *chunk = op->sweep.chunk;

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, chunk->after.first);
    store_bind_text(statement, 2, chunk->after.second);
    store_bind_text(statement, 3, chunk->upto.first);
    store_bind_text(statement, 4, chunk->upto.second);
    store_bind_int(statement, 5, op->sweep.before_s * kinds[op->sweep.kind].per_s);
    return store_run(conn, statement, ret_removed, err);
}

bool store_sweep_run(struct conn *conn, struct store_op *op, struct err *err) {
    const enum sql more = kinds[op->sweep.kind].sweep_more;
    int removed = 0;

    if (!sweep(conn, kinds[op->sweep.kind].sweep, op, &removed, err)
        || (more != SQL__COUNT && !sweep(conn, more, op, &removed, err))) {
        return false;
    }
    op->sweep.ret_removed = (unsigned)removed;
    return true;
}

/* The order of the row, for its names; false: no memory. */
static bool issued_order(sqlite3_stmt *row, struct order *order) {
    const char *names = (const char *)sqlite3_column_text(row, 9);

    copy(row, 8, order->profile, sizeof(order->profile));
    return names == NULL || store_names_read(names, order);
}

static bool issued_row(sqlite3_stmt *row, store_issued_sink *sink, void *ctx, struct err *err) {
    AUTO(order_done) struct order order = {0};
    struct store_issued issued = {
        .n = sqlite3_column_int64(row, 0),
        .serial = (const char *)sqlite3_column_text(row, 1),
        .account = (const char *)sqlite3_column_text(row, 2),
        .order = (const char *)sqlite3_column_text(row, 3),
        .not_after_s = sqlite3_column_int64(row, 4),
        .revoked_at_s = sqlite3_column_int64(row, 6),
        .reason = sqlite3_column_int(row, 7),
        .chain_pem = (const char *)sqlite3_column_text(row, 10),
    };

    if (sqlite3_column_bytes(row, 5) == (int)sizeof(issued.spki_sha256)) {
        memcpy(issued.spki_sha256, sqlite3_column_blob(row, 5), sizeof(issued.spki_sha256));
    }
    if (!issued_order(row, &order)) {
        return err_set(err, ERR_NO_MEMORY, "no memory to read a certificate's order");
    }
    issued.names = order.count == 0 ? NULL : &order;
    return sink(ctx, &issued, err);
}

bool store_issued_walk(struct conn *conn, int64_t n, int64_t max, bool chains,
                       store_issued_sink *sink, void *ctx, struct err *err) {
    int outcome = SQLITE_DONE;
    bool on = false;

    sqlite3_stmt *statement = store_statement(conn, SQL_ISSUED_EACH, err);
    if (statement != NULL) {
        store_bind_int(statement, 1, n);
        store_bind_int(statement, 2, max);
        store_bind_int(statement, 3, chains);
        on = true;
    }
    while (on && (outcome = sqlite3_step(statement)) == SQLITE_ROW) {
        on = issued_row(statement, sink, ctx, err);
    }
    on = on && (outcome == SQLITE_DONE || store_fail(conn, err));
    end(statement);
    return on;
}

bool store_issued_each(struct store *store, int64_t n, unsigned max, bool chains,
                       store_issued_sink *sink, void *ctx, struct err *err) {
    struct conn *conn = store_reader_take(store, err);

    if (conn == NULL) {
        return false;
    }
    bool on = store_issued_walk(conn, n, max, chains, sink, ctx, err);
    store_reader_put(store, conn);
    return on;
}

bool store_revoked_since(struct store *store, int64_t since_s, store_revoked_sink *sink, void *ctx,
                         struct err *err) {
    struct conn *conn = store_reader_take(store, err);
    int outcome = SQLITE_DONE;
    bool on = false;

    if (conn == NULL) {
        return false;
    }
    sqlite3_stmt *statement = store_statement(conn, SQL_REVOKED_SINCE, err);
    if (statement != NULL) {
        store_bind_int(statement, 1, since_s);
        on = true;
    }
    while (on && (outcome = sqlite3_step(statement)) == SQLITE_ROW) {
        on = sink(ctx, (const char *)sqlite3_column_text(statement, 0),
                  sqlite3_column_int64(statement, 1), sqlite3_column_int(statement, 2), err);
    }
    on = on && (outcome == SQLITE_DONE || store_fail(conn, err));
    end(statement);
    store_reader_put(store, conn);
    return on;
}
