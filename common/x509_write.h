/* Writing DER: for the x509 rooms and what signs beside them. */
#pragma once

#include "common/buf.h"
#include "common/der.h"
#include "common/x509.h"

#define X509_VALUE_MAX 8192 /* octets of one extension's value */

/* Append one element; false and out->failed when it does not fit. */
bool x509_put(struct buf *out, unsigned tag, const void *content, size_t len);
bool x509_put_text(struct buf *out, unsigned tag, const char *text);
/* Put what stands from at on into one element; x509_wrap: all of it. */
void x509_wrap_from(struct buf *buf, size_t at, unsigned tag);
void x509_wrap(struct buf *buf, unsigned tag);
/* Put data before what stands at at. */
void x509_insert(struct buf *buf, size_t at, const void *data, size_t len);

/* Append GeneralNames of names and textual addresses (either may be NULL), nothing when there are
 * none; false when they do not fit or an address is not one. */
bool x509_put_names(const struct x509_names *names, const char *const *ips, struct buf *out);

/* Octets as lower-case hex into out[2 * len + 1]. */
void x509_hex(const unsigned char *octets, size_t len, char *out);

/* The AlgorithmIdentifier of a signature by key. */
MUST_CHECK bool x509_put_algorithm(EVP_PKEY *key, struct buf *out);
/* Sign what out holds, append algorithm and signature, and wrap all three. */
MUST_CHECK bool x509_seal(EVP_PKEY *key, struct buf *out);
