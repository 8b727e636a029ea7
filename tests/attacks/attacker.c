/* A TLS client that does what curl will not: requests octet by octet, renegotiation, sessions saved
 * and resumed, a pause between requests, protocols and certificates of its choice.
 *
 *   attacker --to HOST:PORT [--cert PEM --key PEM] [--tls 1.2] [--ciphers LIST] [--alpn NAME]
 *            [--save FILE] [--resume FILE] [--renegotiate] [--pause] REQUEST-FILE...
 *
 * Prints a line for each request: the status of its answer, 000 when there is none.  --resume fails
 * (exit 3) when the session is not resumed.  --pause waits for a line between two requests. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/file.h"
#include "common/ossl.h"

#define ANSWER_MAX (256 * 1024)
#define PATIENCE_S 20

struct attacker {
    const char *to, *cert, *key, *tls, *ciphers, *alpn, *save, *resume;
    bool renegotiate, pause;
    SSL_CTX *ctx;
    SSL *ssl;
    SSL_SESSION *session; /* the last one given */
};

static int on_session(SSL *ssl, SSL_SESSION *session) {
    struct attacker *attacker = SSL_get_app_data(ssl);

    SSL_SESSION_free(attacker->session);
    attacker->session = session;
    return 1;
}

static bool prepare(struct attacker *attacker) {
    SSL_CTX *ctx = attacker->ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL) {
        return false;
    }
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    if (attacker->tls != NULL) {
        const int version = strcmp(attacker->tls, "1.1") == 0 ? TLS1_1_VERSION : TLS1_2_VERSION;
        (void)SSL_CTX_set_min_proto_version(ctx, version);
        (void)SSL_CTX_set_max_proto_version(ctx, version);
    }
    return (attacker->ciphers == NULL || SSL_CTX_set_cipher_list(ctx, attacker->ciphers) == 1)
           && (attacker->cert == NULL
               || (SSL_CTX_use_certificate_chain_file(ctx, attacker->cert) == 1
                   && SSL_CTX_use_PrivateKey_file(ctx, attacker->key, SSL_FILETYPE_PEM) == 1));
}

static int dial(const char *to) {
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64] = "";
    unsigned port = 0;

    if (sscanf(to, "%63[^:]:%u", host, &port) != 2
        || inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        return -1;
    }
    address.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

/* false: no handshake; the process' exit code is set when that is the set-up's fault. */
static bool greet(struct attacker *attacker, int fd, int *ret_code) {
    unsigned char alpn[64];
    SSL *ssl = attacker->ssl = SSL_new(attacker->ctx);

    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        *ret_code = 2;
        return false;
    }
    SSL_set_app_data(ssl, attacker);
    if (attacker->alpn != NULL) {
        const size_t len = strlen(attacker->alpn);
        alpn[0] = (unsigned char)len;
        memcpy(alpn + 1, attacker->alpn, len < sizeof alpn ? len : 0);
        (void)SSL_set_alpn_protos(ssl, alpn, (unsigned)len + 1);
    }
    if (attacker->resume != NULL) {
        AUTO(BIO_free_all) BIO *file = BIO_new_file(attacker->resume, "r");
        SSL_SESSION *session =
            file == NULL ? NULL : PEM_read_bio_SSL_SESSION(file, NULL, NULL, NULL);
        if (session == NULL || SSL_set_session(ssl, session) != 1) {
            *ret_code = 2;
            return false;
        }
        SSL_SESSION_free(session);
    }
    if (SSL_connect(ssl) != 1) {
        return false;
    }
    *ret_code = attacker->resume != NULL && SSL_session_reused(ssl) != 1 ? 3 : *ret_code;
    return !attacker->renegotiate || (SSL_renegotiate(ssl) == 1 && SSL_do_handshake(ssl) == 1);
}

/* Is the answer complete? */
static bool whole(const char *answer, size_t len) {
    static const char name[] = "\r\ncontent-length:";
    const char *end = strstr(answer, "\r\n\r\n");
    unsigned long body = 0;

    if (end == NULL) {
        return false;
    }
    const char *at = strcasestr(answer, name);
    if (at != NULL && at < end) {
        body = strtoul(at + sizeof name - 1, NULL, 10);
    }
    return len >= (size_t)(end - answer) + 4 + body;
}

/* The status of an answer, 0 when none came. */
static unsigned ask(SSL *ssl, const char *request, size_t request_len) {
    static char answer[ANSWER_MAX];
    size_t len = 0;
    unsigned status = 0;

    if (SSL_write(ssl, request, (int)request_len) != (int)request_len) {
        return 0;
    }
    answer[0] = '\0';
    while (len < sizeof answer - 1 && !whole(answer, len)) {
        int got = SSL_read(ssl, answer + len, (int)(sizeof answer - 1 - len));
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
        answer[len] = '\0';
    }
    return sscanf(answer, "HTTP/1.1 %u", &status) == 1 ? status : 0;
}

static int run(struct attacker *attacker, char **requests, int count) {
    int code = 0;
    const int fd = prepare(attacker) ? dial(attacker->to) : -1;

    if (fd < 0) {
        return 2;
    }
    bool open = greet(attacker, fd, &code);
    for (int i = 0; i < count && code == 0; i++) {
        struct err err = {0};
        size_t len = 0;
        AUTO(free) char *request = file_read(requests[i], &len, &err);
        if (request == NULL) {
            return 2;
        }
        if (i > 0 && attacker->pause) {
            char line[16];
            open = fgets(line, sizeof line, stdin) != NULL && open;
        }
        (void)printf("%03u\n", open ? ask(attacker->ssl, request, len) : 0);
        (void)fflush(stdout);
    }
    if (attacker->save != NULL && attacker->session != NULL) {
        AUTO(BIO_free_all) BIO *file = BIO_new_file(attacker->save, "w");
        if (file == NULL || PEM_write_bio_SSL_SESSION(file, attacker->session) != 1) {
            code = 2;
        }
    }
    (void)SSL_shutdown(attacker->ssl);
    (void)close(fd);
    return code;
}

int main(int argc, char **argv) {
    struct attacker attacker = {0};
    const struct {
        const char *name;
        const char **text;
        bool *flag;
    } options[] = {{"--to", &attacker.to, NULL},
                   {"--cert", &attacker.cert, NULL},
                   {"--key", &attacker.key, NULL},
                   {"--tls", &attacker.tls, NULL},
                   {"--ciphers", &attacker.ciphers, NULL},
                   {"--alpn", &attacker.alpn, NULL},
                   {"--save", &attacker.save, NULL},
                   {"--resume", &attacker.resume, NULL},
                   {"--renegotiate", NULL, &attacker.renegotiate},
                   {"--pause", NULL, &attacker.pause}};
    int at = 1;

    (void)signal(SIGPIPE, SIG_IGN);
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        bool known = false;
        for (size_t i = 0; i < COUNT(options); i++) {
            if (strcmp(argv[at], options[i].name) != 0) {
                continue;
            }
            known = options[i].flag != NULL || at + 1 < argc;
            if (options[i].flag != NULL) {
                *options[i].flag = true;
            } else if (known) {
                *options[i].text = argv[++at];
            }
            break;
        }
        if (!known) {
            (void)fprintf(stderr, "attacker: %s\n", argv[at]);
            return 2;
        }
    }
    const int code = attacker.to == NULL ? 2 : run(&attacker, argv + at, argc - at);
    SSL_free(attacker.ssl);
    SSL_SESSION_free(attacker.session);
    SSL_CTX_free(attacker.ctx);
    return code;
}
