#include "common/httpd_pulse.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_HANDSHAKE 22 /* RFC 8446 5.1: the first octet of a handshake, and all they get */

struct httpd_pulse {
    atomic_uint count;
    atomic_int inside[HTTPD_PULSES_MAX]; /* libmicrohttpd's ends, closed by it */
    int outside[HTTPD_PULSES_MAX];
};

struct httpd_pulse *httpd_pulse_new(struct err *err) {
    struct httpd_pulse *pulse = calloc(1, sizeof(*pulse));

    if (pulse == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for a pulse");
    }
    return pulse;
}

/* libmicrohttpd deals connections out by the number of their descriptor: one for that thread. */
static int move_to(int fd, unsigned thread, unsigned threads) {
    while (fd >= 0 && (unsigned)fd % threads != thread) {
        int moved = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
        (void)close(fd);
        fd = moved;
    }
    return fd;
}

static bool add(struct httpd_pulse *pulse, struct MHD_Daemon *daemon, unsigned thread,
                unsigned threads) {
    const struct sockaddr_in nobody = {.sin_family = AF_INET};
    const char octet = RECORD_HANDSHAKE;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return false;
    }
    int inside = move_to(ends[0], thread, threads);
    if (inside < 0 || write(ends[1], &octet, 1) != 1) {
        (void)close(ends[1]);
        if (inside >= 0) {
            (void)close(inside);
        }
        return false;
    }
    pulse->outside[thread] = ends[1];
    atomic_store(&pulse->inside[thread], inside);
    atomic_store(&pulse->count, thread + 1);
    return MHD_add_connection(daemon, inside, (const struct sockaddr *)&nobody, sizeof(nobody))
           == MHD_YES; /* else it has closed its end */
}

bool httpd_pulse_start(struct httpd_pulse *pulse, struct MHD_Daemon *daemon, unsigned threads,
                       struct err *err) {
    if (threads > HTTPD_PULSES_MAX) {
        return err_set(err, ERR_CONFIG, "%u threads are more than %d", threads, HTTPD_PULSES_MAX);
    }
    for (unsigned i = 0; i < threads; i++) {
        if (!add(pulse, daemon, i, threads)) {
            return err_set(err, ERR_CONFIG, "no descriptor for the pulse of thread %u", i);
        }
    }
    return true;
}

bool httpd_pulse_is(const struct httpd_pulse *pulse, int fd) {
    unsigned count = atomic_load(&pulse->count);

    for (unsigned i = 0; i < count; i++) {
        if (atomic_load(&pulse->inside[i]) == fd) {
            return true;
        }
    }
    return false;
}

void httpd_pulse_free(struct httpd_pulse *pulse) {
    if (pulse != NULL) {
        for (unsigned i = 0; i < atomic_load(&pulse->count); i++) {
            (void)close(pulse->outside[i]);
        }
        free(pulse);
    }
}
