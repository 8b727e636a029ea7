#include "client/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/store_schema.h"

#define PATH_SIZE 1024
#define BUSY_MS 5000
#define SENTENCE_SIZE 256

static void file_close(sqlite3 *db) { (void)sqlite3_close(db); }
AUTO_DEFINE(sqlite3, file_close)

static bool fail(sqlite3 *db, struct err *err) {
    (void)err_set(err, ERR_STORE, "the store could not be read");
    return err_cause(err, "%s", db == NULL ? "no memory" : sqlite3_errmsg(db));
}

static sqlite3 *file_open(const char *path, struct err *err) {
    AUTO(file_close) sqlite3 *db = NULL;

    if (access(path, R_OK) != 0) {
        (void)err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
        return NULL;
    }
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK
        || sqlite3_busy_timeout(db, BUSY_MS) != SQLITE_OK) {
        (void)fail(db, err);
        return NULL;
    }
    return TAKE(db);
}

/* ---- a copy ---- */

static bool sync_path(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return good;
}

/* Whole and durable before it has its name. */
static bool publish(const char *made, const char *to, struct err *err) {
    char folder[PATH_SIZE];

    (void)snprintf(folder, sizeof folder, "%s", to);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        (void)snprintf(folder, sizeof folder, ".");
    } else {
        slash[slash == folder] = '\0';
    }
    if (!sync_path(made) || rename(made, to) != 0 || !sync_path(folder)) {
        return err_set(err, ERR_CONFIG, "%s: %s", to, strerror(errno));
    }
    return true;
}

/* One step: the copy is of one instant, and writers of a store with a log of writes go on. */
static bool copy_into(sqlite3 *from, const char *made, struct err *err) {
    AUTO(file_close) sqlite3 *to = NULL;
    const int fd = open(made, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0) {
        return err_set(err, ERR_CONFIG, "%s: %s", made, strerror(errno));
    }
    (void)close(fd);
    if (sqlite3_open_v2(made, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
        != SQLITE_OK) {
        return fail(to, err);
    }
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) {
        return fail(to, err);
    }
    const int outcome = sqlite3_backup_step(backup, -1);
    if (sqlite3_backup_finish(backup) != SQLITE_OK || outcome != SQLITE_DONE) {
        return fail(to, err);
    }
    /* one file, which needs no log beside it */
    return sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_OK
           || fail(to, err);
}

bool store_file_copy(const char *path, const char *to, struct err *err) {
    AUTO(file_close) sqlite3 *from = file_open(path, err);
    char made[PATH_SIZE];

    if (from == NULL) {
        return false;
    }
    if ((size_t)snprintf(made, sizeof made, "%s.part", to) >= sizeof made) {
        return err_set(err, ERR_CONFIG, "%s: too long a name", to);
    }
    if (access(to, F_OK) == 0) {
        return err_set(err, ERR_CONFIG, "%s: is there already", to);
    }
    (void)unlink(made);
    bool good = copy_into(from, made, err) && publish(made, to, err);
    if (!good) {
        (void)unlink(made);
    }
    return good;
}

/* ---- a look ---- */

