/* Writing the values of extensions and requests in DER: for the x509 rooms alone. */
#pragma once

#include "common/buf.h"
#include "common/der.h"
#include "common/x509.h"

#define X509_VALUE_MAX 8192 /* octets of one extension's value */

/* Append one element; false and out->failed when it does not fit. */
bool x509_put(struct buf *out, unsigned tag, const void *content, size_t len);
bool x509_put_text(struct buf *out, unsigned tag, const char *text);
/* Put all that buf holds into one element. */
void x509_wrap(struct buf *buf, unsigned tag);

/* GeneralNames of names and textual addresses (either may be NULL) into the empty out, which stays
 * empty when there are none; false when they do not fit or an address is not one. */
bool x509_put_names(const struct x509_names *names, const char *const *ips, struct buf *out);

/* The digest of a signature by key; NULL for Ed25519, which has its own. */
const EVP_MD *x509_digest_of(EVP_PKEY *key);
