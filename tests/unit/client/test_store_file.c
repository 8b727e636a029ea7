#include "client/store_file.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "client/store_sql.h"
#include "tests/unit/common/suite.h"

#include "folder.h"

static unsigned findings, accounts;
static char last[300];

static void finding(void *ctx, const char *text) {
    (void)ctx;
    findings++;
    (void)snprintf(last, sizeof last, "%s", text);
}

static void account(void *ctx, const char *name, const unsigned char *sealed, size_t len) {
    (void)ctx;
    ck_assert_str_eq(name, "nf");
    ck_assert_uint_eq(len, 2);
    ck_assert_int_eq(sealed[0], 1);
    accounts++;
}

static const struct store_file_look look = {.finding = finding, .account = account};

/* A store with one whole enrolment, and what else is asked for. */
static void make(const char *more) {
    static const char whole[] =
        "INSERT INTO account(name, directory, sealed, thumbprint) VALUES('nf', '', x'0102', 't'),"
        " ('nf#7', '', x'0102', 't');"
        "INSERT INTO enrolment(row, id, nf, nf_type, with_nf, with_dns, account) VALUES(1, 'one',"
        " 'nf', 'AMF', 1, 0, 'nf');"
        "INSERT INTO progress(row, state) VALUES(1, 'ISSUED');"
        "INSERT INTO certificate(row, chain) VALUES(1, 'chain');";
    struct err err = {0};
    sqlite3 *db = NULL;

    folder_make();
    store_sql_close(store_sql_open(folder_path("client.db"), true, &err));
    ck_assert_int_eq(sqlite3_open(folder_path("client.db"), &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, whole, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    ck_assert_msg(sqlite3_exec(db, more, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

START_TEST(a_whole_store_has_no_findings) {
    struct store_file_counts counts;
    struct err err = {0};

    make("");
    ck_assert_msg(store_file_check(folder_path("client.db"), &look, &counts, &err), "%s %s",
                  err.detail, err.cause);
    ck_assert_msg(findings == 0, "%s", last);
    ck_assert_uint_eq(accounts, 1);
    ck_assert_int_eq(counts.accounts, 2);
    ck_assert_int_eq(counts.enrolments, 1);
    ck_assert_int_eq(counts.certificates, 1);
    folder_remove();
}
END_TEST

static const struct {
    const char *sql, *told;
} broken[] = {
    {"DELETE FROM progress", "an enrolment without its progress: one"},
    {"INSERT INTO progress(row, state) VALUES(2, 'READY')", "progress of no enrolment: 2"},
    {"UPDATE progress SET state='ready'", "in no known state: one"},
    {"UPDATE progress SET state='READY'; DELETE FROM account", "without its account: one"},
    {"DELETE FROM certificate", "ISSUED enrolment without its certificate: one"},
    {"INSERT INTO certificate(row, chain) VALUES(3, 'c')", "a certificate of no enrolment: 3"},
    {"INSERT INTO renewal(row, due) VALUES(4, 1)", "a renewal of no certificate: 4"},
};

START_TEST(each_broken_rule_is_told_once) {
    struct store_file_counts counts;
    struct err err = {0};

    make(broken[_i].sql);
    ck_assert(store_file_check(folder_path("client.db"), &look, &counts, &err));
    ck_assert_msg(findings == 1 && strstr(last, broken[_i].told) != NULL, "%u: %s: %s", findings,
                  broken[_i].told, last);
    folder_remove();
}
END_TEST

START_TEST(a_store_of_another_version_is_not_judged) {
    struct store_file_counts counts;
    struct err err = {0};

    make("PRAGMA user_version = 999");
    ck_assert(!store_file_check(folder_path("client.db"), &look, &counts, &err));
    ck_assert_int_eq(err.kind, ERR_STORE);
    folder_remove();
}
END_TEST

START_TEST(a_copy_is_whole_private_and_never_over_another_file) {
    struct store_file_counts counts;
    struct stat status;
    struct err err = {0}, there = {0}, none = {0};

    make("");
    ck_assert_msg(store_file_copy(folder_path("client.db"), folder_path("copy.db"), &err), "%s %s",
                  err.detail, err.cause);
    ck_assert_int_eq(stat(folder_path("copy.db"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    ck_assert_int_ne(access(folder_path("copy.db.part"), F_OK), 0);
    ck_assert_int_ne(access(folder_path("copy.db-wal"), F_OK), 0);
    ck_assert(store_file_check(folder_path("copy.db"), &look, &counts, &err));
    ck_assert_int_eq(counts.enrolments, 1);
    ck_assert(!store_file_copy(folder_path("client.db"), folder_path("copy.db"), &there));
    ck_assert_int_eq(there.kind, ERR_CONFIG);
    ck_assert(!store_file_copy(folder_path("nothing.db"), folder_path("other.db"), &none));
    ck_assert_int_eq(none.kind, ERR_CONFIG);
    folder_remove();
}
END_TEST

START_TEST(a_copy_of_a_store_in_use_has_what_was_committed) {
    struct store_file_counts counts;
    struct err err = {0};
    sqlite3 *db = NULL;

    make("");
    ck_assert_int_eq(sqlite3_open(folder_path("client.db"), &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db,
                                  "PRAGMA journal_mode = WAL; INSERT INTO job(kind, due, created)"
                                  " VALUES('revoke', 1, 1); BEGIN IMMEDIATE; DELETE FROM job",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    ck_assert_msg(store_file_copy(folder_path("client.db"), folder_path("copy.db"), &err), "%s %s",
                  err.detail, err.cause);
    ck_assert(store_file_check(folder_path("copy.db"), &look, &counts, &err));
    ck_assert_int_eq(counts.jobs, 1);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    folder_remove();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("client/store_file");
    TCase *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    tcase_add_test(tcase, a_whole_store_has_no_findings);
    tcase_add_loop_test(tcase, each_broken_rule_is_told_once, 0, (int)COUNT(broken));
    tcase_add_test(tcase, a_store_of_another_version_is_not_judged);
    tcase_add_test(tcase, a_copy_is_whole_private_and_never_over_another_file);
    tcase_add_test(tcase, a_copy_of_a_store_in_use_has_what_was_committed);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
