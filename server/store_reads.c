#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store_sql.h"

void certificate_done(struct certificate *certificate) {
    free(certificate->chain_pem);
    *certificate = (struct certificate){0};
}

void certificate_done_auto(struct certificate *certificate) { certificate_done(certificate); }

static const char *column(sqlite3_stmt *row, int place) {
    return (const char *)sqlite3_column_text(row, place);
}

static void column_into(sqlite3_stmt *row, int place, char *out, size_t size) {
    const char *text = column(row, place);
    (void)snprintf(out, size, "%s", text == NULL ? "" : text);
}

/* A copy, NULL for NULL; memory running out shows in *whole. */
static char *column_dup(sqlite3_stmt *row, int place, bool *whole) {
    const char *text = column(row, place);
    char *copy = text == NULL ? NULL : strdup(text);
    *whole = *whole && (text == NULL) == (copy == NULL);
    return copy;
}

static void reset(sqlite3_stmt *statement) {
    if (statement != NULL) {
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
    }
}

typedef bool read_row(sqlite3_stmt *row, void *ret, struct err *err);

/* Run a statement of one or two text keys; read its first row.  ERR_NOT_FOUND: no row. */
static bool get(struct conn *conn, enum sql which, const char *first, const char *second,
                read_row *read, void *ret, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, which, err);
    bool found = false;

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, first);
    store_bind_text(statement, 2, second);
    int outcome = sqlite3_step(statement);
    if (outcome == SQLITE_ROW) {
        found = read(statement, ret, err);
    } else if (outcome == SQLITE_DONE) {
        (void)err_set(err, ERR_NOT_FOUND, "there is no such resource");
    } else {
        (void)store_fail(conn, err);
    }
    reset(statement);
    return found;
}

static bool take_get(struct store *store, enum sql which, const char *first, const char *second,
                     read_row *read, void *ret, struct err *err) {
    struct conn *conn = store_reader_take(store, err);

    if (conn == NULL) {
        return false;
    }
    bool found = get(conn, which, first, second, read, ret, err);
    store_reader_put(store, conn);
    return found;
}

static bool no_memory(struct err *err) { return err_set(err, ERR_NO_MEMORY, "no memory to read"); }

static bool account_read(sqlite3_stmt *row, void *ret, struct err *err) {
    struct account account = {0};
    bool whole = true;

    column_into(row, 0, account.id, sizeof(account.id));
    account.status = (enum account_status)sqlite3_column_int(row, 1);
    column_into(row, 2, account.thumbprint, sizeof(account.thumbprint));
    account.created_us = (uint64_t)sqlite3_column_int64(row, 3);
    account.jwk = column_dup(row, 4, &whole);
    account.contact = column_dup(row, 5, &whole);
    account.eab = column_dup(row, 6, &whole);
    account.eab_kid = column_dup(row, 7, &whole);
    account.terms = column_dup(row, 8, &whole);
    account.prepared = sqlite3_column_int(row, 9) != 0;
    if (!whole) {
        account_done(&account);
        return no_memory(err);
    }
    *(struct account *)ret = account;
    return true;
}

bool store_account_get(struct store *store, const char *id, struct account *ret, struct err *err) {
    return take_get(store, SQL_ACCOUNT_GET, id, NULL, account_read, ret, err);
}

bool store_account_find(struct store *store, const char *thumbprint, struct account *ret,
                        struct err *err) {
    return take_get(store, SQL_ACCOUNT_FIND, thumbprint, NULL, account_read, ret, err);
}

static bool known_read(sqlite3_stmt *row, void *ret, struct err *err) {
    (void)row;
    (void)err;
    *(bool *)ret = true;
    return true;
}

bool store_key_known(struct store *store, const char *thumbprint, bool *ret, struct err *err) {
    bool known = false;

    if (!take_get(store, SQL_KEY_KNOWN, thumbprint, NULL, known_read, &known, err)) {
        if (err->kind != ERR_NOT_FOUND) {
            return false;
        }
        *err = (struct err){0};
    }
    *ret = known;
    return true;
}

