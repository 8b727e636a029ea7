#include "nfsim/inventory.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 10000

enum statement {
    FACT_GET,
    FACT_SET,
    NF_COUNT,
    NF_PUT,
    NF_GET,
    NF_FIND,
    NF_SEARCH,
    NF_STALE,
    CLIENT_ADD,
    CLIENT_GET,
    JTI_PUT,
    JTI_GET,
    JTI_PURGE,
    STATEMENT__COUNT
};

#define NF_COLUMNS "idx, uuid, type, fqdn, not_after, cert, key"

/* clang-format off */
static const char *const sql[] = {
    [FACT_GET]   = "SELECT value FROM fact WHERE name = ?1",
    [FACT_SET]   = "INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)",
    [NF_COUNT]   = "SELECT coalesce(max(idx) + 1, 0) FROM nf WHERE idx < ?1",
    [NF_PUT]     = "INSERT OR REPLACE INTO nf (" NF_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [NF_GET]     = "SELECT " NF_COLUMNS " FROM nf WHERE idx = ?1",
    [NF_FIND]    = "SELECT uuid, type, fqdn FROM nf WHERE uuid = ?1",
    [NF_SEARCH]  = "SELECT " NF_COLUMNS " FROM nf WHERE uuid = ?1 OR fqdn = ?1 OR fqdn LIKE ?2 "
                   "ORDER BY idx LIMIT 1",
    [NF_STALE]   = "SELECT idx FROM nf WHERE idx >= ?1 AND not_after < ?2 ORDER BY idx LIMIT 1",
    [CLIENT_ADD] = "INSERT OR IGNORE INTO shared_client (name) VALUES (?1)",
    [CLIENT_GET] = "SELECT name FROM shared_client ORDER BY rowid LIMIT 1 OFFSET ?1",
    [JTI_PUT]    = "INSERT OR IGNORE INTO cca (sub, jti, fingerprint, exp) VALUES (?1, ?2, ?3, ?4)",
    [JTI_GET]    = "SELECT fingerprint FROM cca WHERE sub = ?1 AND jti = ?2",
    [JTI_PURGE]  = "DELETE FROM cca WHERE exp < ?1",
};
/* clang-format on */
static_assert(COUNT(sql) == STATEMENT__COUNT, "one text per statement");

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS nf (idx INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE,"
    " type TEXT NOT NULL, fqdn TEXT NOT NULL UNIQUE, not_after INTEGER NOT NULL,"
    " cert BLOB NOT NULL, key BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS shared_client (name TEXT PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS cca (sub TEXT NOT NULL, jti TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL, exp INTEGER NOT NULL, PRIMARY KEY (sub, jti)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS cca_exp ON cca (exp);";

struct inventory {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT__COUNT];
};

static bool failed(const struct inventory *inventory, struct err *err) {
    (void)err_set(err, ERR_STORE, "the fleet's inventory could not be read or written");
    return err_cause(err, "%s", sqlite3_errmsg(inventory->db));
}

static bool execute(struct inventory *inventory, const char *text, struct err *err) {
    return sqlite3_exec(inventory->db, text, NULL, NULL, NULL) == SQLITE_OK
           || failed(inventory, err);
}

struct inventory *inventory_open(const char *state, bool create, struct err *err) {
    AUTO(inventory_close) struct inventory *inventory = calloc(1, sizeof *inventory);
    char path[4096];

    if (inventory == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the inventory");
        return NULL;
    }
    (void)snprintf(path, sizeof path, "%s/fleet.db", state);
    const int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &inventory->db, flags, NULL) != SQLITE_OK) {
        (void)err_set(err, ERR_CONFIG, "%.160s: cannot open (made by nfsim init)", path);
        return NULL;
    }
    (void)sqlite3_busy_timeout(inventory->db, BUSY_MS);
    if (!execute(inventory, schema, err)) {
        return NULL;
    }
    for (int i = 0; i < STATEMENT__COUNT; i++) {
        if (sqlite3_prepare_v3(inventory->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &inventory->statements[i], NULL)
            != SQLITE_OK) {
            (void)failed(inventory, err);
            return NULL;
        }
    }
    return TAKE(inventory);
}

void inventory_close(struct inventory *inventory) {
    for (int i = 0; i < STATEMENT__COUNT; i++) {
        (void)sqlite3_finalize(inventory->statements[i]);
    }
    (void)sqlite3_close(inventory->db);
    free(inventory);
}

bool inventory_begin(struct inventory *inventory, struct err *err) {
    return execute(inventory, "BEGIN IMMEDIATE", err);
}

bool inventory_commit(struct inventory *inventory, struct err *err) {
    return execute(inventory, "COMMIT", err);
}

