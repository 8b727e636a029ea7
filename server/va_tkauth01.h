/* tkauth-01 with an authority token of type atc: RFC 9447, TS 33.310 Annex J. */
#pragma once

#include "server/va.h"

struct va_tkauth01; /* the Token Authority we trust */

/* authority's first certificate is the one pinned; NULL: every token is refused with a reason. */
struct va_tkauth01 *va_tkauth01_new(X509_CHAIN *authority, bool key_binding, struct err *err);
void va_tkauth01_free(struct va_tkauth01 *tkauth01);
AUTO_DEFINE(struct va_tkauth01, va_tkauth01_free)

/*
 * Judge the token in task->response.  CPU only; any thread.
 * ret->err is ERR_MALFORMED for what is not shaped as a token, ERR_UNAUTHORIZED for what does not
 * authorize this account to this identifier now.
 * Clauses: RFC 9447 3 to 5; the fingerprint also as the bare RFC 7638 thumbprint.
 */
void va_tkauth01_check(const struct va_tkauth01 *tkauth01, const struct va_task *task,
                       int64_t now_s, struct va_result *ret);
