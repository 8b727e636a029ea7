/* The OAM's clerk: one thread that looks NFs up, notes used assertions, commits many at once, and
 * only then lets the tokens go, so that no HTTP thread waits for the disk. */
#pragma once

#include "common/clock.h"
#include "common/err.h"
#include "nfsim/token.h"

#define CLERK_BATCH_MAX 256 /* requests per commit */

struct clerk;

/* One judged request.  The clerk owns it from clerk_add on. */
struct clerk_job {
    struct clerk_job *next;
    struct token_request request;
    struct cca cca;
    void *ctx; /* the caller's: whom to answer */
};

/* Called on the clerk's thread, once per job, which the callee must free with clerk_job_free.
 * token   the compact JWT, caller owns (free()); NULL and err when refused. */
typedef void clerk_done(struct clerk_job *job, char *token, const struct err *err);

/* authority and clock are borrowed for its life. */
struct clerk *clerk_start(const char *state, const struct token_authority *authority,
                          const struct clock *clock, unsigned queue_max, clerk_done *done,
                          struct err *err);
/* Finish what is queued and refuse what comes; then, when nobody can add any more, free. */
void clerk_stop(struct clerk *clerk);
void clerk_free(struct clerk *clerk);

/* Takes job.  false: queue_max is reached; the job is still the caller's.  Any thread. */
MUST_CHECK bool clerk_add(struct clerk *clerk, struct clerk_job *job, struct err *err);

void clerk_job_free(struct clerk_job *job);
AUTO_DEFINE(struct clerk_job, clerk_job_free)
