/* report.html: the answer and what surrounds it (everything that is not a step, a chart or the
 * sequence). */
#pragma once

#include "nfsim/report_page.h"

void report_headline(const struct report *report); /* scenario, answer, question, key figures */
void report_expectations(const struct report *report);
void report_failures(const struct report *report); /* and faults that were injected */
void report_programs(const struct report *report); /* CPU, memory, ACME requests */
void report_repeat(const struct report *report);   /* how to run it again, and on what it ran */