static sqlite3_stmt *fresh(struct inventory *inventory, enum statement which) {
    sqlite3_stmt *statement = inventory->statements[which];

    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return statement;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
    (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static bool run(struct inventory *inventory, sqlite3_stmt *statement, struct err *err) {
    const int rc = sqlite3_step(statement);

    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE || failed(inventory, err);
}

static void text_column(sqlite3_stmt *statement, int at, char *text, size_t size) {
    const unsigned char *value = sqlite3_column_text(statement, at);

    (void)snprintf(text, size, "%s", value == NULL ? "" : (const char *)value);
}

bool inventory_fact(struct inventory *inventory, const char *name, char *text, size_t size,
                    struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, FACT_GET);

    bind_text(statement, 1, name);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        text_column(statement, 0, text, size);
    } else if (rc == SQLITE_DONE) {
        text[0] = '\0';
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE || failed(inventory, err);
}

bool inventory_fact_set(struct inventory *inventory, const char *name, const char *text,
                        struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, FACT_SET);

    bind_text(statement, 1, name);
    bind_text(statement, 2, text);
    return run(inventory, statement, err);
}

void inventory_nf_done(struct inventory_nf *nf) {
    free(nf->cert_der);
    if (nf->key_der != NULL) {
        OPENSSL_cleanse(nf->key_der, nf->key_len);
        free(nf->key_der);
    }
    *nf = (struct inventory_nf){0};
}

void inventory_nf_done_auto(struct inventory_nf *nf) { inventory_nf_done(nf); }

bool inventory_count(struct inventory *inventory, uint32_t *ret, struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, NF_COUNT);

    (void)sqlite3_bind_int64(statement, 1, INVENTORY_EXTRA);
    if (sqlite3_step(statement) != SQLITE_ROW) {
        return failed(inventory, err);
    }
    *ret = (uint32_t)sqlite3_column_int64(statement, 0);
    (void)sqlite3_reset(statement);
    return true;
}

bool inventory_put(struct inventory *inventory, const struct inventory_nf *nf, struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, NF_PUT);

    (void)sqlite3_bind_int64(statement, 1, nf->index);
    bind_text(statement, 2, nf->id.uuid);
    bind_text(statement, 3, nf->id.type);
    bind_text(statement, 4, nf->id.fqdn);
    (void)sqlite3_bind_int64(statement, 5, nf->not_after_s);
    (void)sqlite3_bind_blob(statement, 6, nf->cert_der, (int)nf->cert_len, SQLITE_STATIC);
    (void)sqlite3_bind_blob(statement, 7, nf->key_der, (int)nf->key_len, SQLITE_STATIC);
    const bool done = run(inventory, statement, err);
    (void)sqlite3_clear_bindings(statement);
    return done;
}

static bool blob_column(sqlite3_stmt *statement, int at, unsigned char **ret, size_t *ret_len) {
    const size_t len = (size_t)sqlite3_column_bytes(statement, at);
    unsigned char *copy = malloc(len + 1);

    if (copy == NULL) {
        return false;
    }
    if (len > 0) {
        memcpy(copy, sqlite3_column_blob(statement, at), len);
    }
    *ret = copy;
    *ret_len = len;
    return true;
}

/* A row of NF_COLUMNS. */
static bool read_nf(struct inventory *inventory, sqlite3_stmt *statement, struct inventory_nf *ret,
                    struct err *err) {
    AUTO(inventory_nf_done) struct inventory_nf nf = {0};
    const int rc = sqlite3_step(statement);

    if (rc != SQLITE_ROW) {
        (void)sqlite3_reset(statement);
        return rc == SQLITE_DONE ? err_set(err, ERR_NOT_FOUND, "no such NF in the inventory")
                                 : failed(inventory, err);
    }
    nf.index = (uint32_t)sqlite3_column_int64(statement, 0);
    text_column(statement, 1, nf.id.uuid, sizeof nf.id.uuid);
    text_column(statement, 2, nf.id.type, sizeof nf.id.type);
    text_column(statement, 3, nf.id.fqdn, sizeof nf.id.fqdn);
    nf.not_after_s = sqlite3_column_int64(statement, 4);
    const bool read = blob_column(statement, 5, &nf.cert_der, &nf.cert_len)
                      && blob_column(statement, 6, &nf.key_der, &nf.key_len);
    (void)sqlite3_reset(statement);
    if (!read) {
        return err_set(err, ERR_NO_MEMORY, "no memory for an NF");
    }
    *ret = nf;
    nf = (struct inventory_nf){0};
    return true;
}

bool inventory_get(struct inventory *inventory, uint32_t index, struct inventory_nf *ret,
                   struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, NF_GET);

    (void)sqlite3_bind_int64(statement, 1, index);
    return read_nf(inventory, statement, ret, err);
}

