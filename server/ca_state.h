/* The CA's certificates and keys in its state directory: loaded, or made the first time. */
#pragma once

#include "server/ca.h"

struct ca_state {
    X509 *root;
    X509 *issuer;         /* signs leaves and CRLs; the root itself at depth 1 */
    EVP_PKEY *issuer_key; /* its key */
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
