/* A database of an earlier version: its tables as they were, transcribed, with what stood in them.
 * Opening it takes the steps that are missing and loses nothing. */
#include <sqlite3.h>

#include "server/store_file.h"
#include "server/store_renewal.h"
#include "store_bed.h"

#define NEWEST 5

/* What each version added. */
/* clang-format off */
static const char *const tables[NEWEST] = {
    "CREATE TABLE account(id TEXT PRIMARY KEY, status INTEGER NOT NULL, thumbprint TEXT NOT NULL UNIQUE, created_us INTEGER NOT NULL, jwk TEXT NOT NULL, contact TEXT NOT NULL, eab TEXT) WITHOUT ROWID;"
    "CREATE TABLE orders(account TEXT NOT NULL, id TEXT NOT NULL, status INTEGER NOT NULL, authz_left INTEGER NOT NULL, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, not_before_s INTEGER NOT NULL, not_after_s INTEGER NOT NULL, profile TEXT NOT NULL, names TEXT NOT NULL, serial TEXT, error TEXT, PRIMARY KEY(account, id)) WITHOUT ROWID;"
    "CREATE TABLE authz(account TEXT NOT NULL, id TEXT NOT NULL, orders TEXT NOT NULL, status INTEGER NOT NULL, type INTEGER NOT NULL, value TEXT NOT NULL, expires_us INTEGER NOT NULL, types TEXT, token_exp_s INTEGER NOT NULL, PRIMARY KEY(account, id)) WITHOUT ROWID;"
    "CREATE TABLE challenge(account TEXT NOT NULL, authz TEXT NOT NULL, type INTEGER NOT NULL, status INTEGER NOT NULL, token TEXT NOT NULL, validated_us INTEGER NOT NULL, error TEXT, response TEXT, PRIMARY KEY(account, authz, type)) WITHOUT ROWID;"
    "CREATE INDEX challenge_processing ON challenge(status) WHERE status = 1;"
    "CREATE TABLE certificate(n INTEGER PRIMARY KEY, serial TEXT NOT NULL UNIQUE, account TEXT NOT NULL, orders TEXT NOT NULL, chain_pem TEXT NOT NULL, not_after_s INTEGER NOT NULL, spki_sha256 BLOB NOT NULL, revoked_at_s INTEGER, reason INTEGER);"
    "CREATE INDEX certificate_revoked ON certificate(revoked_at_s) WHERE revoked_at_s IS NOT NULL;"
    "CREATE TABLE token(jti TEXT PRIMARY KEY, account TEXT NOT NULL, type INTEGER NOT NULL, value TEXT NOT NULL, exp_s INTEGER NOT NULL) WITHOUT ROWID;",

    "ALTER TABLE orders ADD COLUMN replaces TEXT;"
    "CREATE TABLE replacement(serial TEXT PRIMARY KEY, orders TEXT NOT NULL, done_at_s INTEGER) WITHOUT ROWID;"
    "CREATE TABLE renewal_window(serial TEXT PRIMARY KEY, start_s INTEGER NOT NULL, end_s INTEGER NOT NULL, set_at_s INTEGER NOT NULL, url TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TRIGGER certificate_gone AFTER DELETE ON certificate BEGIN DELETE FROM replacement WHERE serial = old.serial; DELETE FROM renewal_window WHERE serial = old.serial; END;",

    "ALTER TABLE authz ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX authz_prepared ON authz(account, type, value) WHERE orders = '';"
    "CREATE TABLE finalizing(account TEXT NOT NULL, orders TEXT NOT NULL, due_us INTEGER NOT NULL, csr TEXT NOT NULL, PRIMARY KEY(account, orders)) WITHOUT ROWID;",

    "ALTER TABLE account ADD COLUMN eab_kid TEXT;"
    "ALTER TABLE account ADD COLUMN terms TEXT;"
    "CREATE INDEX account_eab ON account(eab_kid) WHERE eab_kid IS NOT NULL;"
    "CREATE TABLE eab(kid TEXT PRIMARY KEY, key TEXT NOT NULL, uses INTEGER NOT NULL, used INTEGER NOT NULL, created_us INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
    "ALTER TABLE authz ADD COLUMN jkt TEXT NOT NULL DEFAULT '';",
};

