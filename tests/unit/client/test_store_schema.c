#include "client/store_schema.h"

#include "client/store_sql.h"
#include "tests/unit/common/suite.h"

#include "folder.h"

#define NF "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11"

/* A database as version 1 of the schema left it, with one enrolment. */
static const char version_1[] =
    "CREATE TABLE account(nf TEXT PRIMARY KEY, sealed BLOB NOT NULL,"
    " thumbprint TEXT NOT NULL, url TEXT) WITHOUT ROWID;"
    "CREATE TABLE enrolment(row INTEGER PRIMARY KEY, id TEXT NOT NULL,"
    " nf TEXT NOT NULL, nf_type TEXT NOT NULL, fqdn TEXT, profile TEXT, idempotency TEXT, cca TEXT,"
    " with_nf INTEGER NOT NULL, with_dns INTEGER NOT NULL);"
    "CREATE INDEX enrolment_nf ON enrolment(nf);"
    "CREATE TABLE progress(row INTEGER PRIMARY KEY, state TEXT NOT NULL,"
    " reason_kind TEXT, reason TEXT, order_url TEXT, finalize_url TEXT, expires INTEGER, csr BLOB,"
    " t1 INTEGER, t2 INTEGER, t3 INTEGER, t4 INTEGER, t5 INTEGER, t6 INTEGER, t8 INTEGER);"
    "CREATE TABLE certificate(row INTEGER PRIMARY KEY, chain TEXT NOT NULL);"
    "INSERT INTO account VALUES('" NF "', x'0102', 'thumb', 'https://ca/acct/1');"
    "INSERT INTO enrolment VALUES(1, 'one', '" NF "', 'AMF', NULL, NULL, 'k', NULL, 1, 0);"
    "INSERT INTO progress(row, state, t1) VALUES(1, 'ISSUED', 11);"
    "INSERT INTO certificate VALUES(1, 'chain');"
    "PRAGMA user_version = 1;";

static void make(const char *text) {
    sqlite3 *db = NULL;

    folder_make();
    ck_assert_int_eq(sqlite3_open(folder_path("client.db"), &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

START_TEST(a_store_of_version_1_is_brought_up_and_keeps_what_it_had) {
    struct err err = {0};
    struct store_found found = {0};

    make(version_1);
    {
        AUTO(store_sql_close)
        struct store_sql *sql = store_sql_open(folder_path("client.db"), true, &err);
        ck_assert_msg(sql != NULL, "%s %s", err.detail, err.cause);
        ck_assert(store_sql_find_key(sql, NF, "k", &found, &err));
        ck_assert(found.found_enrolment);
        ck_assert_str_eq(found.enrolment.account, NF);
        ck_assert_str_eq(found.enrolment.chain, "chain");
        ck_assert_uint_eq(found.enrolment.t_us[1], 11);
        ck_assert(store_sql_account(sql, NF, NULL, &found, &err));
        ck_assert_str_eq(found.account.url, "https://ca/acct/1");
        store_found_done(&found);
    }
    AUTO(store_sql_close)
    struct store_sql *again = store_sql_open(folder_path("client.db"), true, &err);
    ck_assert_msg(again != NULL, "%s %s", err.detail, err.cause);
    folder_remove();
}
END_TEST

START_TEST(a_store_of_a_later_version_is_left_alone) {
    struct err err = {0};

    make("PRAGMA user_version = 99;");
    ck_assert_ptr_null(store_sql_open(folder_path("client.db"), true, &err));
    ck_assert_int_eq(err.kind, ERR_STORE);
    ck_assert_ptr_nonnull(strstr(err.detail, "99"));
    folder_remove();
}
END_TEST

static bool count_rows(void *ctx, const struct store_row *row, struct err *err) {
    size_t len = 0;

    (void)err;
    ck_assert_int_eq(store_row_int(row, 0), 7);
    ck_assert_str_eq(store_row_text(row, 1), "name");
    ck_assert_ptr_null(store_row_text(row, 2));
    ck_assert_ptr_nonnull(store_row_blob(row, 3, &len));
    ck_assert_uint_eq(len, 2);
    ++*(unsigned *)ctx;
    return true;
}

START_TEST(other_rooms_bind_and_read_every_kind_of_value) {
    static const char put[] =
        "INSERT INTO job(row, kind, payload, account, created, due) VALUES(?,?,?,?,1,1)";
    static const char get[] = "SELECT row, kind, payload, account FROM job WHERE row=?";
    struct err err = {0};
    unsigned rows = 0;

    folder_make();
    AUTO(store_sql_close)
    struct store_sql *sql = store_sql_open(folder_path("client.db"), true, &err);
    ck_assert_msg(sql != NULL, "%s %s", err.detail, err.cause);
    const struct store_value values[] = {STORE_INT(7), STORE_TEXT("name"), STORE_TEXT(NULL),
                                         STORE_BLOB("ab", 2)};
    ck_assert(store_sql_do(sql, put, values, COUNT(values), &err));
    ck_assert_int_eq(store_sql_changes(sql), 1);
    ck_assert(store_sql_each(sql, get, values, 1, count_rows, &rows, &err));
    ck_assert_uint_eq(rows, 1);
    ck_assert(!store_sql_do(sql, put, values, COUNT(values), &err));
    ck_assert_int_eq(err.kind, ERR_STORE);
    folder_remove();
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        a_store_of_version_1_is_brought_up_and_keeps_what_it_had,
        a_store_of_a_later_version_is_left_alone,
        other_rooms_bind_and_read_every_kind_of_value,
    };

    return suite_run("client/store_schema", tests, COUNT(tests));
}
