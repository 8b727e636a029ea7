#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/file.h"
#include "tests/unit/common/oracle.h"

static char folder[] = "/tmp/nfacme-file-XXXXXX";
static char path[64];

static void setup(void) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a", folder);
}

static void teardown(void) { oracle_remove(folder); }

/* How many entries the folder has. */
static unsigned entries(void) {
    DIR *dir = opendir(folder);
    unsigned count = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(dir);
    return count;
}

START_TEST(octets_come_back_with_a_nul_behind) {
    struct err err = {0};
    const char data[] = {'a', '\0', 'b', '\xff'};
    size_t len = 0;

    ck_assert_msg(file_write(path, 0640, data, sizeof data, &err), "%s", err.detail);
    AUTO(free) char *back = file_read(path, &len, &err);
    ck_assert_uint_eq(len, sizeof data);
    ck_assert_mem_eq(back, data, len);
    ck_assert_int_eq(back[len], '\0');
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
}
END_TEST

START_TEST(a_file_is_replaced_and_nothing_stays_behind) {
    struct err err = {0};
    size_t len = 0;

    ck_assert(file_write(path, 0644, "long text", 9, &err));
    ck_assert(file_write(path, 0600, "new", 3, &err));
    AUTO(free) char *back = file_read(path, &len, &err);
    ck_assert_str_eq(back, "new");
    ck_assert_uint_eq(entries(), 1);
    ck_assert(file_write(path, 0600, NULL, 0, &err));
    AUTO(free) char *empty = file_read(path, &len, &err);
    ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(a_reader_sees_the_old_file_or_the_new) {
    struct err err = {0};
    char old[8] = {0};
    ck_assert(file_write(path, 0600, "old", 3, &err));
    FILE *reader = fopen(path, "r");
    ck_assert(file_write(path, 0600, "new", 3, &err));
    ck_assert_uint_eq(fread(old, 1, sizeof old, reader), 3);
    ck_assert_str_eq(old, "old");
    (void)fclose(reader);
}
END_TEST

START_TEST(the_maximum_is_kept) {
    struct err err = {0};
    AUTO(free) char *data = calloc(1, FILE_BYTES_MAX + 1);
    size_t len = 0;

    ck_assert(file_write(path, 0600, data, FILE_BYTES_MAX, &err));
    AUTO(free) char *back = file_read(path, &len, &err);
    ck_assert_msg(back != NULL, "%s", err.detail);
    ck_assert_uint_eq(len, FILE_BYTES_MAX);
    ck_assert(file_write(path, 0600, data, FILE_BYTES_MAX + 1, &err));
    ck_assert_ptr_null(file_read(path, &len, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    err = (struct err){0};
    ck_assert_ptr_null(file_read("/dev/zero", &len, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

START_TEST(errors_name_the_path) {
    const char *const paths[] = {"/nonexistent/a", "/proc/self/mem/a", "/tmp"};
    for (unsigned i = 0; i < COUNT(paths); i++) {
        struct err err = {0};
        size_t len = 0;
        ck_assert_ptr_null(file_read(paths[i], &len, &err));
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_ptr_nonnull(strstr(err.detail, paths[i]));
        err = (struct err){0};
        ck_assert(!file_write(paths[i], 0600, "a", 1, &err));
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_ptr_nonnull(strstr(err.detail, paths[i]));
    }
}
END_TEST

START_TEST(a_folder_is_made_once) {
    struct err err = {0};
    struct stat status;

    ck_assert(file_folder(path, &err));
    ck_assert(file_folder(path, &err));
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0700);
    char inner[80];
    (void)snprintf(inner, sizeof inner, "%s/x", path);
    ck_assert(file_write(inner, 0600, "a", 1, &err));
    ck_assert(!file_folder(inner, &err)); /* a file */
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    err = (struct err){0};
    ck_assert(!file_folder("/nonexistent/a/b", &err));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("file");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, octets_come_back_with_a_nul_behind);
    tcase_add_test(all, a_file_is_replaced_and_nothing_stays_behind);
    tcase_add_test(all, a_reader_sees_the_old_file_or_the_new);
    tcase_add_test(all, the_maximum_is_kept);
    tcase_add_test(all, errors_name_the_path);
    tcase_add_test(all, a_folder_is_made_once);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
