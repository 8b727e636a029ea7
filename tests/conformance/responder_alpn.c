/* tls-alpn-01 as a client of RFC 8737 serves it: certificates by SNI. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/conformance/responder_parts.h"
#include "tests/conformance/spec_internal.h"

#define CALL_S 5 /* a validation connection's life */
#define PROTOCOLS_SIZE 128

struct entry {
    struct entry *next;
    char *sni, *protocol;
    X509 *cert;
    EVP_PKEY *key;
    int version_max;
    unsigned count, octets;
    int version;
    char protocols[PROTOCOLS_SIZE];
};

struct responder_alpn {
    int fd;
    SSL_CTX *tls;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* of entries */
    struct entry *entries;
    atomic_bool stop;
};

static struct entry *entry_find(struct responder_alpn *alpn, const char *sni) {
    struct entry *entry = alpn->entries;

    while (entry != NULL && strcasecmp(entry->sni, sni) != 0) {
        entry = entry->next;
    }
    return entry;
}

/* "acme-tls/1,h2" of the ALPN extension's list. */
static void read_protocols(SSL *tls, char text[PROTOCOLS_SIZE]) {
    const unsigned char *data = NULL;
    size_t len = 0, out = 0;

    text[0] = '\0';
    if (SSL_client_hello_get0_ext(tls, TLSEXT_TYPE_application_layer_protocol_negotiation, &data,
                                  &len)
            != 1
        || len < 2) {
        return;
    }
    for (size_t at = 2; at < len && at + 1 + data[at] <= len; at += 1u + data[at]) {
        int wrote = snprintf(text + out, PROTOCOLS_SIZE - out, "%s%.*s", out == 0 ? "" : ",",
                             data[at], (const char *)data + at + 1);
        out += wrote < 0 || (size_t)wrote >= PROTOCOLS_SIZE - out ? 0 : (size_t)wrote;
    }
}

static void read_name(SSL *tls, char name[256]) {
    const unsigned char *data = NULL;
    size_t len = 0;

    name[0] = '\0';
    if (SSL_client_hello_get0_ext(tls, TLSEXT_TYPE_server_name, &data, &len) == 1 && len > 5
        && data[2] == 0 && (size_t)(data[3] << 8 | data[4]) + 5 <= len) {
        (void)snprintf(name, 256, "%.*s", data[3] << 8 | data[4], (const char *)data + 5);
    }
}

static int take_hello(SSL *tls, int *alert, void *context) {
    struct responder_alpn *alpn = context;
    char name[256];
    int result = SSL_CLIENT_HELLO_ERROR;

    read_name(tls, name);
    (void)pthread_mutex_lock(&alpn->lock);
    struct entry *entry = entry_find(alpn, name);
    if (entry != NULL) {
        entry->count++;
        entry->version = 0;
        entry->octets = 0;
        read_protocols(tls, entry->protocols);
        (void)SSL_set_app_data(tls, entry);
        if (SSL_use_certificate(tls, entry->cert) == 1 && SSL_use_PrivateKey(tls, entry->key) == 1
            && (entry->version_max == 0
                || (SSL_set_min_proto_version(tls, TLS1_VERSION) == 1
                    && SSL_set_max_proto_version(tls, entry->version_max) == 1))) {
            result = SSL_CLIENT_HELLO_SUCCESS;
        }
    }
    (void)pthread_mutex_unlock(&alpn->lock);
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return result;
}

