/* The CA's certificates and keys in its state directory: loaded, or made the first time. */
#pragma once

#include "server/ca.h"

struct ca_state {
    X509 *root;
    X509 *issuer;         /* signs leaves and CRLs; the root itself at depth 1 */
    EVP_PKEY *issuer_key; /* its key */
    X509_CHAIN *between;  /* of an imported CA: from above the issuer to below the root; or NULL */
};

/*
 * Load root.pem, issuing.pem and their keys, or make what is missing.  A key is written before the
 * certificate it belongs to, so a crash in between leaves nothing unusable.  With two levels
 * root.key is read only to make issuing.pem: it may be taken away afterwards.
 * ERR_CONFIG names the file that is wrong: unreadable, expired, another key, another issuer.
 */
MUST_CHECK bool ca_state_open(const struct ca_options *options, struct ca_state *ret,
                              struct err *err);
void ca_state_done(struct ca_state *state);

/* Load or make NAME.pem, a root with NAME.key; *ret_key stays NULL when the certificate is there
 * and the key is not needed. */
MUST_CHECK bool ca_state_root_open(const struct ca_options *options, const char *name,
                                   const char *common_name, bool need_key, X509 **ret_root,
                                   EVP_PKEY **ret_key, struct err *err);

/* PEM of what stands after the leaf in a chain; caller owns, free(); NULL: no memory. */
char *ca_state_tail(const struct ca_state *state, struct err *err);
