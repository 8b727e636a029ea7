/* The history of an enrolment, as its record and the store keep it: a line for each transition, the
 * instant in microseconds, the state, and the cause where there is one.
 *
 * It is bounded: HISTORY_LINES_MAX lines; when one more comes, the second oldest goes, so that the
 * beginning stays known. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

#define HISTORY_LINES_MAX 32
#define HISTORY_CAUSE_MAX 160 /* octets of a cause; the rest is cut */

/* Append a line.  *history: NULL or malloc'd; replaced.  cause: any text, or NULL; what is not
 * printable becomes a space.  False: out of memory, *history as it was. */
MUST_CHECK bool history_add(char **history, uint64_t at_us, const char *state, const char *cause);

/* The instant of the last line; 0 when there is none. */
uint64_t history_last_us(const char *history);

/* [{"at": …, "state": …, "cause": …}], oldest first, lines that are none left out; empty for NULL.
 * Caller owns; NULL: out of memory. */
json_t *history_render(const char *history);

/* A problem document as kept with an enrolment: the compact text of body when that is a JSON object
 * of at most HISTORY_PROBLEM_MAX octets; else one made of the HTTP status, and of type and detail
 * where body has them.  Caller owns; NULL: out of memory. */
#define HISTORY_PROBLEM_MAX 2048
char *history_problem(unsigned status, const char *body, size_t len);
