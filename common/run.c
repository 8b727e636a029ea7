#include "common/run.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/guard.h"
#include "common/provider.h"

#ifdef NFACME_GUARDS_SWITCHABLE
const char run_version[] = NFACME_VERSION " (for tests only: its checks can be switched off)";
#else
const char run_version[] = NFACME_VERSION;
#endif

static sigset_t awaited(void) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    return set;
}

void run_signals_block(void) {
#ifdef NFACME_GUARDS_SWITCHABLE
    guard_warn();
#endif
    provider_trim();
    sigset_t set = awaited();
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int run_signals_wait(void) {
    sigset_t set = awaited();
    int number = 0;
    while (sigwait(&set, &number) != 0) {
        number = 0;
    }
    return number;
}

/* systemd's protocol, sd_notify(3): one datagram to the socket it names, "@" meaning abstract. */
static void notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to.sun_path)) {
        return;
    }
    size_t len = strlen(path);
    memcpy(to.sun_path, path, len);
    if (path[0] == '@') {
        to.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    (void)close(fd);
}

bool run_credential(const char *name, char *path, size_t size) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");

    return folder != NULL && folder[0] == '/'
           && (size_t)snprintf(path, size, "%s/%s", folder, name) < size && access(path, F_OK) == 0;
}

void run_ready(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    (void)putchar('\n');
    (void)fflush(stdout);
    notify("READY=1");
}

unsigned run_files_max(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > UINT_MAX) {
        return UINT_MAX;
    }
    return (unsigned)limit.rlim_cur;
}

void run_complain(const char *program, const struct err *err) {
    const char *what = err->detail[0] == '\0' ? err_name(err->kind) : err->detail;
    if (err->cause[0] == '\0') {
        (void)fprintf(stderr, "%s: %s\n", program, what);
    } else {
        (void)fprintf(stderr, "%s: %s (%s)\n", program, what, err->cause);
    }
}
