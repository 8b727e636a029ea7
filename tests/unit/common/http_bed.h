/* A loopback server, clients on one loop and certificates for both: what the tests of httpd and
 * httpc share. */
#pragma once

#include <check.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/httpc.h"
#include "common/httpd.h"
#include "common/key.h"
#include "common/loop.h"
#include "common/x509.h"

#define BED_UNUSED __attribute__((unused))

/* ---- certificates ---- */

struct identity {
    EVP_PKEY *key;
    X509_CHAIN *chain; /* the certificate alone: issued by the anchor itself */
    char *cert_pem;
    char *key_pem;
};

static char *bed_key_pem(EVP_PKEY *key) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    long len = BIO_get_mem_data(bio, &text);
    char *copy = strndup(text, (size_t)len);
    BIO_free(bio);
    return copy;
}

static struct identity bed_make(struct x509_spec spec, const struct identity *issuer) {
    struct err err = {0};
    struct identity identity = {.key = key_generate(KEY_P256, &err)};
    X509 *issuer_x509 = issuer != NULL ? sk_X509_value(issuer->chain, 0) : NULL;

    spec.key = identity.key;
    X509 *x509 = x509_make(&spec, issuer_x509, issuer != NULL ? issuer->key : identity.key, &err);
    ck_assert_msg(x509 != NULL, "%s (%s)", err.detail, err.cause);
    identity.chain = sk_X509_new_null();
    ck_assert_int_gt(sk_X509_push(identity.chain, x509), 0);
    identity.cert_pem = x509_pem(x509, &err);
    identity.key_pem = bed_key_pem(identity.key);
    return identity;
}

BED_UNUSED static void bed_identity_done(struct identity *identity) {
    chain_free(identity->chain);
    EVP_PKEY_free(identity->key);
    free(identity->cert_pem);
    free(identity->key_pem);
}

BED_UNUSED static struct identity bed_ca(const char *name) {
    int64_t now = (int64_t)(clock_wall_us() / 1000000);

    return bed_make((struct x509_spec){.common_name = name,
                                       .ca = true,
                                       .path_len = -1,
                                       .not_before_s = now - 7200,
                                       .not_after_s = now + 7200},
                    NULL);
}

BED_UNUSED static struct identity bed_server(const struct identity *ca) {
    static const char *const ips[] = {"127.0.0.1", "::1", NULL};
    int64_t now = (int64_t)(clock_wall_us() / 1000000);
    struct x509_names names = {.dns_count = 1, .dns = {"localhost"}};

    return bed_make((struct x509_spec){.common_name = "server",
                                       .names = &names,
                                       .ips = ips,
                                       .eku = X509_EKU_SERVER,
                                       .not_before_s = now - 60,
                                       .not_after_s = now + 3600},
                    ca);
}

/* A client's, valid from and until so many seconds from now; number is in its UUID. */
BED_UNUSED static struct identity bed_client(const struct identity *ca, unsigned number,
                                             unsigned eku, int from_s, int until_s) {
    int64_t now = (int64_t)(clock_wall_us() / 1000000);
    struct x509_names names = {0};

    (void)snprintf(names.uuid, sizeof(names.uuid), "%08x-0000-4000-8000-000000000000", number);
    return bed_make((struct x509_spec){.names = &names,
                                       .names_critical = true,
                                       .eku = eku,
                                       .not_before_s = now + from_s,
                                       .not_after_s = now + until_s},
                    ca);
}

/* ---- one loop, one request after the other ---- */

struct reply {
    struct loop *loop;
    unsigned left; /* the loop stops when it reaches 0 */
    unsigned status;
    char body[256];
    size_t body_len;
    char header[256]; /* the one named x-test */
    struct httpc_times times;
    struct err err;
};

BED_UNUSED static void bed_done(void *ctx, const struct httpc_answer *answer,
                                const struct err *err) {
    struct reply *reply = ctx;

    reply->err = *err;
    if (answer != NULL) {
        const char *header = httpc_header(answer, "x-test");
        reply->status = answer->status;
        reply->body_len = answer->body_len;
        reply->times = answer->times;
        (void)snprintf(reply->body, sizeof(reply->body), "%s", answer->body);
        (void)snprintf(reply->header, sizeof(reply->header), "%s", header != NULL ? header : "");
    }
    if (--reply->left == 0) {
        loop_stop(reply->loop);
    }
}

BED_UNUSED static struct reply bed_ask(struct loop *loop, struct httpc *httpc,
                                       const struct httpc_request *request) {
    struct reply reply = {.loop = loop, .left = 1};
    struct err err = {0};

    ck_assert_msg(httpc_start(httpc, request, bed_done, &reply, &err) != NULL, "%s", err.detail);
    loop_run(loop);
    return reply;
}

BED_UNUSED static struct reply bed_get(struct loop *loop, struct httpc *httpc, const char *url) {
    struct httpc_request request = {.method = "GET", .url = url, .timeout_ms = 10000};

    return bed_ask(loop, httpc, &request);
}

/* ---- answers ---- */

BED_UNUSED static void bed_answer_text(struct httpd_exchange *exchange, unsigned status,
                                       const char *text) {
    httpd_answer(exchange, status, "text/plain", strdup(text), strlen(text));
}

/* Exchanges deferred by a handler and answered by a thread of their own. */
struct answerer {
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct httpd_exchange *waiting[2048];
    unsigned count;
    unsigned hold; /* answer only when so many wait */
    bool stop;
    pthread_t thread;
};

BED_UNUSED static void *bed_answerer_run(void *ctx) {
    struct answerer *answerer = ctx;

    (void)pthread_mutex_lock(&answerer->lock);
    while (!answerer->stop) {
        if (answerer->count == 0 || answerer->count < answerer->hold) {
            (void)pthread_cond_wait(&answerer->came, &answerer->lock);
            continue;
        }
        struct httpd_exchange *exchange = answerer->waiting[--answerer->count];
        answerer->hold = 0;
        (void)pthread_mutex_unlock(&answerer->lock);
        bed_answer_text(exchange, 200, "later");
        (void)pthread_mutex_lock(&answerer->lock);
    }
    (void)pthread_mutex_unlock(&answerer->lock);
    return NULL;
}

BED_UNUSED static void bed_answerer_start(struct answerer *answerer) {
    (void)pthread_mutex_init(&answerer->lock, NULL);
    (void)pthread_cond_init(&answerer->came, NULL);
    ck_assert_int_eq(pthread_create(&answerer->thread, NULL, bed_answerer_run, answerer), 0);
}

BED_UNUSED static void bed_answerer_stop(struct answerer *answerer) {
    (void)pthread_mutex_lock(&answerer->lock);
    answerer->stop = true;
    (void)pthread_cond_signal(&answerer->came);
    (void)pthread_mutex_unlock(&answerer->lock);
    (void)pthread_join(answerer->thread, NULL);
}

BED_UNUSED static void bed_answerer_take(struct answerer *answerer,
                                         struct httpd_exchange *exchange) {
    (void)pthread_mutex_lock(&answerer->lock);
    answerer->waiting[answerer->count++] = exchange;
    (void)pthread_cond_signal(&answerer->came);
    (void)pthread_mutex_unlock(&answerer->lock);
}
