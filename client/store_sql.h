/* The SQL of the store: one connection with its prepared statements; knows no thread. */
#pragma once

#include "client/store.h"

struct store_sql;

/* write: makes the schema and may change it; else a read-only view.  ERR_STORE. */
struct store_sql *store_sql_open(const char *path, bool write, struct err *err);
void store_sql_close(struct store_sql *sql);
AUTO_DEFINE(struct store_sql, store_sql_close)

MUST_CHECK bool store_sql_begin(struct store_sql *sql, struct err *err);
MUST_CHECK bool store_sql_commit(struct store_sql *sql, struct err *err);
void store_sql_rollback(struct store_sql *sql);

MUST_CHECK bool store_sql_account_put(struct store_sql *sql, const struct store_account *account,
                                      struct err *err);
MUST_CHECK bool store_sql_insert(struct store_sql *sql, const struct enrolment *enrolment,
                                 struct err *err);
/* ERR_CONFLICT: not in state from. */
MUST_CHECK bool store_sql_move(struct store_sql *sql, const struct enrolment *enrolment,
                               enum enrolment_state from, struct err *err);

MUST_CHECK bool store_sql_row_max(struct store_sql *sql, int64_t *ret, struct err *err);
/* Absent is not an error: found_enrolment or found_account stays false. */
MUST_CHECK bool store_sql_find(struct store_sql *sql, int64_t row, struct store_found *found,
                               struct err *err);
MUST_CHECK bool store_sql_find_key(struct store_sql *sql, const char *nf, const char *idempotency,
                                   struct store_found *found, struct err *err);
MUST_CHECK bool store_sql_account(struct store_sql *sql, const char *name, const char *directory,
                                  struct store_found *found, struct err *err);
MUST_CHECK bool store_sql_live(struct store_sql *sql, store_found_fn *fn, void *ctx,
                               struct err *err);

/* The door for rooms that bring their own statements (store_write, store_read).  A text is a
 * literal: it is prepared once and told apart by its address. */
struct store_value { /* of a parameter, in order */
    int64_t number;
    const void *data; /* a text, or a blob when len is given; borrowed */
    size_t len;
    bool null; /* data NULL means NULL, not a number */
};
#define STORE_INT(n) ((struct store_value){.number = (int64_t)(n)})
#define STORE_TEXT(t) ((struct store_value){.data = (t), .null = true})
#define STORE_BLOB(d, n) ((struct store_value){.data = (d), .len = (n), .null = true})

struct store_row;
int64_t store_row_int(const struct store_row *row, int at);
/* Borrowed until fn returns; NULL = NULL. */
const char *store_row_text(const struct store_row *row, int at);
const void *store_row_blob(const struct store_row *row, int at, size_t *ret_len);

/* False stops the walk, with err. */
typedef bool store_row_fn(void *ctx, const struct store_row *row, struct err *err);
MUST_CHECK bool store_sql_each(struct store_sql *sql, const char *text,
                               const struct store_value *values, size_t count, store_row_fn *fn,
                               void *ctx, struct err *err);
MUST_CHECK bool store_sql_do(struct store_sql *sql, const char *text,
                             const struct store_value *values, size_t count, struct err *err);
/* Rows the last store_sql_do changed. */
int64_t store_sql_changes(const struct store_sql *sql);
