/* One whole RFC 8555 flow: account, order, authorizations, finalization, download. */
#pragma once

#include "common/loop.h"
#include "tests/bench/load_facts.h"
#include "tests/bench/load_identity.h"
#include "tests/bench/load_responder.h"
#include "tests/bench/load_wire.h"

/* What all flows of a run share; everything borrowed. */
struct flow_bed {
    struct loop *loop;
    struct wire *wire;
    struct load_stats *stats;
    struct responder *responder;
    struct facts *facts; /* or NULL */
    struct load_authority authority;
    uint64_t poll_us; /* first pause between polls; doubled to a second */
    bool ride_out;    /* a server that is away comes back: go on from the order then */
};

struct load_account {
    EVP_PKEY *key;
    char thumbprint[44];
    char *url; /* NULL: not made yet */
};
MUST_CHECK bool load_account_init(struct load_account *account, struct err *err);
void load_account_done(struct load_account *account);

struct flow;
/* good: the certificate (or only the account) was had; errors are counted already. */
typedef void flow_done(void *ctx, struct flow *flow, bool good);

/* In the caller's memory, which stays where it is; flow_start may be called again from done. */
struct flow {
    const struct flow_bed *bed;
    struct load_account *account; /* made first when it has no URL */
    bool account_only;
    struct load_names names;
    flow_done *done;
    void *ctx;
    /* the flow's own: */
    struct wire_call call;
    struct loop_timer timer;
    EVP_PKEY *key;
    char *order, *finalize, *certificate, *challenge;
    char *authz[LOAD_NAMES_MAX];
    char *token[LOAD_NAMES_MAX]; /* published for authz[i] until the end */
    unsigned authz_count, authz_at, polls;
    uint64_t start_us;
};
void flow_start(struct flow *flow);
/* Frees what an unfinished flow has; its request and timer are over. */
void flow_clear(struct flow *flow);
