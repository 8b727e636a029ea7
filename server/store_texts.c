/* Every statement of the SQL stores. */
#include <assert.h>

#include "server/store_sql.h"

#define ORDER_OPEN "status IN (0, 1)" /* pending, ready */
/* has authorizations made for no order: one look at the index of those */
#define ACCOUNT_PREPARED                                                                           \
    "EXISTS(SELECT 1 FROM authz WHERE authz.account = account.id AND authz.orders = '')"
#define ACCOUNT_COLUMNS                                                                            \
    "id, status, thumbprint, created_us, jwk, contact, eab, eab_kid, terms, " ACCOUNT_PREPARED
static_assert(ACCOUNT_VALID == 0, "stored as numbers");
static_assert(ORDER_PENDING == 0 && ORDER_READY == 1 && ORDER_INVALID == 4, "stored as numbers");
static_assert(ORDER_PROCESSING == 2 && ORDER_VALID == 3, "stored as numbers");
/* Does the order that claimed serial ?1 still stand?  ?2 its account, ?3 now. */
#define CLAIM_STANDS                                                                               \
    "(done_at_s IS NOT NULL OR EXISTS(SELECT 1 FROM orders o WHERE o.account = ?2"                 \
    " AND o.id = replacement.orders AND (o.status IN (2, 3)"                                       \
    " OR (o.status IN (0, 1) AND o.expires_us > ?3))))"
static_assert(CHALLENGE_PROCESSING == 1 && AUTHZ_VALID == 1, "stored as numbers");

