/* Reading an OCSP request, RFC 6960 section 4.1: strict DER, bounded, by pointing into it. */
#pragma once

#include <stddef.h>

#include "common/der.h"
#include "common/err.h"
#include "common/kept.h"
#include "common/x509.h"

#define OCSP_IDS_MAX 16        /* certificates one request may ask about */
#define OCSP_REQUEST_MAX 16384 /* octets */
#define OCSP_CERT_ID_MAX 128   /* octets of a CertID of ours: 105 with SHA-256 */
#define OCSP_NONCE_MAX 128     /* RFC 9654 2.1 */

/* CertID; the octets are the request's. */
struct ocsp_cert_id {
    struct der whole;      /* with its header: answers repeat it */
    enum kept_digest hash; /* KEPT_SHA1 or KEPT_SHA256; KEPT_DIGEST__COUNT: another algorithm */
    struct der name_hash, key_hash;
    char serial[X509_SERIAL_SIZE]; /* as x509_cert has it; "": no CA's, RFC 5280 4.1.2.2 */
};

struct ocsp_request {
    unsigned count; /* at least 1 */
    struct ocsp_cert_id ids[OCSP_IDS_MAX];
    struct der nonce; /* the whole Extension; len 0 = none */
};

/*
 * Read a request; *ret borrows data.  A signature and a requestor's name are passed over: everybody
 * may ask.  Unknown extensions are ignored unless critical.
 * ERR_MALFORMED   not DER of a request, another version, a nonce of 0 or more than OCSP_NONCE_MAX
 * octets, a critical extension.   ERR_OVERLOAD   more than OCSP_IDS_MAX certificates.
 */
MUST_CHECK bool ocsp_request_read(const unsigned char *data, size_t len, struct ocsp_request *ret,
                                  struct err *err);
