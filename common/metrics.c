#include "common/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/run.h"

/* HELP text: backslash and line feed are escaped (text exposition format 0.0.4). */
static bool help_text(const char *help, struct buf *buf) {
    for (; *help != '\0'; help++) {
        if (*help == '\\' || *help == '\n') {
            (void)buf_text(buf, *help == '\n' ? "\\n" : "\\\\");
        } else {
            (void)buf_add(buf, help, 1);
        }
    }
    return buf_text(buf, "\n");
}

bool metrics_head(const char *name, const char *kind, const char *help, struct buf *buf) {
    return buf_printf(buf, "# HELP %s ", name) && help_text(help, buf)
           && buf_printf(buf, "# TYPE %s %s\n", name, kind);
}

bool metrics_render(struct metric *table, unsigned count, struct buf *buf) {
    for (unsigned i = 0; i < count; i++) {
        struct metric *row = &table[i];
        bool first = i == 0 || strcmp(row->name, table[i - 1].name) != 0;
        if (first) {
            (void)metrics_head(row->name, row->kind == METRIC_COUNTER ? "counter" : "gauge",
                               row->help == NULL ? "" : row->help, buf);
        }
        if (row->labels == NULL) {
            (void)buf_printf(buf, "%s %" PRId64 "\n", row->name, metric_get(row));
        } else {
            (void)buf_printf(buf, "%s{%s} %" PRId64 "\n", row->name, row->labels, metric_get(row));
        }
    }
    return !buf->failed;
}

/* Resident octets, from the second number of /proc/self/statm. */
static uint64_t resident(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*u %20llu", &pages) != 1) {
        pages = 0;
    }
    (void)fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static unsigned open_files(void) {
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");

    if (folder == NULL) {
        return 0;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(folder);
    return count > 0 ? count - 1 : 0; /* less the one just used for looking */
}

bool metrics_render_process(const char *program, struct buf *buf) {
    struct timespec cpu = {0};
    struct rlimit files = {0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    (void)metrics_head("process_cpu_seconds_total", "counter", "User and system CPU time.", buf);
    (void)buf_printf(buf, "process_cpu_seconds_total %lld.%06ld\n", (long long)cpu.tv_sec,
                     cpu.tv_nsec / 1000);
    (void)metrics_head("process_resident_memory_bytes", "gauge", "Resident memory.", buf);
    (void)buf_printf(buf, "process_resident_memory_bytes %" PRIu64 "\n", resident());
    (void)metrics_head("process_open_fds", "gauge", "Open file descriptors.", buf);
    (void)buf_printf(buf, "process_open_fds %u\n", open_files());
    (void)metrics_head("process_max_fds", "gauge", "The most file descriptors there may be.", buf);
    (void)buf_printf(buf, "process_max_fds %llu\n", (unsigned long long)files.rlim_cur);
    (void)metrics_head("nfacme_build_info", "gauge", "The program and its version; always 1.", buf);
    (void)buf_printf(buf, "nfacme_build_info{program=\"%s\",version=\"%s\"} 1\n", program,
                     run_version);
    return !buf->failed;
}
