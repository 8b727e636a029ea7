/* W3C trace context, spans (OTLP JSON, one span per line) and the event history (JSON lines). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct trace_context {
    uint8_t trace_id[16];
    uint8_t span_id[8]; /* of the caller */
    bool sampled;
};

#define TRACE_PARENT_SIZE 56
/* Read a `traceparent` header (version 00); false and an unsampled zero context when not one. */
bool trace_read(const char *traceparent, struct trace_context *ret);
void trace_write(const struct trace_context *context, char text[TRACE_PARENT_SIZE]);
/* A new root context (secret-grade random ids are not needed: seeded by the caller's numbers). */
struct trace_context trace_root(uint64_t high, uint64_t low, bool sampled);
/* A fresh span id under the same trace. */
struct trace_context trace_child(const struct trace_context *parent);

struct trace; /* where a program's spans and events go; safe from any thread */

/* Append to FILEs; either path may be NULL (then that half is a no-op).
 * program   "nfsim", "client", "server" or "oam"; borrowed for the life of the trace. */
struct trace *trace_open(const char *program, const char *spans_path, const char *events_path,
                         struct err *err);
void trace_close(struct trace *trace);
AUTO_DEFINE(struct trace, trace_close)

struct trace_attribute {
    const char *key;
    const char *value;
};

enum trace_kind { TRACE_INTERNAL = 1, TRACE_SERVER = 2, TRACE_CLIENT = 3 }; /* OTLP numbers */

/*
 * Record a span when self->sampled: one line holding one OTLP JSON span object with an extra member
 * "service" = program.
 * self    its trace and own span id.   parent_id  8 octets or NULL for a root.
 * times   microseconds, clock_wall_us.   attributes  borrowed, count of them.
 */
void trace_span(struct trace *trace, const struct trace_context *self, const uint8_t *parent_id,
                const char *name, enum trace_kind kind, uint64_t start_us, uint64_t end_us,
                const struct trace_attribute *attributes, unsigned count);

/* One event line; absent members are NULL and left out.  Vocabulary: docs/bundle.md. */
struct trace_event {
    const char *event;
    const char *nf;        /* nfInstanceId */
    const char *enrolment; /* the client's enrolment id */
    const char *order;     /* last segment of the order URL */
    const char *serial;    /* certificate serial, lower-case hex */
    const char *from, *to; /* states */
    const char *detail;
};
void trace_event(struct trace *trace, const struct trace_event *event);
