/* Who an NF is, and what it may ask for: nothing but itself (TS 33.310 names its certificate). */
#pragma once

#include "common/err.h"
#include "common/x509.h"

/* The peer is an NF: its certificate names one NF instance.  ERR_FORBIDDEN otherwise. */
MUST_CHECK bool tenant_peer(const struct x509_cert *peer, struct err *err);

/*
 * The identity asked for is the peer's: nf its SAN URI, fqdn (NULL = none asked for) among its
 * dNSNames, nf_type among its RFC 9310 NF types.  All canonical.  ERR_FORBIDDEN names the member
 * at fault in err->param.
 */
MUST_CHECK bool tenant_allows(const struct x509_cert *peer, const char *nf, const char *nf_type,
                              const char *fqdn, struct err *err);
