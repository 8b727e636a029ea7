/* Files that are part of report.html, embedded when the program is built (embed.c). */
#pragma once

#include <stddef.h>

struct report_asset {
    const unsigned char *data;
    size_t len;
};

extern const struct report_asset report_asset_chart_js; /* Chart.js, minified */
extern const struct report_asset report_asset_page_js;
extern const struct report_asset report_asset_page_css;
