/* What a program costs, from the kernel: CPU (user + system) and the peak of its memory. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct process_usage {
    double cpu_s;
    double rss_peak_kib;
};

/* pid 0 is this process.  false when there is no such process. */
bool process_usage(pid_t pid, struct process_usage *ret);
