/* OpenSSL cut down to the algorithms this system uses.
 *
 * OpenSSL 3.0 decodes the public key of every certificate it reads, in handshakes too, by trying
 * each key type with each decoder of the default provider: twice the cost of a signature for one
 * certificate.  What is not offered is not tried, and is refused. */
#pragma once

/* Before anything else of OpenSSL, on one thread; a second call does nothing.  Without memory for
 * it the process goes on with the default provider. */
void provider_trim(void);
