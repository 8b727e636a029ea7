/* One certificate revocation list, made and signed: RFC 5280 section 5. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/ossl.h"
#include "server/crl.h"

struct crl_spec {
    X509 *issuer;
    EVP_PKEY *key;
    uint64_t number;
    int64_t this_update_s, next_update_s;
    crl_source *source; /* NULL: nothing was revoked */
    void *ctx;
    int64_t expiring_after_s; /* for source */
};

/* *ret_der caller owns, OPENSSL_free(). */
MUST_CHECK bool crl_make(const struct crl_spec *spec, unsigned char **ret_der, size_t *ret_len,
                         struct err *err);
