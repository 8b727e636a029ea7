/* What a live enrolment waits for, in words: an NF (or its operator) that sees it stand still is
 * told why. */
#include "client/engine_inner.h"

#include <stdio.h>
#include <string.h>

static const char *by_state(const struct live *live) {
    switch (live->record.state) {
    case ENROLMENT_READY:
        return "the NF's CSR";
    case ENROLMENT_AWAITING_TOKEN:
        return "the NF's authority token";
    case ENROLMENT_ORDERED:
        return live->timer.place != 0 ? "the ACME server's decision: the order is pending"
                                      : "the answer to a challenge to be in its place";
    case ENROLMENT_CHALLENGED:
        return "the answer to a challenge to be in its place";
    case ENROLMENT_VALIDATING:
        return "the ACME server's validation: the order is pending";
    case ENROLMENT_FINALIZING:
        return "the certificate: the order is processing";
    case ENROLMENT_AUTHORISED:
    case ENROLMENT_ACCOUNT:
        return "the ACME server";
    case ENROLMENT_ISSUED:
    case ENROLMENT_FAILED:
    case ENROLMENT_WITHDRAWN:
    case ENROLMENT_STATE__COUNT:
        return "";
    }
    return "";
}

bool engine_glance(struct engine *engine, const char *id, enum enrolment_state *ret_state,
                   char waits_for[ENROLMENT_WAITS_SIZE]) {
    struct live *live = id == NULL ? NULL : map_get(engine->by_id, id);

    if (live == NULL) {
        return false;
    }
    engine_waits(live);
    *ret_state = live->saving ? live->stored : live->record.state;
    memcpy(waits_for, live->record.waits_for, ENROLMENT_WAITS_SIZE);
    return true;
}

void engine_waits(struct live *live) {
    char *text = live->record.waits_for;
    const char *down = upstream_trouble(live->ca->upstream);

    if (live->saving) {
        (void)snprintf(text, ENROLMENT_WAITS_SIZE, "the disk");
    } else if (live->request != NULL) {
        request_waits(live->request, text);
    } else if (live->waiter.waiting && down != NULL) {
        (void)snprintf(text, ENROLMENT_WAITS_SIZE, "the ACME server: %s", down);
    } else {
        (void)snprintf(text, ENROLMENT_WAITS_SIZE, "%s", by_state(live));
    }
}
