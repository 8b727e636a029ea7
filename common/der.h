/* DER, X.690 section 10, walked strictly: definite and minimal lengths, low tag numbers.  For the
 * few structures that are read before (or faster than) OpenSSL reads them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"

#define DER_DEPTH_MAX 16
#define DER_LEN_MAX (1 << 20)

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BITS = 0x03,
    DER_OCTETS = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0A,
    DER_IA5 = 0x16,
    DER_TIME = 0x18, /* GeneralizedTime */
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31
};

/* Octets yet to be read; borrowed. */
struct der {
    const unsigned char *at;
    size_t len;
};

/* Take the next element; false, nothing taken, when in holds none that is well-formed.
 * ret_content, ret_whole (with its header)   either may be NULL. */
MUST_CHECK bool der_next(struct der *in, unsigned *ret_tag, struct der *ret_content,
                         struct der *ret_whole);
/* As der_next, of this tag only. */
MUST_CHECK bool der_take(struct der *in, unsigned tag, struct der *ret_content);
/* Are the octets well-formed elements all the way down? */
bool der_wellformed(struct der in);
/* Is the content this text of octets? */
bool der_is(struct der content, const void *data, size_t len);

/* Write tag and length of an element; returns the octets written (2 to 5). */
size_t der_header(unsigned char out[5], unsigned tag, size_t len);
