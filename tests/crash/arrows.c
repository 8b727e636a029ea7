/* The arrows of the client's state table, one FROM>TO a line, as the program knows them. */
#include <stdio.h>

#include "client/enrolment.h"

int main(void) {
    for (unsigned from = 0; from < ENROLMENT_STATE__COUNT; from++) {
        for (unsigned on = 0; on < ENROLMENT_EVENT__COUNT; on++) {
            enum enrolment_state to = ENROLMENT_STATE__COUNT;
            struct err err = {0};
            if (enrolment_next((enum enrolment_state)from, (enum enrolment_event)on, &to, &err)) {
                (void)printf("%s>%s\n", enrolment_state_name((enum enrolment_state)from),
                             enrolment_state_name(to));
            }
        }
    }
    return 0;
}
