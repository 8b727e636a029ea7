#include "server/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "server/store_sql.h"

#define PATH_SIZE 1024
#define BUSY_MS 5000
#define FINDING_SIZE 256
#define FINDINGS_MAX "20" /* of one rule */

struct store_file {
    struct conn conn;
};

/* Each asks for the records that break it: a name for the record. */
/* clang-format off */
static const struct {
    const char *what, *sql;
} rules[] = {
    {"an order of no account", "SELECT o.id FROM orders o WHERE NOT EXISTS(SELECT 1 FROM account a WHERE a.id = o.account)"},
    {"an authorization of no account", "SELECT z.id FROM authz z WHERE NOT EXISTS(SELECT 1 FROM account a WHERE a.id = z.account)"},
    {"a certificate of no account", "SELECT c.serial FROM certificate c WHERE NOT EXISTS(SELECT 1 FROM account a WHERE a.id = c.account)"},
    {"a challenge of no authorization", "SELECT c.authz FROM challenge c WHERE NOT EXISTS(SELECT 1 FROM authz z WHERE z.account = c.account AND z.id = c.authz)"},
    {"an authorization without a challenge", "SELECT z.id FROM authz z WHERE NOT EXISTS(SELECT 1 FROM challenge c WHERE c.account = z.account AND c.authz = z.id)"},
    {"an order in no known state", "SELECT id FROM orders WHERE status NOT BETWEEN 0 AND 4"},
    {"an order that is ready before its authorizations", "SELECT id FROM orders WHERE status IN (1, 2, 3) AND authz_left != 0"},
    {"a pending order that waits for no authorization", "SELECT id FROM orders WHERE status = 0 AND authz_left <= 0"},
    {"a valid order without its certificate", "SELECT o.id FROM orders o WHERE status = 3 AND NOT EXISTS(SELECT 1 FROM certificate c WHERE c.serial = o.serial AND c.account = o.account AND c.orders = o.id)"},
    {"two certificates for one order", "SELECT orders FROM certificate GROUP BY account, orders HAVING count(*) > 1"},
    {"a valid authorization without a valid challenge", "SELECT z.id FROM authz z WHERE z.status = 1 AND NOT EXISTS(SELECT 1 FROM challenge c WHERE c.account = z.account AND c.authz = z.id AND c.status = 2)"},
    {"a certificate revoked for no known reason", "SELECT serial FROM certificate WHERE revoked_at_s IS NOT NULL AND reason NOT IN (-1, 0, 1, 2, 3, 4, 5, 6, 8, 9, 10)"},
};
/* clang-format on */

static bool open_conn(const char *path, struct conn *conn, struct err *err) {
    if (access(path, R_OK) != 0) {
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    }
    return (sqlite3_open_v2(path, &conn->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL)
                == SQLITE_OK
            && sqlite3_busy_timeout(conn->db, BUSY_MS) == SQLITE_OK)
           || store_fail(conn, err);
}

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

    (void)snprintf(folder, sizeof(folder), "%s", to);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        (void)snprintf(folder, sizeof(folder), ".");
    } else {
        slash[slash == folder] = '\0';
    }
    if (chmod(made, 0600) != 0 || !sync_path(made) || rename(made, to) != 0 || !sync_path(folder)) {
        return err_set(err, ERR_CONFIG, "%s: %s", to, strerror(errno));
    }
    return true;
}

static bool copy_into(struct conn *conn, const char *made, struct err *err) {
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(conn->db, "VACUUM INTO ?1", -1, &statement, NULL) != SQLITE_OK) {
        return store_fail(conn, err);
    }
    store_bind_text(statement, 1, made);
    bool good = sqlite3_step(statement) == SQLITE_DONE || store_fail(conn, err);
    (void)sqlite3_finalize(statement);
    return good;
}

