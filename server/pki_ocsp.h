/* OCSP over HTTP, RFC 6960 appendix A.1 and RFC 5019 section 6. */
#pragma once

#include "common/httpd.h"
#include "server/ocsp.h"

#define PKI_OCSP_PATH "/ocsp"
#define PKI_BODY_MAX 16384 /* octets of a POST */
/*
 *   POST /ocsp            application/ocsp-request
 *   GET  /ocsp/{base64}   the request in base64, percent-encoded where it must be
 */

/* Is the path one of these? */
bool pki_ocsp_path(const char *path);
/* Answer a request to such a path; ocsp NULL: 404. */
void pki_ocsp_handle(struct httpd_exchange *exchange, struct ocsp *ocsp, const struct clock *clock);

/* The request in the path of a GET: percent-encoding, base64 with or without padding, also
 * base64url.  *ret_der is the caller's (free()).  ERR_MALFORMED. */
MUST_CHECK bool pki_ocsp_decode(const char *path, unsigned char **ret_der, size_t *ret_len,
                                struct err *err);
