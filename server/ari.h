/* Renewal information, RFC 9773: how a certificate is named and when it ought to be renewed. */
#pragma once

#include <stdint.h>

#include "common/x509.h"

#define ARI_KEY_ID_MAX 64 /* octets of a keyIdentifier */
#define ARI_CERTID_SIZE 128

/*
 * Section 4.1: base64url(keyIdentifier) "." base64url(serial), the serial number's content octets
 * in DER, so with a leading 00 where the next bit is set.
 * text   any octets.   ret_serial   as x509_cert has it.
 * ERR_MALFORMED: form; ERR_NOT_FOUND: another issuer's.
 */
MUST_CHECK bool ari_certid_read(const char *text, X509 *issuer, char ret_serial[X509_SERIAL_SIZE],
                                struct err *err);
/* And back; "" when the issuer has no keyIdentifier of at most ARI_KEY_ID_MAX octets. */
void ari_certid_text(X509 *issuer, const char *serial, char ret[ARI_CERTID_SIZE]);

struct ari_window {
    int64_t start_s, end_s; /* start before end */
};

/* Section 4.2, for a certificate in good standing: from two thirds to three quarters of its life.
 */
struct ari_window ari_window_fresh(int64_t not_before_s, int64_t not_after_s);
/* For a revoked one: over already. */
struct ari_window ari_window_revoked(int64_t revoked_at_s);
