#include "nfsim/nf_life.h"

#include <assert.h>

/* clang-format off */
static const struct { enum nf_state from; enum nf_event on; enum nf_state to; } arrows[] = {
    {NF_ASLEEP,     NF_EVENT_START,    NF_ASKING},
    {NF_ASKING,     NF_EVENT_PENDING,  NF_WAITING},
    {NF_ASKING,     NF_EVENT_READY,    NF_SUBMITTING},
    {NF_WAITING,    NF_EVENT_PENDING,  NF_WAITING},
    {NF_WAITING,    NF_EVENT_READY,    NF_SUBMITTING},
    {NF_SUBMITTING, NF_EVENT_PENDING,  NF_COLLECTING},
    {NF_SUBMITTING, NF_EVENT_VERIFIED, NF_USING},
    {NF_SUBMITTING, NF_EVENT_DONE,     NF_ENROLLED},
    {NF_COLLECTING, NF_EVENT_PENDING,  NF_COLLECTING},
    {NF_COLLECTING, NF_EVENT_VERIFIED, NF_USING},
    {NF_COLLECTING, NF_EVENT_DONE,     NF_ENROLLED},
    {NF_USING,      NF_EVENT_DONE,     NF_ENROLLED},
    {NF_ASLEEP,     NF_EVENT_FAILED,   NF_FAILED},
    {NF_ASKING,     NF_EVENT_FAILED,   NF_FAILED},
    {NF_WAITING,    NF_EVENT_FAILED,   NF_FAILED},
    {NF_SUBMITTING, NF_EVENT_FAILED,   NF_FAILED},
    {NF_COLLECTING, NF_EVENT_FAILED,   NF_FAILED},
    {NF_USING,      NF_EVENT_FAILED,   NF_FAILED},
    {NF_ASKING,     NF_EVENT_DEADLINE, NF_TIMEOUT},
    {NF_WAITING,    NF_EVENT_DEADLINE, NF_TIMEOUT},
    {NF_SUBMITTING, NF_EVENT_DEADLINE, NF_TIMEOUT},
    {NF_COLLECTING, NF_EVENT_DEADLINE, NF_TIMEOUT},
    {NF_USING,      NF_EVENT_DEADLINE, NF_TIMEOUT},
};
static const char *const names[] = {
    [NF_ASLEEP]     = "ASLEEP",
    [NF_ASKING]     = "ASKING",
    [NF_WAITING]    = "WAITING",
    [NF_SUBMITTING] = "SUBMITTING",
    [NF_COLLECTING] = "COLLECTING",
    [NF_USING]      = "USING",
    [NF_ENROLLED]   = "ENROLLED",
    [NF_FAILED]     = "FAILED",
    [NF_TIMEOUT]    = "TIMEOUT",
};
/* clang-format on */
static_assert(COUNT(names) == NF_STATE__COUNT, "one name per state");

bool nf_next(enum nf_state state, enum nf_event event, enum nf_state *ret_next, struct err *err) {
    for (size_t i = 0; i < COUNT(arrows); i++) {
        if (arrows[i].from == state && arrows[i].on == event) {
            *ret_next = arrows[i].to;
            return true;
        }
    }
    return err_set(err, ERR_CONFLICT, "an NF that is %s cannot do that", names[state]);
}

bool nf_state_final(enum nf_state state) {
    return state == NF_ENROLLED || state == NF_FAILED || state == NF_TIMEOUT;
}

const char *nf_state_name(enum nf_state state) { return names[state]; }
