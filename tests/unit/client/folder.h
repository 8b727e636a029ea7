/* A folder for one test, removed with all it holds. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include <check.h>

static char folder[64];

__attribute__((unused)) static void folder_make(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/nfacme-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

__attribute__((unused)) static const char *folder_path(const char *name) {
    static char path[8][256];
    static unsigned next;
    char *out = path[next++ % 8];

    (void)snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

__attribute__((unused)) static int folder_one(const char *path, const struct stat *status, int type,
                                              struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

__attribute__((unused)) static void folder_remove(void) {
    (void)nftw(folder, folder_one, 8, FTW_DEPTH | FTW_PHYS);
}
