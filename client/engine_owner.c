/* Whose an enrolment is.  To anybody else it is not there at all. */
#include <string.h>

#include "client/engine_inner.h"
#include "common/guard.h"

bool engine_owns(const struct call *call, const struct enrolment *record) {
    return call->by_operator || GUARD("owner", strcmp(record->nf, call->peer) == 0);
}

bool engine_meant(const struct call *call, const struct store_found *found) {
    return found->found_enrolment && GUARD("whole-id", strcmp(found->enrolment.id, call->id) == 0)
           && engine_owns(call, &found->enrolment);
}
