/* Draw one message sequence as SVG: lifelines, a row per message, bands of the nine steps. */
#pragma once

#include <stdint.h>

#include "common/buf.h"

enum flow_party { FLOW_PRODUCER, FLOW_NF, FLOW_CLIENT, FLOW_SERVER, FLOW_OAM, FLOW_PARTY__COUNT };

#define FLOW_STEPS 9
#define FLOW_BANDS (FLOW_STEPS + 1) /* the nine steps, then what followed t9 */

/* One exchange: a request and, unless it is within one party, its answer. */
struct flow_call {
    enum flow_party from, to; /* equal: work within one party */
    char name[64];
    char status[16]; /* "201"; "" = no answer was seen */
    uint64_t start_us, end_us;
};

struct flow_step {
    bool seen;
    uint64_t start_us, end_us;
};

struct flow {
    char nf[64], type[64], trace_id[33];
    bool has_root;
    uint64_t start_us, end_us; /* of the whole enrolment: t0, t9 */
    struct flow_step steps[FLOW_STEPS];
    struct flow_call *calls; /* owned by the maker */
    unsigned count, left_out;
};

/* Append a whole SVG document; text is escaped, nothing is fetched. */
void flow_draw(const struct flow *flow, struct buf *out);
/* The same frame with one sentence instead of a sequence. */
void flow_draw_none(const char *sentence, struct buf *out);
