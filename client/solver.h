/* How challenges are met: one row and one file per challenge type.
 *
 * A task is one challenge of one authorization.  present publishes its answer or fetches what
 * proves the authority, fills task->payload and calls task->done; withdraw takes back whatever was
 * published, and is called exactly once for each task that present was called for. */
#pragma once

#include <jansson.h>

#include "client/enrolment.h"
#include "client/upstream.h"
#include "common/acme.h"
#include "common/trace.h"

struct dns01_hook;
struct dns01_server;
struct solver_dns01;
struct solver_http01;
struct solver_tkauth01;
struct solver_tlsalpn01;

/* What is configured, in the order of preference. */
struct solvers {
    unsigned count;
    enum acme_challenge_type order[ACME_CHALLENGE__COUNT];
    struct solver_http01 *http01;     /* borrowed; NULL = not configured */
    struct solver_tkauth01 *tkauth01; /* likewise */
    struct solver_tlsalpn01 *tlsalpn01;
    struct solver_dns01 *dns01;
    struct dns01_server *dns01_server; /* who does its work; solvers.c's alone */
    struct dns01_hook *dns01_hook;
    bool nf_tokens; /* an NF may bring its authority token itself */
    bool none;      /* names are authorised beforehand: an order may hold what no solver proves */
};

/* err NULL: presented; payload is there. */
typedef void solver_done(void *ctx, const struct err *err);

struct solver_task {
    enum acme_challenge_type type;
    struct acme_identifier identifier;
    char *url;                          /* of the challenge; owned */
    char *token;                        /* of the challenge; owned; NULL = none */
    char *payload;                      /* the response to POST, filled by present; owned */
    const struct enrolment *enrolment;  /* whose; borrowed: thumbprint, cca, token */
    const struct trace_context *parent; /* borrowed */
    solver_done *done;
    void *ctx;
    void *state; /* the solver's own between present and withdraw */
};

#define SOLVER_PROVES(type) (1U << (type))

struct solver {
    enum acme_challenge_type type;
    unsigned identifiers; /* the kinds of name it can prove: SOLVER_PROVES(…) | … */
    bool (*configured)(const struct solvers *solvers);
    /* done may be called before it returns; on false it is not called. */
    bool (*present)(const struct solvers *solvers, struct solver_task *task, struct err *err);
    void (*withdraw)(const struct solvers *solvers, struct solver_task *task);
};

/* The row of a challenge type; NULL: this client cannot do it. */
const struct solver *solver_of(enum acme_challenge_type type);

/* A configured solver proves names of that type, or they need none. */
bool solver_for(const struct solvers *solvers, enum acme_identifier_type type);

/*
 * Choose among the challenges of a pending authorization by the order of preference, and fill type,
 * identifier, url and token of the task.
 * challenges  the authorization's array; borrowed.
 * ERR_UPSTREAM: none fits (both lists are named), or the chosen one lacks a member.
 */
MUST_CHECK bool solver_choose(const struct solvers *solvers,
                              const struct acme_identifier *identifier, const json_t *challenges,
                              struct solver_task *task, struct err *err);

/* The enrolment of that row needs no challenge any more, whatever life it was presented in. */
void solver_settled(const struct solvers *solvers, int64_t row);

/* Free what the task owns; after withdraw. */
void solver_task_done(struct solver_task *task);
