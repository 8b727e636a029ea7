#include "common/utf8.h"

#include <stdint.h>

static size_t lead_len(unsigned char lead) {
    if (lead >= 0xc2 && lead <= 0xdf) {
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        return 3;
    }
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

size_t utf8_len(const char *text) {
    static const uint32_t smallest[] = {0, 0, 0xa0, 0x800, 0x10000}; /* U+0080 to U+009F: C1 */
    unsigned char lead = (unsigned char)text[0];

    if (lead < 0x80) {
        return lead >= 0x20 && lead != 0x7f;
    }
    size_t len = lead_len(lead);
    uint32_t value = lead & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char next = (unsigned char)text[i];
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        value = (value << 6) | (next & 0x3fU);
    }
    if (len == 0 || value < smallest[len] || value > 0x10ffff
        || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    return len;
}