/* What a server of each version wrote there.  Order "o" is valid, "p" processing. */
static const char *const rows[NEWEST] = {
    "INSERT INTO account VALUES('a', 0, 't', 5, '{\"kty\":\"EC\"}', '[\"mailto:oam@operator.example\"]', '{\"payload\":\"e\"}');"
    "INSERT INTO account VALUES('b', 1, 'u', 6, '{}', '[]', NULL);"
    "INSERT INTO orders VALUES('a', 'o', 3, 0, 10, 20, 0, 7, 'tls-server', '0 n0.example z' || char(10), 'ab', NULL);"
    "INSERT INTO orders VALUES('a', 'p', 2, 0, 11, 21, 0, 7, 'tls-server', '0 n1.example y' || char(10), NULL, NULL);"
    "INSERT INTO authz VALUES('a', 'z', 'o', 1, 0, 'n0.example', 99, 'AMF,SMF', 98);"
    "INSERT INTO authz VALUES('a', 'y', 'p', 1, 0, 'n1.example', 99, NULL, 0);"
    "INSERT INTO challenge VALUES('a', 'z', 0, 2, 'token-z', 15, NULL, NULL);"
    "INSERT INTO challenge VALUES('a', 'y', 0, 2, 'token-y', 15, NULL, NULL);"
    "INSERT INTO certificate VALUES(41, 'ab', 'a', 'o', 'PEM', 5000, zeroblob(32), NULL, NULL);"
    "INSERT INTO certificate VALUES(42, 'cd', 'a', 'q', 'PEM', 5000, zeroblob(32), 300, 4);"
    "INSERT INTO token VALUES('j', 'a', 1, 'n', 2000);",

    "UPDATE orders SET replaces = 'ab' WHERE id = 'p';"
    "INSERT INTO replacement VALUES('ab', 'p', NULL);"
    "INSERT INTO renewal_window VALUES('ab', 100, 200, 50, 'https://operator.example/why');",

    "UPDATE authz SET flags = 2 WHERE id = 'y';"
    "INSERT INTO authz VALUES('a', 'x', '', 1, 0, 'n2.example', 99, NULL, 0, 2);"
    "INSERT INTO challenge VALUES('a', 'x', 0, 2, 'token-x', 15, NULL, NULL);"
    "INSERT INTO finalizing VALUES('a', 'p', 77, 'Q1NS');",

    "UPDATE account SET eab_kid = 'k', terms = 'https://operator.example/terms' WHERE id = 'a';"
    "INSERT INTO eab VALUES('k', 'a2V5', 3, 1, 9);"
    "INSERT INTO setting VALUES('terms', 'https://operator.example/terms');",
    "UPDATE authz SET jkt = 'bound' WHERE id = 'x';",
};
/* clang-format on */

static void run(sqlite3 *db, const char *text) {
    char *why = NULL;
    int outcome = sqlite3_exec(db, text, NULL, NULL, &why);
    ck_assert_msg(outcome == SQLITE_OK, "%s: %s", text, why);
}

/* Run a text on the file. */
static void run_on_file(const char *text) {
    sqlite3 *db = NULL;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    run(db, text);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* A folder, and in it a database of that version with its rows, and without a server. */
static void make_old(unsigned version) {
    char pragma[64];

    set_up(true);
    store_close(store);
    store = NULL;
    for (unsigned i = 0; i < version; i++) {
        run_on_file(tables[i]);
        run_on_file(rows[i]);
    }
    (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %u", version);
    run_on_file(pragma);
}

/* The first column of a question's first row, as text; caller owns. */
static char *ask_file(const char *question) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    char *answer = NULL;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, question, -1, &statement, NULL), SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0) != NULL) {
        answer = strdup((const char *)sqlite3_column_text(statement, 0));
    }
    (void)sqlite3_finalize(statement);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    return answer;
}

