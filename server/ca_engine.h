/* The CA's key in a PKCS#11 token, through OpenSSL's engine "pkcs11" (Debian:
 * libengine-pkcs11-openssl): the key never leaves the token, signatures are made there. */
#pragma once

#include <openssl/x509.h>

#include "common/err.h"

/*
 * Is the URI (RFC 7512) one we take?  ERR_CONFIG: it is not "pkcs11:…", or it holds the PIN itself
 * (pin-value), which belongs into a file: pin-source=file:PATH.  The error repeats nothing of it.
 */
MUST_CHECK bool ca_engine_check(const char *uri, struct err *err);

/* Is it the certificate's key?  By the octets of its public half: OpenSSL compares no key of an
 * engine with its own. */
bool ca_engine_fits(X509 *x509, EVP_PKEY *key);

/*
 * The private key that uri names; signs only through foreign_sign and what takes foreign_lock.
 * module   the token's PKCS#11 library; NULL: what p11-kit knows.   Caller owns, EVP_PKEY_free.
 * NULL and ERR_CONFIG   no engine, no module, no such key, or a PIN that is refused.
 */
EVP_PKEY *ca_engine_key(const char *uri, const char *module, struct err *err);
