/* TLS for httpd (GnuTLS, below libmicrohttpd) and httpc (OpenSSL, below libcurl): versions 1.2 and
 * 1.3, AEAD with ephemeral ECDH only (TS 33.210 6.2), client certificates judged by x509_verify. */
#pragma once

#include <stdatomic.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/ossl.h"
#include "common/x509.h"

extern const char *const tls_priorities;    /* GnuTLS */
extern const char *const tls_cipher_list;   /* OpenSSL, TLS 1.2 */
extern const char *const tls_cipher_suites; /* OpenSSL, TLS 1.3 */

/* What a listener keeps for its handshakes: ticket key, trust anchors, refusals. */
struct tls_listener;

/* cert_pem, key_pem   what it shows of itself, the leaf first.
 * client_trust_pem    anchors for client certificates; NULL: clients show none.
 * client_crl_pem      what has been revoked of them (x509_crl.h); NULL: nothing.
 * clock               borrowed for the life; NULL: real time. */
struct tls_listener *tls_listener_new(const char *cert_pem, const char *key_pem,
                                      const char *client_trust_pem, const char *client_crl_pem,
                                      const struct clock *clock, struct err *err);
/* Other revocation lists from now on, for those connected too; from any thread. */
MUST_CHECK bool tls_listener_crls(struct tls_listener *listener, const char *client_crl_pem,
                                  struct err *err);
/* Another certificate, key, anchors and lists.  New connections are shown the certificate; who is
 * connected keeps it, and is judged again at its next request.  Of a listener that asks for client
 * certificates, or, with both NULL, of one that does not; nothing is changed when it fails.  From
 * any thread. */
MUST_CHECK bool tls_listener_reload(struct tls_listener *listener, const char *cert_pem,
                                    const char *key_pem, const char *client_trust_pem,
                                    const char *client_crl_pem, struct err *err);
void tls_listener_free(struct tls_listener *listener);
AUTO_DEFINE(struct tls_listener, tls_listener_free)
uint64_t tls_listener_refused(const struct tls_listener *listener);

enum tls_peer_state { TLS_PEER_NEW, TLS_PEER_ACCEPTED, TLS_PEER_REFUSED };

/* The other end of one accepted connection; only its listener thread touches it. */
struct tls_peer {
    struct tls_listener *listener;
    struct tls_credentials *credentials; /* of the listener, as the connection found them */
    enum tls_peer_state state;
    struct x509_cert cert; /* valid when accepted and the listener asks for certificates */
    char address[64];      /* "127.0.0.1:4711" */
    int fd;                /* of tls_session_watch */
    bool greeted;          /* it has sent a ClientHello */
    bool shaken;           /* its part of the handshake is over */
    unsigned trusted;      /* which state of the listener's trust has judged it */
    unsigned head_seen;    /* octets of the header of the record that is coming in */
    unsigned record_left;  /* octets of its body still to come */
    void (*starved)(struct tls_peer *peer);
};
/* Logs a handshake that was begun and not completed. */
void tls_peer_done(struct tls_peer *peer);

/* Before the handshake: tickets, and the demand for a certificate.  session is gnutls_session_t;
 * the peer outlives it and is found by it.  Who shows a certificate may not renegotiate: its
 * connection ends, with a line in the log. */
void tls_session_prepare(struct tls_peer *peer, void *session, int fd);

/* Call starved whenever the handshake cannot go on until the peer has sent more; for listeners that
 * ask for no client certificate.  After tls_session_prepare. */
void tls_session_watch(struct tls_peer *peer, void *session, int fd,
                       void (*starved)(struct tls_peer *peer));

/* For MHD_OPTION_HTTPS_CERT_CALLBACK2: shows what the session's listener has. */
void *tls_certificate_callback(void);

/* Before each request: true when the peer is accepted.  The verification callback does not run on
 * resumption, so a resumed session's certificate is read and verified here; and again when it has
 * expired or the revocation lists are others. */
bool tls_session_accepted(struct tls_peer *peer, void *session);

/* Headers and body of an answer leave as one TLS record: one to encrypt, send, read and decrypt,
 * where libmicrohttpd would make two.  hold before the answer is queued, release when libmicrohttpd
 * has written all of it; it waits in memory meanwhile, so it must be small.  release: false when
 * the peer does not read and the socket has no room: hang up. */
#define TLS_HOLD_MAX 8192 /* octets of a body */
void tls_session_hold(void *session);
MUST_CHECK bool tls_session_release(void *session, int fd);

/* The client's side: set up an SSL_CTX from objects already in memory. */
struct tls_client {
    X509_STORE *trust; /* all borrowed; any may be NULL */
    X509_CHAIN *chain; /* leaf first */
    EVP_PKEY *key;
    const struct clock *clock;
    const char *peer_uuid; /* the server must be the NF of this id; outlives ctx */
};
MUST_CHECK bool tls_client_prepare(const struct tls_client *client, SSL_CTX *ctx);
