/* The validation certificate of tls-alpn-01: RFC 8737 section 3, RFC 8738 section 6. */
#pragma once

#include "common/ossl.h"
#include "server/va.h"

#define VA_SNI_SIZE 254

/* What the client hello names: the name itself, or an address's in-addr.arpa or ip6.arpa name. */
void va_tlsalpn01_sni(const struct acme_identifier *identifier, char ret[VA_SNI_SIZE]);

/*
 * Is it self-signed, with a subjectAltName of the identifier alone and, critical, the SHA-256
 * digest of the key authorization in acmeIdentifier?  ERR_INCORRECT_RESPONSE says what is wrong.
 */
MUST_CHECK bool va_tlsalpn01_fits(X509 *x509, const struct va_task *task, struct err *err);
