/* What accounts need beyond store_ops.c and store_reads.c: key changes, external account keys,
 * compromised keys, settings. */
#include <stdlib.h>
#include <string.h>

#include "server/store_sql.h"

/* Run a change; *ret_changed rows. */
static bool run(struct conn *conn, sqlite3_stmt *statement, int *ret_changed, struct err *err) {
    return statement != NULL && store_run(conn, statement, ret_changed, err);
}

/* One statement, so that a kill leaves the old key or the new; a key that is another account's
 * breaks the column's constraint, which is a conflict too. */
bool store_op_account_key(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_ACCOUNT_KEY, err);
    int changed = 0;

    if (statement != NULL) {
        store_bind_text(statement, 1, op->account);
        store_bind_text(statement, 2, op->key.thumbprint_from);
        store_bind_text(statement, 3, op->key.thumbprint);
        store_bind_text(statement, 4, op->key.jwk);
    }
    if (!run(conn, statement, &changed, err)) {
        return false;
    }
    return changed == 1 || err_set(err, ERR_CONFLICT, "the account has changed in the meantime");
}

bool store_op_eab_insert(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_EAB_INSERT, err);
    int changed = 0;

    if (statement != NULL) {
        store_bind_text(statement, 1, op->eab->kid);
        store_bind_text(statement, 2, op->eab->key);
        store_bind_int(statement, 3, op->eab->uses);
        store_bind_int(statement, 4, (int64_t)op->eab->created_us);
    }
    if (!run(conn, statement, &changed, err)) {
        return false;
    }
    return changed == 1 || err_set(err, ERR_CONFLICT, "there is such a kid already");
}

bool store_op_eab_delete(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_EAB_DELETE, err);
    int changed = 0;

    if (statement != NULL) {
        store_bind_text(statement, 1, op->eab_kid);
    }
    if (!run(conn, statement, &changed, err)) {
        return false;
    }
    return changed == 1 || err_set(err, ERR_NOT_FOUND, "there is no such kid");
}

bool store_op_eab_use(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_EAB_USE, err);
    int changed = 0;

    if (statement != NULL) {
        store_bind_text(statement, 1, op->eab_kid);
    }
    if (!run(conn, statement, &changed, err)) {
        return false;
    }
    return changed == 1
           || err_set(err, ERR_UNAUTHORIZED,
                      "the external account binding's kid is unknown or used up");
}

bool store_op_setting(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_SETTING, err);

    if (statement != NULL) {
        store_bind_text(statement, 1, op->setting.name);
        store_bind_text(statement, 2, op->setting.value);
    }
    return run(conn, statement, NULL, err);
}

/* ---- reading ---- */

typedef bool row_sink(const void *walk, sqlite3_stmt *row, struct err *err);

/* Every row of a statement whose one number, if any, is limit. */
static bool each(struct store *store, enum sql which, int64_t limit, row_sink *sink,
                 const void *walk, struct err *err) {
    struct conn *conn = store_reader_take(store, err);
    sqlite3_stmt *statement = conn == NULL ? NULL : store_statement(conn, which, err);
    int outcome = SQLITE_DONE;
    bool on = statement != NULL;

    if (conn == NULL) {
        return false;
    }
    if (on && sqlite3_bind_parameter_count(statement) == 1) {
        store_bind_int(statement, 1, limit);
    }
    while (on && (outcome = sqlite3_step(statement)) == SQLITE_ROW) {
        on = sink(walk, statement, err);
    }
    if (on && outcome != SQLITE_DONE) {
        on = store_fail(conn, err);
    }
    if (statement != NULL) {
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
    }
    store_reader_put(store, conn);
    return on;
}

static const char *text(sqlite3_stmt *row, int place) {
    return (const char *)sqlite3_column_text(row, place);
}

struct eab_walk {
    store_eab_sink *sink;
    void *ctx;
};

static bool eab_row(const void *ctx, sqlite3_stmt *row, struct err *err) {
    const struct eab_walk *walk = ctx;
    struct eab_record record = {.kid = text(row, 0),
                                .key = text(row, 1),
                                .uses = (unsigned)sqlite3_column_int64(row, 2),
                                .used = (unsigned)sqlite3_column_int64(row, 3),
                                .created_us = (uint64_t)sqlite3_column_int64(row, 4)};
    return walk->sink(walk->ctx, &record, err);
}

bool store_eab_each(struct store *store, store_eab_sink *sink, void *ctx, struct err *err) {
    return each(store, SQL_EAB_EACH, 0, eab_row, &(struct eab_walk){sink, ctx}, err);
}

struct id_walk {
    store_id_sink *sink;
    void *ctx;
};

static bool id_row(const void *ctx, sqlite3_stmt *row, struct err *err) {
    const struct id_walk *walk = ctx;
    return walk->sink(walk->ctx, text(row, 0), text(row, 1), 0, err);
}

bool store_eab_accounts_each(struct store *store, unsigned max, store_id_sink *sink, void *ctx,
                             struct err *err) {
    return each(store, SQL_EAB_ACCOUNTS_EACH, max, id_row, &(struct id_walk){sink, ctx}, err);
}

struct key_walk {
    store_key_sink *sink;
    void *ctx;
};

static bool key_row(const void *ctx, sqlite3_stmt *row, struct err *err) {
    const struct key_walk *walk = ctx;
    const void *digest = sqlite3_column_blob(row, 0);
    return sqlite3_column_bytes(row, 0) != 32 || walk->sink(walk->ctx, digest, err);
}

bool store_compromised_each(struct store *store, store_key_sink *sink, void *ctx, struct err *err) {
    return each(store, SQL_COMPROMISED_EACH, 0, key_row, &(struct key_walk){sink, ctx}, err);
}

bool store_setting_get(struct store *store, const char *name, char **ret, struct err *err) {
    struct conn *conn = store_reader_take(store, err);
    sqlite3_stmt *statement = conn == NULL ? NULL : store_statement(conn, SQL_SETTING_GET, err);
    char *value = NULL;
    bool good = statement != NULL;

    if (conn == NULL) {
        return false;
    }
    if (good) {
        store_bind_text(statement, 1, name);
        int outcome = sqlite3_step(statement);
        value = outcome == SQLITE_ROW ? strdup(text(statement, 0)) : NULL;
        if (outcome != SQLITE_ROW && outcome != SQLITE_DONE) {
            good = store_fail(conn, err);
        } else if (outcome == SQLITE_ROW && value == NULL) {
            good = err_set(err, ERR_NO_MEMORY, "no memory");
        }
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
    }
    store_reader_put(store, conn);
    if (good) {
        *ret = value;
    }
    return good;
}