bool store_file_copy(const char *path, const char *to, struct err *err) {
    AUTO(store_file_close) struct store_file *file = calloc(1, sizeof(*file));
    char made[PATH_SIZE];

    if (file == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for a backup");
    }
    if ((size_t)snprintf(made, sizeof(made), "%s.part", to) >= sizeof(made)) {
        return err_set(err, ERR_CONFIG, "%s: too long a name", to);
    }
    if (access(to, F_OK) == 0) {
        return err_set(err, ERR_CONFIG, "%s: is there already", to);
    }
    (void)unlink(made);
    if (!open_conn(path, &file->conn, err)) {
        return false;
    }
    bool good = copy_into(&file->conn, made, err) && publish(made, to, err);
    if (!good) {
        (void)unlink(made);
    }
    return good;
}

struct store_file *store_file_open(const char *path, struct err *err) {
    AUTO(store_file_close) struct store_file *file = calloc(1, sizeof(*file));

    if (file == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory to read a database");
        return NULL;
    }
    if (!open_conn(path, &file->conn, err) || !store_schema_same(&file->conn, err)
        || !store_exec(&file->conn, "BEGIN", err)) {
        return NULL;
    }
    return TAKE(file);
}

void store_file_close(struct store_file *file) {
    if (file != NULL) {
        store_conn_end(&file->conn);
        free(file);
    }
}

/* Tell every row of a rule, at most FINDINGS_MAX. */
static bool run_rule(struct store_file *file, const char *what, const char *sql,
                     store_finding *finding, void *ctx, struct err *err) {
    AUTO(buf_done) struct buf text = buf_new(2048);
    sqlite3_stmt *statement = NULL;
    char line[FINDING_SIZE];
    int outcome = SQLITE_DONE;

    (void)buf_printf(&text, "%s LIMIT " FINDINGS_MAX, sql);
    if (text.failed
        || sqlite3_prepare_v2(file->conn.db, text.data, -1, &statement, NULL) != SQLITE_OK) {
        return store_fail(&file->conn, err);
    }
    while ((outcome = sqlite3_step(statement)) == SQLITE_ROW) {
        (void)snprintf(line, sizeof(line), "%s: %s", what,
                       (const char *)sqlite3_column_text(statement, 0));
        finding(ctx, line);
    }
    (void)sqlite3_finalize(statement);
    return outcome == SQLITE_DONE || store_fail(&file->conn, err);
}

static bool check_pages(struct store_file *file, store_finding *finding, void *ctx,
                        struct err *err) {
    sqlite3_stmt *statement = NULL;
    int outcome = SQLITE_DONE;

    if (sqlite3_prepare_v2(file->conn.db, "PRAGMA integrity_check(" FINDINGS_MAX ")", -1,
                           &statement, NULL)
        != SQLITE_OK) {
        return store_fail(&file->conn, err);
    }
    while ((outcome = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (text != NULL && strcmp(text, "ok") != 0) {
            finding(ctx, text);
        }
    }
    (void)sqlite3_finalize(statement);
    return outcome == SQLITE_DONE || store_fail(&file->conn, err);
}

static bool count(struct store_file *file, const char *sql, int64_t *ret, struct err *err) {
    sqlite3_stmt *statement = NULL;
    bool good = sqlite3_prepare_v2(file->conn.db, sql, -1, &statement, NULL) == SQLITE_OK
                && sqlite3_step(statement) == SQLITE_ROW;

    if (good) {
        *ret = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return good || store_fail(&file->conn, err);
}

bool store_file_check(struct store_file *file, store_finding *finding, void *ctx,
                      struct store_file_counts *ret, struct err *err) {
    *ret = (struct store_file_counts){0};
    if (!check_pages(file, finding, ctx, err)
        || !count(file, "SELECT count(*) FROM account", &ret->accounts, err)
        || !count(file, "SELECT count(*) FROM orders", &ret->orders, err)
        || !count(file, "SELECT count(*) FROM authz", &ret->authorizations, err)
        || !count(file, "SELECT count(*) FROM certificate", &ret->certificates, err)) {
        return false;
    }
    for (unsigned i = 0; i < COUNT(rules); i++) {
        if (!run_rule(file, rules[i].what, rules[i].sql, finding, ctx, err)) {
            return false;
        }
    }
    return true;
}

bool store_file_issued_each(struct store_file *file, store_issued_sink *sink, void *ctx,
                            struct err *err) {
    return store_issued_walk(&file->conn, 0, -1, true, sink, ctx, err);
}
