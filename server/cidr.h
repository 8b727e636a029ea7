/* Ranges of addresses in CIDR form (RFC 4632, RFC 4291 2.3). */
#pragma once

#include <stdbool.h>

struct cidr {
    bool ip6;
    unsigned bits; /* of octets that must agree */
    unsigned char octets[16];
};

/* "192.0.2.0/24", "2001:db8::/32", or one address; false when text is none of them.  Bits beyond
 * the prefix are ignored. */
bool cidr_parse(const char *text, struct cidr *ret);

/* Is the textual address within?  An IPv4-mapped IPv6 address is its IPv4 address too. */
bool cidr_holds(const struct cidr *cidr, const char *address);
