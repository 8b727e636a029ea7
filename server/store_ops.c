#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "server/store_sql.h"

#define NAMES_MAX ((size_t)ORDER_IDENTIFIERS_MAX * (ACME_ID_VALUE_MAX + ID_SIZE + 8))

bool store_change(struct conn *conn, sqlite3_stmt *statement, const char *what, struct err *err) {
    int changed = 0;

    if (!store_run(conn, statement, &changed, err)) {
        return false;
    }
    return changed == 1 || err_set(err, ERR_CONFLICT, "the %s has changed in the meantime", what);
}

static bool account_insert(struct conn *conn, struct store_op *op, struct err *err) {
    const struct account *account = op->new_account;
    sqlite3_stmt *statement = store_statement(conn, SQL_ACCOUNT_INSERT, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, account->id);
    store_bind_int(statement, 2, account->status);
    store_bind_text(statement, 3, account->thumbprint);
    store_bind_int(statement, 4, (int64_t)account->created_us);
    store_bind_text(statement, 5, account->jwk);
    store_bind_text(statement, 6, account->contact);
    store_bind_text(statement, 7, account->eab);
    store_bind_text(statement, 8, account->eab_kid);
    store_bind_text(statement, 9, account->terms);
    return store_change(conn, statement, "account", err);
}

static bool account_change(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_ACCOUNT_CHANGE, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_int(statement, 2, op->from);
    store_bind_int(statement, 3, op->to);
    store_bind_text(statement, 4, op->contact);
    store_bind_text(statement, 5, op->terms);
    return store_change(conn, statement, "account", err);
}

static bool orders_cancel(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_ORDERS_CANCEL, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->error);
    return store_run(conn, statement, NULL, err);
}

static bool authz_insert(struct conn *conn, const struct authz *authz, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_AUTHZ_INSERT, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, authz->account);
    store_bind_text(statement, 2, authz->id);
    store_bind_text(statement, 3, authz->order);
    store_bind_int(statement, 4, authz->status);
    store_bind_int(statement, 5, authz->identifier.type);
    store_bind_text(statement, 6, authz->identifier.value);
    store_bind_int(statement, 7, (int64_t)authz->expires_us);
    store_bind_int(statement, 8, authz->flags);
    if (!store_run(conn, statement, NULL, err)) {
        return false;
    }
    for (unsigned i = 0; i < authz->count; i++) {
        const struct challenge *challenge = &authz->challenges[i];
        statement = store_statement(conn, SQL_CHALLENGE_INSERT, err);
        if (statement == NULL) {
            return false;
        }
        store_bind_text(statement, 1, authz->account);
        store_bind_text(statement, 2, authz->id);
        store_bind_int(statement, 3, challenge->type);
        store_bind_int(statement, 4, challenge->status);
        store_bind_text(statement, 5, challenge->token);
        if (!store_run(conn, statement, NULL, err)) {
            return false;
        }
    }
    return true;
}

/* One line per name: type, value, authorization.  None of them holds a space or a line feed. */
static char *names_text(const struct order *order) {
    AUTO(buf_done) struct buf text = buf_new(NAMES_MAX);

    for (unsigned i = 0; i < order->count; i++) {
        (void)buf_printf(&text, "%u %s %s\n", (unsigned)order->identifiers[i].type,
                         order->identifiers[i].value, order->authzs[i]);
    }
    return buf_take(&text);
}

static bool order_insert(struct conn *conn, struct store_op *op, struct err *err) {
    const struct order *order = op->new_order.order;
    sqlite3_stmt *statement = store_statement(conn, SQL_ORDER_INSERT, err);
    AUTO(free) char *names = names_text(order);

    if (names == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for an order");
    }
    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, order->account);
    store_bind_text(statement, 2, order->id);
    store_bind_int(statement, 3, order->status);
    store_bind_int(statement, 4, op->new_order.authz_count);
    store_bind_int(statement, 5, (int64_t)order->created_us);
    store_bind_int(statement, 6, (int64_t)order->expires_us);
    store_bind_int(statement, 7, order->not_before_s);
    store_bind_int(statement, 8, order->not_after_s);
    store_bind_text(statement, 9, order->profile);
    store_bind_text(statement, 10, names);
    if (!store_run(conn, statement, NULL, err)) {
        return false;
    }
    for (unsigned i = 0; i < op->new_order.authz_count; i++) {
        if (!authz_insert(conn, &op->new_order.authzs[i], err)) {
            return false;
        }
    }
    return op->new_order.authz_count == order->count || store_authzs_share(conn, op, err);
}

static bool new_authz(struct conn *conn, struct store_op *op, struct err *err) {
    return authz_insert(conn, op->new_authz, err);
}

static bool challenge_move(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_CHALLENGE_MOVE, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->authz);
    store_bind_int(statement, 3, op->challenge.type);
    store_bind_int(statement, 4, op->from);
    store_bind_int(statement, 5, op->to);
    store_bind_int(statement, 6, (int64_t)op->challenge.validated_us);
    store_bind_text(statement, 7, op->challenge.error);
    store_bind_text(statement, 8, op->challenge.response);
    return store_change(conn, statement, "challenge", err);
}

static bool authz_move(struct conn *conn, struct store_op *op, struct err *err) {
    char types[NFTYPES_MAX * NFTYPES_NAME_SIZE] = "";
    sqlite3_stmt *statement = store_statement(conn, SQL_AUTHZ_MOVE, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->authz);
    store_bind_int(statement, 3, op->from);
    store_bind_int(statement, 4, op->to);
    if (op->granted.expires_us != 0) {
        store_bind_int(statement, 5, (int64_t)op->granted.expires_us);
    }
    if (op->granted.types != NULL) {
        nftypes_text(op->granted.types, types, sizeof(types));
        store_bind_text(statement, 6, types);
        store_bind_int(statement, 7, op->granted.token_exp_s);
        store_bind_text(statement, 8, op->granted.jkt == NULL ? "" : op->granted.jkt);
    }
    return store_change(conn, statement, "authorization", err);
}