/* The lines of names_text in store_ops.c; written by us, so anything else is a broken store. */
bool store_names_read(const char *text, struct order *order) {
    size_t count = 0;

    for (const char *at = text; *at != '\0'; at++) {
        count += *at == '\n';
    }
    order->identifiers = calloc(count + 1, sizeof(*order->identifiers));
    order->authzs = calloc(count + 1, sizeof(*order->authzs));
    if (order->identifiers == NULL || order->authzs == NULL) {
        return false;
    }
    for (; order->count < count; order->count++) {
        struct acme_identifier *identifier = &order->identifiers[order->count];
        unsigned type = 0;
        int used = 0;
        if (sscanf(text, "%u %253s %25s\n%n", &type, identifier->value, order->authzs[order->count],
                   &used)
                != 3
            || type >= ACME_ID__COUNT) {
            return false;
        }
        identifier->type = (enum acme_identifier_type)type;
        text += used;
    }
    return true;
}

static bool order_read(sqlite3_stmt *row, void *ret, struct err *err) {
    struct order order = {0};
    bool whole = true;

    column_into(row, 0, order.account, sizeof(order.account));
    column_into(row, 1, order.id, sizeof(order.id));
    order.status = (enum order_status)sqlite3_column_int(row, 2);
    order.created_us = (uint64_t)sqlite3_column_int64(row, 3);
    order.expires_us = (uint64_t)sqlite3_column_int64(row, 4);
    order.not_before_s = sqlite3_column_int64(row, 5);
    order.not_after_s = sqlite3_column_int64(row, 6);
    column_into(row, 7, order.profile, sizeof(order.profile));
    const char *names = column(row, 8);
    column_into(row, 9, order.serial, sizeof(order.serial));
    order.error = column_dup(row, 10, &whole);
    column_into(row, 11, order.replaces, sizeof(order.replaces));
    if (!whole || names == NULL || !store_names_read(names, &order)) {
        order_done(&order);
        return err_set(err, ERR_STORE, "the store failed");
    }
    *(struct order *)ret = order;
    return true;
}

bool store_order_get(struct store *store, const char *account, const char *id, struct order *ret,
                     struct err *err) {
    uint64_t seen = 0;

    if (store_cache_order_get(store->cache, account, id, ret, &seen)) {
        return true;
    }
    if (!take_get(store, SQL_ORDER_GET, account, id, order_read, ret, err)) {
        return false;
    }
    store_cache_order_put(store->cache, ret, seen);
    return true;
}

static void types_read(const char *text, struct nftypes *types) {
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        char name[NFTYPES_NAME_SIZE];
        (void)snprintf(name, sizeof(name), "%.*s", (int)len, text);
        (void)nftypes_add(types, name);
        text += len + (text[len] == ',');
    }
}

static bool challenge_read(sqlite3_stmt *row, struct challenge *challenge) {
    bool whole = true;

    challenge->type = (enum acme_challenge_type)sqlite3_column_int(row, 9);
    challenge->status = (enum challenge_status)sqlite3_column_int(row, 10);
    column_into(row, 11, challenge->token, sizeof(challenge->token));
    challenge->validated_us = (uint64_t)sqlite3_column_int64(row, 12);
    challenge->error = column_dup(row, 13, &whole);
    challenge->response = column_dup(row, 14, &whole);
    return whole;
}

/* One row per challenge. */
static bool authz_read(sqlite3_stmt *row, void *ret, struct err *err) {
    struct authz authz = {0};
    bool whole = true;

    column_into(row, 0, authz.account, sizeof(authz.account));
    column_into(row, 1, authz.id, sizeof(authz.id));
    column_into(row, 2, authz.order, sizeof(authz.order));
    authz.status = (enum authz_status)sqlite3_column_int(row, 3);
    authz.identifier.type = (enum acme_identifier_type)sqlite3_column_int(row, 4);
    column_into(row, 5, authz.identifier.value, sizeof(authz.identifier.value));
    authz.expires_us = (uint64_t)sqlite3_column_int64(row, 6);
    types_read(column(row, 7), &authz.types);
    authz.token_exp_s = sqlite3_column_int64(row, 8);
    authz.flags = (unsigned)sqlite3_column_int(row, 15) & ~AUTHZ_SHARED;
    column_into(row, 16, authz.jkt, sizeof(authz.jkt));
    do {
        whole = challenge_read(row, &authz.challenges[authz.count++]);
    } while (whole && authz.count < ACME_CHALLENGE__COUNT && sqlite3_step(row) == SQLITE_ROW);
    if (!whole) {
        authz_done(&authz);
        return no_memory(err);
    }
    *(struct authz *)ret = authz;
    return true;
}

