/* What the ACME server issued, judged before an NF sees it: RFC 8555 7.4.2 leaves that to the
 * client. */
#pragma once

#include "client/enrolment.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ossl.h"

#define ENGINE_VERIFY_SKEW_S 300 /* a CA's clock may be this far ahead of ours */

/* What followed the leaf in the last chain that was judged: the same CA sends the same each time,
 * and reading it costs as much as checking a signature. */
struct engine_issuers {
    char *text;
    X509_CHAIN *chain; /* linked up among themselves */
};
void engine_issuers_done(struct engine_issuers *issuers);

/*
 * Is this the chain the enrolment asked for?  Certificates alone and strictly in PEM (9.1); the
 * leaf is for the CSR's key and the order's names, these and no others, for the NF's type where it
 * states any (RFC 9310), no CA, and within its validity; each further certificate has signed the
 * one before it.  A trust anchor is the NF's matter. record   csr and the names are read. ret
 * not_before_us and not_after_us are filled. err      ERR_UPSTREAM: what is wrong with it. Cost: a
 * signature check for each certificate but the last.
 */
MUST_CHECK bool engine_verify(struct engine_issuers *issuers, const struct enrolment *record,
                              const char *pem, size_t len, const struct clock *clock,
                              struct enrolment *ret, struct err *err);
typedef bool engine_verifier(struct engine_issuers *issuers, const struct enrolment *record,
                             const char *pem, size_t len, const struct clock *clock,
                             struct enrolment *ret, struct err *err);
