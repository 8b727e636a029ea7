#include "client/store_sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/history.h"
#include "client/store_schema.h"
#include "client/store_sql_inner.h"

#define SQL_BUSY_MS 5000

#define SQL_COLUMNS                                                                                \
    "SELECT e.row, e.id, e.nf, e.nf_type, e.fqdn, e.profile, e.idempotency, e.cca, e.with_nf, "    \
    "e.with_dns, p.state, p.reason_kind, p.reason, p.order_url, p.finalize_url, p.expires, "       \
    "p.csr, "                                                                                      \
    "p.t1, p.t2, p.t3, p.t4, p.t5, p.t6, p.t8, a.url, a.thumbprint, c.chain, e.account, "          \
    "e.directory, e.notification_uri, e.renews, e.replaces, p.token, p.problem, p.history, "       \
    "c.not_before, c.not_after, c.revoked, c.revocation_reason, r.due, r.window_start, "           \
    "r.window_end "                                                                                \
    "FROM enrolment e JOIN progress p ON p.row = e.row "                                           \
    "LEFT JOIN account a ON a.name = e.account AND a.directory = e.directory "                     \
    "LEFT JOIN certificate c ON c.row = e.row LEFT JOIN renewal r ON r.row = e.row "

/* clang-format off */
static const char *const texts[] = {
    [SQL_BEGIN]       = "BEGIN IMMEDIATE",
    [SQL_COMMIT]      = "COMMIT",
    [SQL_ROLLBACK]    = "ROLLBACK",
    [SQL_ACCOUNT_PUT] = "INSERT OR IGNORE INTO account(name, directory, sealed, thumbprint, url,"
                        " made) VALUES(?,?,?,?,?,?)",
    [SQL_ACCOUNT_URL] = "UPDATE account SET url=?1 WHERE name=?2 AND directory=?3 AND url IS NOT ?1",
    [SQL_INSERT]      = "INSERT INTO enrolment(row, id, nf, nf_type, fqdn, profile, idempotency,"
                        " cca, with_nf, with_dns, account, directory, notification_uri, renews,"
                        " replaces) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [SQL_INSERT_PROGRESS] = "INSERT INTO progress(row, state, t1, t2, history) VALUES(?,?,?,?,?)",
    [SQL_MOVE]        = "UPDATE progress SET state=?1, reason_kind=?2, reason=?3, order_url=?4,"
                        " finalize_url=?5, expires=?6, csr=?7, t1=?8, t2=?9, t3=?10, t4=?11,"
                        " t5=?12, t6=?13, t8=?14, problem=?17, history=?18, ended=?19"
                        " WHERE row=?15 AND state=?16",
    [SQL_CHAIN]       = "INSERT OR REPLACE INTO certificate(row, chain, not_before, not_after)"
                        " VALUES(?,?,?,?)",
    [SQL_DIRECTORY]   = "UPDATE enrolment SET directory=?1, replaces=?3 WHERE row=?2 AND directory<>?1",
    [SQL_TOKEN]       = "UPDATE progress SET token=? WHERE row=?",
    [SQL_RENEWAL]     = "INSERT OR REPLACE INTO renewal(row, due) VALUES(?,?)",
    [SQL_RENEWED]     = "DELETE FROM renewal WHERE row=?",
    [SQL_CCA_DROP]    = "UPDATE enrolment SET cca=NULL WHERE row=?",
    [SQL_ROW_MAX]     = "SELECT coalesce(max(row), 0) FROM enrolment",
    [SQL_FIND]        = SQL_COLUMNS "WHERE e.row=?",
    [SQL_FIND_KEY]    = SQL_COLUMNS "WHERE e.nf=? AND e.idempotency=? AND"
                        " p.state<>'WITHDRAWN' ORDER BY e.row DESC LIMIT 1",
    [SQL_LIVE]        = SQL_COLUMNS "WHERE e.row IN (SELECT row FROM progress INDEXED BY progress_live"
                        " WHERE state NOT IN ('ISSUED','FAILED','WITHDRAWN'))",
    [SQL_ACCOUNT]     = "SELECT name, directory, sealed, thumbprint, url, next_sealed, made"
                        " FROM account"
                        " WHERE name=? AND directory=?",
};
/* clang-format on */
static_assert(COUNT(texts) == SQL__COUNT, "a statement has no text");

bool store_sql_failed(struct store_sql *sql, struct err *err) {
    (void)err_set(err, ERR_STORE, "the store failed");
    return err_cause(err, "%s", sqlite3_errmsg(sql->db));
}