static bool order_count_down(struct conn *conn, enum sql which, const struct store_op *op,
                             bool *ret_done, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, which, err);
    int changed = 0;

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->order);
    store_bind_int(statement, 3,
                   op->authorised.expires_us == 0 ? INT64_MAX : (int64_t)op->authorised.expires_us);
    if (!store_run(conn, statement, &changed, err)) {
        return false;
    }
    *ret_done = changed == 1;
    return true;
}

/* The last authorization, or else one of several, or else the order is no longer pending.  Two
 * statements: RETURNING costs more than both. */
static bool order_authorised(struct conn *conn, struct store_op *op, struct err *err) {
    bool counted = false, *ready = &op->authorised.ret_ready;

    *ready = false;
    return order_count_down(conn, SQL_ORDER_READY, op, ready, err)
           && (*ready || order_count_down(conn, SQL_ORDER_AUTHORISED, op, &counted, err));
}

static bool order_fail(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_ORDER_FAIL, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->order);
    store_bind_text(statement, 3, op->error);
    return store_run(conn, statement, NULL, err);
}

static bool order_move(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_ORDER_MOVE, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->account);
    store_bind_text(statement, 2, op->order);
    store_bind_int(statement, 3, op->from);
    store_bind_int(statement, 4, op->to);
    store_bind_text(statement, 5, op->serial);
    return store_change(conn, statement, "order", err);
}

static bool certificate_insert(struct conn *conn, struct store_op *op, struct err *err) {
    const struct certificate *certificate = op->certificate;
    sqlite3_stmt *statement = store_statement(conn, SQL_CERTIFICATE_INSERT, err);

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, certificate->serial);
    store_bind_text(statement, 2, certificate->account);
    store_bind_text(statement, 3, certificate->order);
    store_bind_text(statement, 4, certificate->chain_pem);
    store_bind_int(statement, 5, certificate->not_after_s);
    (void)sqlite3_bind_blob(statement, 6, certificate->spki_sha256,
                            sizeof(certificate->spki_sha256), SQLITE_STATIC);
    return store_change(conn, statement, "certificate", err);
}

static bool revoke(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_REVOKE, err);
    int changed = 0;

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->revoke.serial);
    store_bind_int(statement, 2, op->revoke.at_s);
    store_bind_int(statement, 3, op->revoke.reason);
    if (!store_run(conn, statement, &changed, err)) {
        return false;
    }
    return changed == 1 || err_set(err, ERR_ALREADY_REVOKED, "the certificate is revoked already");
}

static bool token_use(struct conn *conn, struct store_op *op, struct err *err) {
    sqlite3_stmt *statement = store_statement(conn, SQL_TOKEN_USE, err);
    int changed = 0;

    if (statement == NULL) {
        return false;
    }
    store_bind_text(statement, 1, op->token.jti);
    store_bind_text(statement, 2, op->account);
    store_bind_int(statement, 3, op->token.identifier->type);
    store_bind_text(statement, 4, op->token.identifier->value);
    store_bind_int(statement, 5, op->token.exp_s);
    if (!store_run(conn, statement, &changed, err)) {
        return false;
    }
    return changed == 1
           || err_set(err, ERR_UNAUTHORIZED, "the authority token was used for something else");
}

/* clang-format off */
static bool (*const runs[])(struct conn *, struct store_op *, struct err *) = {
    [STORE_ACCOUNT_INSERT]     = account_insert,
    [STORE_ACCOUNT_CHANGE]     = account_change,
    [STORE_ACCOUNT_KEY]        = store_op_account_key,
    [STORE_ORDERS_CANCEL]      = orders_cancel,
    [STORE_ORDER_INSERT]       = order_insert,
    [STORE_AUTHZ_INSERT]       = new_authz,
    [STORE_CHALLENGE_MOVE]     = challenge_move,
    [STORE_AUTHZ_MOVE]         = authz_move,
    [STORE_ORDER_AUTHORISED]   = order_authorised,
    [STORE_ORDER_FAIL]         = order_fail,
    [STORE_ORDER_MOVE]         = order_move,
    [STORE_ORDERS_FAIL]        = store_orders_fail_run,
    [STORE_ORDER_REJECT]       = store_order_reject_run,
    [STORE_FINALIZING_INSERT]  = store_finalizing_insert_run,
    [STORE_FINALIZING_DELETE]  = store_finalizing_delete_run,
    [STORE_CERTIFICATE_INSERT] = certificate_insert,
    [STORE_REVOKE]             = revoke,
    [STORE_EAB_INSERT]         = store_op_eab_insert,
    [STORE_EAB_DELETE]         = store_op_eab_delete,
    [STORE_EAB_USE]            = store_op_eab_use,
    [STORE_SETTING]            = store_op_setting,
    [STORE_TOKEN_USE]          = token_use,
    [STORE_SWEEP]              = store_sweep_run,
    [STORE_REPLACE]            = store_replace_run,
    [STORE_REPLACED]           = store_replaced_run,
    [STORE_WINDOW]             = store_window_run,
};
/* clang-format on */
static_assert(COUNT(runs) == STORE_OP__COUNT, "every operation is done by a function");

bool store_op_run(struct conn *conn, struct store_op *op, struct err *err) {
    return runs[op->kind](conn, op, err);
}
