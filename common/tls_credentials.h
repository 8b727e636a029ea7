/* What a listener shows of itself: its certificate chain and its key, in GnuTLS.  A P-256 key signs
 * in OpenSSL, in a third of the time GnuTLS takes; other keys sign in GnuTLS. */
#pragma once

#include <gnutls/abstract.h>

#include "common/cleanup.h"
#include "common/err.h"

#define TLS_CREDENTIALS_CHAIN_MAX 8 /* certificates */

struct tls_credentials;

/* PEM texts, the leaf first; NULL and ERR_CONFIG when they cannot be read or do not fit. */
struct tls_credentials *tls_credentials_new(const char *cert_pem, const char *key_pem,
                                            struct err *err);
/* One more holder; each calls tls_credentials_free once, the last frees.  From any thread. */
struct tls_credentials *tls_credentials_hold(struct tls_credentials *credentials);
void tls_credentials_free(struct tls_credentials *credentials);
AUTO_DEFINE(struct tls_credentials, tls_credentials_free)

/* For a handshake; what is returned stays owned here. */
void tls_credentials_show(struct tls_credentials *credentials, gnutls_pcert_st **ret_chain,
                          unsigned *ret_count, gnutls_privkey_t *ret_key);
