/* report.html: one self-contained page that answers the scenario's question, rendered from the
 * bundle's files alone (result.json, timeline.json, trace.otlp.json). */
#pragma once

#include "common/err.h"

/*
 * Render FOLDER/flow.svg and FOLDER/report.html anew.
 * folder   a run bundle; borrowed.
 * err      ERR_CONFIG names the file that is missing, not JSON, or could not be written.
 */
MUST_CHECK bool report_write(const char *folder, struct err *err);