static bool sql_setup(struct store_sql *sql, bool write, struct err *err) {
    const char *const pragmas =
        write ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" : "PRAGMA query_only = 1;";

    (void)sqlite3_busy_timeout(sql->db, SQL_BUSY_MS);
    if (sqlite3_exec(sql->db, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
        return store_sql_failed(sql, err);
    }
    if (write && !store_schema_apply(sql->db, err)) {
        return false;
    }
    for (unsigned i = 0; i < SQL__COUNT; i++) {
        if (sqlite3_prepare_v3(sql->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &sql->statements[i], NULL)
            != SQLITE_OK) {
            return store_sql_failed(sql, err);
        }
    }
    return true;
}

struct store_sql *store_sql_open(const char *path, bool write, struct err *err) {
    AUTO(store_sql_close) struct store_sql *sql = calloc(1, sizeof *sql);
    const int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | (write ? SQLITE_OPEN_CREATE : 0);

    if (sql == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    if (sqlite3_open_v2(path, &sql->db, flags, NULL) != SQLITE_OK) {
        (void)err_set(err, ERR_STORE, "could not open the store %s", path);
        (void)err_cause(err, "%s", sqlite3_errmsg(sql->db));
        return NULL;
    }
    return sql_setup(sql, write, err) ? TAKE(sql) : NULL;
}

void store_sql_close(struct store_sql *sql) {
    if (sql != NULL) {
        for (unsigned i = 0; i < SQL__COUNT; i++) {
            (void)sqlite3_finalize(sql->statements[i]);
        }
        for (unsigned i = 0; i < sql->kept_count; i++) {
            (void)sqlite3_finalize(sql->kept[i].statement);
        }
        (void)sqlite3_close(sql->db);
        free(sql);
    }
}

/* Run a bound statement to its end and make it ready for the next use. */
static bool sql_run(struct store_sql *sql, enum sql which, struct err *err) {
    sqlite3_stmt *statement = sql->statements[which];
    bool good = sqlite3_step(statement) == SQLITE_DONE || store_sql_failed(sql, err);

    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return good;
}

bool store_sql_begin(struct store_sql *sql, struct err *err) {
    return sql_run(sql, SQL_BEGIN, err);
}

bool store_sql_commit(struct store_sql *sql, struct err *err) {
    return sql_run(sql, SQL_COMMIT, err);
}

void store_sql_rollback(struct store_sql *sql) {
    struct err ignored = {0};

    (void)sql_run(sql, SQL_ROLLBACK, &ignored);
}

/* Binding cannot fail for short values under a valid index: a failure shows at the step. */
static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
    if (text != NULL) {
        (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
    }
}

static void bind_blob(sqlite3_stmt *statement, int at, const void *data, size_t len) {
    if (data != NULL) {
        (void)sqlite3_bind_blob(statement, at, data, (int)len, SQLITE_STATIC);
    }
}

static void bind_instant(sqlite3_stmt *statement, int at, uint64_t us) {
    if (us != 0) {
        (void)sqlite3_bind_int64(statement, at, (sqlite3_int64)us);
    }
}

bool store_sql_account_put(struct store_sql *sql, const struct store_account *account,
                           struct err *err) {
    sqlite3_stmt *statement = sql->statements[SQL_ACCOUNT_PUT];

    bind_text(statement, 1, account->name);
    bind_text(statement, 2, account->directory == NULL ? "" : account->directory);
    bind_blob(statement, 3, account->sealed, account->sealed_len);
    bind_text(statement, 4, account->thumbprint);
    bind_text(statement, 5, account->url);
    (void)sqlite3_bind_int64(statement, 6, (sqlite3_int64)account->made_us);
    return sql_run(sql, SQL_ACCOUNT_PUT, err);
}

bool store_sql_insert(struct store_sql *sql, const struct enrolment *enrolment, struct err *err) {
    sqlite3_stmt *statement = sql->statements[SQL_INSERT];

    (void)sqlite3_bind_int64(statement, 1, enrolment->row);
    bind_text(statement, 2, enrolment->id);
    bind_text(statement, 3, enrolment->nf);
    bind_text(statement, 4, enrolment->nf_type);
    bind_text(statement, 5, enrolment->fqdn);
    bind_text(statement, 6, enrolment->profile);
    bind_text(statement, 7, enrolment->idempotency);
    bind_text(statement, 8, enrolment->cca);
    (void)sqlite3_bind_int(statement, 9, enrolment->with_nf_instance);
    (void)sqlite3_bind_int(statement, 10, enrolment->with_dns);
    bind_text(statement, 11, enrolment->account);
    bind_text(statement, 12, enrolment->directory == NULL ? "" : enrolment->directory);
    bind_text(statement, 13, enrolment->notification_uri);
    bind_text(statement, 14, enrolment->renews);
    bind_text(statement, 15, enrolment->replaces);
    if (!sql_run(sql, SQL_INSERT, err)) {
        return false;
    }
    statement = sql->statements[SQL_INSERT_PROGRESS];
    (void)sqlite3_bind_int64(statement, 1, enrolment->row);
    bind_text(statement, 2, enrolment_state_name(enrolment->state));
    bind_instant(statement, 3, enrolment->t_us[1]);
    bind_instant(statement, 4, enrolment->t_us[2]);
    bind_text(statement, 5, enrolment->history);
    return sql_run(sql, SQL_INSERT_PROGRESS, err);
}

static bool sql_account_url(struct store_sql *sql, const struct enrolment *enrolment,
                            struct err *err) {
    sqlite3_stmt *statement = sql->statements[SQL_ACCOUNT_URL];

    bind_text(statement, 1, enrolment->account_url);
    bind_text(statement, 2, enrolment->account);
    bind_text(statement, 3, enrolment->directory == NULL ? "" : enrolment->directory);
    return sql_run(sql, SQL_ACCOUNT_URL, err);
}

/* The certificate is scheduled, and the one it renews is not any more. */
static bool sql_schedule(struct store_sql *sql, const struct enrolment *enrolment,
                         struct err *err) {
    int64_t renewed = 0;

    if (enrolment->renewal_due_us != 0) {
        (void)sqlite3_bind_int64(sql->statements[SQL_RENEWAL], 1, enrolment->row);
        bind_instant(sql->statements[SQL_RENEWAL], 2, enrolment->renewal_due_us);
        if (!sql_run(sql, SQL_RENEWAL, err)) {
            return false;
        }
    }
    if (enrolment->renews == NULL || !enrolment_id_row(enrolment->renews, &renewed)) {
        return true;
    }
    (void)sqlite3_bind_int64(sql->statements[SQL_RENEWED], 1, renewed);
    return sql_run(sql, SQL_RENEWED, err);
}

static bool sql_terminal(struct store_sql *sql, const struct enrolment *enrolment,
                         struct err *err) {
    if (enrolment->chain != NULL) {
        (void)sqlite3_bind_int64(sql->statements[SQL_CHAIN], 1, enrolment->row);
        bind_text(sql->statements[SQL_CHAIN], 2, enrolment->chain);
        bind_instant(sql->statements[SQL_CHAIN], 3, enrolment->not_before_us);
        bind_instant(sql->statements[SQL_CHAIN], 4, enrolment->not_after_us);
        if (!sql_run(sql, SQL_CHAIN, err) || !sql_schedule(sql, enrolment, err)) {
            return false;
        }
    }
    (void)sqlite3_bind_int64(sql->statements[SQL_CCA_DROP], 1, enrolment->row);
    return sql_run(sql, SQL_CCA_DROP, err);
}

/* Another one, when it goes to another CA. */
static bool sql_directory(struct store_sql *sql, const struct enrolment *enrolment,
                          struct err *err) {
    sqlite3_stmt *statement = sql->statements[SQL_DIRECTORY];

    bind_text(statement, 1, enrolment->directory == NULL ? "" : enrolment->directory);
    (void)sqlite3_bind_int64(statement, 2, enrolment->row);
    bind_text(statement, 3, enrolment->replaces);
    return sql_run(sql, SQL_DIRECTORY, err);
}

/* Written once, when it was brought. */
static bool sql_token(struct store_sql *sql, const struct enrolment *enrolment, struct err *err) {
    bind_text(sql->statements[SQL_TOKEN], 1, enrolment->token);
    (void)sqlite3_bind_int64(sql->statements[SQL_TOKEN], 2, enrolment->row);
    return sql_run(sql, SQL_TOKEN, err);
}

static uint64_t ended_us(const struct enrolment *enrolment) {
    return enrolment->state == ENROLMENT_ISSUED && enrolment->not_after_us != 0
               ? enrolment->not_after_us
               : history_last_us(enrolment->history);
}

bool store_sql_move(struct store_sql *sql, const struct enrolment *enrolment,
                    enum enrolment_state from, struct err *err) {
    static const unsigned instants[] = {1, 2, 3, 4, 5, 6, 8};
    sqlite3_stmt *statement = sql->statements[SQL_MOVE];

    bind_text(statement, 1, enrolment_state_name(enrolment->state));
    bind_text(statement, 2,
              enrolment->reason_kind == ERR_NONE ? NULL : err_name(enrolment->reason_kind));
    bind_text(statement, 3, enrolment->reason);
    bind_text(statement, 4, enrolment->order_url);
    bind_text(statement, 5, enrolment->finalize_url);
    bind_instant(statement, 6, enrolment->expires_us);
    bind_blob(statement, 7, enrolment->csr, enrolment->csr_len);
    for (unsigned i = 0; i < COUNT(instants); i++) {
        bind_instant(statement, 8 + (int)i, enrolment->t_us[instants[i]]);
    }
    (void)sqlite3_bind_int64(statement, 15, enrolment->row);
    bind_text(statement, 16, enrolment_state_name(from));
    bind_text(statement, 17, enrolment->problem);
    bind_text(statement, 18, enrolment->history);
    if (!enrolment_live(enrolment->state)) {
        bind_instant(statement, 19, ended_us(enrolment));
    }
    if (!sql_run(sql, SQL_MOVE, err)) {
        return false;
    }
    if (sqlite3_changes(sql->db) != 1) {
        return err_set(err, ERR_CONFLICT, "the enrolment was not in state %s",
                       enrolment_state_name(from));
    }
    if ((enrolment->state == ENROLMENT_ACCOUNT || enrolment->state == ENROLMENT_AUTHORISED)
        && !(sql_directory(sql, enrolment, err) && sql_account_url(sql, enrolment, err))) {
        return false;
    }
    if (enrolment->token != NULL && !sql_token(sql, enrolment, err)) {
        return false;
    }
    return enrolment_live(enrolment->state) || sql_terminal(sql, enrolment, err);
}

static char *column_text(sqlite3_stmt *statement, int at) {
    const unsigned char *text = sqlite3_column_text(statement, at);

    return text == NULL ? NULL : strdup((const char *)text);
}

static void column_copy(sqlite3_stmt *statement, int at, char *out, size_t size) {
    const unsigned char *text = sqlite3_column_text(statement, at);
    size_t len = text == NULL ? 0 : strlen((const char *)text);

    len = len < size ? len : size - 1;
    if (len > 0) {
        memcpy(out, text, len);
    }
    out[len] = '\0';
}

static unsigned char *column_blob(sqlite3_stmt *statement, int at, size_t *ret_len) {
    const void *data = sqlite3_column_blob(statement, at);
    size_t len = (size_t)sqlite3_column_bytes(statement, at);
    unsigned char *copy = data == NULL || len == 0 ? NULL : malloc(len);

    if (copy != NULL) {
        memcpy(copy, data, len);
        *ret_len = len;
    }
    return copy;
}

static enum err_kind kind_of_name(const char *name) {
    for (unsigned kind = ERR_NONE + 1; kind < ERR__COUNT; kind++) {
        if (strcmp(name, err_name((enum err_kind)kind)) == 0) {
            return (enum err_kind)kind;
        }
    }
    return name[0] == '\0' ? ERR_NONE : ERR_UPSTREAM;
}

/* One row of SQL_COLUMNS. */
static bool read_enrolment(sqlite3_stmt *row, struct enrolment *ret, struct err *err) {
    char state[32], kind[64];

    *ret = (struct enrolment){.row = sqlite3_column_int64(row, 0)};
    column_copy(row, 1, ret->id, sizeof ret->id);
    column_copy(row, 2, ret->nf, sizeof ret->nf);
    column_copy(row, 3, ret->nf_type, sizeof ret->nf_type);
    ret->fqdn = column_text(row, 4);
    ret->profile = column_text(row, 5);
    ret->idempotency = column_text(row, 6);
    ret->cca = column_text(row, 7);
    ret->with_nf_instance = sqlite3_column_int(row, 8) != 0;
    ret->with_dns = sqlite3_column_int(row, 9) != 0;
    column_copy(row, 10, state, sizeof state);
    column_copy(row, 11, kind, sizeof kind);
    ret->reason_kind = kind_of_name(kind);
    ret->reason = column_text(row, 12);
    ret->order_url = column_text(row, 13);
    ret->finalize_url = column_text(row, 14);
    ret->expires_us = (uint64_t)sqlite3_column_int64(row, 15);
    ret->csr = column_blob(row, 16, &ret->csr_len);
    for (int i = 1; i <= 6; i++) {
        ret->t_us[i] = (uint64_t)sqlite3_column_int64(row, 16 + i);
    }
    ret->t_us[8] = (uint64_t)sqlite3_column_int64(row, 23);
    ret->account_url = column_text(row, 24);
    column_copy(row, 25, ret->thumbprint, sizeof ret->thumbprint);
    ret->chain = column_text(row, 26);
    column_copy(row, 27, ret->account, sizeof ret->account);
    ret->directory = column_text(row, 28);
    ret->notification_uri = column_text(row, 29);
    ret->renews = column_text(row, 30);
    ret->replaces = column_text(row, 31);
    ret->token = column_text(row, 32);
    ret->problem = column_text(row, 33);
    ret->history = column_text(row, 34);
    ret->not_before_us = (uint64_t)sqlite3_column_int64(row, 35);
    ret->not_after_us = (uint64_t)sqlite3_column_int64(row, 36);
    ret->revoked_us = (uint64_t)sqlite3_column_int64(row, 37);
    ret->revocation_reason = sqlite3_column_int(row, 38);
    ret->renewal_due_us = (uint64_t)sqlite3_column_int64(row, 39);
    ret->renewal_start_us = (uint64_t)sqlite3_column_int64(row, 40);
    ret->renewal_end_us = (uint64_t)sqlite3_column_int64(row, 41);
    return enrolment_state_parse(state, &ret->state)
           || err_set(err, ERR_STORE, "a stored enrolment has no known state");
}

/* Step a bound look-up once. */
static bool sql_find(struct store_sql *sql, enum sql which, struct store_found *found,
                     struct err *err) {
    sqlite3_stmt *statement = sql->statements[which];
    int outcome = sqlite3_step(statement);
    bool good = outcome == SQLITE_ROW || outcome == SQLITE_DONE || store_sql_failed(sql, err);

    if (outcome == SQLITE_ROW) {
        good = read_enrolment(statement, &found->enrolment, err);
        found->found_enrolment = good;
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return good;
}

bool store_sql_find(struct store_sql *sql, int64_t row, struct store_found *found,
                    struct err *err) {
    (void)sqlite3_bind_int64(sql->statements[SQL_FIND], 1, row);
    return sql_find(sql, SQL_FIND, found, err);
}

bool store_sql_find_key(struct store_sql *sql, const char *nf, const char *idempotency,
                        struct store_found *found, struct err *err) {
    bind_text(sql->statements[SQL_FIND_KEY], 1, nf);
    bind_text(sql->statements[SQL_FIND_KEY], 2, idempotency);
    return sql_find(sql, SQL_FIND_KEY, found, err);
}

bool store_sql_account(struct store_sql *sql, const char *name, const char *directory,
                       struct store_found *found, struct err *err) {
    sqlite3_stmt *statement = sql->statements[SQL_ACCOUNT];

    bind_text(statement, 1, name);
    bind_text(statement, 2, directory == NULL ? "" : directory);
    int outcome = sqlite3_step(statement);
    bool good = outcome == SQLITE_ROW || outcome == SQLITE_DONE || store_sql_failed(sql, err);
    if (outcome == SQLITE_ROW) {
        struct store_account *account = &found->account;
        column_copy(statement, 0, account->name, sizeof account->name);
        account->directory = column_text(statement, 1);
        account->sealed = column_blob(statement, 2, &account->sealed_len);
        column_copy(statement, 3, account->thumbprint, sizeof account->thumbprint);
        account->url = column_text(statement, 4);
        account->next_sealed = column_blob(statement, 5, &account->next_sealed_len);
        account->made_us = (uint64_t)sqlite3_column_int64(statement, 6);
        found->found_account = true;
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return good;
}

bool store_sql_row_max(struct store_sql *sql, int64_t *ret, struct err *err) {
    sqlite3_stmt *statement = sql->statements[SQL_ROW_MAX];
    bool good = sqlite3_step(statement) == SQLITE_ROW || store_sql_failed(sql, err);

    if (good) {
        *ret = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_reset(statement);
    return good;
}

bool store_sql_live(struct store_sql *sql, store_found_fn *fn, void *ctx, struct err *err) {
    sqlite3_stmt *statement = sql->statements[SQL_LIVE];
    bool good = true;
    int outcome = sqlite3_step(statement);

    for (; good && outcome == SQLITE_ROW; outcome = good ? sqlite3_step(statement) : outcome) {
        struct store_found found = {0};
        good = read_enrolment(statement, &found.enrolment, err)
               && store_sql_account(sql, found.enrolment.account, found.enrolment.directory, &found,
                                    err);
        found.found_enrolment = good;
        if (good) {
            fn(ctx, &found, NULL);
        }
        store_found_done(&found);
    }
    good = good && (outcome == SQLITE_DONE || store_sql_failed(sql, err));
    (void)sqlite3_reset(statement);
    return good;
}
