#include "common/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/guard.h"
#include "common/log.h"
#include "common/tls_credentials.h"
#include "common/x509_crl.h"

#define TLS_CHAIN_MAX 8 /* certificates a client may send */
#define RECORD_HEADER 5 /* RFC 5246 6.2.1: type, version, length */
#define RECORD_HANDSHAKE 22

const char *const tls_priorities =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:"
    "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-X25519:"
    "+GROUP-SECP256R1:+GROUP-SECP384R1:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1";
const char *const tls_cipher_list =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
const char *const tls_cipher_suites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

struct tls_listener {
    gnutls_datum_t ticket_key;
    bool asks;                /* for client certificates */
    pthread_mutex_t changing; /* one change at a time */
    X509_CHAIN *anchors;      /* under it */
    pthread_mutex_t lock;
    struct tls_credentials *credentials; /* under the lock, as is trust; for new connections */
    X509_STORE *trust;                   /* NULL: no client certificates */
    atomic_uint trusted;                 /* counts the changes of trust, from 1 */
    const struct clock *clock;
    struct clock real;
    atomic_uint_fast64_t refused;
};

static X509_STORE *trust_new(X509_CHAIN *anchors, const char *client_crl_pem, struct err *err) {
    AUTO(X509_STORE_free) X509_STORE *trust = x509_trust(anchors, err);

    return trust == NULL || (client_crl_pem != NULL && !x509_crl_trust(trust, client_crl_pem, err))
               ? NULL
               : TAKE(trust);
}

/* Both moved in; NULL: as it was. */
static void put(struct tls_listener *listener, struct tls_credentials *credentials,
                X509_STORE *trust) {
    struct tls_credentials *old_credentials = NULL;
    X509_STORE *old_trust = NULL;

    (void)pthread_mutex_lock(&listener->lock);
    if (credentials != NULL) {
        old_credentials = listener->credentials;
        listener->credentials = credentials;
    }
    if (trust != NULL) {
        old_trust = listener->trust;
        listener->trust = trust;
        atomic_fetch_add(&listener->trusted, 1);
    }
    (void)pthread_mutex_unlock(&listener->lock);
    tls_credentials_free(old_credentials);
    X509_STORE_free(old_trust);
}

bool tls_listener_crls(struct tls_listener *listener, const char *client_crl_pem, struct err *err) {
    (void)pthread_mutex_lock(&listener->changing);
    X509_STORE *trust = trust_new(listener->anchors, client_crl_pem, err);
    put(listener, NULL, trust);
    (void)pthread_mutex_unlock(&listener->changing);
    return trust != NULL;
}

bool tls_listener_reload(struct tls_listener *listener, const char *cert_pem, const char *key_pem,
                         const char *client_trust_pem, const char *client_crl_pem,
                         struct err *err) {
    AUTO(tls_credentials_free)
    struct tls_credentials *credentials = tls_credentials_new(cert_pem, key_pem, err);
    AUTO(X509_STORE_free) X509_STORE *trust = NULL;
    X509_CHAIN *anchors = NULL;

    if (credentials == NULL) {
        return false;
    }
    if (listener->asks) {
        anchors = x509_chain_read(client_trust_pem, strlen(client_trust_pem), err);
        trust = anchors == NULL ? NULL : trust_new(anchors, client_crl_pem, err);
        if (trust == NULL) {
            chain_free(anchors);
            return false;
        }
    }
    (void)pthread_mutex_lock(&listener->changing);
    put(listener, TAKE(credentials), TAKE(trust));
    chain_free(listener->anchors);
    listener->anchors = anchors;
    (void)pthread_mutex_unlock(&listener->changing);
    return true;
}

static struct tls_credentials *credentials_now(struct tls_listener *listener) {
    (void)pthread_mutex_lock(&listener->lock);
    struct tls_credentials *credentials = tls_credentials_hold(listener->credentials);
    (void)pthread_mutex_unlock(&listener->lock);
    return credentials;
}

