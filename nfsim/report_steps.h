/* report.html: the table of the nine steps with its waterfall, and the sampled enrolments as lanes.
 */
#pragma once

#include "nfsim/report_page.h"

#define REPORT_LANES_MAX 24

/* The step with the largest mean, 1 … 9; 0 when nothing was enrolled. */
int report_slowest(const struct report *report);

void report_steps(const struct report *report);
/* At most REPORT_LANES_MAX of the samples, from the fastest to the slowest. */
void report_lanes(const struct report *report);
