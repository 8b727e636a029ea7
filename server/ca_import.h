/* The operator's own CA: an issuing certificate with its key and the chain up to its root, judged
 * before anything is signed with it. */
#pragma once

#include "server/ca_state.h"

/*
 * Read options->import_cert (PEM: issuing first, up to and including the root) and
 * options->import_key.  The root becomes root.pem of the state directory and stays it: another one
 * is refused.  The key is not copied.
 * ERR_CONFIG names the file and the fault: another key, not a CA, keyUsage, pathLen, out of its
 * validity, a chain that is broken or ends below a root.
 */
MUST_CHECK bool ca_import_open(const struct ca_options *options, struct ca_state *ret,
                               struct err *err);