/* The store of the moment and its number; caller owns. */
static X509_STORE *trust_now(struct tls_listener *listener, unsigned *ret_trusted) {
    (void)pthread_mutex_lock(&listener->lock);
    X509_STORE *trust = listener->trust;
    (void)X509_STORE_up_ref(trust);
    *ret_trusted = atomic_load(&listener->trusted);
    (void)pthread_mutex_unlock(&listener->lock);
    return trust;
}

struct tls_listener *tls_listener_new(const char *cert_pem, const char *key_pem,
                                      const char *client_trust_pem, const char *client_crl_pem,
                                      const struct clock *clock, struct err *err) {
    AUTO(tls_listener_free) struct tls_listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for TLS");
        return NULL;
    }
    (void)pthread_mutex_init(&listener->lock, NULL);
    (void)pthread_mutex_init(&listener->changing, NULL);
    listener->real = clock_real();
    listener->clock = clock != NULL ? clock : &listener->real;
    listener->credentials = tls_credentials_new(cert_pem, key_pem, err);
    if (listener->credentials == NULL) {
        return NULL;
    }
    int code = gnutls_session_ticket_key_generate(&listener->ticket_key);
    if (code < 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not make a session ticket key");
        (void)err_cause(err, "%s", gnutls_strerror(code));
        return NULL;
    }
    listener->asks = client_trust_pem != NULL;
    if (listener->asks) {
        listener->anchors = x509_chain_read(client_trust_pem, strlen(client_trust_pem), err);
        if (listener->anchors == NULL || !tls_listener_crls(listener, client_crl_pem, err)) {
            return NULL;
        }
    }
    return TAKE(listener);
}

void tls_listener_free(struct tls_listener *listener) {
    if (listener == NULL) {
        return;
    }
    if (listener->ticket_key.data != NULL) {
        gnutls_memset(listener->ticket_key.data, 0, listener->ticket_key.size);
        gnutls_free(listener->ticket_key.data);
    }
    tls_credentials_free(listener->credentials);
    X509_STORE_free(listener->trust);
    chain_free(listener->anchors);
    (void)pthread_mutex_destroy(&listener->lock);
    (void)pthread_mutex_destroy(&listener->changing);
    free(listener);
}

uint64_t tls_listener_refused(const struct tls_listener *listener) {
    return atomic_load(&listener->refused);
}

/* ---- client certificates ---- */

static void refuse(struct tls_peer *peer, const struct err *err) {
    char reason[300];

    if (peer->state == TLS_PEER_REFUSED) {
        return;
    }
    peer->state = TLS_PEER_REFUSED;
    atomic_fetch_add(&peer->listener->refused, 1);
    log_line(LOG_WARNING, "httpd", "refused", "peer=%s reason=%s", peer->address,
             log_quote(err->detail, reason, sizeof(reason)));
}

void tls_peer_done(struct tls_peer *peer) {
    if (peer->greeted && !peer->shaken) {
        refuse(peer, &(struct err){.detail = "the TLS handshake was not completed"});
    }
    x509_cert_done(&peer->cert);
    tls_credentials_free(peer->credentials);
    peer->credentials = NULL;
}

static X509_CHAIN *peer_chain(gnutls_session_t session, struct err *err) {
    unsigned count = 0;
    const gnutls_datum_t *ders = gnutls_certificate_get_peers(session, &count);
    AUTO(chain_free) X509_CHAIN *chain = sk_X509_new_null();

    if (ders == NULL || count == 0) {
        (void)err_set(err, ERR_UNAUTHORIZED, "no client certificate");
        return NULL;
    }
    if (!GUARD("chain-length", count <= TLS_CHAIN_MAX) || chain == NULL) {
        (void)err_set(err, ERR_UNAUTHORIZED, "more than %d client certificates", TLS_CHAIN_MAX);
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        AUTO(X509_free) X509 *x509 = x509_from_der(ders[i].data, ders[i].size, err);
        if (x509 == NULL) {
            return NULL;
        }
        if (sk_X509_push(chain, x509) <= 0) {
            (void)err_set(err, ERR_NO_MEMORY, "no memory for a client certificate");
            return NULL;
        }
        (void)TAKE(x509);
    }
    return TAKE(chain);
}

