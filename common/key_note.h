/* What an EC key is, noted on the key by whoever made it: asking OpenSSL for its curve costs a
 * parameter query, and for its point an inversion, a sixth of a signature. */
#pragma once

#include <openssl/evp.h>

#include "common/key.h"

struct key_note {
    enum key_type type;                 /* KEY_P256, KEY_P384 or KEY_P521 */
    unsigned char point[KEY_POINT_MAX]; /* 04||X||Y */
};

/* Note it; before the key is shared, and once.  Without memory nothing is noted. */
void key_note_set(EVP_PKEY *key, enum key_type type, const unsigned char *point);
/* What was noted, as long as the key lives; NULL: nothing. */
const struct key_note *key_note_get(const EVP_PKEY *key);
