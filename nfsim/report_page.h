/* What the sections of report.html share: the bundle as read, the page being written. */
#pragma once

#include <jansson.h>

#include "nfsim/markup.h"

#define REPORT_STEPS 9
#define REPORT_BYTES_MAX (64 << 20)

struct report {
    const json_t *result;   /* result.json */
    const json_t *timeline; /* timeline.json */
    const json_t *machine;  /* config/machine.json; NULL = not there */
    const char *flow;       /* flow.svg as text */
    struct buf *out;
};

/* Members by name; absent or of another type: 0, "". */
uint64_t report_count(const json_t *object, const char *name);
double report_number(const json_t *object, const char *name);
const char *report_text(const json_t *object, const char *name);

/* Step k = 1 … 9 of result.json. */
const json_t *report_step(const struct report *report, int k);

/* Append our own markup; printf-checked; never give it text of others. */
__attribute__((format(printf, 2, 3))) void report_add(const struct report *report, const char *fmt,
                                                      ...);
/* Append text of others, escaped. */
void report_escape(const struct report *report, const char *text);
/* <td class="n"> with a value in ms to two places, of whole or broken microseconds. */
void report_cell_ms(const struct report *report, double us);
/* <td class="n"> with a count. */
void report_cell_count(const struct report *report, uint64_t count);
/* <h2> and the sentence below it (may be NULL); both are ours. */
void report_heading(const struct report *report, const char *heading, const char *note);
