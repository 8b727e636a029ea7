/* The client's own TLS identity, towards NFs and the OAM. */
#pragma once

#include "common/clock.h"
#include "common/err.h"
#include "common/ossl.h"

struct credentials {
    X509_CHAIN *chain; /* leaf first */
    EVP_PKEY *key;
    char *chain_pem, *key_pem; /* the same as text, for the listener; key_pem is cleansed */
    char *root_path;           /* the file that holds the anchor an NF needs */
};
void credentials_done(struct credentials *credentials);
void credentials_done_auto(struct credentials *credentials);

/*
 * Read cert_path and key_path; both NULL: read or make a self-signed certificate for localhost,
 * 127.0.0.1 and ::1 under state_dir.  Writes state_dir/client-root.pem: the anchor of that chain,
 * looked for in the chain itself and among anchors_pem (NULL = none).  ERR_CONFIG.
 */
MUST_CHECK bool credentials_read(const char *cert_path, const char *key_path, const char *state_dir,
                                 const char *anchors_pem, const struct clock *clock,
                                 struct credentials *ret, struct err *err);
