/* The plain form of a Flattened JWS: one object of three base64url strings and nothing else.  Every
 * ACME message has it, and it needs no JSON library, which costs more than all the rest of reading
 * or writing one. */
#pragma once

#include "common/jws.h"

/* Open one: the three names once each in any order, JSON's white space between, no escapes.  False
 * when text is not of this form, which says nothing against it: jws_read then reads it as JSON.
 * The parts are borrowed from text. */
MUST_CHECK bool jws_flat_open(const char *text, size_t len, struct jws_parts *ret);

/* Write one; the parts are base64url.  Caller owns, free(); NULL: no memory. */
char *jws_flat_make(const struct jws_parts *parts);
