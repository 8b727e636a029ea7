#include "server/names.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WILDCARD "*."
#define A_LABEL "xn--"

/* RFC 3492 section 5. */
#define BASE 36U
#define T_MIN 1U
#define T_MAX 26U
#define SKEW 38U
#define DAMP 700U
#define FIRST_BIAS 72U
#define FIRST_CODE 128U
#define CODE_MIN 0xa1U /* ASCII, the second control characters and the space that is kept */
#define CODE_MAX 0x10ffffU

static unsigned digit(char c) {
    return c >= 'a' && c <= 'z'   ? (unsigned)(c - 'a')
           : c >= '0' && c <= '9' ? (unsigned)(c - '0') + 26
                                  : BASE;
}

static unsigned adapt(unsigned delta, unsigned points, bool first) {
    unsigned k = 0;

    delta = first ? delta / DAMP : delta / 2;
    delta += delta / points;
    while (delta > (BASE - T_MIN) * T_MAX / 2) {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

/* One generalized variable-length integer from text, added to *i.  The octets it took, or 0. */
static size_t read_delta(const char *text, size_t len, unsigned bias, uint64_t *i) {
    uint64_t weight = 1;
    unsigned k = BASE;

    for (size_t at = 0; at < len; at++, k += BASE) {
        unsigned d = digit(text[at]);
        unsigned t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
        *i += d * weight;
        if (d == BASE || *i > UINT32_MAX) {
            return 0;
        }
        if (d < t) {
            return at + 1;
        }
        weight *= BASE - t;
        if (weight > UINT32_MAX) {
            return 0;
        }
    }
    return 0;
}

/* RFC 3492 section 6.2 without keeping what is decoded: does text stand for a label that needs it,
 * of code points that exist? */
static bool decodes(const char *text, size_t len) {
    uint64_t i = 0, code = FIRST_CODE;
    unsigned bias = FIRST_BIAS;
    size_t at = len;

    while (at > 0 && text[at - 1] != '-') {
        at--;
    }
    unsigned points = at == 0 ? 0 : (unsigned)at - 1; /* the basic ones stand before the last "-" */
    if (at == len) {
        return false; /* nothing beyond ASCII: no A-label */
    }
    while (at < len) {
        uint64_t before = i;
        size_t used = read_delta(text + at, len - at, bias, &i);
        if (used == 0) {
            return false;
        }
        at += used;
        points++;
        bias = adapt((unsigned)(i - before), points, before == 0);
        code += i / points;
        i = i % points + 1;
        if (code < CODE_MIN || code > CODE_MAX || (code >= 0xd800 && code <= 0xdfff)) {
            return false;
        }
    }
    return true;
}

static bool labels_decode(const char *name) {
    while (*name != '\0') {
        size_t len = strcspn(name, ".");
        bool reserved = len > 4 && name[2] == '-' && name[3] == '-'; /* RFC 5890 section 2.3.1 */
        if (reserved && strncmp(name, A_LABEL, strlen(A_LABEL)) != 0) {
            return false;
        }
        if (strncmp(name, A_LABEL, strlen(A_LABEL)) == 0
            && !decodes(name + strlen(A_LABEL), len - strlen(A_LABEL))) {
            return false;
        }
        name += len + (name[len] == '.');
    }
    return true;
}

bool names_wildcard(const char *name) { return strncmp(name, WILDCARD, strlen(WILDCARD)) == 0; }

const char *names_base(const char *name) {
    return names_wildcard(name) ? name + strlen(WILDCARD) : name;
}

bool names_dns(const char *text, char ret[ACME_ID_VALUE_MAX + 1]) {
    char base[ACME_ID_VALUE_MAX + 1];

    if (strlen(text) > ACME_ID_VALUE_MAX || !acme_dns_canonical(names_base(text), base)
        || !labels_decode(base)) {
        return false;
    }
    if (names_wildcard(text)) {
        memcpy(ret, WILDCARD, strlen(WILDCARD));
        ret += strlen(WILDCARD);
    }
    memcpy(ret, base, strlen(base) + 1);
    return true;
}

bool names_below(const char *name, const char *ancestor) {
    size_t len = strlen(name), upper = strlen(ancestor);

    return len > upper && name[len - upper - 1] == '.' && strcmp(name + len - upper, ancestor) == 0;
}
