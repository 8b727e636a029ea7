/* base64url without padding, RFC 7515 section 2: strict, no "=", no white space, no "+" or "/",
 * and no non-zero spare bits in the last character. */
#pragma once

#include <stddef.h>

#include "common/err.h"

#define B64_LEN(octets) (((octets)*4 + 2) / 3) /* characters for that many octets, no NUL */

/* Encode; caller owns, free(); NULL: no memory. */
char *b64_encode(const void *data, size_t len);

/* Encode into text[size]; size must be > B64_LEN(len).  Never allocates. */
void b64_encode_into(const void *data, size_t len, char *text, size_t size);

/* Only characters of base64url, at least one?  (Not whether it decodes.) */
bool b64_is(const char *text, size_t len);

/* Decode into out[size]; *ret_len octets.  ERR_MALFORMED when not strict base64url or too long. */
MUST_CHECK bool b64_decode_into(const char *text, size_t len, void *out, size_t size,
                                size_t *ret_len, struct err *err);

/* Decode; *ret_data is the caller's (free()), NUL-terminated beyond ret_len. */
MUST_CHECK bool b64_decode(const char *text, size_t len, unsigned char **ret_data, size_t *ret_len,
                           struct err *err);
