/* What only a disk can do: be there again. */
#include "store_bed.h"

START_TEST(what_was_committed_is_there_after_a_restart) {
    struct authz authzs[1];
    AUTO(order_done) struct order order = order_of(1, authzs);

    set_up(false);
    ck_good(add_account("a", "t"));
    add_order(&order, authzs);
    ck_good(use_token("old", "a", "u"));
    store_close(store);
    store = store_sqlite_open(path, 5000, &err); /* after the token's end, 2000 */
    ck_good(store != NULL);
    ck_assert_int_eq(order_now(), ORDER_PENDING);
    ck_refused(add_account("b", "t"), ERR_CONFLICT);
    ck_good(use_token("old", "b", "v")); /* forgotten */
    tear_down();
}
END_TEST

START_TEST(a_file_that_is_no_database_is_an_error) {
    set_up(false);
    store_close(store);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_gt(fprintf(file, "%0512d", 1), 0);
    ck_assert_int_eq(fclose(file), 0);
    store = store_sqlite_open(path, 0, &err);
    ck_assert_ptr_null(store);
    ck_assert_int_eq(err.kind, ERR_STORE);
    tear_down();
}
END_TEST

START_TEST(the_file_and_its_log_are_the_owner_s_alone) {
    char log[sizeof(path) + 4];
    struct stat status;
    mode_t before = umask(0);

    set_up(false);
    ck_good(add_account("a", "t"));
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    (void)snprintf(log, sizeof(log), "%s-wal", path);
    ck_assert_int_eq(stat(log, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    (void)umask(before);
    tear_down();
}
END_TEST

int main(void) {
    const TTest *const disk[] = {what_was_committed_is_there_after_a_restart,
                                 a_file_that_is_no_database_is_an_error,
                                 the_file_and_its_log_are_the_owner_s_alone};
    return store_suite("server/store_sqlite", NULL, 0, disk, COUNT(disk));
}
