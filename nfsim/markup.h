/* Text into HTML and SVG: escaping, and figures as people read them. */
#pragma once

#include <stdint.h>

#include "common/buf.h"

/*
 * Append text with & < > " ' escaped, as content or attribute value.  Control characters and octets
 * that are not UTF-8 become U+FFFD; at most max octets are taken, then "…" (0 = all of it).
 */
void markup_text(struct buf *out, const char *text, size_t max);

#define MARKUP_FIGURE_SIZE 32
/* Microseconds with a unit of their own: "0.42 ms", "14.2 ms", "1.20 s". */
const char *markup_us(uint64_t us, char out[MARKUP_FIGURE_SIZE]);
/* A count with thin spaces between thousands: "12 345". */
const char *markup_count(uint64_t count, char out[MARKUP_FIGURE_SIZE]);
