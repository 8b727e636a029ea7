/* report.html: the charts' figures (as JSON in the page) and the script that draws them. */
#pragma once

#include "nfsim/report_page.h"

#define REPORT_BINS_MAX 600 /* points on the time line; longer runs get wider bins */

/* The two sections with their canvases. */
void report_charts(const struct report *report);
/* At the end of the body: figures, Chart.js, our script. */
void report_scripts(const struct report *report);
/* The style sheet, for the head. */
void report_style(const struct report *report);
