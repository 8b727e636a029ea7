#include "server/store_sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/*
 * Orders and authorizations are keyed by account first: a look-up that names the asking account
 * cannot find another's.  Ids grow with time, so what is written together shares pages.
 */
/* clang-format off */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS account("
    " id TEXT PRIMARY KEY, status INTEGER NOT NULL, thumbprint TEXT NOT NULL UNIQUE,"
    " created_us INTEGER NOT NULL, jwk TEXT NOT NULL, contact TEXT NOT NULL, eab TEXT"
    ") WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS orders("
    " account TEXT NOT NULL, id TEXT NOT NULL, status INTEGER NOT NULL, authz_left INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, not_before_s INTEGER NOT NULL,"
    " not_after_s INTEGER NOT NULL, profile TEXT NOT NULL, names TEXT NOT NULL, serial TEXT,"
    " error TEXT, PRIMARY KEY(account, id)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS authz("
    " account TEXT NOT NULL, id TEXT NOT NULL, orders TEXT NOT NULL, status INTEGER NOT NULL,"
    " type INTEGER NOT NULL, value TEXT NOT NULL, expires_us INTEGER NOT NULL, types TEXT,"
    " token_exp_s INTEGER NOT NULL, PRIMARY KEY(account, id)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS challenge("
    " account TEXT NOT NULL, authz TEXT NOT NULL, type INTEGER NOT NULL, status INTEGER NOT NULL,"
    " token TEXT NOT NULL, validated_us INTEGER NOT NULL, error TEXT, response TEXT,"
    " PRIMARY KEY(account, authz, type)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS challenge_processing ON challenge(status) WHERE status = 1;"
    "CREATE TABLE IF NOT EXISTS certificate("
    " n INTEGER PRIMARY KEY, serial TEXT NOT NULL UNIQUE, account TEXT NOT NULL,"
    " orders TEXT NOT NULL, chain_pem TEXT NOT NULL, not_after_s INTEGER NOT NULL,"
    " spki_sha256 BLOB NOT NULL, revoked_at_s INTEGER, reason INTEGER);"
    "CREATE INDEX IF NOT EXISTS certificate_revoked ON certificate(revoked_at_s)"
    " WHERE revoked_at_s IS NOT NULL;"
    "CREATE TABLE IF NOT EXISTS token("
    " jti TEXT PRIMARY KEY, account TEXT NOT NULL, type INTEGER NOT NULL, value TEXT NOT NULL,"
    " exp_s INTEGER NOT NULL) WITHOUT ROWID;";

#define ORDER_OPEN "status IN (0, 1)" /* pending, ready */
static_assert(ORDER_PENDING == 0 && ORDER_READY == 1 && ORDER_INVALID == 4, "stored as numbers");
static_assert(CHALLENGE_PROCESSING == 1 && AUTHZ_VALID == 1, "stored as numbers");

static const char *const texts[] = {
    [SQL_BEGIN]         = "BEGIN IMMEDIATE",
    [SQL_COMMIT]        = "COMMIT",
    [SQL_ROLLBACK]      = "ROLLBACK",
    [SQL_SAVEPOINT]     = "SAVEPOINT tx",
    [SQL_RELEASE]       = "RELEASE tx",
    [SQL_ROLLBACK_TO]   = "ROLLBACK TO tx",
    [SQL_ACCOUNT_INSERT] =
        "INSERT INTO account(id, status, thumbprint, created_us, jwk, contact, eab)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(thumbprint) DO NOTHING",
    [SQL_ACCOUNT_CHANGE] =
        "UPDATE account SET status = ?3, contact = coalesce(?4, contact) WHERE id = ?1 AND status = ?2",
    [SQL_ORDERS_CANCEL] =
        "UPDATE orders SET status = 4, error = ?2 WHERE account = ?1 AND " ORDER_OPEN,
    [SQL_ORDER_INSERT] =
        "INSERT INTO orders(account, id, status, authz_left, created_us, expires_us, not_before_s,"
        " not_after_s, profile, names) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_AUTHZ_INSERT] =
        "INSERT INTO authz(account, id, orders, status, type, value, expires_us, token_exp_s)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
    [SQL_CHALLENGE_INSERT] =
        "INSERT INTO challenge(account, authz, type, status, token, validated_us)"
        " VALUES(?1, ?2, ?3, ?4, ?5, 0)",
    [SQL_CHALLENGE_MOVE] =
        "UPDATE challenge SET status = ?5, validated_us = ?6, error = ?7, response = ?8"
        " WHERE account = ?1 AND authz = ?2 AND type = ?3 AND status = ?4",
    [SQL_AUTHZ_MOVE] =
        "UPDATE authz SET status = ?4, expires_us = coalesce(?5, expires_us),"
        " types = coalesce(?6, types), token_exp_s = coalesce(?7, token_exp_s)"
        " WHERE account = ?1 AND id = ?2 AND status = ?3",
    [SQL_ORDER_AUTHORISED] =
        "UPDATE orders SET authz_left = authz_left - 1"
        " WHERE account = ?1 AND id = ?2 AND status = 0 AND authz_left > 1",
    [SQL_ORDER_READY] =
        "UPDATE orders SET authz_left = 0, status = 1"
        " WHERE account = ?1 AND id = ?2 AND status = 0 AND authz_left = 1",
    [SQL_ORDER_FAIL] =
        "UPDATE orders SET status = 4, error = ?3 WHERE account = ?1 AND id = ?2 AND " ORDER_OPEN,
    [SQL_ORDER_MOVE] =
        "UPDATE orders SET status = ?4, serial = ?5 WHERE account = ?1 AND id = ?2 AND status = ?3",
    [SQL_CERTIFICATE_INSERT] =
        "INSERT INTO certificate(serial, account, orders, chain_pem, not_after_s, spki_sha256)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_REVOKE] =
        "UPDATE certificate SET revoked_at_s = ?2, reason = ?3"
        " WHERE serial = ?1 AND revoked_at_s IS NULL",
    [SQL_TOKEN_USE] =
        "INSERT INTO token(jti, account, type, value, exp_s) VALUES(?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT(jti) DO UPDATE SET exp_s = max(exp_s, excluded.exp_s)"
        " WHERE account = excluded.account AND type = excluded.type AND value = excluded.value",
    [SQL_TOKENS_FORGET] = "DELETE FROM token WHERE exp_s < ?1",
    [SQL_ACCOUNT_GET] =
        "SELECT id, status, thumbprint, created_us, jwk, contact, eab FROM account WHERE id = ?1",
    [SQL_ACCOUNT_FIND] =
        "SELECT id, status, thumbprint, created_us, jwk, contact, eab FROM account"
        " WHERE thumbprint = ?1",
    [SQL_KEY_KNOWN] = "SELECT 1 FROM account WHERE thumbprint = ?1",
    [SQL_ORDER_GET] =
        "SELECT account, id, status, created_us, expires_us, not_before_s, not_after_s, profile,"
        " names, serial, error FROM orders WHERE account = ?1 AND id = ?2",
    [SQL_AUTHZ_GET] = /* one statement, so one state of both tables */
        "SELECT a.account, a.id, a.orders, a.status, a.type, a.value, a.expires_us, a.types,"
        " a.token_exp_s, c.type, c.status, c.token, c.validated_us, c.error, c.response"
        " FROM authz a JOIN challenge c ON c.account = a.account AND c.authz = a.id"
        " WHERE a.account = ?1 AND a.id = ?2",
    [SQL_CERTIFICATE_GET] =
        "SELECT serial, account, orders, chain_pem, not_after_s, spki_sha256, revoked_at_s, reason"
        " FROM certificate WHERE serial = ?1",
    [SQL_ORDERS_EACH] =
        "SELECT account, id, 0 FROM orders WHERE account = ?1 AND id > ?2 AND status != 4"
        " ORDER BY id LIMIT ?3",
    [SQL_AUTHZ_VALID_EACH] =
        "SELECT account, id, 0 FROM authz WHERE account = ?1 AND type = ?2 AND value = ?3"
        " AND status = 1",
    [SQL_PROCESSING_EACH] = "SELECT account, authz, type FROM challenge WHERE status = 1",
    [SQL_REVOKED_EACH] =
        "SELECT serial, revoked_at_s, reason FROM certificate WHERE revoked_at_s IS NOT NULL",
};
/* clang-format on */
static_assert(COUNT(texts) == SQL__COUNT, "every statement has its text");

#define BUSY_MS 5000 /* only another process could make us wait */

bool store_fail(struct conn *conn, struct err *err) {
    (void)err_set(err, ERR_STORE, "the store failed");
    return err_cause(err, "sqlite: %s", sqlite3_errmsg(conn->db));
}

static void conn_free(struct conn *conn) {
    if (conn == NULL) {
        return;
    }
    for (unsigned i = 0; i < SQL__COUNT; i++) {
        (void)sqlite3_finalize(conn->statements[i]);
    }
    (void)sqlite3_close(conn->db);
    free(conn);
}
AUTO_DEFINE(struct conn, conn_free)

static bool conn_exec(struct conn *conn, const char *text, struct err *err) {
    return sqlite3_exec(conn->db, text, NULL, NULL, NULL) == SQLITE_OK || store_fail(conn, err);
}

static struct conn *conn_new(const char *path, struct err *err) {
    AUTO(conn_free) struct conn *conn = calloc(1, sizeof(*conn));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

    if (conn == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a database connection");
        return NULL;
    }
    if (sqlite3_open_v2(path, &conn->db, flags, NULL) != SQLITE_OK
        || sqlite3_busy_timeout(conn->db, BUSY_MS) != SQLITE_OK) {
        (void)store_fail(conn, err);
        return NULL;
    }
    return TAKE(conn);
}

sqlite3_stmt *store_statement(struct conn *conn, enum sql which, struct err *err) {
    sqlite3_stmt **statement = &conn->statements[which];

    if (*statement == NULL
        && sqlite3_prepare_v3(conn->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement,
                              NULL)
               != SQLITE_OK) {
        (void)store_fail(conn, err);
        return NULL;
    }
    return *statement;
}

bool store_run(struct conn *conn, sqlite3_stmt *statement, int *ret_changed, struct err *err) {
    int outcome = sqlite3_step(statement);

    if (outcome == SQLITE_CONSTRAINT) { /* of this transaction only, not of the batch */
        (void)err_set(err, ERR_CONFLICT, "there is such a record already");
        (void)err_cause(err, "sqlite: %s", sqlite3_errmsg(conn->db));
    } else if (outcome != SQLITE_DONE) {
        (void)store_fail(conn, err);
    } else if (ret_changed != NULL) {
        *ret_changed = sqlite3_changes(conn->db);
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return outcome == SQLITE_DONE;
}

void store_bind_text(sqlite3_stmt *statement, int place, const char *text) {
    if (text != NULL) {
        (void)sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);
    }
}

void store_bind_int(sqlite3_stmt *statement, int place, int64_t value) {
    (void)sqlite3_bind_int64(statement, place, value);
}

struct conn *store_reader_take(struct store *store, struct err *err) {
    if (!store->shared) {
        (void)pthread_mutex_lock(&store->writing);
        return store->writer;
    }
    (void)pthread_mutex_lock(&store->lock);
    struct conn *conn = store->readers;
    if (conn != NULL) {
        store->readers = conn->next;
    }
    (void)pthread_mutex_unlock(&store->lock);
    return conn != NULL ? conn : conn_new(store->path, err);
}

void store_reader_put(struct store *store, struct conn *conn) {
    if (!store->shared) {
        (void)pthread_mutex_unlock(&store->writing);
        return;
    }
    (void)pthread_mutex_lock(&store->lock);
    conn->next = store->readers;
    store->readers = conn;
    (void)pthread_mutex_unlock(&store->lock);
}

/* SQLite's own checkpoint interval stays: a short log is written over again, and a file that does
 * not grow is cheaper to sync. */
static bool prepare(struct store *store, int64_t now_s, struct err *err) {
    struct conn *conn = store->writer;

    if (store->shared
        && !conn_exec(conn,
                      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                      "PRAGMA cache_size = -65536;",
                      err)) {
        return false;
    }
    if (!conn_exec(conn, schema, err)) {
        return false;
    }
    sqlite3_stmt *forget = store_statement(conn, SQL_TOKENS_FORGET, err);
    if (forget == NULL) {
        return false;
    }
    store_bind_int(forget, 1, now_s);
    return store_run(conn, forget, NULL, err);
}

struct store *store_sql_open(const char *path, bool shared, int64_t now_s, struct err *err) {
    AUTO(store_close) struct store *store = calloc(1, sizeof(*store));

    if (store == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the store");
        return NULL;
    }
    (void)pthread_mutex_init(&store->writing, NULL);
    (void)pthread_mutex_init(&store->lock, NULL);
    (void)pthread_cond_init(&store->wake, NULL);
    store->shared = shared;
    store->counts.healthy = true;
    store->path = strdup(path);
    store->cache = store_cache_new(shared ? STORE_CACHE_SLOTS : 0, err);
    store->writer = store->path == NULL || store->cache == NULL ? NULL : conn_new(path, err);
    if (store->writer == NULL || !prepare(store, now_s, err) || !store_writer_start(store, err)) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the store");
        return NULL;
    }
    return TAKE(store);
}

void store_close(struct store *store) {
    if (store == NULL) {
        return;
    }
    store_stop(store);
    while (store->readers != NULL) {
        struct conn *conn = store->readers;
        store->readers = conn->next;
        conn_free(conn);
    }
    conn_free(store->writer);
    store_cache_free(store->cache);
    free(store->path);
    (void)pthread_cond_destroy(&store->wake);
    (void)pthread_mutex_destroy(&store->lock);
    (void)pthread_mutex_destroy(&store->writing);
    free(store);
}