bool inventory_find(struct inventory *inventory, const char *uuid, struct fleet_nf *ret,
                    struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, NF_FIND);

    bind_text(statement, 1, uuid);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        text_column(statement, 0, ret->uuid, sizeof ret->uuid);
        text_column(statement, 1, ret->type, sizeof ret->type);
        text_column(statement, 2, ret->fqdn, sizeof ret->fqdn);
    }
    (void)sqlite3_reset(statement);
    if (rc == SQLITE_DONE) {
        return err_set(err, ERR_NOT_FOUND, "no such NF in the inventory");
    }
    return rc == SQLITE_ROW || failed(inventory, err);
}

/* "amf-1" is the NF whose FQDN begins "amf1." */
static void label_pattern(const char *word, char *pattern, size_t size) {
    const char *dash = strrchr(word, '-');
    const int head = dash == NULL ? (int)strlen(word) : (int)(dash - word);

    if (strpbrk(word, "%_") != NULL) {
        pattern[0] = '\0';
        return;
    }
    (void)snprintf(pattern, size, "%.*s%s.%%", head, word, dash == NULL ? "" : dash + 1);
}

/* An index in decimal. */
static bool index_of(const char *word, uint32_t *ret) {
    const size_t len = strlen(word);
    uint32_t index = 0;

    if (len == 0 || len > 7 || strspn(word, "0123456789") != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        index = index * 10 + (uint32_t)(word[i] - '0');
    }
    *ret = index;
    return true;
}

bool inventory_search(struct inventory *inventory, const char *word, struct inventory_nf *ret,
                      struct err *err) {
    char pattern[FLEET_FQDN_SIZE + 2];
    uint32_t index = 0;

    if (index_of(word, &index)) {
        return inventory_get(inventory, index, ret, err);
    }
    sqlite3_stmt *statement = fresh(inventory, NF_SEARCH);
    label_pattern(word, pattern, sizeof pattern);
    bind_text(statement, 1, word);
    bind_text(statement, 2, pattern);
    return read_nf(inventory, statement, ret, err);
}

bool inventory_stale(struct inventory *inventory, uint32_t from, int64_t end_s, uint32_t *ret,
                     struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, NF_STALE);

    (void)sqlite3_bind_int64(statement, 1, from);
    (void)sqlite3_bind_int64(statement, 2, end_s);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        *ret = (uint32_t)sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || (rc != SQLITE_DONE && failed(inventory, err));
}

bool inventory_client_add(struct inventory *inventory, const char *name, struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, CLIENT_ADD);

    bind_text(statement, 1, name);
    return run(inventory, statement, err);
}

bool inventory_client(struct inventory *inventory, unsigned n, char ret[FLEET_FQDN_SIZE],
                      struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, CLIENT_GET);

    (void)sqlite3_bind_int64(statement, 1, n);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        text_column(statement, 0, ret, FLEET_FQDN_SIZE);
    }
    (void)sqlite3_reset(statement);
    if (rc == SQLITE_DONE) {
        return err_set(err, ERR_NOT_FOUND, "no further shared client is registered");
    }
    return rc == SQLITE_ROW || failed(inventory, err);
}

bool inventory_jti(struct inventory *inventory, const char *sub, const char *jti,
                   const char *fingerprint, int64_t exp_s, struct err *err) {
    sqlite3_stmt *put = fresh(inventory, JTI_PUT);
    char before[INVENTORY_JTI_MAX] = "";

    bind_text(put, 1, sub);
    bind_text(put, 2, jti);
    bind_text(put, 3, fingerprint);
    (void)sqlite3_bind_int64(put, 4, exp_s);
    if (!run(inventory, put, err)) {
        return false;
    }
    if (sqlite3_changes(inventory->db) == 1) {
        return true;
    }
    sqlite3_stmt *get = fresh(inventory, JTI_GET);
    bind_text(get, 1, sub);
    bind_text(get, 2, jti);
    const int rc = sqlite3_step(get);
    text_column(get, 0, before, sizeof before);
    (void)sqlite3_reset(get);
    if (rc != SQLITE_ROW) {
        return failed(inventory, err);
    }
    return strcmp(before, fingerprint) == 0
           || err_set_param(err, ERR_CCA, "cca",
                            "the assertion was already used for another account key");
}

bool inventory_jti_purge(struct inventory *inventory, int64_t now_s, struct err *err) {
    sqlite3_stmt *statement = fresh(inventory, JTI_PURGE);

    (void)sqlite3_bind_int64(statement, 1, now_s);
    return run(inventory, statement, err);
}
