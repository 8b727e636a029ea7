/* A preload that makes every fsync and fdatasync take SLOW_FSYNC_MS (set when it is compiled) longer:
 * shows that no thread waits for the disk. */
#include <dlfcn.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

static void slow_down(void) {
    struct timespec rest = {.tv_sec = SLOW_FSYNC_MS / 1000,
                            .tv_nsec = SLOW_FSYNC_MS % 1000 * 1000000};

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
