#include "server/store_sql.h"

#include <stdlib.h>
#include <string.h>

#define BUSY_MS 5000 /* only another process could make us wait */

bool store_fail(struct conn *conn, struct err *err) {
    (void)err_set(err, ERR_STORE, "the store failed");
    return err_cause(err, "sqlite: %s", sqlite3_errmsg(conn->db));
}

void store_conn_end(struct conn *conn) {
    for (unsigned i = 0; i < SQL__COUNT; i++) {
        (void)sqlite3_finalize(conn->statements[i]);
    }
    (void)sqlite3_close(conn->db);
}

static void conn_free(struct conn *conn) {
    if (conn == NULL) {
        return;
    }
    store_conn_end(conn);
    free(conn);
}
AUTO_DEFINE(struct conn, conn_free)

bool store_exec(struct conn *conn, const char *text, struct err *err) {
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
        && sqlite3_prepare_v3(conn->db, store_texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                              statement, NULL)
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
        && !store_exec(conn,
                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                       "PRAGMA cache_size = -4096;",
                       err)) {
        return false;
    }
    if (!store_schema_prepare(conn, err)) {
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