static void ck_file(const char *question, const char *want) {
    AUTO(free) char *answer = ask_file(question);
    ck_assert_msg(answer != NULL && strcmp(answer, want) == 0, "%s: %s, not %s", question,
                  answer == NULL ? "nothing" : answer, want);
}

/* Tables, indexes and triggers in one text, without spaces; caller owns. */
static char *shape_of_file(void) {
    return ask_file("SELECT group_concat(line, char(10)) FROM (SELECT type || ' ' || name || ' ' ||"
                    " replace(sql, ' ', '') AS line FROM sqlite_master WHERE sql IS NOT NULL"
                    " ORDER BY name)");
}

/* ---- what is asked of the store about the rows of each version ---- */

static void first_is_kept(void) {
    AUTO(account_done) struct account account = {0}, gone = {0};
    AUTO(order_done) struct order order = {0};
    AUTO(authz_done) struct authz authz = {0};
    AUTO(certificate_done) struct certificate certificate = {0};
    int64_t revoked_at_s = 0;
    int reason = 0;

    ck_good(store_account_find(store, "t", &account, &err));
    ck_assert_str_eq(account.id, "a");
    ck_assert_str_eq(account.contact, "[\"mailto:oam@operator.example\"]");
    ck_assert_str_eq(account.eab, "{\"payload\":\"e\"}");
    ck_good(store_account_get(store, "b", &gone, &err));
    ck_assert_int_eq(gone.status, 1);
    ck_good(store_order_get(store, "a", "o", &order, &err));
    ck_assert_int_eq(order.status, ORDER_VALID);
    ck_assert_uint_eq(order.count, 1);
    ck_assert_str_eq(order.identifiers[0].value, "n0.example");
    ck_assert_str_eq(order.authzs[0], "z");
    ck_assert_str_eq(order.serial, "ab");
    ck_assert_str_eq(order.replaces, "");
    ck_good(store_authz_get(store, "a", "z", &authz, &err));
    ck_assert_int_eq(authz.status, AUTHZ_VALID);
    ck_assert_uint_eq(authz.flags, 0);
    ck_assert_uint_eq(authz.types.count, 2);
    ck_assert_int_eq(authz.token_exp_s, 98);
    ck_assert_uint_eq(authz.count, 1);
    ck_assert_str_eq(authz.challenges[0].token, "token-z");
    ck_good(store_certificate_get(store, "ab", &certificate, &err));
    ck_assert_str_eq(certificate.chain_pem, "PEM");
    ck_good(store_certificate_status(store, "cd", &revoked_at_s, &reason, &err));
    ck_assert_int_eq(revoked_at_s, 300);
    ck_assert_int_eq(reason, 4);
    ck_refused(use_token("j", "b", "n"), ERR_UNAUTHORIZED);
}

static void second_is_kept(void) {
    struct renewal_window windows[RENEWAL_WINDOWS_MAX];
    AUTO(order_done) struct order order = {0};
    unsigned count = 0;
    bool replaced = false;

    ck_good(store_order_get(store, "a", "p", &order, &err));
    ck_assert_str_eq(order.replaces, "ab");
    ck_good(store_replaced_get(store, "ab", "a", 30, &replaced, &err));
    ck_assert(replaced);
    ck_good(store_windows_get(store, "ab", windows, &count, &err));
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(windows[0].end_s, 200);
}

static void third_is_kept(void) {
    AUTO(authz_done) struct authz authz = {0};
    AUTO(free) char *csr = NULL;

    ck_good(store_authz_get(store, "a", "x", &authz, &err));
    ck_assert_uint_eq(authz.flags, AUTHZ_SUBDOMAINS);
    ck_assert_str_eq(authz.order, "");
    ck_good(store_finalizing_get(store, "a", "p", &csr, &err));
    ck_assert_str_eq(csr, "Q1NS");
}

