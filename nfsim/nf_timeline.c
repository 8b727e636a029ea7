#include "nfsim/nf_timeline.h"

#include <stdio.h>
#include <string.h>

void nf_timeline_read(const char *header, uint64_t t_us[RESULT_INSTANTS]) {
    const char *at = header;

    while (*at != '\0') {
        if (at[0] == 't' && at[1] >= '1' && at[1] <= '8' && at[1] != '7' && at[2] == '=') {
            const size_t len = strspn(at + 3, "0123456789");
            uint64_t value = 0;
            for (size_t i = 0; i < len && len < 19; i++) {
                value = value * 10 + (uint64_t)(at[3 + i] - '0');
            }
            if (value != 0) {
                t_us[at[1] - '0'] = value;
            }
        }
        at += strcspn(at, ",");
        at += strspn(at, ", ");
    }
}

unsigned nf_timeline_order(uint64_t t_us[RESULT_INSTANTS]) {
    const uint64_t end_us = t_us[RESULT_INSTANTS - 1];
    unsigned moved = 0;

    for (unsigned i = 1; i + 1 < RESULT_INSTANTS; i++) {
        uint64_t at_us = t_us[i] < t_us[i - 1] ? t_us[i - 1] : t_us[i];
        at_us = at_us > end_us ? end_us : at_us;
        moved += t_us[i] != 0 && t_us[i] != at_us;
        t_us[i] = at_us;
    }
    return moved;
}

unsigned nf_timeline_step(const uint64_t t_us[RESULT_INSTANTS]) {
    unsigned step = 1;

    for (unsigned i = 1; i + 1 < RESULT_INSTANTS; i++) {
        if (t_us[i] != 0) {
            step = i + 1;
        }
    }
    return step;
}

void nf_timeline_trace(struct trace *trace, const struct trace_context *root,
                       const struct fleet_nf *id, const struct nf_outcome *outcome) {
    const struct trace_attribute attributes[] = {{"nf", id->uuid},
                                                 {"nf.type", id->type},
                                                 {"enrolment", outcome->enrolment},
                                                 {"outcome", nf_state_name(outcome->end)}};
    const bool whole = outcome->end == NF_ENROLLED;
    const uint64_t end_us = whole ? outcome->t_us[RESULT_INSTANTS - 1] : outcome->ended_us;

    if (trace == NULL || !root->sampled) {
        return;
    }
    trace_span(trace, root, NULL, "enrolment", TRACE_INTERNAL, outcome->t_us[0], end_us, attributes,
               COUNT(attributes));
    for (unsigned i = 1; whole && i < RESULT_INSTANTS; i++) {
        const struct trace_context child = trace_child(root);
        char name[32];
        (void)snprintf(name, sizeof name, "%u %s", i, result_step_name[i - 1]);
        trace_span(trace, &child, root->span_id, name, TRACE_INTERNAL, outcome->t_us[i - 1],
                   outcome->t_us[i], NULL, 0);
    }
}
