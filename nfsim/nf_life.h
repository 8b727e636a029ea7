/* The life of a simulated NF as a table of arrows: what is not here is forbidden. */
#pragma once

#include "common/err.h"

enum nf_state {
    NF_ASLEEP,     /* waits for its turn */
    NF_ASKING,     /* step 1: POST enrolments */
    NF_WAITING,    /* GET enrolment until READY */
    NF_SUBMITTING, /* step 8: PUT csr */
    NF_COLLECTING, /* GET certificate until it is there */
    NF_USING,      /* step 9 is done: its first mutual TLS connection as a client */
    NF_ENROLLED,
    NF_FAILED,
    NF_TIMEOUT,
    NF_STATE__COUNT
};

enum nf_event {
    NF_EVENT_START,    /* its turn came */
    NF_EVENT_PENDING,  /* the client works on it: 202, or not READY yet */
    NF_EVENT_READY,    /* step 7: the NF has read READY */
    NF_EVENT_VERIFIED, /* it holds a chain it has verified, and is to use it */
    NF_EVENT_DONE,     /* all is done */
    NF_EVENT_FAILED,   /* refused, or what came is wrong */
    NF_EVENT_DEADLINE, /* it took too long */
    NF_EVENT__COUNT
};

/* Pure.  ERR_CONFLICT: no such arrow. */
MUST_CHECK bool nf_next(enum nf_state state, enum nf_event event, enum nf_state *ret_next,
                        struct err *err);

bool nf_state_final(enum nf_state state);
/* "ASKING"; the vocabulary of the event history. */
const char *nf_state_name(enum nf_state state);