static void fourth_is_kept(void) {
    AUTO(account_done) struct account account = {0};
    AUTO(free) char *terms = NULL;

    ck_good(store_account_get(store, "a", &account, &err));
    ck_assert_str_eq(account.eab_kid, "k");
    ck_assert_str_eq(account.terms, "https://operator.example/terms");
    ck_good(store_setting_get(store, "terms", &terms, &err));
    ck_assert_str_eq(terms, "https://operator.example/terms");
}

static void fifth_is_kept(void) {
    AUTO(authz_done) struct authz authz = {0};

    ck_good(store_authz_get(store, "a", "x", &authz, &err));
    ck_assert_str_eq(authz.jkt, "bound");
}

static void (*const kept[NEWEST])(void) = {first_is_kept, second_is_kept, third_is_kept,
                                           fourth_is_kept, fifth_is_kept};

/* What every step added can be written and read, whatever the database was before. */
static void what_was_added_works(void) {
    struct renewal_window window = {.serial = "cd", .start_s = 1, .end_s = 2, .url = ""};
    const struct eab_record record = {.kid = "fresh", .key = "a2V5", .uses = 1, .created_us = 1};
    struct store_tx tx = {0};
    struct store_op *op = store_tx_add(&tx, STORE_REPLACE);
    AUTO(account_done) struct account bound = account_of("c", "v");

    op->account = "a";
    op->order = "o";
    op->replace.serial = "cd";
    store_tx_add(&tx, STORE_WINDOW)->window = &window;
    store_tx_add(&tx, STORE_EAB_INSERT)->eab = &record;
    op = store_tx_add(&tx, STORE_SETTING);
    op->setting.name = "fresh";
    op->setting.value = "1";
    bound.eab_kid = strdup("fresh");
    bound.terms = strdup("https://operator.example/terms");
    store_tx_add(&tx, STORE_ACCOUNT_INSERT)->new_account = &bound;
    ck_good(store_write(store, &tx, &err));
    AUTO(account_done) struct account read = {0};
    ck_good(store_account_get(store, "c", &read, &err));
    ck_assert_str_eq(read.eab_kid, "fresh");
    tx = (struct store_tx){0};
    op = store_tx_add(&tx, STORE_FINALIZING_INSERT);
    op->account = "a";
    op->order = "fresh";
    op->finalizing.csr = "Q1NS";
    ck_good(store_write(store, &tx, &err));
}

START_TEST(a_database_of_every_version_is_brought_to_the_newest_with_its_rows) {
    for (unsigned version = 0; version <= NEWEST; version++) {
        make_old(version);
        open_disk();
        for (unsigned i = 0; i < version; i++) {
            kept[i]();
        }
        what_was_added_works();
        store_close(store);
        store = NULL;
        ck_file("PRAGMA user_version", "5");
        ck_file("PRAGMA integrity_check", "ok");
        tear_down();
    }
}
END_TEST

START_TEST(the_steps_lead_to_the_same_tables_wherever_they_begin) {
    AUTO(free) char *fresh = NULL;

    for (unsigned version = 0; version <= NEWEST; version++) {
        make_old(version);
        open_disk();
        store_close(store);
        store = NULL;
        AUTO(free) char *shape = shape_of_file();
        ck_assert_ptr_nonnull(shape);
        if (version == 0) {
            fresh = TAKE(shape);
        } else {
            ck_assert_msg(strcmp(shape, fresh) == 0, "from %u:\n%s\nfresh:\n%s", version, shape,
                          fresh);
        }
        tear_down();
    }
}
END_TEST

/* As a server before the numbers left it. */
START_TEST(the_first_tables_without_a_number_are_taken_as_they_are) {
    make_old(1);
    run_on_file("PRAGMA user_version = 0");
    open_disk();
    first_is_kept();
    store_close(store);
    store = NULL;
    ck_file("PRAGMA user_version", "5");
    tear_down();
}
END_TEST

static void ck_not_opened(enum err_kind want) {
    store = store_sqlite_open(path, 1000, &err);
    ck_assert_ptr_null(store);
    ck_assert_msg(err.kind == want, "%s: %s", err_name(err.kind), err.detail);
}

