/* The tables, as steps: a database says how many it has taken (PRAGMA user_version).  A step that
 * was ever released never changes; a new one is added at the end. */
#include <stdio.h>

#include "server/store_sql.h"

/*
 * Orders and authorizations are keyed by account first: a look-up that names the asking account
 * cannot find another's.  Ids grow with time, so what is written together shares pages.
 */
/* clang-format off */
static const char *const steps[] = {
    /* 1 */
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
    " exp_s INTEGER NOT NULL) WITHOUT ROWID;",
    /* 2: renewal information (RFC 9773); what belongs to a certificate leaves with it */
    "ALTER TABLE orders ADD COLUMN replaces TEXT;"
    "CREATE TABLE replacement("
    " serial TEXT PRIMARY KEY, orders TEXT NOT NULL, done_at_s INTEGER) WITHOUT ROWID;"
    "CREATE TABLE renewal_window("
    " serial TEXT PRIMARY KEY, start_s INTEGER NOT NULL, end_s INTEGER NOT NULL,"
    " set_at_s INTEGER NOT NULL, url TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TRIGGER certificate_gone AFTER DELETE ON certificate BEGIN"
    " DELETE FROM replacement WHERE serial = old.serial;"
    " DELETE FROM renewal_window WHERE serial = old.serial; END;",
    /* pre-authorizations, wildcards and subdomains; orders that are being finalized */
    "ALTER TABLE authz ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX authz_prepared ON authz(account, type, value) WHERE orders = '';"
    "CREATE TABLE finalizing("
    " account TEXT NOT NULL, orders TEXT NOT NULL, due_us INTEGER NOT NULL, csr TEXT NOT NULL,"
    " PRIMARY KEY(account, orders)) WITHOUT ROWID;",
    /* accounts: terms agreed to, who bound them; keys to bind with; settings */
    "ALTER TABLE account ADD COLUMN eab_kid TEXT;"
    "ALTER TABLE account ADD COLUMN terms TEXT;"
    "CREATE INDEX account_eab ON account(eab_kid) WHERE eab_kid IS NOT NULL;"
    "CREATE TABLE eab("
    " kid TEXT PRIMARY KEY, key TEXT NOT NULL, uses INTEGER NOT NULL, used INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
    /* authorizations bound to a key */
    "ALTER TABLE authz ADD COLUMN jkt TEXT NOT NULL DEFAULT '';",
};
/* clang-format on */

#define PRAGMA_SIZE 48

static bool read_version(struct conn *conn, unsigned *ret, struct err *err) {
    sqlite3_stmt *statement = NULL;
    bool read =
        sqlite3_prepare_v2(conn->db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK
        && sqlite3_step(statement) == SQLITE_ROW;

    if (read) {
        *ret = (unsigned)sqlite3_column_int(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return read || store_fail(conn, err);
}

/* A step and its number are one transaction: a kill in between leaves neither. */
static bool take_step(struct conn *conn, unsigned number, struct err *err) {
    char pragma[PRAGMA_SIZE];

    (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %u", number);
    return store_exec(conn, "BEGIN IMMEDIATE", err) && store_exec(conn, steps[number - 1], err)
           && store_exec(conn, pragma, err) && store_exec(conn, "COMMIT", err);
}

bool store_schema_prepare(struct conn *conn, struct err *err) {
    unsigned version = 0;

    if (!read_version(conn, &version, err)) {
        return false;
    }
    if (version > COUNT(steps)) {
        return err_set(err, ERR_CONFIG,
                       "the database is of a newer version (%u) than this program (%u)", version,
                       (unsigned)COUNT(steps));
    }
    while (version < COUNT(steps)) {
        if (!take_step(conn, ++version, err)) {
            return false;
        }
    }
    return true;
}

bool store_schema_same(struct conn *conn, struct err *err) {
    unsigned version = 0;

    return read_version(conn, &version, err)
           && (version == COUNT(steps)
               || err_set(err, ERR_CONFIG,
                          "the database is of version %u, not %u: start the server once", version,
                          (unsigned)COUNT(steps)));
}
