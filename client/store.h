/* What must survive: accounts, enrolments, certificates.  One writer thread commits everything
 * that is queued in one transaction (group commit), one reader thread looks things up; both call
 * back on the event loop, so that no other thread ever waits for the disk. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/enrolment.h"
#include "common/err.h"
#include "common/loop.h"

struct store;

#define STORE_READS_MAX 20000 /* look-ups queued; beyond it ERR_OVERLOAD */
#define STORE_BATCH_MAX 512   /* changes of one transaction */

/* An ACME account, by the name the account model gives it and the directory it is at. */
struct store_account {
    char name[ENROLMENT_ACCOUNT_SIZE];
    char *directory;       /* NULL or "": the only one */
    unsigned char *sealed; /* the private key as vault_seal left it */
    size_t sealed_len;
    unsigned char *next_sealed; /* of a rollover under way; or NULL */
    size_t next_sealed_len;
    char thumbprint[JWK_THUMBPRINT_SIZE];
    char *url;        /* NULL until the server has told it */
    uint64_t made_us; /* the key; 0 = unknown */
};
void store_account_done(struct store_account *account);
void store_account_done_auto(struct store_account *account);

/* Open or make the database file; completions go to loop.  ERR_STORE.  Caller owns. */
struct store *store_open(const char *path, struct loop *loop, struct err *err);
/* Commits what is queued, stops both threads; completions not yet delivered are dropped. */
void store_close(struct store *store);
AUTO_DEFINE(struct store, store_close)

/* The last commit worked: new work can be accepted.  Any thread. */
bool store_writable(const struct store *store);

/* A row number nobody has used; one thread only. */
int64_t store_row_next(struct store *store);

/* Durable when err is NULL; else nothing of the change was kept. */
typedef void store_saved(void *ctx, const struct err *err);

/* A new enrolment, with its account unless that is there already (NULL).  Copies. */
MUST_CHECK bool store_insert(struct store *store, const struct enrolment *enrolment,
                             const struct store_account *account, store_saved *saved, void *ctx,
                             struct err *err);

/*
 * Move an enrolment on: compare and set, ERR_CONFLICT reaches saved when it was not in state
 * from.  Writes the record's progress and account URL; entering ISSUED also its chain; a state
 * that does not live any more drops the assertion.  Copies.
 */
MUST_CHECK bool store_move(struct store *store, const struct enrolment *enrolment,
                           enum enrolment_state from, store_saved *saved, void *ctx,
                           struct err *err);

/* The same for an enrolment that goes to another CA: its directory, and its account there unless
 * that is there already (NULL), are written too. */
MUST_CHECK bool store_move_with(struct store *store, const struct enrolment *enrolment,
                                enum enrolment_state from, const struct store_account *account,
                                store_saved *saved, void *ctx, struct err *err);

/* What a look-up found; found_* tell which half is filled.  The call back may move members out
 * (and zero them); the rest is freed after it. */
struct store_found {
    bool found_account, found_enrolment;
    struct store_account account;
    struct enrolment enrolment;
};
void store_found_done(struct store_found *found);
typedef void store_found_fn(void *ctx, struct store_found *found, const struct err *err);

/* The enrolment of a row (chain and assertion included). */
MUST_CHECK bool store_find(struct store *store, int64_t row, store_found_fn *fn, void *ctx,
                           struct err *err);
/* An account by name and directory (NULL: the only one), and the enrolment of an NF under that
 * idempotency key (NULL: none asked for).  nf, account and directory are borrowed until fn. */
struct store_tenant {
    const char *nf, *account, *directory, *idempotency;
};
MUST_CHECK bool store_tenant(struct store *store, const struct store_tenant *tenant,
                             store_found_fn *fn, void *ctx, struct err *err);

/*
 * The door for rooms with their own tables: work runs on the writer's thread inside the batch's
 * transaction (write), or on the reader's (read); done follows on the loop.  ctx is both's and must
 * live until done.  ERR_CONFLICT from work fails it alone and must come before it has changed
 * anything; any other failure fails the batch.
 */
struct store_sql;
typedef bool store_work(struct store_sql *sql, void *ctx, struct err *err);
MUST_CHECK bool store_write(struct store *store, store_work *work, store_saved *done, void *ctx,
                            struct err *err);
MUST_CHECK bool store_read(struct store *store, store_work *work, store_saved *done, void *ctx,
                           struct err *err);

/* The same at once, on this thread: at start only, before any look-up is queued. */
MUST_CHECK bool store_read_now(struct store *store, store_work *work, void *ctx, struct err *err);

/* Call fn for every live enrolment and its account, at start, on this thread. */
MUST_CHECK bool store_resume(struct store *store, store_found_fn *fn, void *ctx, struct err *err);

/* Transactions committed, and changes in them. */
uint64_t store_commits(const struct store *store);
uint64_t store_commit_records(const struct store *store);
