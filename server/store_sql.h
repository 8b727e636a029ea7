/* Inside the SQL stores: connections, statements, and the parts store_sql.c, store_writer.c,
 * store_ops.c and store_reads.c share.  Nobody else includes this but the two back ends. */
#pragma once

#include <pthread.h>
#include <sqlite3.h>

#include "server/store.h"
#include "server/store_cache.h"
#include "server/store_upkeep.h"

/* shared   the file is read through connections of their own; false: everybody shares the one. */
struct store *store_sql_open(const char *path, bool shared, int64_t now_s, struct err *err);

enum sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SAVEPOINT,
    SQL_RELEASE,
    SQL_ROLLBACK_TO,
    SQL_ACCOUNT_INSERT,
    SQL_ACCOUNT_CHANGE,
    SQL_ACCOUNT_KEY,
    SQL_EAB_INSERT,
    SQL_EAB_DELETE,
    SQL_EAB_USE,
    SQL_EAB_EACH,
    SQL_EAB_ACCOUNTS_EACH,
    SQL_SETTING,
    SQL_SETTING_GET,
    SQL_COMPROMISED_EACH,
    SQL_ORDERS_CANCEL,
    SQL_ORDER_INSERT,
    SQL_AUTHZ_INSERT,
    SQL_AUTHZ_SHARE,
    SQL_AUTHZ_SHARED,
    SQL_ORDERS_FAIL,
    SQL_CHALLENGE_INSERT,
    SQL_CHALLENGE_MOVE,
    SQL_AUTHZ_MOVE,
    SQL_ORDER_AUTHORISED,
    SQL_ORDER_READY,
    SQL_ORDER_FAIL,
    SQL_ORDER_MOVE,
    SQL_ORDER_REJECT,
    SQL_FINALIZING_INSERT,
    SQL_FINALIZING_DELETE,
    SQL_CERTIFICATE_INSERT,
    SQL_REVOKE,
    SQL_TOKEN_USE,
    SQL_TOKENS_FORGET,
    SQL_ACCOUNT_GET,
    SQL_ACCOUNT_FIND,
    SQL_KEY_KNOWN,
    SQL_ORDER_GET,
    SQL_AUTHZ_GET,
    SQL_CERTIFICATE_GET,
    SQL_CERTIFICATE_STATUS,
    SQL_ORDERS_EACH,
    SQL_AUTHZ_VALID_EACH,
    SQL_AUTHZ_PREPARED_EACH,
    SQL_FINALIZING_GET,
    SQL_FINALIZING_EACH,
    SQL_PROCESSING_EACH,
    SQL_REVOKED_EACH,
    SQL_REVOKED_SINCE,
    SQL_ISSUED_EACH,
    SQL_ORDERS_LOOK,
    SQL_AUTHZ_LOOK,
    SQL_CERTIFICATES_LOOK,
    SQL_TOKENS_LOOK,
    SQL_ORDERS_SWEEP,
    SQL_CHALLENGES_SWEEP,
    SQL_AUTHZ_SWEEP,
    SQL_CERTIFICATES_SWEEP,
    SQL_TOKENS_SWEEP,
    SQL_REPLACE,
    SQL_ORDER_REPLACES,
    SQL_REPLACED,
    SQL_REPLACED_GET,
    SQL_WINDOW_PUT,
    SQL_WINDOW_DELETE,
    SQL_WINDOW_GET,
    SQL__COUNT
};

/* One connection, used by one thread at a time. */
struct conn {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL__COUNT]; /* prepared at first use, kept */
    struct conn *next;
};

struct store {
    char *path;
    bool shared;
    struct store_cache *cache; /* asked before a connection is */
    struct conn *writer;
    pthread_mutex_t writing; /* not shared: taken for each batch and each reading */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    struct conn *readers; /* at rest */
    struct store_tx *first, *last;
    struct store_counts counts;
    store_observer *observer; /* or NULL */
    void *observer_ctx;
    bool stopping;
    bool started;
    pthread_t thread;
};

/* Take a connection to read with, and give it back.  NULL and ERR_STORE when it cannot be opened.
 */
