/* NFACME_CRASH="WHERE WHAT NTH": the point at which this process kills itself. */
#include "client/crash_point.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned passed;

void crash_point(const char *where, const char *what) {
    const char *wanted = getenv("NFACME_CRASH");
    char at[16] = "", of[64] = "";
    unsigned nth = 0;

    if (wanted == NULL || sscanf(wanted, "%15s %63s %u", at, of, &nth) != 3
        || strcmp(at, where) != 0 || strcmp(of, what) != 0) {
        return;
    }
    (void)pthread_mutex_lock(&lock);
    if (++passed == nth) {
        (void)kill(getpid(), SIGKILL);
    }
    (void)pthread_mutex_unlock(&lock);
}

void crash_point_move(const char *where, const char *from, const char *to) {
    char what[64];

    (void)snprintf(what, sizeof what, "%s>%s", from, to);
    crash_point(where, what);
}
