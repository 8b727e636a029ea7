/* The extensions a certificate and a request have in common: for the x509 rooms alone. */
#pragma once

#include "common/der.h"
#include "common/x509.h"

#define X509_EXTENSIONS_MAX 32

/* What the extensions said so far. */
struct x509_parts {
    struct x509_names names;
    bool names_critical;
    struct nftypes types;
    bool ca;
    unsigned eku;
    unsigned seen; /* which of those we read were there */
};

/* Read one extension into parts; those we do not know are passed over.
 * kind   what to set when it is not well-formed or there already. */
MUST_CHECK bool x509_parts_add(struct x509_parts *parts, struct der oid, bool critical,
                               struct der value, enum err_kind kind, struct err *err);

/* id-pe-nfTypes as an object, made once; NULL: no memory. */
const ASN1_OBJECT *x509_nftypes_object(void);
