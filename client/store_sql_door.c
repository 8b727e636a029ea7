/* Statements of other rooms, by their text. */
#include "client/store_sql_inner.h"

/* The statement of a text, prepared at its first use; texts are literals, told apart by address. */
static sqlite3_stmt *kept(struct store_sql *sql, const char *text, struct err *err) {
    for (unsigned i = 0; i < sql->kept_count; i++) {
        if (sql->kept[i].text == text) {
            return sql->kept[i].statement;
        }
    }
    if (sql->kept_count == SQL_KEPT
        || sqlite3_prepare_v3(sql->db, text, -1, SQLITE_PREPARE_PERSISTENT,
                              &sql->kept[sql->kept_count].statement, NULL)
               != SQLITE_OK) {
        (void)store_sql_failed(sql, err);
        return NULL;
    }
    sql->kept[sql->kept_count].text = text;
    return sql->kept[sql->kept_count++].statement;
}

bool store_sql_each(struct store_sql *sql, const char *text, const struct store_value *values,
                    size_t count, store_row_fn *fn, void *ctx, struct err *err) {
    sqlite3_stmt *statement = kept(sql, text, err);
    bool good = statement != NULL;
    int outcome = SQLITE_DONE;

    for (size_t i = 0; good && i < count; i++) {
        const int at = (int)i + 1;
        if (values[i].data == NULL && !values[i].null) {
            (void)sqlite3_bind_int64(statement, at, values[i].number);
        } else if (values[i].len != 0) {
            (void)sqlite3_bind_blob(statement, at, values[i].data, (int)values[i].len,
                                    SQLITE_STATIC);
        } else if (values[i].data != NULL) {
            (void)sqlite3_bind_text(statement, at, values[i].data, -1, SQLITE_STATIC);
        }
    }
    while (good && (outcome = sqlite3_step(statement)) == SQLITE_ROW) {
        good = fn == NULL || fn(ctx, (const struct store_row *)statement, err);
    }
    good = good && (outcome == SQLITE_DONE || store_sql_failed(sql, err));
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return good;
}

bool store_sql_do(struct store_sql *sql, const char *text, const struct store_value *values,
                  size_t count, struct err *err) {
    return store_sql_each(sql, text, values, count, NULL, NULL, err);
}

int64_t store_sql_changes(const struct store_sql *sql) { return sqlite3_changes(sql->db); }

int64_t store_row_int(const struct store_row *row, int at) {
    return sqlite3_column_int64((sqlite3_stmt *)row, at);
}

const char *store_row_text(const struct store_row *row, int at) {
    return (const char *)sqlite3_column_text((sqlite3_stmt *)row, at);
}

const void *store_row_blob(const struct store_row *row, int at, size_t *ret_len) {
    *ret_len = (size_t)sqlite3_column_bytes((sqlite3_stmt *)row, at);
    return sqlite3_column_blob((sqlite3_stmt *)row, at);
}
