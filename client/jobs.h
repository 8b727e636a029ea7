/* Requests to the ACME server that belong to no enrolment's states: revocation (RFC 8555 7.6),
 * deactivation of an account nobody uses any more (7.3.6), change of an account's key (7.3.5).
 *
 * A job is saved before it is acted on and deleted when the server has had its say, in the same
 * transaction as what it means for the rest; after a crash it is done again, which is harmless. */
#pragma once

#include "client/answer.h"
#include "client/cas.h"
#include "client/store.h"
#include "client/vault.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"

#define JOBS_MAX 10000         /* known at a time; beyond it NFs get 503 */
#define JOBS_DRAIN_US 60000000 /* a change of a key waits so long for those who use it */
#define JOBS_RUNNING_MAX 16    /* of them with a request under way */

struct jobs;

/* All borrowed for the life. */
struct jobs_options {
    struct loop *loop;
    struct store *store;
    struct vault *vault;
    const struct cas *cas;
    const struct clock *clock;
};
/* Who uses accounts. */
struct jobs_users {
    void *ctx;
    /* Is somebody of it between newOrder and READY (challenges are answered with the key's
     * thumbprint), or, with out, waiting for an answer? */
    bool (*busy)(void *ctx, const char *account, const char *directory, bool out);
    /* It has another key now; key is borrowed. */
    void (*rekeyed)(void *ctx, const char *account, const char *directory, EVP_PKEY *key,
                    const char *thumbprint);
    /* Nobody uses it any more, and it is to be deactivated: its name is free. */
    void (*ended)(void *ctx, const char *account, const char *directory);
};

struct jobs *jobs_new(const struct jobs_options *options, struct err *err);
/* Before the loop runs; borrowed for the life. */
void jobs_users_set(struct jobs *jobs, const struct jobs_users *users);
/* Load what was not done; before the loop runs. */
MUST_CHECK bool jobs_resume(struct jobs *jobs, struct err *err);
/* Answer what is held with 503; on the loop's thread. */
void jobs_stop(struct jobs *jobs);
/* After the loop has stopped and the store is closed. */
void jobs_free(struct jobs *jobs);
AUTO_DEFINE(struct jobs, jobs_free)

/* Revoke the certificate of an ISSUED enrolment (chain included) with call->reason, or join that
 * which is under way.  Answers the call: 204 when the server has done it, 202 when the call's wait
 * is over before, else a problem. */
void jobs_revoke(struct jobs *jobs, struct call *call, const struct enrolment *enrolment);

/*
 * Save that an enrolment is WITHDRAWN (compare and set, as store_move) and, in the same
 * transaction, that its account is to be deactivated when no other enrolment uses it.
 * account_kept: it is used by one that is not on disk yet.
 */
MUST_CHECK bool jobs_withdraw(struct jobs *jobs, const struct enrolment *enrolment,
                              enum enrolment_state from, bool account_kept, store_saved *saved,
                              void *ctx, struct err *err);
/*
 * Give an account another key (RFC 8555 7.3.5), unless that is under way: new orders of it are held
 * until nobody is busy with it, at most JOBS_DRAIN_US, then everything, until the server has
 * answered.  When it refuses, the old key stays.
 */
void jobs_rekey(struct jobs *jobs, const struct store_account *account);
/* request_gate of every request signed with an account's key; ctx the jobs. */
struct request_spec;
bool jobs_gate(void *ctx, const struct request_spec *spec);

/* A number that changes with every withdrawal and change of a key saved; 0 while one is being
 * saved.  What was looked up under another one, or under 0, may name an account that is going. */
uint64_t jobs_era(const struct jobs *jobs);