/* Chain, time, clientAuth, revocation; the leaf is read once and kept with the connection. */
static bool judge(struct tls_peer *peer, gnutls_session_t session, bool handshake,
                  struct err *err) {
    const int64_t now_s = clock_now_s(peer->listener->clock);
    unsigned trusted = 0;
    AUTO(chain_free) X509_CHAIN *chain = peer_chain(session, err);

    if (chain == NULL) {
        return false;
    }
    AUTO(X509_STORE_free) X509_STORE *trust = trust_now(peer->listener, &trusted);
    if (!(handshake ? x509_verify(chain, trust, X509_PURPOSE_SSL_CLIENT, now_s, err)
                    : GUARD("judged-again",
                            x509_verify(chain, trust, X509_PURPOSE_SSL_CLIENT, now_s, err)))) {
        return false;
    }
    struct x509_cert cert = {0};
    if (!x509_cert_read(sk_X509_value(chain, 0), &cert, err)) {
        return false;
    }
    x509_cert_done(&peer->cert);
    peer->cert = cert;
    peer->trusted = trusted;
    peer->state = TLS_PEER_ACCEPTED;
    return true;
}

/* Nothing has changed since the peer was judged. */
static bool still_good(const struct tls_peer *peer) {
    struct tls_listener *listener = peer->listener;

    return !listener->asks
           || (peer->trusted == atomic_load(&listener->trusted)
               && clock_now_s(listener->clock) <= peer->cert.not_after_s);
}

static int on_verify(gnutls_session_t session) {
    struct tls_peer *peer = gnutls_session_get_ptr(session);
    struct err err = {0};

    if (peer->state == TLS_PEER_ACCEPTED || judge(peer, session, true, &err)) {
        return 0;
    }
    refuse(peer, &err);
    (void)gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

/* GnuTLS ends the handshake on an empty Certificate message (RFC 8446 4.4.2: four octets, RFC 5246
 * 7.4.6: three) before it would call on_verify; seen here, it is counted and answered. */
static int on_certificate(gnutls_session_t session, const gnutls_datum_t *message) {
    struct tls_peer *peer = gnutls_session_get_ptr(session);
    struct err err = {0};

    if (message->size > 4) {
        return 0;
    }
    (void)err_set(&err, ERR_UNAUTHORIZED, "no client certificate");
    refuse(peer, &err);
    (void)gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_CERTIFICATE_REQUIRED);
    return GNUTLS_E_CERTIFICATE_REQUIRED;
}

/* Finished, incoming, is the last a server waits for (RFC 8446 2, RFC 5246 7.3; resumed too). */
static int on_message(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                      const gnutls_datum_t *message) {
    struct tls_peer *peer = gnutls_session_get_ptr(session);

    if (incoming == 0) {
        return 0;
    }
    peer->greeted = peer->greeted || type == GNUTLS_HANDSHAKE_CLIENT_HELLO;
    if (type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT && when == GNUTLS_HOOK_PRE) {
        return on_certificate(session, message);
    }
    peer->shaken = peer->shaken || (type == GNUTLS_HANDSHAKE_FINISHED && when == GNUTLS_HOOK_POST);
    return 0;
}

/* Follow the records; false: a handshake begins after the handshake.  In TLS 1.3 what follows it
 * has the type of application data (RFC 8446 5.2), so that this is a renegotiation (RFC
 * 5246 7.4.1). */
static bool records_follow(struct tls_peer *peer, const unsigned char *data, size_t len) {
    while (len > 0) {
        if (peer->head_seen == RECORD_HEADER) {
            const size_t step = len < peer->record_left ? len : peer->record_left;
            peer->record_left -= (unsigned)step;
            peer->head_seen = peer->record_left == 0 ? 0 : RECORD_HEADER;
            data += step;
            len -= step;
            continue;
        }
        if (peer->head_seen == 0 && peer->shaken && *data == RECORD_HANDSHAKE) {
            return false;
        }
        peer->record_left = peer->record_left << 8 | *data; /* ends with the length's two */
        data++;
        len--;
        if (++peer->head_seen == RECORD_HEADER) {
            peer->record_left &= 0xFFFF;
            peer->head_seen = peer->record_left == 0 ? 0 : RECORD_HEADER;
        }
    }
    return true;
}

