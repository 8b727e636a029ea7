/* The whole server on a free port, and an ACME client small enough to misbehave: what the tests of
 * the wfe rooms share. */
#pragma once

#include <check.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/acme.h"
#include "common/b64.h"
#include "common/file.h"
#include "common/httpc.h"
#include "common/httpd.h"
#include "common/json.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "common/jwt.h"
#include "common/key.h"
#include "common/log.h"
#include "common/rng.h"
#include "common/x509.h"
#include "server/gate.h"
#include "server/server.h"
#include "tests/unit/common/suite.h"

#define BED_UNUSED __attribute__((unused))
#define BED_TIME_US 1795000000000000ULL /* 2026-11-18 */
#define BED_DAY_S ((int64_t)86400)
#define BED_UUID "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
#define BED_OTHER_UUID "5ace9d34-2c69-4f99-92d5-a73a3fe8e23c"
#define BED_FQDN "amf1.amf.5gc.mnc001.mcc001.3gppnetwork.org"

#define ck_good(call)                                                                              \
    do {                                                                                           \
        bool good_ = (call);                                                                       \
        ck_assert_msg(good_, "%s: %s: %s (%s)", #call, err_name(err.kind), err.detail, err.cause); \
    } while (0)

struct bed {
    char folder[64];
    struct options options;
    struct server *server;
    struct loop *loop;
    struct httpc *httpc;
    X509_CHAIN *root;
    X509_STORE *trust;
    EVP_PKEY *authority; /* the Token Authority's */
    X509_CHAIN *authority_chain;
    char base[64]; /* "https://127.0.0.1:4711" */
    unsigned port; /* the same after a restart; 0 before the first start */
    uint64_t time_us;
    const char *const *more; /* settings, for a restart */
    char nonce[64];          /* of the last answer */

    struct httpd *web; /* answers http-01 with `page`, 404 while it is "" */
    pthread_mutex_t web_lock;
    char page[256];
    _Atomic unsigned fetched;
};

struct answer {
    unsigned status;
    char type[64];  /* content type */
    char error[64]; /* last part of the problem's type */
    char location[256];
    char links[512]; /* all Link headers, one per line */
    char allow[32], cache[32], nonce[64], retry_after[16];
    unsigned nonces; /* Replay-Nonce headers */
    char *body;
    json_t *json;
};

BED_UNUSED static void answer_done(struct answer *answer) {
    free(answer->body);
    json_decref(answer->json);
    *answer = (struct answer){0};
}

/* ---- one request after the other ---- */

struct bed_call {
    struct bed *bed;
    struct answer answer;
    struct err err;
};

static void bed_copy(char *out, size_t size, const char *text) {
    (void)snprintf(out, size, "%s", text == NULL ? "" : text);
}

static void bed_read(struct bed_call *call, const struct httpc_answer *from) {
    struct answer *answer = &call->answer;
    const char *header = NULL;

    answer->status = from->status;
    bed_copy(answer->type, sizeof(answer->type), httpc_header(from, "Content-Type"));
    bed_copy(answer->location, sizeof(answer->location), httpc_header(from, "Location"));
    bed_copy(answer->allow, sizeof(answer->allow), httpc_header(from, "Allow"));
    bed_copy(answer->cache, sizeof(answer->cache), httpc_header(from, "Cache-Control"));
    bed_copy(answer->nonce, sizeof(answer->nonce), httpc_header(from, "Replay-Nonce"));
    bed_copy(answer->retry_after, sizeof(answer->retry_after), httpc_header(from, "Retry-After"));
    while ((header = httpc_header_next(from, "Replay-Nonce", header)) != NULL) {
        answer->nonces++;
    }
    while ((header = httpc_header_next(from, "Link", header)) != NULL) {
        size_t used = strlen(answer->links);
        (void)snprintf(answer->links + used, sizeof(answer->links) - used, "%s\n", header);
    }
    answer->body = strndup(from->body, from->body_len);
    answer->json = json_loads(answer->body, 0, NULL);
    const char *type = json_string_value(json_object_get(answer->json, "type"));
    if (strcmp(answer->type, ACME_PROBLEM_TYPE) == 0 && type != NULL) {
        bed_copy(answer->error, sizeof(answer->error), strrchr(type, ':') + 1);
        ck_assert_uint_eq(json_integer_value(json_object_get(answer->json, "status")),
                          answer->status);
    }
    if (answer->nonce[0] != '\0') {
        bed_copy(call->bed->nonce, sizeof(call->bed->nonce), answer->nonce);
    }
}

static void bed_done(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct bed_call *call = ctx;
    call->err = *err;
    if (answer != NULL) {
        bed_read(call, answer);
    }
    loop_stop(call->bed->loop);
}

/* headers: NULL-terminated; url absolute, or a path. */
BED_UNUSED static struct answer bed_ask(struct bed *bed, const char *method, const char *url,
                                        const char *const *headers, const char *body, size_t len) {
    struct bed_call call = {.bed = bed};
    struct err err = {0};
    char whole[512];

    (void)snprintf(whole, sizeof(whole), "%s%s", url[0] == '/' ? bed->base : "", url);
    struct httpc_request request = {.method = method,
                                    .url = whole,
                                    .headers = headers,
                                    .body = body,
                                    .body_len = len,
                                    .address = "127.0.0.1"};
    ck_good(httpc_start(bed->httpc, &request, bed_done, &call, &err) != NULL);
    loop_run(bed->loop);
    ck_assert_msg(call.err.kind == ERR_NONE, "%s %s: %s (%s)", method, url, call.err.detail,
                  call.err.cause);
    return call.answer;
}

BED_UNUSED static struct answer bed_get(struct bed *bed, const char *url) {
    return bed_ask(bed, "GET", url, NULL, NULL, 0);
}

BED_UNUSED static const char *bed_nonce(struct bed *bed) {
    if (bed->nonce[0] == '\0') {
        struct answer answer = bed_ask(bed, "HEAD", "/new-nonce", NULL, NULL, 0);
        ck_assert_uint_eq(answer.status, 200);
        answer_done(&answer);
    }
    ck_assert_str_ne(bed->nonce, "");
    return bed->nonce;
}

BED_UNUSED static struct answer bed_post_text(struct bed *bed, const char *url, const char *text) {
    static const char *const headers[] = {"Content-Type: application/jose+json", NULL};
    return bed_ask(bed, "POST", url, headers, text, strlen(text));
}

/* ---- signed requests ---- */

struct actor {
    EVP_PKEY *key;
    char kid[256]; /* "" = sign with jwk */
};

BED_UNUSED static struct actor bed_actor(void) {
    struct err err = {0};
    struct actor actor = {.key = key_generate(KEY_P256, &err)};
    ck_good(actor.key != NULL);
    return actor;
}

BED_UNUSED static void actor_done(struct actor *actor) { EVP_PKEY_free(actor->key); }

/* The protected header a request to url must have; the nonce is used up. */
BED_UNUSED static json_t *bed_header(struct bed *bed, const struct actor *actor, const char *url) {
    struct err err = {0};
    char whole[512];
    json_t *header = json_object();

    (void)snprintf(whole, sizeof(whole), "%s%s", url[0] == '/' ? bed->base : "", url);
    (void)json_object_set_new(header, "nonce", json_string(bed_nonce(bed)));
    bed->nonce[0] = '\0';
    (void)json_object_set_new(header, "url", json_string(whole));
    if (actor->kid[0] != '\0') {
        (void)json_object_set_new(header, "kid", json_string(actor->kid));
    } else {
        (void)json_object_set_new(header, "jwk", jwk_write(actor->key, &err));
    }
    return header;
}

/* Post with that header; payload NULL: POST-as-GET.  header is taken. */
BED_UNUSED static struct answer bed_post_as(struct bed *bed, EVP_PKEY *key, json_t *header,
                                            const char *url, const char *payload) {
    struct err err = {0};
    AUTO(free)
    char *text = jws_sign(key, header, payload, payload == NULL ? 0 : strlen(payload), &err);

    json_decref(header);
    ck_good(text != NULL);
    return bed_post_text(bed, url, text);
}

BED_UNUSED static struct answer bed_post(struct bed *bed, const struct actor *actor,
                                         const char *url, const char *payload) {
    return bed_post_as(bed, actor->key, bed_header(bed, actor, url), url, payload);
}

/* ---- start and stop ---- */

static void bed_web_handle(void *ctx, struct httpd_exchange *exchange) {
    struct bed *bed = ctx;

    (void)pthread_mutex_lock(&bed->web_lock);
    bed->fetched++;
    char *body = bed->page[0] == '\0' ? NULL : strdup(bed->page);
    (void)pthread_mutex_unlock(&bed->web_lock);
    httpd_answer(exchange, body == NULL ? 404 : 200, "application/octet-stream", body,
                 body == NULL ? 0 : strlen(body));
}

BED_UNUSED static void bed_page(struct bed *bed, const char *text) {
    (void)pthread_mutex_lock(&bed->web_lock);
    bed_copy(bed->page, sizeof(bed->page), text);
    (void)pthread_mutex_unlock(&bed->web_lock);
}

static void bed_authority(struct bed *bed) {
    struct err err = {0};
    char path[128];

    bed->authority = key_generate(KEY_P256, &err);
    struct x509_spec spec = {.common_name = "Token Authority",
                             .not_before_s = (int64_t)(BED_TIME_US / 1000000) - BED_DAY_S,
                             .not_after_s = (int64_t)(BED_TIME_US / 1000000) + 3650 * BED_DAY_S,
                             .key = bed->authority};
    X509 *x509 = x509_make(&spec, NULL, bed->authority, &err);
    ck_good(x509 != NULL);
    AUTO(free) char *pem = x509_pem(x509, &err);
    bed->authority_chain = sk_X509_new_null();
    ck_assert_int_gt(sk_X509_push(bed->authority_chain, x509), 0);
    (void)snprintf(path, sizeof(path), "%s/authority.pem", bed->folder);
    ck_good(file_write(path, 0600, pem, strlen(pem), &err));
}

/* The server on what is in the folder; further settings "path=value", NULL-terminated. */
BED_UNUSED static void bed_start_server(struct bed *bed, const char *const *more) {
    struct err err = {0};
    char texts[4][128];
    const char *sets[24] = {"pki=127.0.0.1:0", "admin=127.0.0.1:0",
                            "validation.resolve_to=127.0.0.1", "log=error"};
    unsigned count = 4;

    (void)snprintf(texts[0], sizeof(texts[0]), "state=%s/state", bed->folder);
    (void)snprintf(texts[1], sizeof(texts[1]), "validation.token_authority=%s/authority.pem",
                   bed->folder);
    (void)snprintf(texts[2], sizeof(texts[2]), "validation.http01_port=%u", httpd_port(bed->web));
    (void)snprintf(texts[3], sizeof(texts[3]), "listen=127.0.0.1:%u", bed->port);
    for (unsigned i = 0; i < 4; i++) {
        sets[count++] = texts[i];
    }
    for (; more != NULL && *more != NULL; more++) {
        sets[count++] = *more;
    }
    struct config *config = config_read_text("bed", "{}", 2, options_program.keys, sets, &err);
    ck_good(config != NULL);
    ck_good(options_read(config, &bed->options, &err));
    bed->options.clock.manual_us = bed->time_us;
    bed->server = server_start(&bed->options, &err);
    ck_good(bed->server != NULL);
    bed->port = server_port(bed->server);
    (void)snprintf(bed->base, sizeof(bed->base), "https://127.0.0.1:%u", bed->port);
    bed->nonce[0] = '\0';
}

BED_UNUSED static void bed_stop_server(struct bed *bed) {
    server_stop(bed->server);
    bed->server = NULL;
    options_done(&bed->options);
}

/* Restart; the time is then that. */
BED_UNUSED static void bed_restart(struct bed *bed, uint64_t time_us) {
    bed_stop_server(bed);
    bed->time_us = time_us;
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(bed->trust), (time_t)(time_us / 1000000));
    bed_start_server(bed, bed->more);
}

