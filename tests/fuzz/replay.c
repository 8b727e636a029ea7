/* Runs every file given, and every file of every folder given, through a fuzz target. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "tests/fuzz/target.h"

/* One file; exactly as many octets as it has, so that a sanitizer sees the end. */
static bool replay_file(const char *path) {
    struct err err = {0};
    size_t len = 0;
    AUTO(free) char *text = file_read(path, &len, &err);
    AUTO(free) uint8_t *data = malloc(len == 0 ? 1 : len);

    if (text == NULL || data == NULL) {
        (void)fprintf(stderr, "%s\n", err.detail);
        return false;
    }
    memcpy(data, text, len);
    return LLVMFuzzerTestOneInput(data, len) == 0;
}

/* A file, or each file of a folder; returns how many, or -1. */
static int replay(const char *path) {
    struct stat status;
    char inner[4096];
    int count = 0;

    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        return replay_file(path) ? 1 : -1;
    }
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return -1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL && count >= 0; entry = readdir(dir)) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        count = replay_file(inner) ? count + 1 : -1;
    }
    (void)closedir(dir);
    return count;
}

int main(int argc, char **argv) {
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int count = replay(argv[i]);
        if (count < 0) {
            (void)fprintf(stderr, "%s: could not be replayed\n", argv[i]);
            return EXIT_FAILURE;
        }
        total += count;
    }
    (void)printf("%d inputs\n", total);
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
