/* A preload that makes every fsync and fdatasync take SLOW_FSYNC_MS longer: shows that no thread
 * waits for the disk. */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void slow_down(void) {
    const char *text = getenv("SLOW_FSYNC_MS");
    const long ms = text == NULL ? 10 : strtol(text, NULL, 10);
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
}

int fsync(int fd) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

    slow_down();
    return next(fd);
}

int fdatasync(int fd) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

    slow_down();
    return next(fd);
}
