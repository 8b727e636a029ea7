/* A main for a room's tests, and a stream caught for as long as a test needs it. */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Run the tests in order; main's return value. */
__attribute__((unused)) static int suite_run(const char *name, const TTest *const *tests,
                                             size_t count) {
    Suite *suite = suite_create(name);
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    for (size_t i = 0; i < count; i++) {
        tcase_add_test(all, tests[i]);
    }
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A file descriptor turned into a temporary file. */
struct caught {
    int fd, saved;
    FILE *file;
};

__attribute__((unused)) static struct caught catch_start(int fd) {
    struct caught caught = {.fd = fd, .saved = dup(fd), .file = tmpfile()};
    ck_assert_ptr_nonnull(caught.file);
    ck_assert_int_ge(dup2(fileno(caught.file), fd), 0);
    return caught;
}

/* Give the descriptor back; what was written to it, caller owns. */
__attribute__((unused)) static char *catch_end(struct caught *caught) {
    (void)fflush(stdout);
    long len = lseek(fileno(caught->file), 0, SEEK_END);
    char *text = calloc(1, (size_t)len + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(pread(fileno(caught->file), text, (size_t)len, 0), len);
    ck_assert_int_ge(dup2(caught->saved, caught->fd), 0);
    (void)close(caught->saved);
    (void)fclose(caught->file);
    return text;
}
