#include "nfsim/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The file's beginning, NUL-terminated; procfs gives it in one read. */
static bool slurp(pid_t pid, const char *name, char *text, size_t size) {
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)(pid == 0 ? getpid() : pid), name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    const size_t len = fread(text, 1, size - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    return len > 0;
}

bool process_usage(pid_t pid, struct process_usage *ret) {
    char text[4096];
    uint64_t user = 0, sys = 0, peak_kib = 0;

    if (!slurp(pid, "stat", text, sizeof text)) {
        return false;
    }
    /* the name, in parentheses, may hold anything; 11 fields stand between it and utime */
    const char *at = strrchr(text, ')');
    if (at == NULL
        || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                  &user, &sys)
               != 2) {
        return false;
    }
    if (slurp(pid, "status", text, sizeof text)) {
        const char *line = strstr(text, "VmHWM:");
        if (line != NULL) {
            (void)sscanf(line + 6, " %" SCNu64, &peak_kib);
        }
    }
    *ret = (struct process_usage){.cpu_s = (double)(user + sys) / (double)sysconf(_SC_CLK_TCK),
                                  .rss_peak_kib = (double)peak_kib};
    return true;
}