bool store_authz_get_committed(struct store *store, const char *account, const char *id,
                               struct authz *ret, struct err *err) {
    return take_get(store, SQL_AUTHZ_GET, account, id, authz_read, ret, err);
}

bool store_authz_get(struct store *store, const char *account, const char *id, struct authz *ret,
                     struct err *err) {
    uint64_t seen = 0;

    if (store_cache_authz_get(store->cache, account, id, ret, &seen)) {
        return true;
    }
    if (!take_get(store, SQL_AUTHZ_GET, account, id, authz_read, ret, err)) {
        return false;
    }
    store_cache_authz_put(store->cache, ret, seen);
    return true;
}

static bool certificate_read(sqlite3_stmt *row, void *ret, struct err *err) {
    struct certificate certificate = {0};
    bool whole = true;

    column_into(row, 0, certificate.serial, sizeof(certificate.serial));
    column_into(row, 1, certificate.account, sizeof(certificate.account));
    column_into(row, 2, certificate.order, sizeof(certificate.order));
    certificate.chain_pem = column_dup(row, 3, &whole);
    certificate.not_after_s = sqlite3_column_int64(row, 4);
    if (sqlite3_column_bytes(row, 5) == (int)sizeof(certificate.spki_sha256)) {
        memcpy(certificate.spki_sha256, sqlite3_column_blob(row, 5),
               sizeof(certificate.spki_sha256));
    }
    certificate.revoked_at_s = sqlite3_column_int64(row, 6);
    certificate.reason =
        sqlite3_column_type(row, 7) == SQLITE_NULL ? -1 : sqlite3_column_int(row, 7);
    if (!whole) {
        return no_memory(err);
    }
    *(struct certificate *)ret = certificate;
    return true;
}

bool store_certificate_get(struct store *store, const char *serial, struct certificate *ret,
                           struct err *err) {
    return store_cache_certificate_take(store->cache, serial, ret)
           || take_get(store, SQL_CERTIFICATE_GET, serial, NULL, certificate_read, ret, err);
}

struct revocation {
    int64_t at_s;
    int reason;
};

static bool revocation_read(sqlite3_stmt *row, void *ret, struct err *err) {
    struct revocation *revocation = ret;

    (void)err;
    revocation->at_s = sqlite3_column_int64(row, 0);
    revocation->reason =
        sqlite3_column_type(row, 1) == SQLITE_NULL ? -1 : sqlite3_column_int(row, 1);
    return true;
}

bool store_certificate_status(struct store *store, const char *serial, int64_t *ret_revoked_at_s,
                              int *ret_reason, struct err *err) {
    struct revocation revocation = {0};

    if (!take_get(store, SQL_CERTIFICATE_STATUS, serial, NULL, revocation_read, &revocation, err)) {
        return false;
    }
    *ret_revoked_at_s = revocation.at_s;
    *ret_reason = revocation.reason;
    return true;
}

/* What a walk does with each row. */
struct walk {
    store_id_sink *ids;
    store_due_sink *due;
    store_revoked_sink *revoked;
    void *ctx;
};

static bool walk_row(const struct walk *walk, sqlite3_stmt *row, struct err *err) {
    if (walk->revoked != NULL) {
        return walk->revoked(walk->ctx, column(row, 0), sqlite3_column_int64(row, 1),
                             sqlite3_column_int(row, 2), err);
    }
    if (walk->due != NULL) {
        return walk->due(walk->ctx, column(row, 0), column(row, 1),
                         (uint64_t)sqlite3_column_int64(row, 2), err);
    }
    return walk->ids(walk->ctx, column(row, 0), column(row, 1),
                     (unsigned)sqlite3_column_int(row, 2), err);
}

