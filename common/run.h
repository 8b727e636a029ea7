/* What every daemon's main does: signals as an event, the ready line, file limits. */
#pragma once

#include <stddef.h>

#include "common/err.h"

/* First in main: block SIGTERM, SIGINT and SIGHUP in every thread made later, ignore SIGPIPE, and
 * cut OpenSSL down to what is used (provider.h). */
void run_signals_block(void);
/* Wait for one of them; returns its number. */
int run_signals_wait(void);
/* Print the one ready line on stdout and flush it; then tell systemd (NOTIFY_SOCKET). */
__attribute__((format(printf, 1, 2))) void run_ready(const char *fmt, ...);
/* Path of a credential systemd hands over ($CREDENTIALS_DIRECTORY/name); false: there is none. */
bool run_credential(const char *name, char *path, size_t size);
/* Raise the soft RLIMIT_NOFILE to the hard one; returns it. */
unsigned run_files_max(void);
/* Print "program: detail" on stderr. */
void run_complain(const char *program, const struct err *err);
extern const char run_version[]; /* "0.1.0" */

/* Exit codes every program shares. */
enum run_exit {
    RUN_OK = 0,      /* every expectation met */
    RUN_FAILED = 1,  /* an expectation failed */
    RUN_USAGE = 2,   /* bad usage or config */
    RUN_NOTHING = 3, /* nothing was run */
    RUN_SETUP = 4    /* could not set up: port, package, program died */
};
