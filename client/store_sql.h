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
MUST_CHECK bool store_sql_account(struct store_sql *sql, const char *nf, struct store_found *found,
                                  struct err *err);
MUST_CHECK bool store_sql_live(struct store_sql *sql, store_found_fn *fn, void *ctx,
                               struct err *err);
