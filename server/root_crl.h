/* The root's own revocation list, for relying parties that check the whole chain: it says that the
 * issuing CA is not revoked.  Kept as root.crl in the state directory; root.key is read to sign a
 * new one and let go again, so that it may be kept elsewhere most of the time. */
#pragma once

#include "common/clock.h"
#include "common/err.h"
#include "common/ossl.h"

#define ROOT_CRL_LIFETIME_S ((int64_t)365 * 86400) /* a new one after half of it */

struct root_crl;

/*
 * Read root.crl, or sign the first one.  Without a list and without a key there is none to give,
 * which is no error; a key that is not the root's counts as none.
 * state_dir, root, clock   borrowed for the life.   ERR_CONFIG: root.crl is not the root's.
 */
struct root_crl *root_crl_open(const char *state_dir, X509 *root, const struct clock *clock,
                               struct err *err);
void root_crl_free(struct root_crl *root_crl);
AUTO_DEFINE(struct root_crl, root_crl_free)

/* A copy of the current list, DER, signed again first when it is due and the key is there; caller
 * owns, free(); NULL: none.  Any thread. */
unsigned char *root_crl_der(struct root_crl *root_crl, size_t *ret_len, int64_t *ret_this_update_s);