/* Each asks for the records that break it: a name for the record. */
/* clang-format off */
static const struct {
    const char *what, *sql;
} rules[] = {
    {"integrity", "SELECT integrity_check FROM pragma_integrity_check(20) WHERE integrity_check <> 'ok'"},
    {"an enrolment without its progress", "SELECT id FROM enrolment e WHERE NOT EXISTS(SELECT 1 FROM progress p WHERE p.row = e.row) LIMIT 20"},
    {"progress of no enrolment", "SELECT row FROM progress p WHERE NOT EXISTS(SELECT 1 FROM enrolment e WHERE e.row = p.row) LIMIT 20"},
    {"an enrolment in no known state", "SELECT e.id FROM enrolment e JOIN progress p ON p.row = e.row WHERE p.state NOT IN ('AUTHORISED','ACCOUNT','ORDERED','AWAITING_TOKEN','CHALLENGED','VALIDATING','READY','FINALIZING','ISSUED','FAILED','WITHDRAWN') LIMIT 20"},
    {"an enrolment under way without its account", "SELECT e.id FROM enrolment e JOIN progress p ON p.row = e.row WHERE p.state NOT IN ('ISSUED','FAILED','WITHDRAWN') AND NOT EXISTS(SELECT 1 FROM account a WHERE a.name = e.account AND a.directory = e.directory) LIMIT 20"},
    {"an ISSUED enrolment without its certificate", "SELECT e.id FROM enrolment e JOIN progress p ON p.row = e.row WHERE p.state = 'ISSUED' AND NOT EXISTS(SELECT 1 FROM certificate c WHERE c.row = e.row) LIMIT 20"},
    {"a certificate of no enrolment", "SELECT row FROM certificate c WHERE NOT EXISTS(SELECT 1 FROM enrolment e WHERE e.row = c.row) LIMIT 20"},
    {"a renewal of no certificate", "SELECT row FROM renewal r WHERE NOT EXISTS(SELECT 1 FROM certificate c WHERE c.row = r.row) LIMIT 20"},
};
/* clang-format on */

static bool tell_rule(sqlite3 *db, unsigned rule, const struct store_file_look *look,
                      struct err *err) {
    sqlite3_stmt *statement = NULL;
    int outcome = sqlite3_prepare_v2(db, rules[rule].sql, -1, &statement, NULL);

    while (outcome == SQLITE_OK || outcome == SQLITE_ROW) {
        outcome = sqlite3_step(statement);
        if (outcome == SQLITE_ROW) {
            char sentence[SENTENCE_SIZE];
            const char *name = (const char *)sqlite3_column_text(statement, 0);
            (void)snprintf(sentence, sizeof sentence, "store: %s: %s", rules[rule].what,
                           name == NULL ? "" : name);
            look->finding(look->ctx, sentence);
        }
    }
    (void)sqlite3_finalize(statement);
    return outcome == SQLITE_DONE || fail(db, err);
}

static bool tell_accounts(sqlite3 *db, const struct store_file_look *look, struct err *err) {
    static const char own[] = "SELECT name, sealed FROM account WHERE instr(name, '#') = 0";
    sqlite3_stmt *statement = NULL;
    int outcome = sqlite3_prepare_v2(db, own, -1, &statement, NULL);

    while (outcome == SQLITE_OK || outcome == SQLITE_ROW) {
        outcome = sqlite3_step(statement);
        if (outcome == SQLITE_ROW) {
            look->account(look->ctx, (const char *)sqlite3_column_text(statement, 0),
                          sqlite3_column_blob(statement, 1),
                          (size_t)sqlite3_column_bytes(statement, 1));
        }
    }
    (void)sqlite3_finalize(statement);
    return outcome == SQLITE_DONE || fail(db, err);
}

static bool count(sqlite3 *db, const char *sql, int64_t *ret, struct err *err) {
    sqlite3_stmt *statement = NULL;
    bool good = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK
                && sqlite3_step(statement) == SQLITE_ROW;

    if (good) {
        *ret = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return good || fail(db, err);
}

bool store_file_check(const char *path, const struct store_file_look *look,
                      struct store_file_counts *ret, struct err *err) {
    AUTO(file_close) sqlite3 *db = file_open(path, err);
    struct store_file_counts counts = {0};

    /* one instant for all that follows */
    if (db == NULL || !store_schema_same(db, err)
        || (sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK && !fail(db, err))) {
        return false;
    }
    for (unsigned i = 0; i < COUNT(rules); i++) {
        if (!tell_rule(db, i, look, err)) {
            return false;
        }
    }
    if (!tell_accounts(db, look, err)
        || !count(db, "SELECT count(*) FROM account", &counts.accounts, err)
        || !count(db, "SELECT count(*) FROM enrolment", &counts.enrolments, err)
        || !count(db, "SELECT count(*) FROM certificate", &counts.certificates, err)
        || !count(db, "SELECT count(*) FROM renewal", &counts.renewals, err)
        || !count(db, "SELECT count(*) FROM job", &counts.jobs, err)) {
        return false;
    }
    *ret = counts;
    return true;
}
