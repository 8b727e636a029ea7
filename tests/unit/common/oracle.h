/* An outside program's answer and the folder both sides keep their files in. */
#pragma once

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"

/* Does the shell find this program? */
__attribute__((unused)) static bool oracle_is_here(const char *program) {
    char command[128];

    (void)snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

/* Run a command in folder; its first line of output into out[size]; true when it exits with 0. */
__attribute__((unused)) static bool oracle_ask(const char *folder, const char *command, char *out,
                                               size_t size) {
    char line[1024];

    ck_assert_int_lt(snprintf(line, sizeof line, "cd %s && %s 2>&1", folder, command),
                     (int)sizeof line);
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t len = fread(out, 1, size - 1, pipe);
    out[len] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return pclose(pipe) == 0;
}

__attribute__((unused)) static void oracle_put(const char *folder, const char *name,
                                               const char *text) {
    char path[256];
    struct err err = {0};

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_msg(file_write(path, 0600, text, strlen(text), &err), "%s", err.detail);
}

/* A file of the folder; caller owns, free(). */
__attribute__((unused)) static char *oracle_get(const char *folder, const char *name) {
    char path[256];
    size_t len = 0;
    struct err err = {0};

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    char *text = file_read(path, &len, &err);
    ck_assert_msg(text != NULL, "%s", err.detail);
    return text;
}

__attribute__((unused)) static void oracle_remove(const char *folder) {
    char command[256];

    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