static int select_protocol(SSL *tls, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *context) {
    const struct entry *entry = SSL_get_app_data(tls);

    (void)context;
    (void)in;
    (void)in_len;
    if (entry == NULL || entry->protocol[0] == '\0') {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = (const unsigned char *)entry->protocol;
    *out_len = (unsigned char)strlen(entry->protocol);
    return SSL_TLSEXT_ERR_OK;
}

static void answer(struct responder_alpn *alpn, int fd) {
    const struct timeval limit = {.tv_sec = CALL_S};
    AUTO(SSL_free) SSL *tls = SSL_new(alpn->tls);
    char octets[256];

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (tls == NULL || SSL_set_fd(tls, fd) != 1 || SSL_accept(tls) != 1) {
        return;
    }
    int got = SSL_read(tls, octets, sizeof(octets));
    struct entry *entry = SSL_get_app_data(tls);
    (void)pthread_mutex_lock(&alpn->lock);
    if (entry != NULL) {
        entry->version = SSL_version(tls);
        entry->octets += got > 0 ? (unsigned)got : 0;
    }
    (void)pthread_mutex_unlock(&alpn->lock);
    (void)SSL_shutdown(tls);
}

static void *serve(void *context) {
    struct responder_alpn *alpn = context;

    while (!atomic_load(&alpn->stop)) {
        struct pollfd poller = {.fd = alpn->fd, .events = POLLIN};
        if (poll(&poller, 1, 100) <= 0) {
            continue;
        }
        int fd = accept4(alpn->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            answer(alpn, fd);
            (void)close(fd);
        }
    }
    return NULL;
}

struct responder_alpn *responder_alpn_start(unsigned port, struct err *err) {
    struct responder_alpn *alpn = calloc(1, sizeof(*alpn));

    if (alpn == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory");
        return NULL;
    }
    alpn->fd = -1;
    (void)pthread_mutex_init(&alpn->lock, NULL);
    alpn->tls = SSL_CTX_new(TLS_server_method());
    if (alpn->tls == NULL || !responder_listen(port, &alpn->fd, err)) {
        (void)err_set(err, ERR_CONFIG, "no TLS responder");
        responder_alpn_stop(alpn);
        return NULL;
    }
    SSL_CTX_set_client_hello_cb(alpn->tls, take_hello, alpn);
    SSL_CTX_set_alpn_select_cb(alpn->tls, select_protocol, NULL);
    SSL_CTX_set_security_level(alpn->tls, 0); /* old versions are offered on purpose */
    (void)SSL_CTX_set_session_cache_mode(alpn->tls, SSL_SESS_CACHE_OFF);
    alpn->running = pthread_create(&alpn->thread, NULL, serve, alpn) == 0;
    return alpn;
}

void responder_alpn_stop(struct responder_alpn *alpn) {
    if (alpn == NULL) {
        return;
    }
    atomic_store(&alpn->stop, true);
    if (alpn->running) {
        (void)pthread_join(alpn->thread, NULL);
    }
    if (alpn->fd >= 0) {
        (void)close(alpn->fd);
    }
    SSL_CTX_free(alpn->tls);
    while (alpn->entries != NULL) {
        struct entry *entry = alpn->entries;
        alpn->entries = entry->next;
        X509_free(entry->cert);
        EVP_PKEY_free(entry->key);
        free(entry->sni);
        free(entry->protocol);
        free(entry);
    }
    (void)pthread_mutex_destroy(&alpn->lock);
    free(alpn);
}

void spec_alpn(struct spec *spec, const struct spec_alpn *wanted) {
    struct responder_alpn *alpn = responder_alpn_of(spec);

    if (alpn == NULL || spec_over(spec)) {
        return;
    }
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL || X509_up_ref(wanted->cert) != 1 || EVP_PKEY_up_ref(wanted->key) != 1) {
        abort();
    }
    entry->cert = wanted->cert;
    entry->key = wanted->key;
    entry->sni = strdup(wanted->sni);
    entry->protocol = strdup(wanted->protocol == NULL ? "acme-tls/1" : wanted->protocol);
    entry->version_max = wanted->version_max;
    (void)pthread_mutex_lock(&alpn->lock);
    entry->next = alpn->entries; /* a later one for the same name hides the earlier */
    alpn->entries = entry;
    (void)pthread_mutex_unlock(&alpn->lock);
}

struct spec_alpn_seen spec_alpn_seen(struct spec *spec, const char *sni) {
    struct responder_alpn *alpn = responder_alpn_of(spec);
    struct spec_alpn_seen seen = {.protocols = ""};

    if (alpn == NULL) {
        return seen;
    }
    (void)pthread_mutex_lock(&alpn->lock);
    const struct entry *entry = entry_find(alpn, sni);
    if (entry != NULL) {
        seen = (struct spec_alpn_seen){entry->count, spec_text(spec, "%s", entry->protocols),
                                       entry->version, entry->octets};
    }
    (void)pthread_mutex_unlock(&alpn->lock);
    return seen;
}
