/* Further roots for alternate chains (RFC 8555 section 7.4.2): each signs the issuing CA's name and
 * key once more, so what the issuing CA signs leads to any of them. */
#pragma once

#include "server/ca.h"

struct ca_alternate {
    X509 *root;
    X509 *cross; /* the issuing CA's subject and key, signed by root */
    char *tail;  /* PEM after the leaf */
};

struct ca_alternates {
    unsigned count;
    struct ca_alternate at[CA_ALTERNATES_MAX];
};

/*
 * Load or make options->alternates of them: alternate-N.pem, alternate-N.key (needed only to make
 * the next) and alternate-N-issuing.pem in the state directory.
 * issuer   the CA whose key they certify.   ERR_CONFIG names the file that is wrong.
 */
MUST_CHECK bool ca_alternates_open(const struct ca_options *options, X509 *issuer,
                                   struct ca_alternates *ret, struct err *err);
void ca_alternates_done(struct ca_alternates *alternates);
