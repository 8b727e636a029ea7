#include "client/dns01_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define LINE_SIZE 256

extern char **environ;

struct dns01_hook {
    struct dns01_hook_options options;
};

struct run {
    const struct dns01_hook *hook;
    struct dns01_job job;
    dns01_done *done;
    void *ctx;
    struct loop_timer timer;
    uint64_t started_us;
    pid_t pid;      /* of the leader and its group; 0 = none */
    int pid_fd;     /* readable when the leader has ended; -1 = none */
    int out_fd;     /* its output; -1 = closed */
    bool late;      /* killed for its time */
    size_t printed; /* octets */
    char line[LINE_SIZE];
    size_t line_len;
};

struct dns01_hook *dns01_hook_new(const struct dns01_hook_options *options, struct err *err) {
    struct dns01_hook *hook = NULL;

    if (access(options->command, X_OK) != 0) {
        (void)err_set(err, ERR_CONFIG, "%.120s: %s", options->command, strerrordesc_np(errno));
        return NULL;
    }
    hook = calloc(1, sizeof *hook);
    if (hook == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    hook->options = *options;
    return hook;
}

void dns01_hook_free(struct dns01_hook *hook) { free(hook); }

static const char *verb(const struct run *run) {
    return run->job.op == DNS01_ADD ? "present" : "withdraw";
}

static void forget_fd(const struct run *run, int *fd) {
    struct err ignored = {0};

    if (*fd >= 0) {
        (void)!loop_watch(run->hook->options.loop, *fd, 0, NULL, NULL, &ignored);
        (void)close(*fd);
        *fd = -1;
    }
}

static void run_free(struct run *run) {
    loop_timer_unset(run->hook->options.loop, &run->timer);
    forget_fd(run, &run->out_fd);
    forget_fd(run, &run->pid_fd);
    free(run);
}

static void cancel(void *ctx) {
    struct run *run = ctx;

    if (run->pid > 0) {
        (void)kill(-run->pid, SIGKILL);
        (void)waitpid(run->pid, NULL, 0); /* killed: it does not last */
    }
    run_free(run);
}

static void line_out(struct run *run) {
    char quoted[LINE_SIZE + 80];

    if (run->line_len > 0) {
        run->line[run->line_len] = '\0';
        log_line(LOG_INFO, "hook", "output", "pid=%d verb=%s name=%s line=%s", (int)run->pid,
                 verb(run), run->job.name, log_quote(run->line, quoted, sizeof quoted));
        run->line_len = 0;
    }
}

/* Whole lines to the log, up to a measure; what comes beyond it is read and dropped. */
static void print(struct run *run, const char *data, size_t len) {
    for (size_t i = 0; i < len && run->printed < DNS01_HOOK_OUTPUT_MAX; i++, run->printed++) {
        if (data[i] == '\n' || run->line_len == LINE_SIZE - 1) {
            line_out(run);
        }
        if (data[i] != '\n' && data[i] != '\0') {
            run->line[run->line_len++] = data[i];
        }
    }
}

static void read_output(void *ctx, uint32_t events) {
    struct run *run = ctx;
    char data[1024];

    (void)events;
    /* a part in each turn of the loop: it may print without end */
    ssize_t got = run->out_fd < 0 ? 0 : read(run->out_fd, data, sizeof data);
    if (got > 0) {
        print(run, data, (size_t)got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        forget_fd(run, &run->out_fd);
    }
}

/* What is in the pipe when the command has ended; its children may hold it open. */
static void drain(struct run *run) {
    for (unsigned i = 0; i < DNS01_HOOK_OUTPUT_MAX / 1024 && run->out_fd >= 0; i++) {
        read_output(run, 0);
    }
    line_out(run);
}

static void ended(void *ctx, uint32_t events) {
    struct run *run = ctx;
    siginfo_t info = {0};
    struct err err = {0};
    dns01_done *done = run->done;
    void *done_ctx = run->ctx;

    (void)events;
    if (waitid(P_PIDFD, (id_t)run->pid_fd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) {
        return;
    }
    drain(run);
    const bool good = info.si_code == CLD_EXITED && info.si_status == 0;
    log_line(good ? LOG_INFO : LOG_WARNING, "hook", "ended", "pid=%d verb=%s name=%s %s=%d us=%llu",
             (int)run->pid, verb(run), run->job.name,
             info.si_code == CLD_EXITED ? "exit" : "signal", info.si_status,
             (unsigned long long)(clock_wall_us() - run->started_us));
    if (run->late) {
        (void)err_set(&err, ERR_TIMEOUT, "the hook did not end in time");
    } else if (!good) {
        (void)err_set(&err, ERR_UPSTREAM, "the hook failed: %s %d",
                      info.si_code == CLD_EXITED ? "exit status" : "signal", info.si_status);
    }
    run_free(run);
    done(done_ctx, good ? DNS_DONE : DNS_UNSURE, good ? NULL : &err);
}

static void too_late(void *ctx) {
    struct run *run = ctx;

    run->late = true;
    (void)kill(-run->pid, SIGKILL); /* its end comes by the pid's descriptor */
}

static bool actions_make(posix_spawn_file_actions_t *actions, int out_fd) {
    return posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0
           && posix_spawn_file_actions_adddup2(actions, out_fd, STDOUT_FILENO) == 0
           && posix_spawn_file_actions_adddup2(actions, out_fd, STDERR_FILENO) == 0
           && posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1) == 0;
}

/* A group of its own, and signals as a fresh program expects them. */
static bool attributes_make(posix_spawnattr_t *attributes) {
    sigset_t none, all;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK
                                                    | POSIX_SPAWN_SETSIGDEF)
               == 0
           && posix_spawnattr_setpgroup(attributes, 0) == 0
           && posix_spawnattr_setsigmask(attributes, &none) == 0
           && posix_spawnattr_setsigdefault(attributes, &all) == 0;
}

static int spawn(struct run *run, int out_fd) {
    const char *command = run->hook->options.command;
    char *const arguments[] = {(char *)command, (char *)verb(run), (char *)run->job.name,
                               (char *)run->job.value, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int code = ENOMEM;

    if (posix_spawn_file_actions_init(&actions) != 0) {
        return code;
    }
    if (posix_spawnattr_init(&attributes) == 0) {
        if (actions_make(&actions, out_fd) && attributes_make(&attributes)) {
            code = posix_spawn(&run->pid, command, &actions, &attributes, arguments, environ);
        }
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return code;
}

static bool go(struct run *run, struct err *err) {
    struct loop *loop = run->hook->options.loop;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_set(err, ERR_OVERLOAD, "no pipe for the hook: %s", strerrordesc_np(errno));
    }
    run->out_fd = ends[0];
    int code = fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ? errno : spawn(run, ends[1]);
    (void)close(ends[1]);
    if (code != 0) {
        run->pid = 0;
        return err_set(err, ERR_UPSTREAM, "the hook did not start: %s", strerrordesc_np(code));
    }
    run->pid_fd = pidfd_open(run->pid, 0);
    if (run->pid_fd < 0) {
        return err_set(err, ERR_OVERLOAD, "no descriptor for the hook: %s", strerrordesc_np(errno));
    }
    return loop_watch(loop, run->out_fd, EPOLLIN, read_output, run, err)
           && loop_watch(loop, run->pid_fd, EPOLLIN, ended, run, err);
}

static void *start(void *self, const struct dns01_job *job, dns01_done *done, void *ctx,
                   struct err *err) {
    struct run *run = calloc(1, sizeof *run);

    if (run == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    *run = (struct run){.hook = self,
                        .job = *job,
                        .done = done,
                        .ctx = ctx,
                        .started_us = clock_wall_us(),
                        .pid_fd = -1,
                        .out_fd = -1};
    if (!go(run, err)) {
        cancel(run);
        return NULL;
    }
    loop_timer_set(run->hook->options.loop, &run->timer,
                   run->started_us + run->hook->options.limit_us, too_late, run);
    return run;
}

struct dns01_runner dns01_hook_runner(struct dns01_hook *hook) {
    return (struct dns01_runner){.start = start, .cancel = cancel, .self = hook};
}