BED_UNUSED static void bed_start(struct bed *bed, const char *const *more) {
    struct err err = {0};
    char path[128];

    *bed =
        (struct bed){.web_lock = PTHREAD_MUTEX_INITIALIZER, .time_us = BED_TIME_US, .more = more};
    (void)snprintf(bed->folder, sizeof(bed->folder), "/tmp/nfacme-wfe-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(bed->folder));
    bed_authority(bed);
    bed->web = httpd_start(
        &(struct httpd_options){
            .listen = "127.0.0.1:0", .body_max = 1024, .handler = bed_web_handle, .ctx = bed},
        &err);
    ck_good(bed->web != NULL);
    bed_start_server(bed, more);
    (void)snprintf(path, sizeof(path), "%s/state/root.pem", bed->folder);
    bed->root = x509_chain_read_file(path, &err);
    ck_good(bed->root != NULL);
    bed->trust = x509_trust(bed->root, &err);
    ck_good(bed->trust != NULL);
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(bed->trust), (time_t)(BED_TIME_US / 1000000));
    bed->loop = loop_new(&err);
    bed->httpc = httpc_new(&(struct httpc_options){.loop = bed->loop,
                                                   .trust = bed->trust,
                                                   .user_agent = "nfacme-test/1"},
                           &err);
    ck_good(bed->httpc != NULL);
}

static int bed_remove(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

BED_UNUSED static void bed_stop(struct bed *bed) {
    httpc_free(bed->httpc);
    loop_free(bed->loop);
    if (bed->server != NULL) {
        bed_stop_server(bed);
    }
    httpd_stop(bed->web);
    X509_STORE_free(bed->trust);
    chain_free(bed->root);
    chain_free(bed->authority_chain);
    EVP_PKEY_free(bed->authority);
    (void)nftw(bed->folder, bed_remove, 8, FTW_DEPTH | FTW_PHYS);
}
