/* The admin call that sets renewal windows, RFC 9773 section 4.2: an operator's way to have
 * certificates renewed before a revocation. */
#pragma once

#include "server/admin.h"

/*
 * PUT /renewal-info {"certid": TEXT | "all": true, "start": TIME, "end": TIME,
 *                    "explanationURL": URL}
 * Without start and end the window is taken back.  "all" is for the certificates there are.
 */
void admin_renewal_info(const struct admin_call *call);
