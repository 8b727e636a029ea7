/* Merge what the programs wrote while they ran (logs/<program>.spans.jsonl and .events.jsonl) into
 * trace.otlp.json and events.jsonl.  A line that is cut or not JSON is left out and counted. */
#pragma once

#include <stdint.h>

#include "common/err.h"

#define MERGE_SPANS_MAX 4000000              /* per program; later ones are left out and counted */
#define MERGE_EVENTS_MAX 8000000             /* of all programs together */
#define MERGE_LINE_MAX (64 * 1024)           /* longer lines are left out */
#define MERGE_EVENT_BYTES_PER_ENROLMENT 4096 /* the bundle's promise */

#define MERGE_PROGRAMS 4
/* "nfsim", "client", "server", "oam": the <program> of the log files, in result.json's order. */
extern const char *const merge_program[MERGE_PROGRAMS];
/* "nfsim", "nfacme-client", "nfacme-server", "nfsim-oam": service.name of its spans. */
extern const char *const merge_service[MERGE_PROGRAMS];

/* How much of an event is told, each form leaving out what the one before it still tells. */
enum merge_form {
    MERGE_WHOLE,
    MERGE_NO_ENROLMENT, /* where nf and order stand */
    MERGE_ONCE,         /* beside nf, order and enrolment stand only where they came into being
                           and with a certificate */
    MERGE_NO_FROM,      /* it is the `to` before */
    MERGE_NO_DETAIL,
    MERGE_FORM__COUNT
};

struct merge_count {
    uint64_t written;
    uint64_t dropped;     /* cut, not JSON, without its mandatory members, or past a limit above */
    enum merge_form form; /* of events */
};

/*
 * Write FOLDER/trace.otlp.json (OTLP JSON, one resource per program, one span per line).
 * Memory does not grow with the number of spans.  Log files that are not there count as empty.
 */
MUST_CHECK bool merge_spans(const char *folder, struct merge_count *ret, struct err *err);

/*
 * Write FOLDER/events.jsonl in the order of ts_us (then program, then place in its file).
 * enrolments   the byte budget is this many times MERGE_EVENT_BYTES_PER_ENROLMENT (at least one
 *              enrolment's).  The first of the forms below that keeps within it is written; what is
 *              too much even in the last one is dropped at the end.
 * Memory       24 octets per event.
 */
MUST_CHECK bool merge_events(const char *folder, uint64_t enrolments, struct merge_count *ret,
                             struct err *err);
