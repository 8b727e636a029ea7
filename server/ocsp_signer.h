/* Who signs OCSP answers, and the writing of them: RFC 6960 section 4.2, in DER by hand. */
#pragma once

#include "common/der.h"
#include "server/ocsp.h"

/* One SingleResponse. */
struct ocsp_single {
    struct der id; /* the request's CertID, with its header */
    struct ocsp_status status;
};

struct ocsp_response {
    unsigned count;
    const struct ocsp_single *singles;
    struct der nonce; /* the request's Extension; len 0 = none */
    int64_t produced_at_s, this_update_s, next_update_s;
};

struct ocsp_signer;

/* The responder's key and its certificate, valid for lifetime_s or as long as the CA's, renewed at
 * half of lifetime_s.  ERR_SERVER_INTERNAL: the CA's has expired. */
struct ocsp_signer *ocsp_signer_new(const struct ca *ca, int64_t lifetime_s, int64_t now_s,
                                    struct err *err);
void ocsp_signer_free(struct ocsp_signer *signer);
AUTO_DEFINE(struct ocsp_signer, ocsp_signer_free)

/* Sign; next_update_s is brought back to the certificate's end.  *ret_der caller owns, free().
 * ERR_SERVER_INTERNAL: also when the CA's certificate has expired.   Any thread. */
MUST_CHECK bool ocsp_sign(struct ocsp_signer *signer, struct ocsp_response *response,
                          unsigned char **ret_der, size_t *ret_len, struct err *err);

/* Is it the serial of the certificate signed with now? */
bool ocsp_signer_is(struct ocsp_signer *signer, const char *serial);
