/* dns names as this CA takes them: A-labels that decode, perhaps one wildcard label in front, and
 * who is above whom. */
#pragma once

#include "common/acme.h"

/* A canonical copy of a dns identifier's value: acme_dns_canonical, whose xn-- labels are punycode
 * (RFC 8555 7.1.4); or "*." and such a name, 7.1.3.  false when text is neither. */
bool names_dns(const char *text, char ret[ACME_ID_VALUE_MAX + 1]);

/* Does a canonical name begin with "*."? */
bool names_wildcard(const char *name);
/* The name without "*."; borrowed. */
const char *names_base(const char *name);
/* Is name below ancestor, label by label?  A wildcard is below its base; no name is below itself.
 */
bool names_below(const char *name, const char *ancestor);
