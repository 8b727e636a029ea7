/* The audit log: one JSON line per certificate issued, per revocation and per refused request, only
 * ever appended to.  Certificates come from the store in the order of their numbers, so a line that
 * was lost to a crash is written at the next start: after that the file holds every certificate the
 * store does.  Each line carries a digest of the line before it (audit_digest), which shows what
 * was changed or taken out later.  Written by a thread of its own; nobody waits for it. */
#pragma once

#include "common/clock.h"
#include "server/meter.h"
#include "server/store_upkeep.h"

struct audit;

#define AUDIT_DIGEST_SIZE 33    /* 32 hex digits of SHA-256, NUL */
#define AUDIT_REFUSALS_MAX 1024 /* waiting to be written; more are counted, not written */

struct audit_options {
    const char *path;          /* made with mode 0600 when missing */
    struct store *store;       /* borrowed for the life */
    const struct clock *clock; /* borrowed for the life */
    bool memory;               /* the store began empty: its numbers do not go on from the file's */
};

/* Continues the file.  ERR_CONFIG: it cannot be opened or its last line is not ours. */
struct audit *audit_open(const struct audit_options *options, struct err *err);
/* Writes what waits. */
void audit_close(struct audit *audit);
AUTO_DEFINE(struct audit, audit_close)

/* A store_observer; ctx is the struct audit: something was issued or revoked. */
void audit_committed(void *ctx, const struct store_tx *tx);
/* A request was answered with a problem.  account, peer: "" when unknown; all copied. */
void audit_refused(struct audit *audit, enum meter_operation operation, const char *account,
                   const char *peer, const struct err *err);
/* Close the file and open it by its name again, as after it was moved away. */
void audit_reopen(struct audit *audit);

struct audit_counts {
    uint64_t lines;
    uint64_t refusals_lost;
    bool healthy; /* the last write succeeded */
};
struct audit_counts audit_counts(struct audit *audit);

/* The digest a following line carries of this one (without its line feed). */
void audit_digest(const char *line, size_t len, char digest[AUDIT_DIGEST_SIZE]);