const char *const store_texts[] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVEPOINT] = "SAVEPOINT tx",
    [SQL_RELEASE] = "RELEASE tx",
    [SQL_ROLLBACK_TO] = "ROLLBACK TO tx",
    [SQL_ACCOUNT_INSERT] =
        "INSERT INTO account(id, status, thumbprint, created_us, jwk, contact, eab, eab_kid, terms)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(thumbprint) DO NOTHING",
    [SQL_ACCOUNT_CHANGE] = "UPDATE account SET status = ?3, contact = coalesce(?4, contact),"
                           " terms = coalesce(?5, terms) WHERE id = ?1 AND status = ?2",
    [SQL_ACCOUNT_KEY] = "UPDATE account SET thumbprint = ?3, jwk = ?4"
                        " WHERE id = ?1 AND thumbprint = ?2 AND status = 0",
    [SQL_EAB_INSERT] = "INSERT INTO eab(kid, key, uses, used, created_us) VALUES(?1, ?2, ?3, 0, ?4)"
                       " ON CONFLICT(kid) DO NOTHING",
    [SQL_EAB_DELETE] = "DELETE FROM eab WHERE kid = ?1",
    [SQL_EAB_USE] = "UPDATE eab SET used = used + 1 WHERE kid = ?1 AND (uses = 0 OR used < uses)",
    [SQL_EAB_EACH] = "SELECT kid, key, uses, used, created_us FROM eab ORDER BY kid",
    [SQL_EAB_ACCOUNTS_EACH] = "SELECT eab_kid, id, 0 FROM account WHERE eab_kid IS NOT NULL"
                              " ORDER BY eab_kid, id LIMIT ?1",
    [SQL_SETTING] = "INSERT INTO setting(name, value) VALUES(?1, ?2)"
                    " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [SQL_SETTING_GET] = "SELECT value FROM setting WHERE name = ?1",
    [SQL_COMPROMISED_EACH] = "SELECT spki_sha256 FROM certificate"
                             " WHERE revoked_at_s IS NOT NULL AND reason = 1",
    [SQL_ORDERS_CANCEL] =
        "UPDATE orders SET status = 4, error = ?2 WHERE account = ?1 AND " ORDER_OPEN,
    [SQL_ORDER_INSERT] =
        "INSERT INTO orders(account, id, status, authz_left, created_us, expires_us, not_before_s,"
        " not_after_s, profile, names) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_AUTHZ_INSERT] = "INSERT INTO authz(account, id, orders, status, type, value, expires_us, "
                         "token_exp_s, flags)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)",
    [SQL_AUTHZ_SHARE] = "UPDATE authz SET flags = flags | 4"
                        " WHERE account = ?1 AND id = ?2 AND status = 1 AND expires_us > ?3",
    [SQL_AUTHZ_SHARED] = "SELECT 1 FROM authz WHERE account = ?1 AND id = ?2 AND flags & 4",
    [SQL_ORDERS_FAIL] = "UPDATE orders SET status = 4, error = ?3"
                        " WHERE account = ?1 AND " ORDER_OPEN " AND instr(names, ?2) > 0",
    [SQL_CHALLENGE_INSERT] =
        "INSERT INTO challenge(account, authz, type, status, token, validated_us)"
        " VALUES(?1, ?2, ?3, ?4, ?5, 0)",
    [SQL_CHALLENGE_MOVE] =
        "UPDATE challenge SET status = ?5, validated_us = ?6, error = ?7, response = ?8"
        " WHERE account = ?1 AND authz = ?2 AND type = ?3 AND status = ?4",
    [SQL_AUTHZ_MOVE] = "UPDATE authz SET status = ?4, expires_us = coalesce(?5, expires_us),"
                       " types = coalesce(?6, types), token_exp_s = coalesce(?7, token_exp_s),"
                       " jkt = coalesce(?8, jkt)"
                       " WHERE account = ?1 AND id = ?2 AND status = ?3",
    /* an order ends with the first of its authorizations */
    [SQL_ORDER_AUTHORISED] =
        "UPDATE orders SET authz_left = authz_left - 1, expires_us = min(expires_us, ?3)"
        " WHERE account = ?1 AND id = ?2 AND status = 0 AND authz_left > 1",
    [SQL_ORDER_READY] =
        "UPDATE orders SET authz_left = 0, status = 1, expires_us = min(expires_us, ?3)"
        " WHERE account = ?1 AND id = ?2 AND status = 0 AND authz_left = 1",
    [SQL_ORDER_FAIL] =
        "UPDATE orders SET status = 4, error = ?3 WHERE account = ?1 AND id = ?2 AND " ORDER_OPEN,
    [SQL_ORDER_MOVE] =
        "UPDATE orders SET status = ?4, serial = ?5 WHERE account = ?1 AND id = ?2 AND status = ?3",
    [SQL_ORDER_REJECT] =
        "UPDATE orders SET status = 4, error = ?3 WHERE account = ?1 AND id = ?2 AND status = 2",
    [SQL_FINALIZING_INSERT] =
        "INSERT INTO finalizing(account, orders, due_us, csr) VALUES(?1, ?2, ?3, ?4)",
    [SQL_FINALIZING_DELETE] = "DELETE FROM finalizing WHERE account = ?1 AND orders = ?2",
    [SQL_CERTIFICATE_INSERT] =
        "INSERT INTO certificate(serial, account, orders, chain_pem, not_after_s, spki_sha256)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_REVOKE] = "UPDATE certificate SET revoked_at_s = ?2, reason = ?3"
                   " WHERE serial = ?1 AND revoked_at_s IS NULL",
    [SQL_TOKEN_USE] =
        "INSERT INTO token(jti, account, type, value, exp_s) VALUES(?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT(jti) DO UPDATE SET exp_s = max(exp_s, excluded.exp_s)"
        " WHERE account = excluded.account AND type = excluded.type AND value = excluded.value",
    [SQL_TOKENS_FORGET] = "DELETE FROM token WHERE exp_s < ?1",
    [SQL_ACCOUNT_GET] = "SELECT " ACCOUNT_COLUMNS " FROM account WHERE id = ?1",
    [SQL_ACCOUNT_FIND] = "SELECT " ACCOUNT_COLUMNS " FROM account WHERE thumbprint = ?1",
    [SQL_KEY_KNOWN] = "SELECT 1 FROM account WHERE thumbprint = ?1",
    [SQL_ORDER_GET] =
        "SELECT account, id, status, created_us, expires_us, not_before_s, not_after_s, profile,"
        " names, serial, error, replaces FROM orders WHERE account = ?1 AND id = ?2",
    [SQL_AUTHZ_GET] = /* one statement, so one state of both tables */
    "SELECT a.account, a.id, a.orders, a.status, a.type, a.value, a.expires_us, a.types,"
    " a.token_exp_s, c.type, c.status, c.token, c.validated_us, c.error, c.response, a.flags, a.jkt"
    " FROM authz a JOIN challenge c ON c.account = a.account AND c.authz = a.id"
    " WHERE a.account = ?1 AND a.id = ?2",
    [SQL_REPLACE] = "INSERT INTO replacement(serial, orders) VALUES(?1, ?4) ON CONFLICT(serial)"
                    " DO UPDATE SET orders = excluded.orders WHERE NOT " CLAIM_STANDS,
    [SQL_ORDER_REPLACES] = "UPDATE orders SET replaces = ?3 WHERE account = ?1 AND id = ?2",
    [SQL_REPLACED] = "UPDATE replacement SET done_at_s = ?3 WHERE serial = ?1 AND orders = ?2",
    [SQL_REPLACED_GET] = "SELECT 1 FROM replacement WHERE serial = ?1 AND " CLAIM_STANDS,
    [SQL_WINDOW_PUT] = "INSERT INTO renewal_window(serial, start_s, end_s, set_at_s, url)"
                       " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(serial) DO UPDATE SET"
                       " start_s = ?2, end_s = ?3, set_at_s = ?4, url = ?5",
    [SQL_WINDOW_DELETE] = "DELETE FROM renewal_window WHERE serial = ?1",
    [SQL_WINDOW_GET] = "SELECT serial, start_s, end_s, set_at_s, url FROM renewal_window"
                       " WHERE serial IN (?1, '') ORDER BY serial DESC",
    [SQL_CERTIFICATE_GET] =
        "SELECT serial, account, orders, chain_pem, not_after_s, spki_sha256, revoked_at_s, reason"
        " FROM certificate WHERE serial = ?1",
    [SQL_CERTIFICATE_STATUS] = "SELECT revoked_at_s, reason FROM certificate WHERE serial = ?1",
    [SQL_ORDERS_EACH] =
        "SELECT account, id, 0 FROM orders WHERE account = ?1 AND id > ?2 AND status != 4"
        " ORDER BY id LIMIT ?3",
    [SQL_AUTHZ_VALID_EACH] =
        "SELECT account, id, 0 FROM authz WHERE account = ?1 AND type = ?2 AND value = ?3"
        " AND status = 1",
    [SQL_AUTHZ_PREPARED_EACH] =
        "SELECT account, id, 0 FROM authz WHERE account = ?1 AND type = ?2 AND value = ?3"
        " AND orders = '' AND status = 1",
    [SQL_FINALIZING_GET] = "SELECT csr FROM finalizing WHERE account = ?1 AND orders = ?2",
    [SQL_FINALIZING_EACH] = "SELECT account, orders, due_us FROM finalizing",
    [SQL_PROCESSING_EACH] = "SELECT account, authz, type FROM challenge WHERE status = 1",
    [SQL_REVOKED_EACH] =
        "SELECT serial, revoked_at_s, reason FROM certificate WHERE revoked_at_s IS NOT NULL"
        " AND not_after_s >= ?1",
    [SQL_REVOKED_SINCE] =
        "SELECT serial, revoked_at_s, reason FROM certificate WHERE revoked_at_s >= ?1",
    [SQL_ISSUED_EACH] =
        "SELECT c.n, c.serial, c.account, c.orders, c.not_after_s, c.spki_sha256, c.revoked_at_s,"
        " c.reason, o.profile, o.names, CASE WHEN ?3 THEN c.chain_pem END FROM certificate c"
        " LEFT JOIN orders o ON o.account = c.account AND o.id = c.orders"
        " WHERE c.n > ?1 ORDER BY c.n LIMIT ?2",
    [SQL_ORDERS_LOOK] = "SELECT account, id, expires_us < ?3 AND status != 2 FROM orders WHERE "
                        "(account, id) > (?1, ?2)"
                        " ORDER BY account, id LIMIT ?4",
    [SQL_AUTHZ_LOOK] =
        "SELECT account, id, expires_us < ?3 FROM authz WHERE (account, id) > (?1, ?2)"
        " ORDER BY account, id LIMIT ?4",
    [SQL_CERTIFICATES_LOOK] =
        "SELECT n, NULL, not_after_s < ?3 FROM certificate WHERE n > CAST(?1 AS INTEGER)"
        " ORDER BY n LIMIT ?4",
    [SQL_TOKENS_LOOK] =
        "SELECT jti, NULL, exp_s < ?3 FROM token WHERE jti > ?1 ORDER BY jti LIMIT ?4",
    [SQL_ORDERS_SWEEP] =
        "DELETE FROM orders WHERE (account, id) > (?1, ?2) AND (account, id) <= (?3, ?4)"
        " AND expires_us < ?5 AND status != 2",
    [SQL_CHALLENGES_SWEEP] = /* before the authorizations they belong to */
    "DELETE FROM challenge WHERE (account, authz) > (?1, ?2) AND (account, authz) <= (?3, ?4)"
    " AND EXISTS(SELECT 1 FROM authz a WHERE a.account = challenge.account"
    " AND a.id = challenge.authz AND a.expires_us < ?5)",
    [SQL_AUTHZ_SWEEP] =
        "DELETE FROM authz WHERE (account, id) > (?1, ?2) AND (account, id) <= (?3, ?4)"
        " AND expires_us < ?5",
    [SQL_CERTIFICATES_SWEEP] =
        "DELETE FROM certificate WHERE n > CAST(?1 AS INTEGER) AND n <= CAST(?3 AS INTEGER)"
        " AND not_after_s < ?5"
        " AND (revoked_at_s IS NULL OR reason IS NOT 1)", /* a compromised key stays refused */
    [SQL_TOKENS_SWEEP] = "DELETE FROM token WHERE jti > ?1 AND jti <= ?3 AND exp_s < ?5",
};
/* clang-format on */
static_assert(COUNT(store_texts) == SQL__COUNT, "every statement has its text");
