/* Is this octet the beginning of a printable, well-formed UTF-8 character (RFC 3629)? */
#pragma once

#include <stddef.h>

/* Octets of the character text begins with, 1 to 4; 0 for a control character (C0, DEL, C1), the
 * terminating NUL, and anything that is not well-formed.  Reads nothing beyond a NUL. */
size_t utf8_len(const char *text);
