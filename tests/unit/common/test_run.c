#include "common/run.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "suite.h"

static void *wait_for_signal(void *place) {
    *(int *)place = run_signals_wait();
    return NULL;
}

START_TEST(signals_come_as_the_answer_to_a_wait) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    run_signals_block();
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        pthread_t thread;
        int seen = 0;
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_signal, &seen), 0);
        ck_assert_int_eq(kill(getpid(), numbers[i]), 0);
        (void)pthread_join(thread, NULL);
        ck_assert_int_eq(seen, numbers[i]);
    }
}
END_TEST

START_TEST(a_broken_pipe_is_not_a_death) {
    int ends[2];
    run_signals_block();
    ck_assert_int_eq(pipe(ends), 0);
    (void)close(ends[0]);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    (void)close(ends[1]);
}
END_TEST

/* A datagram socket as systemd's, at a path or abstract. */
static int listener(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    memcpy(at.sun_path, path, len);
    if (path[0] == '@') {
        at.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 10};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    ck_assert_int_eq(
        bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
        0);
    return fd;
}

START_TEST(the_ready_line_is_printed_and_systemd_told) {
    char folder[] = "/tmp/runXXXXXX";
    char path[64];
    char abstract[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/notify", folder);
    (void)snprintf(abstract, sizeof(abstract), "@nfacme-test-%d", getpid());
    const char *const places[] = {path, abstract};
    for (unsigned i = 0; i < COUNT(places); i++) {
        char got[64] = "";
        int fd = listener(places[i]);
        ck_assert_int_eq(setenv("NOTIFY_SOCKET", places[i], 1), 0);
        struct caught caught = catch_start(STDOUT_FILENO);
        run_ready("ready directory=https://127.0.0.1:%d/directory", 14000);
        AUTO(free) char *text = catch_end(&caught);
        ck_assert_str_eq(text, "ready directory=https://127.0.0.1:14000/directory\n");
        ck_assert_int_eq(recv(fd, got, sizeof(got) - 1, 0), 7);
        ck_assert_str_eq(got, "READY=1");
        (void)close(fd);
    }
    (void)unlink(path);
    (void)rmdir(folder);
}
END_TEST

START_TEST(without_systemd_only_the_line_is_printed) {
    static const char *const places[] = {"", "relative", "/nonexistent/notify"};
    for (unsigned i = 0; i < COUNT(places); i++) {
        ck_assert_int_eq(setenv("NOTIFY_SOCKET", places[i], 1), 0);
        struct caught caught = catch_start(STDOUT_FILENO);
        run_ready("ready %s", "x");
        AUTO(free) char *text = catch_end(&caught);
        ck_assert_str_eq(text, "ready x\n");
    }
}
END_TEST

START_TEST(the_open_file_limit_is_raised_to_the_hard_one) {
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    unsigned raised = run_files_max();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert(limit.rlim_cur == limit.rlim_max);
    ck_assert_uint_eq(raised, limit.rlim_max > UINT32_MAX ? UINT32_MAX : limit.rlim_max);
}
END_TEST

START_TEST(a_complaint_names_the_program_and_the_cause) {
    struct err err = {.kind = ERR_CONFIG, .detail = "bad.yaml:3: port: not an integer"};
    struct caught caught = catch_start(STDERR_FILENO);
    run_complain("nfacme-server", &err);
    (void)err_cause(&err, "errno 2");
    run_complain("nfacme-server", &err);
    run_complain("nfsim", &(struct err){.kind = ERR_TIMEOUT});
    AUTO(free) char *text = catch_end(&caught);
    ck_assert_str_eq(text, "nfacme-server: bad.yaml:3: port: not an integer\n"
                           "nfacme-server: bad.yaml:3: port: not an integer (errno 2)\n"
                           "nfsim: timeout\n");
}
END_TEST

START_TEST(a_credential_of_systemd_is_found_by_its_name) {
    char path[256], folder[] = "/tmp/nfacme-test-XXXXXX", file[64];

    (void)unsetenv("CREDENTIALS_DIRECTORY");
    ck_assert(!run_credential("vault.key", path, sizeof path));
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)setenv("CREDENTIALS_DIRECTORY", folder, 1);
    ck_assert(!run_credential("vault.key", path, sizeof path));
    (void)snprintf(file, sizeof file, "%s/vault.key", folder);
    FILE *made = fopen(file, "w");
    ck_assert_ptr_nonnull(made);
    (void)fclose(made);
    ck_assert(run_credential("vault.key", path, sizeof path));
    ck_assert_str_eq(path, file);
    ck_assert(!run_credential("vault.key", path, 8));
    (void)unlink(file);
    (void)rmdir(folder);
}
END_TEST

START_TEST(the_version_is_the_projects) { ck_assert_str_eq(run_version, NFACME_VERSION); }
END_TEST

int main(void) {
    const TTest *tests[] = {
        signals_come_as_the_answer_to_a_wait,          a_broken_pipe_is_not_a_death,
        the_ready_line_is_printed_and_systemd_told,    without_systemd_only_the_line_is_printed,
        the_open_file_limit_is_raised_to_the_hard_one, a_complaint_names_the_program_and_the_cause,
        a_credential_of_systemd_is_found_by_its_name,  the_version_is_the_projects};
    return suite_run("run", tests, COUNT(tests));
}
