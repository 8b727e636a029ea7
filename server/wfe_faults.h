/* Where faults touch the web front end: before a request is handled and when its answer leaves.
 * Only called while there are rules. */
#pragma once

#include "server/faults.h"
#include "server/wfe_request.h"

/* Show the request, past its gate, to the rules.  true: the answer is there, do not handle it. */
bool wfe_fault_before(struct request *request);

/* request->fault's part: headers and body, before the headers all answers have… */
void wfe_fault_dress(struct request *request);
/* …and the answer itself, instead of httpd_answer. */
void wfe_fault_send(struct request *request);
