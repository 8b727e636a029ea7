/* A TLS server for tls-alpn-01 on a loopback port, on its own thread; it shows whatever certificate
 * a test makes and records what was asked and what followed. */
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct responder_cert {
    const char *names;     /* as in a configuration: "DNS:a.example"; NULL = no subjectAltName */
    const char *digest_of; /* the key authorization */
    const char *raw;       /* the extension's value instead, raw_len octets */
    size_t raw_len;
    bool no_identifier, twice; /* of acmeIdentifier */
    bool not_critical;
    bool by_a_ca; /* signed with another key, under another name */
};

struct responder {
    SSL_CTX *context;
    int fd, stop_fd;
    unsigned port;
    bool no_alpn; /* agrees on nothing */
    bool drops;   /* closes after the client hello */
    bool stalls;  /* says nothing */
    pthread_t thread;
    char sni[256], offered[64]; /* of the last client hello; the ALPN list as it came */
    size_t offered_len;
    atomic_uint connections, after; /* after: octets of application data */
    atomic_bool closed;             /* the client closed in good order */
};

static X509 *responder_x509(const struct responder_cert *cert, EVP_PKEY *key) {
    X509 *x509 = X509_new();
    EVP_PKEY *signer = cert->by_a_ca ? EVP_EC_gen("P-256") : key;
    X509_NAME *name = X509_get_subject_name(x509);

    ck_assert(X509_set_version(x509, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x509), 1));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(x509), -60));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(x509), 3600));
    ck_assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                         (const unsigned char *)"a.example", -1, -1, 0));
    ck_assert(X509_set_issuer_name(x509, name) && X509_set_pubkey(x509, key));
    if (cert->names != NULL) {
        X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, cert->names);
        ck_assert(names != NULL && X509_add_ext(x509, names, -1));
        X509_EXTENSION_free(names);
    }
    unsigned char value[34] = {4, 32};
    if (cert->digest_of != NULL) {
        ck_assert(EVP_Digest(cert->digest_of, strlen(cert->digest_of), value + 2, NULL,
                             EVP_sha256(), NULL));
    }
    for (unsigned i = cert->no_identifier ? 2 : cert->twice ? 0 : 1; i < 2; i++) {
        ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
        ASN1_OBJECT *object = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
        const unsigned char *raw = (const unsigned char *)cert->raw;
        ck_assert(ASN1_OCTET_STRING_set(octets, raw != NULL ? raw : value,
                                        raw != NULL ? (int)cert->raw_len : (int)sizeof value));
        X509_EXTENSION *extension =
            X509_EXTENSION_create_by_OBJ(NULL, object, cert->not_critical ? 0 : 1, octets);
        ck_assert(X509_add_ext(x509, extension, -1));
        X509_EXTENSION_free(extension);
        ASN1_OBJECT_free(object);
        ASN1_OCTET_STRING_free(octets);
    }
    ck_assert_int_gt(X509_sign(x509, signer, EVP_sha256()), 0);
    if (cert->by_a_ca) {
        EVP_PKEY_free(signer);
    }
    return x509;
}

static int responder_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                          const unsigned char *in, unsigned in_len, void *ctx) {
    struct responder *responder = ctx;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)snprintf(responder->sni, sizeof responder->sni, "%s", name == NULL ? "" : name);
    responder->offered_len = in_len < sizeof responder->offered ? in_len : 0;
    memcpy(responder->offered, in, responder->offered_len);
    *out = in + 1;
    *out_len = in[0];
    return responder->no_alpn ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
}

static void responder_serve(struct responder *responder, int fd) {
    SSL *ssl = SSL_new(responder->context);
    char octets[64];

    if (SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1) {
        int len = SSL_read(ssl, octets, sizeof octets);
        atomic_fetch_add(&responder->after, len > 0 ? (unsigned)len : 0);
        atomic_store(&responder->closed, SSL_get_shutdown(ssl) == SSL_RECEIVED_SHUTDOWN);
    }
    ERR_clear_error();
    SSL_free(ssl);
}

static void *responder_run(void *ctx) {
    struct responder *responder = ctx;
    struct pollfd fds[] = {{responder->fd, POLLIN, 0}, {responder->stop_fd, POLLIN, 0}};

    while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
        int fd = accept(responder->fd, NULL, NULL);
        char hello[16];
        atomic_fetch_add(&responder->connections, 1);
        if (responder->stalls) {
            (void)poll(fds + 1, 1, -1);
        } else if (responder->drops) {
            (void)!read(fd, hello, sizeof hello);
        } else {
            responder_serve(responder, fd);
        }
        (void)close(fd);
    }
    return NULL;
}

/* Listen on address, the options of *responder set before; TLS up to max_version, 0 = any. */
static void responder_start(struct responder *responder, const char *address,
                            const struct responder_cert *cert, int max_version) {
    struct sockaddr_storage at = {0};
    struct sockaddr_in *ip4 = (struct sockaddr_in *)&at;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&at;
    socklen_t len = sizeof at;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = responder_x509(cert, key);

    (void)signal(SIGPIPE, SIG_IGN);
    responder->context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(responder->context, 0);
    ck_assert(SSL_CTX_set_max_proto_version(responder->context, max_version));
    ck_assert(SSL_CTX_set_min_proto_version(responder->context, TLS1_VERSION));
    ck_assert(SSL_CTX_set_cipher_list(responder->context, "ALL:@SECLEVEL=0"));
    ck_assert(SSL_CTX_use_certificate(responder->context, x509));
    ck_assert(SSL_CTX_use_PrivateKey(responder->context, key));
    SSL_CTX_set_alpn_select_cb(responder->context, responder_alpn, responder);
    X509_free(x509);
    EVP_PKEY_free(key);
    at.ss_family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
    ck_assert_int_eq(
        inet_pton(at.ss_family, address,
                  at.ss_family == AF_INET ? (void *)&ip4->sin_addr : (void *)&ip6->sin6_addr),
        1);
    ip4->sin_port = htons((uint16_t)responder->port); /* at the same place in both */
    responder->fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(responder->fd, (struct sockaddr *)&at,
                          at.ss_family == AF_INET ? sizeof *ip4 : sizeof *ip6),
                     0);
    ck_assert_int_eq(listen(responder->fd, 8), 0);
    ck_assert_int_eq(getsockname(responder->fd, (struct sockaddr *)&at, &len), 0);
    responder->port = ntohs(ip4->sin_port);
    responder->stop_fd = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_eq(pthread_create(&responder->thread, NULL, responder_run, responder), 0);
}

static void responder_stop(struct responder *responder) {
    (void)eventfd_write(responder->stop_fd, 1);
    (void)pthread_join(responder->thread, NULL);
    (void)close(responder->fd);
    (void)close(responder->stop_fd);
    SSL_CTX_free(responder->context);
}
