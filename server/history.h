/* What validation asked the network and what came back, by identifier: for people who wonder why a
 * challenge failed.  Bounded: the last HISTORY_DEPTH queries of each of the identifiers used last.
 */
#pragma once

#include "common/err.h"
#include "server/va.h"

#include <jansson.h>

#define HISTORY_DEPTH 16      /* queries kept of an identifier */
#define HISTORY_DEFAULT 1024  /* identifiers */
#define HISTORY_TEXT_MAX 1024 /* octets kept of a URL */

struct history;

/* identifiers_max  more: the one whose last query is oldest is forgotten; 0 = HISTORY_DEFAULT. */
struct history *history_new(unsigned identifiers_max, struct err *err);
void history_free(struct history *history);
AUTO_DEFINE(struct history, history_free)

/* To be the observer of va_options; on any thread. */
void history_query(void *ctx, const struct va_query *query);

/*
 * {"identifier": {"type", "value"}, "queries": [{"time", "challenge", "asked", "addresses": [],
 * "tried"?, "connected", "status"?, "answer"?, "error"?: {"type", "detail"}, "us"}]}, oldest first.
 * An answer that is not text is base64url in "answerBase64".   identifier: any type's value, in
 * canonical form.   Caller owns; NULL: nothing is known of it (or no memory).
 */
json_t *history_render(struct history *history, const char *identifier);

/* How many identifiers are known; queries so far. */
unsigned history_identifiers(struct history *history);
uint64_t history_queries(struct history *history);