/* Ends the reading: resets the statement and gives the connection back. */
static bool walk_run(struct store *store, struct conn *conn, sqlite3_stmt *statement,
                     const struct walk *walk, struct err *err) {
    int outcome = SQLITE_DONE;
    bool on = statement != NULL;

    while (on && (outcome = sqlite3_step(statement)) == SQLITE_ROW) {
        on = walk_row(walk, statement, err);
    }
    if (on && outcome != SQLITE_DONE) {
        on = store_fail(conn, err);
    }
    reset(statement);
    store_reader_put(store, conn);
    return on;
}

bool store_orders_each(struct store *store, const char *account, const char *after, unsigned max,
                       store_id_sink *sink, void *ctx, struct err *err) {
    struct conn *conn = store_reader_take(store, err);
    sqlite3_stmt *statement = NULL;

    if (conn == NULL) {
        return false;
    }
    if ((statement = store_statement(conn, SQL_ORDERS_EACH, err)) != NULL) {
        store_bind_text(statement, 1, account);
        store_bind_text(statement, 2, after);
        store_bind_int(statement, 3, max);
    }
    return walk_run(store, conn, statement, &(struct walk){.ids = sink, .ctx = ctx}, err);
}

static bool authz_each(struct store *store, enum sql which, const char *account,
                       const struct acme_identifier *identifier, const struct walk *walk,
                       struct err *err) {
    struct conn *conn = store_reader_take(store, err);
    sqlite3_stmt *statement = NULL;

    if (conn == NULL) {
        return false;
    }
    if ((statement = store_statement(conn, which, err)) != NULL) {
        store_bind_text(statement, 1, account);
        store_bind_int(statement, 2, identifier->type);
        store_bind_text(statement, 3, identifier->value);
    }
    return walk_run(store, conn, statement, walk, err);
}

bool store_authz_valid_each(struct store *store, const char *account,
                            const struct acme_identifier *identifier, store_id_sink *sink,
                            void *ctx, struct err *err) {
    return authz_each(store, SQL_AUTHZ_VALID_EACH, account, identifier,
                      &(struct walk){.ids = sink, .ctx = ctx}, err);
}

bool store_authz_prepared_each(struct store *store, const char *account,
                               const struct acme_identifier *identifier, store_id_sink *sink,
                               void *ctx, struct err *err) {
    return authz_each(store, SQL_AUTHZ_PREPARED_EACH, account, identifier,
                      &(struct walk){.ids = sink, .ctx = ctx}, err);
}

bool store_finalizing_each(struct store *store, store_due_sink *sink, void *ctx, struct err *err) {
    struct conn *conn = store_reader_take(store, err);

    if (conn == NULL) {
        return false;
    }
    return walk_run(store, conn, store_statement(conn, SQL_FINALIZING_EACH, err),
                    &(struct walk){.due = sink, .ctx = ctx}, err);
}

static bool csr_read(sqlite3_stmt *row, void *ret, struct err *err) {
    bool whole = true;

    *(char **)ret = column_dup(row, 0, &whole);
    return whole || no_memory(err);
}

bool store_finalizing_get(struct store *store, const char *account, const char *order,
                          char **ret_csr, struct err *err) {
    return take_get(store, SQL_FINALIZING_GET, account, order, csr_read, ret_csr, err);
}

bool store_processing_each(struct store *store, store_id_sink *sink, void *ctx, struct err *err) {
    struct conn *conn = store_reader_take(store, err);

    if (conn == NULL) {
        return false;
    }
    return walk_run(store, conn, store_statement(conn, SQL_PROCESSING_EACH, err),
                    &(struct walk){.ids = sink, .ctx = ctx}, err);
}

bool store_revoked_each(struct store *store, int64_t expiring_after_s, store_revoked_sink *sink,
                        void *ctx, struct err *err) {
    struct conn *conn = store_reader_take(store, err);
    sqlite3_stmt *statement = NULL;

    if (conn == NULL) {
        return false;
    }
    if ((statement = store_statement(conn, SQL_REVOKED_EACH, err)) != NULL) {
        store_bind_int(statement, 1, expiring_after_s);
    }
    return walk_run(store, conn, statement, &(struct walk){.revoked = sink, .ctx = ctx}, err);
}
