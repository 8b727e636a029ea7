/* The JSON that everybody writes, read and written in runs of octets instead of one call for each.
 * It builds and shows the JSON library's own values and knows a part of the language only: whatever
 * it does not know (escapes, non-ASCII, real numbers, a name twice, any error, deep nesting) it
 * leaves to the library, which stays the authority for what JSON is and for what is said of it. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Read one value; caller owns the reference.  NULL says nothing against the text: the library then
 * reads it.  What is read is equal to what the library reads, the order of members too. */
json_t *json_fast_read(const char *text, size_t len);

/* Compact text, to the octet what the library writes; caller owns, free().  NULL says nothing
 * against the value (NULL is one of these), as above. */
char *json_fast_text(const json_t *json);