struct conn *store_reader_take(struct store *store, struct err *err);
void store_reader_put(struct store *store, struct conn *conn);

/* The statement, reset and without bindings; NULL and ERR_STORE. */
sqlite3_stmt *store_statement(struct conn *conn, enum sql which, struct err *err);
/* ERR_STORE with SQLite's words as the cause; returns false. */
bool store_fail(struct conn *conn, struct err *err);
/* Run a statement that gives no rows; *ret_changed rows (NULL: do not care). */
MUST_CHECK bool store_run(struct conn *conn, sqlite3_stmt *statement, int *ret_changed,
                          struct err *err);

/* Bind parameter place; text NULL is NULL.  Borrowed until the statement has run. */
void store_bind_text(sqlite3_stmt *statement, int place, const char *text);
void store_bind_int(sqlite3_stmt *statement, int place, int64_t value);

/* Run a text of statements without values. */
MUST_CHECK bool store_exec(struct conn *conn, const char *text, struct err *err);

/* store_texts.c */
extern const char *const store_texts[];
/* store_schema.c: bring the tables to this program's version.  ERR_CONFIG: they are newer. */
MUST_CHECK bool store_schema_prepare(struct conn *conn, struct err *err);
/* store_writer.c */
MUST_CHECK bool store_writer_start(struct store *store, struct err *err);
/* store_renewal.c: STORE_REPLACE, STORE_REPLACED, STORE_WINDOW. */
MUST_CHECK bool store_replace_run(struct conn *conn, struct store_op *op, struct err *err);
MUST_CHECK bool store_replaced_run(struct conn *conn, struct store_op *op, struct err *err);
MUST_CHECK bool store_window_run(struct conn *conn, struct store_op *op, struct err *err);
/* The same, without changing anything.  ERR_CONFIG: they are of another version. */
MUST_CHECK bool store_schema_same(struct conn *conn, struct err *err);
/* store_sql.c: statements and database, not conn itself. */
void store_conn_end(struct conn *conn);
/* store_upkeep.c: store_issued_each on one connection; max below 0: all. */
MUST_CHECK bool store_issued_walk(struct conn *conn, int64_t n, int64_t max, bool chains,
                                  store_issued_sink *sink, void *ctx, struct err *err);
/* store_upkeep.c: STORE_SWEEP. */
MUST_CHECK bool store_sweep_run(struct conn *conn, struct store_op *op, struct err *err);
/* store_reads.c: the names of an order's row into its arrays; false: no memory, or not ours. */
MUST_CHECK bool store_names_read(const char *text, struct order *order);
/* store_orders.c: operations on orders off the ordinary way. */
MUST_CHECK bool store_authzs_share(struct conn *conn, const struct store_op *op, struct err *err);
MUST_CHECK bool store_orders_fail_run(struct conn *conn, struct store_op *op, struct err *err);
MUST_CHECK bool store_order_reject_run(struct conn *conn, struct store_op *op, struct err *err);
MUST_CHECK bool store_finalizing_insert_run(struct conn *conn, struct store_op *op,
                                            struct err *err);
MUST_CHECK bool store_finalizing_delete_run(struct conn *conn, struct store_op *op,
                                            struct err *err);
/* A change that must find its record in the state it starts from. */
MUST_CHECK bool store_change(struct conn *conn, sqlite3_stmt *statement, const char *what,
                             struct err *err);
/* store_ops.c: one operation inside the writer's transaction. */
MUST_CHECK bool store_op_run(struct conn *conn, struct store_op *op, struct err *err);
/* store_account.c: the same, of key changes, bindings and settings. */
MUST_CHECK bool store_op_account_key(struct conn *conn, struct store_op *op, struct err *err);
MUST_CHECK bool store_op_eab_insert(struct conn *conn, struct store_op *op, struct err *err);
MUST_CHECK bool store_op_eab_delete(struct conn *conn, struct store_op *op, struct err *err);
MUST_CHECK bool store_op_eab_use(struct conn *conn, struct store_op *op, struct err *err);
MUST_CHECK bool store_op_setting(struct conn *conn, struct store_op *op, struct err *err);
