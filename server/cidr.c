#include "server/cidr.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/cleanup.h"

#define MAPPED_OCTETS 12 /* ::ffff:0:0/96, RFC 4291 2.5.5.2 */

static bool address_parse(const char *text, struct cidr *ret) {
    *ret = (struct cidr){0};
    if (inet_pton(AF_INET, text, ret->octets) == 1) {
        ret->bits = 32;
        return true;
    }
    ret->ip6 = true;
    ret->bits = 128;
    return inet_pton(AF_INET6, text, ret->octets) == 1;
}

/* At most three digits, at most max, no leading zero. */
static bool bits_parse(const char *text, unsigned max, unsigned *ret) {
    unsigned bits = 0;
    size_t len = strspn(text, "0123456789");

    for (size_t i = 0; i < len && i < 3; i++) {
        bits = bits * 10 + (unsigned)(text[i] - '0');
    }
    *ret = bits;
    return len > 0 && len <= 3 && text[len] == '\0' && (len == 1 || text[0] != '0') && bits <= max;
}

bool cidr_parse(const char *text, struct cidr *ret) {
    const size_t len = strcspn(text, "/");
    char address[INET6_ADDRSTRLEN];

    if (len >= sizeof address) {
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    return address_parse(address, ret)
           && (text[len] == '\0' || bits_parse(text + len + 1, ret->bits, &ret->bits));
}

static bool agree(const unsigned char *left, const unsigned char *right, unsigned bits) {
    const unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(left, right, whole) == 0
           && (rest == 0 || (left[whole] ^ right[whole]) >> (8 - rest) == 0);
}

bool cidr_holds(const struct cidr *cidr, const char *address) {
    static const unsigned char mapped[MAPPED_OCTETS] = {[10] = 0xff, [11] = 0xff};
    struct cidr one;

    if (!address_parse(address, &one)) {
        return false;
    }
    if (one.ip6 == cidr->ip6 && agree(one.octets, cidr->octets, cidr->bits)) {
        return true;
    }
    return one.ip6 && !cidr->ip6 && memcmp(one.octets, mapped, sizeof mapped) == 0
           && agree(one.octets + MAPPED_OCTETS, cidr->octets, cidr->bits);
}
