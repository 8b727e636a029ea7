/* dns-01 by a command: `COMMAND present|withdraw NAME VALUE`, without a shell, in a process group
 * of its own with an end to its time.  Exit 0 means done; what it prints goes to the log. */
#pragma once

#include "client/dns01_runner.h"
#include "common/loop.h"

#define DNS01_HOOK_OUTPUT_MAX 4096 /* octets logged of one run */

struct dns01_hook_options {
    struct loop *loop;
    const char *command; /* a path; borrowed for the life */
    uint64_t limit_us;   /* then the group is killed */
};
struct dns01_hook;

/* ERR_CONFIG: not an executable file.  Caller owns. */
struct dns01_hook *dns01_hook_new(const struct dns01_hook_options *options, struct err *err);
/* No run is left. */
void dns01_hook_free(struct dns01_hook *hook);
AUTO_DEFINE(struct dns01_hook, dns01_hook_free)

/* DNS01_ADD and DNS01_REMOVE.  cancel kills the group and waits for it. */
struct dns01_runner dns01_hook_runner(struct dns01_hook *hook);
