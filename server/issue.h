/* What a certificate needs beside its order: a CSR that fits, and authorizations that hold now. */
#pragma once

#include "server/wfe.h"

#define ISSUE_CSR_TEXT_MAX 24576 /* base64url of x509_csr_read's 16 KiB, and some */

/* The CSR of a finalize request, RFC 8555 7.4: base64url DER; x509_csr_done. */
MUST_CHECK bool issue_csr_read(const char *text, struct x509_csr *ret, struct err *err);

/*
 * Whether a certificate may be issued now: the CSR's key is no account's (11.1), the profile is
 * still offered, every authorization of the order is valid.
 * ret_wanted  for issue or ca_csr_fits; borrows from order and csr.
 */
MUST_CHECK bool issue_check(const struct wfe_options *options, const struct order *order,
                            const struct x509_csr *csr, struct ca_request *ret_wanted,
                            struct err *err);

/* Issue what issue_check allowed, if the CSR fits; nothing is stored.  order->serial is set; *ret
 * is the caller's (certificate_done). */
MUST_CHECK bool issue(const struct wfe_options *options, struct order *order,
                      const struct ca_request *wanted, struct certificate *ret, struct err *err);