/* The second step's last table is in the way of it. */
START_TEST(a_step_that_fails_leaves_nothing_of_itself_and_is_taken_once_it_can_be) {
    make_old(1);
    run_on_file("CREATE TABLE renewal_window(mine TEXT); INSERT INTO renewal_window VALUES('m')");
    AUTO(free) char *before = shape_of_file();
    ck_not_opened(ERR_STORE);
    ck_assert_msg(strstr(err.cause, "renewal_window") != NULL, "%s", err.cause);
    AUTO(free) char *after = shape_of_file();
    ck_assert_str_eq(after, before);
    ck_file("PRAGMA user_version", "1");
    ck_file("SELECT mine FROM renewal_window", "m");
    run_on_file("DROP TABLE renewal_window");
    err = (struct err){0};
    open_disk();
    first_is_kept();
    tear_down();
}
END_TEST

/* The steps before the one that fails stay taken. */
START_TEST(a_database_stops_at_the_last_step_that_could_be_taken) {
    make_old(1);
    run_on_file("CREATE TABLE setting(mine TEXT)");
    ck_not_opened(ERR_STORE);
    ck_file("PRAGMA user_version", "3");
    ck_file("SELECT count(*) FROM pragma_table_info('account') WHERE name = 'eab_kid'", "0");
    ck_file("SELECT id FROM account WHERE thumbprint = 't'", "a");
    tear_down();
}
END_TEST

START_TEST(a_newer_database_is_refused_and_left_alone) {
    static const char *const versions[] = {"6", "2147483647", "-1"};

    for (unsigned i = 0; i < COUNT(versions); i++) {
        char pragma[64];
        make_old(NEWEST);
        (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %s", versions[i]);
        run_on_file(pragma);
        AUTO(free) char *before = shape_of_file();
        ck_not_opened(ERR_CONFIG);
        ck_assert_msg(strstr(err.detail, "newer version") != NULL, "%s", err.detail);
        AUTO(free) char *after = shape_of_file();
        ck_assert_str_eq(after, before);
        ck_file("PRAGMA user_version", versions[i]);
        ck_file("SELECT exp_s FROM token", "2000");
        tear_down();
    }
}
END_TEST

static void on_finding(void *ctx, const char *text) {
    (void)ctx;
    ck_abort_msg("%s", text);
}

/* Copying and checking change nothing: that is for the server to do. */
START_TEST(an_older_database_is_not_looked_at_from_outside_before_the_server_was_started) {
    struct store_file_counts counts = {0};

    for (unsigned version = 1; version < NEWEST; version++) {
        make_old(version);
        ck_assert_ptr_null(store_file_open(path, &err));
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_msg(strstr(err.detail, "start the server once") != NULL, "%s", err.detail);
        err = (struct err){0};
        open_disk();
        store_close(store);
        store = NULL;
        AUTO(store_file_close) struct store_file *file = store_file_open(path, &err);
        ck_good(file != NULL);
        ck_good(store_file_check(file, on_finding, NULL, &counts, &err));
        ck_assert_int_eq(counts.accounts, 2);
        ck_assert_int_eq(counts.orders, 2);
        ck_assert_int_eq(counts.authorizations, version < 3 ? 2 : 3);
        ck_assert_int_eq(counts.certificates, 2);
        tear_down();
    }
}
END_TEST

int main(void) {
    const TTest *const disk[] = {
        a_database_of_every_version_is_brought_to_the_newest_with_its_rows,
        the_steps_lead_to_the_same_tables_wherever_they_begin,
        the_first_tables_without_a_number_are_taken_as_they_are,
        a_step_that_fails_leaves_nothing_of_itself_and_is_taken_once_it_can_be,
        a_database_stops_at_the_last_step_that_could_be_taken,
        a_newer_database_is_refused_and_left_alone,
        an_older_database_is_not_looked_at_from_outside_before_the_server_was_started};
    return store_suite("server/store_schema", NULL, 0, disk, COUNT(disk));
}
