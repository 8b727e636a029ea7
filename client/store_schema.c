/* `enrolment` is written once, `progress` at each transition, `certificate` once, `account` twice
 * in an NF's life: a transition rewrites one small row.  Ids carry their row number, so no index on
 * them is kept up.
 *
 * progress.ended  when it ended, ISSUED: when its certificate does; the housekeeper's index
 * renewal      what is due when: one row for each certificate that may be renewed
 * job          requests to the ACME server that belong to no enrolment's states (revocation,
 *              deactivation, rollover), kept until they are done
 * publication  challenge answers that lie outside this process, to be withdrawn after a crash */
#include "client/store_schema.h"

#include <stdio.h>

#include "common/cleanup.h"

static const char *const steps[] = {
    "CREATE TABLE account(nf TEXT PRIMARY KEY, sealed BLOB NOT NULL,"
    " thumbprint TEXT NOT NULL, url TEXT) WITHOUT ROWID;"
    "CREATE TABLE enrolment(row INTEGER PRIMARY KEY, id TEXT NOT NULL,"
    " nf TEXT NOT NULL, nf_type TEXT NOT NULL, fqdn TEXT, profile TEXT, idempotency TEXT, cca TEXT,"
    " with_nf INTEGER NOT NULL, with_dns INTEGER NOT NULL);"
    "CREATE INDEX enrolment_nf ON enrolment(nf);"
    "CREATE TABLE progress(row INTEGER PRIMARY KEY, state TEXT NOT NULL,"
    " reason_kind TEXT, reason TEXT, order_url TEXT, finalize_url TEXT, expires INTEGER, csr BLOB,"
    " t1 INTEGER, t2 INTEGER, t3 INTEGER, t4 INTEGER, t5 INTEGER, t6 INTEGER, t8 INTEGER);"
    "CREATE TABLE certificate(row INTEGER PRIMARY KEY, chain TEXT NOT NULL);",

    "ALTER TABLE account RENAME TO account_1;"
    "CREATE TABLE account(name TEXT, directory TEXT, sealed BLOB NOT NULL,"
    " thumbprint TEXT NOT NULL, url TEXT, next_sealed BLOB, PRIMARY KEY(name, directory))"
    " WITHOUT ROWID;"
    "INSERT INTO account SELECT nf, '', sealed, thumbprint, url, NULL FROM account_1;"
    "DROP TABLE account_1;"
    "ALTER TABLE enrolment ADD COLUMN account TEXT;"
    "ALTER TABLE enrolment ADD COLUMN directory TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE enrolment ADD COLUMN notification_uri TEXT;"
    "ALTER TABLE enrolment ADD COLUMN renews TEXT;"
    "ALTER TABLE enrolment ADD COLUMN replaces TEXT;"
    "UPDATE enrolment SET account = nf;"
    "ALTER TABLE progress ADD COLUMN token TEXT;"
    "ALTER TABLE progress ADD COLUMN problem TEXT;"
    "ALTER TABLE progress ADD COLUMN history TEXT;"
    "ALTER TABLE certificate ADD COLUMN not_before INTEGER;"
    "ALTER TABLE certificate ADD COLUMN not_after INTEGER;"
    "ALTER TABLE certificate ADD COLUMN revoked INTEGER;"
    "ALTER TABLE certificate ADD COLUMN revocation_reason INTEGER;"
    "CREATE TABLE renewal(row INTEGER PRIMARY KEY, due INTEGER NOT NULL, window_start INTEGER,"
    " window_end INTEGER, told INTEGER, tries INTEGER NOT NULL DEFAULT 0, explanation TEXT);"
    "CREATE INDEX renewal_due ON renewal(due);"
    "CREATE TABLE job(row INTEGER PRIMARY KEY, kind TEXT NOT NULL, account TEXT, directory TEXT,"
    " enrolment INTEGER, payload TEXT, tries INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL,"
    " created INTEGER NOT NULL);"
    "CREATE INDEX job_due ON job(due);"
    "CREATE INDEX job_enrolment ON job(enrolment);"
    "CREATE TABLE publication(kind TEXT, name TEXT, value TEXT, row INTEGER,"
    " PRIMARY KEY(kind, name, value)) WITHOUT ROWID;",

    "ALTER TABLE account ADD COLUMN made INTEGER NOT NULL DEFAULT 0;",

    /* those to go on with at start, without a look at the others */
    "CREATE INDEX progress_live ON progress(row)"
    " WHERE state NOT IN ('ISSUED','FAILED','WITHDRAWN');",

    "ALTER TABLE progress ADD COLUMN ended INTEGER;"
    "UPDATE progress SET ended=coalesce((SELECT not_after FROM certificate c WHERE c.row="
    " progress.row AND progress.state='ISSUED'), t8, t6, t5, t4, t3, t2, t1, 1)"
    " WHERE state IN ('ISSUED','FAILED','WITHDRAWN');"
    "CREATE INDEX progress_ended ON progress(ended) WHERE ended IS NOT NULL;",
};

#define VERSION ((int)COUNT(steps))

static bool failed(sqlite3 *db, struct err *err) {
    (void)err_set(err, ERR_STORE, "the store's tables could not be made");
    return err_cause(err, "%s", sqlite3_errmsg(db));
}

static bool version_of(sqlite3 *db, int *ret, struct err *err) {
    sqlite3_stmt *statement = NULL;
    bool good = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK
                && sqlite3_step(statement) == SQLITE_ROW;

    if (good) {
        *ret = sqlite3_column_int(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return good || failed(db, err);
}

static bool step(sqlite3 *db, int number, struct err *err) {
    char pragma[48];

    (void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", number + 1);
    if (sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) == SQLITE_OK
        && sqlite3_exec(db, steps[number], NULL, NULL, NULL) == SQLITE_OK
        && sqlite3_exec(db, pragma, NULL, NULL, NULL) == SQLITE_OK
        && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK) {
        return true;
    }
    (void)failed(db, err);
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

bool store_schema_same(sqlite3 *db, struct err *err) {
    int version = 0;

    return version_of(db, &version, err)
           && (version == VERSION
               || err_set(err, ERR_STORE, "the store is of version %d, this program's of %d",
                          version, VERSION));
}

bool store_schema_apply(sqlite3 *db, struct err *err) {
    int version = 0;

    if (!version_of(db, &version, err)) {
        return false;
    }
    if (version > VERSION) {
        return err_set(err, ERR_STORE, "the store is of version %d; this program knows %d", version,
                       VERSION);
    }
    while (version < VERSION) {
        if (!step(db, version++, err)) {
            return false;
        }
    }
    return true;
}
