/* A request of an NF on its way through the client, and how it is answered: each answer writes the
 * request's one log line and its SERVER span. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/enrolment.h"
#include "common/err.h"
#include "common/httpd.h"
#include "common/loop.h"
#include "common/trace.h"

enum call_kind {
    CALL_ENROL,
    CALL_RENEW,
    CALL_GET,
    CALL_CSR,
    CALL_CERTIFICATE,
    CALL_TOKEN,
    CALL_REVOKE,
    CALL_DELETE,
    CALL_RETRY, /* an operator's */
    CALL_OTHER
};

#define CALL_HOST_SIZE 262 /* a name of 253, a port */
#define CALL_WAIT_MAX_S 60 /* Prefer: wait is cut to this */

struct ca;
struct job;
struct live;

struct call {
    enum call_kind kind;
    const char *name; /* of the span; a literal */
    struct httpd_exchange *exchange;
    struct trace *trace;
    struct trace_context caller, self;
    uint64_t started_us;
    char peer[37]; /* NF instance of the TLS peer; "" = none */
    char id[ENROLMENT_ID_SIZE];
    char host[CALL_HOST_SIZE]; /* of the Location */
    uint64_t wait_us;          /* Prefer: wait; 0 = none */
    unsigned priority;         /* 3gpp-Sbi-Message-Priority */
    uint64_t max_rsp_us;       /* 3gpp-Sbi-Max-Rsp-Time; 0 = none */
    struct enrolment asked;    /* CALL_ENROL: identity, profile, idempotency key, assertion;
                                  CALL_RENEW: the last two, the rest by the engine */
    unsigned char *csr;        /* CALL_CSR: DER */
    size_t csr_len;
    int reason;       /* CALL_REVOKE: RFC 5280 5.3.1 */
    bool by_operator; /* asks on the admin listener: every tenant's enrolments are there */

    /* the engine's */
    void *engine;
    struct live *live;   /* where it is held */
    struct job *job;     /* or there */
    const struct ca *ca; /* CALL_ENROL, CALL_RENEW: where to enrol */
    uint64_t era;        /* of the accounts it has looked up */
    struct call *next;
    struct loop_timer timer;
    bool due; /* has waited long enough */
};

/* A call for an exchange, which owns it from now on; NULL: no memory. */
struct call *call_new(struct httpd_exchange *exchange, struct trace *trace);

/* Each answers the exchange: call and exchange must not be touched afterwards. */

/* A ProblemDetails. */
void answer_problem(struct call *call, const struct err *err);
/* The resource.  201 and 202 carry Location, 202 Retry-After. */
void answer_enrolment(struct call *call, unsigned status, const struct enrolment *enrolment,
                      uint32_t retry_after_s);
/* 204. */
void answer_nothing(struct call *call, const struct enrolment *enrolment);
/* 200 and the chain. */
void answer_chain(struct call *call, const struct enrolment *enrolment);
/* The reason of a FAILED enrolment. */
void answer_failure(struct call *call, const struct enrolment *enrolment);