static ssize_t pull_followed(gnutls_transport_ptr_t ptr, void *data, size_t size) {
    struct tls_peer *peer = ptr;
    ssize_t got = recv(peer->fd, data, size, 0);

    if (got > 0
        && !GUARD("renegotiation",
                  records_follow(peer, (const unsigned char *)data, (size_t)got))) {
        refuse(peer, &(struct err){.detail = "TLS renegotiation"});
        errno = ECONNRESET;
        return -1;
    }
    return got;
}

/* A client that offers others, such as acme-tls/1 (RFC 8737 4), gets no_application_protocol. */
static void set_protocols(gnutls_session_t session) {
    static unsigned char http[] = "http/1.1";
    const gnutls_datum_t protocol = {http, sizeof http - 1};

    (void)gnutls_alpn_set_protocols(session, &protocol, 1,
                                    GUARD("alpn", false) ? 0 : GNUTLS_ALPN_MANDATORY);
}

void tls_session_prepare(struct tls_peer *peer, void *session, int fd) {
    peer->fd = fd;
    peer->credentials = credentials_now(peer->listener);
    gnutls_session_set_ptr(session, peer);
    set_protocols(session);
    (void)gnutls_session_ticket_enable_server(session, &peer->listener->ticket_key);
    if (!peer->listener->asks) {
        peer->state = TLS_PEER_ACCEPTED;
        return;
    }
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_verify_function(session, on_verify);
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_message);
    gnutls_transport_set_ptr2(session, peer, (gnutls_transport_ptr_t)(intptr_t)fd);
    gnutls_transport_set_pull_function(session, pull_followed);
}

/* Incoming, it is the last a server waits for (RFC 8446 2, RFC 5246 7.3; resumed sessions too). */
static int on_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                       const gnutls_datum_t *message) {
    struct tls_peer *peer = gnutls_session_get_ptr(session);

    (void)type;
    (void)when;
    (void)message;
    peer->shaken = peer->shaken || incoming != 0;
    return 0;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t size) {
    struct tls_peer *peer = ptr;
    ssize_t got = recv(peer->fd, data, size, 0);

    if (got < 0 && errno == EAGAIN && !peer->shaken) {
        peer->starved(peer);
        errno = EAGAIN;
    }
    return got;
}

void tls_session_watch(struct tls_peer *peer, void *session, int fd,
                       void (*starved)(struct tls_peer *peer)) {
    peer->fd = fd;
    peer->starved = starved;
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST,
                                       on_finished);
    gnutls_transport_set_ptr2(session, peer, (gnutls_transport_ptr_t)(intptr_t)fd);
    gnutls_transport_set_pull_function(session, pull);
}

static int on_retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                       gnutls_pcert_st **ret_chain, unsigned *ret_count,
                       gnutls_ocsp_data_st **ret_ocsp, unsigned *ret_ocsp_count,
                       gnutls_privkey_t *ret_key, unsigned *ret_flags) {
    const struct tls_peer *peer = gnutls_session_get_ptr(session);

    (void)info;
    *ret_ocsp = NULL;
    *ret_ocsp_count = 0;
    *ret_flags = 0; /* GnuTLS frees nothing of it */
    tls_credentials_show(peer->credentials, ret_chain, ret_count, ret_key);
    return 0;
}

void *tls_certificate_callback(void) {
    gnutls_certificate_retrieve_function3 *callback = on_retrieve;
    return (void *)callback;
}

bool tls_session_accepted(struct tls_peer *peer, void *session) {
    struct err err = {0};

    if ((peer->state == TLS_PEER_NEW || (peer->state == TLS_PEER_ACCEPTED && !still_good(peer)))
        && !judge(peer, session, false, &err)) {
        refuse(peer, &err);
    }
    return peer->state == TLS_PEER_ACCEPTED;
}

/* ---- one record for one answer ---- */

void tls_session_hold(void *session) { gnutls_record_cork(session); }

bool tls_session_release(void *session, int fd) {
    const int off = 0;

    if (gnutls_record_uncork(session, 0) < 0) {
        return false;
    }
    /* libmicrohttpd corks the socket, and pushed before anything was written */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
    return true;
}
