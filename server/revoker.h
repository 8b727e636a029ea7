/* Between a committed revocation and its acknowledgement: a new CRL, signed on a thread of its own,
 * one for all revocations that wait.  What is committed stands: when no list can be made it is
 * acknowledged all the same, logged, and the list tried again until it can. */
#pragma once

#include "common/err.h"
#include "server/crl.h"
#include "server/store.h"

struct revoker;

#define REVOKER_AGAIN_S 5 /* after a list that could not be made */

/* crl   borrowed for the life; NULL: there is no list, revocations are acknowledged at once. */
struct revoker *revoker_new(struct crl *crl, struct err *err);
/* Serves what waits, then stops. */
void revoker_free(struct revoker *revoker);
AUTO_DEFINE(struct revoker, revoker_free)

/* The caller's memory, until its done was called. */
struct revoker_wait {
    void (*done)(void *ctx);
    void *ctx;
    struct revoker_wait *next;
};
/* Call wait->done on the revoker's thread once a list was tried that holds all committed now. */
void revoker_submit(struct revoker *revoker, struct revoker_wait *wait);

/* A crl_source; ctx is a struct store. */
bool revoker_source(void *ctx, int64_t expiring_after_s, crl_sink *sink, void *sink_ctx,
                    struct err *err);
