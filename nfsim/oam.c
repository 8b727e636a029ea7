#include "nfsim/oam.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/httpd.h"
#include "common/json.h"
#include "common/key.h"
#include "common/log.h"
#include "common/problem.h"
#include "common/route.h"
#include "nfsim/clerk.h"
#include "nfsim/inventory.h"

#define CLIENTS_MAX 16
#define PATH_SIZE 4096
#define TOKEN_PATH "/at/account/{thumbprint}/token"
#define PROBLEM_TYPE "application/problem+json"

struct oam {
    const struct clock *clock;
    struct trace *trace;
    struct token_authority authority;
    X509_STORE *trust; /* of assertions: OAM CA, operator root */
    char names[CLIENTS_MAX][FLEET_FQDN_SIZE];
    struct token_clients clients;
    struct clerk *clerk;
    struct httpd *httpd;
    _Atomic uint64_t issued, refused;
    char url[128];
};

/* One call under way: what its span needs, and whom to answer. */
struct visit {
    struct oam *oam;
    struct httpd_exchange *exchange;
    uint64_t started_us;
    struct trace_context caller, self;
    char nf[37];
};

static void record(const struct visit *visit, const char *status, const struct err *err) {
    const struct trace_attribute attributes[] = {{"peer", "client"}, {"status", status}};
    const struct trace_event event = {.event = "token",
                                      .nf = visit->nf[0] == '\0' ? NULL : visit->nf,
                                      .to = err == NULL ? "issued" : "refused",
                                      .detail = err == NULL ? NULL : err->detail};

    trace_span(visit->oam->trace, &visit->self, visit->caller.span_id, "token", TRACE_SERVER,
               visit->started_us, clock_wall_us(), attributes, COUNT(attributes));
    trace_event(visit->oam->trace, &event);
}

static void refuse(const struct visit *visit, const struct err *err) {
    const unsigned status = problem_type(err->kind)->sbi_status;
    char *body = problem_render_sbi(err);
    char quoted[256], text[8];

    (void)snprintf(text, sizeof text, "%u", status);
    (void)atomic_fetch_add(&visit->oam->refused, 1);
    log_line(LOG_INFO, "oam", "refused", "nf=%s status=%u kind=%s detail=%s", visit->nf, status,
             err_name(err->kind), log_quote(err->detail, quoted, sizeof quoted));
    if (err->cause[0] != '\0') {
        log_line(LOG_INFO, "oam", "cause", "nf=%s cause=%s", visit->nf,
                 log_quote(err->cause, quoted, sizeof quoted));
    }
    record(visit, text, err);
    httpd_answer(visit->exchange, status, PROBLEM_TYPE, body, body == NULL ? 0 : strlen(body));
}

static void grant(const struct visit *visit, const char *token) {
    AUTO(json_release) json_t *json = json_pack("{s:s}", "token", token);
    char *body = json == NULL ? NULL : json_text(json);
    struct err err = {0};

    if (body == NULL) {
        (void)err_set(&err, ERR_NO_MEMORY, "no memory for an answer");
        refuse(visit, &err);
        return;
    }
    (void)atomic_fetch_add(&visit->oam->issued, 1);
    log_line(LOG_DEBUG, "oam", "issued", "nf=%s", visit->nf);
    record(visit, "200", NULL);
    httpd_answer(visit->exchange, 200, "application/json", body, strlen(body));
}

static void clerk_answers(struct clerk_job *job, char *token, const struct err *err) {
    AUTO(clerk_job_free) struct clerk_job *mine = job;
    AUTO(free) struct visit *visit = mine->ctx;

    if (token == NULL) {
        refuse(visit, err);
    } else {
        grant(visit, token);
    }
    free(token);
}

static bool content_is_json(const struct httpd_exchange *exchange) {
    const char *type = httpd_header(exchange, "Content-Type");

    return type != NULL && strncasecmp(type, "application/json", 16) == 0
           && (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
}

static bool read_and_judge(struct oam *oam, struct visit *visit, const char *thumbprint,
                           struct clerk_job *job, struct err *err) {
    const struct x509_cert *peer = httpd_peer(visit->exchange);
    size_t len = 0;

    if (httpd_body_too_large(visit->exchange)) {
        return err_set(err, ERR_TOO_LARGE, "the body is larger than %d octets", OAM_BODY_MAX);
    }
    if (!content_is_json(visit->exchange)) {
        return err_set(err, ERR_MEDIA_TYPE, "the body is not application/json");
    }
    const char *body = httpd_body(visit->exchange, &len);
    if (!token_request_read(thumbprint, body, len, &job->request, err)) {
        return false;
    }
    (void)snprintf(visit->nf, sizeof visit->nf, "%s", job->request.tkvalue);
    if (peer == NULL) {
        return err_set(err, ERR_FORBIDDEN, "the TLS peer has no certificate");
    }
    return token_judge(&job->request, &peer->names, &oam->clients, oam->trust,
                       clock_now_s(oam->clock), &job->cca, err);
}

static void token_asked(struct oam *oam, struct visit *visit, const char *thumbprint) {
    AUTO(clerk_job_free) struct clerk_job *job = calloc(1, sizeof *job);
    AUTO(free) struct visit *kept = malloc(sizeof *kept);
    struct err err = {0};

    if (job == NULL || kept == NULL) {
        (void)err_set(&err, ERR_NO_MEMORY, "no memory for a request");
        refuse(visit, &err);
        return;
    }
    if (!read_and_judge(oam, visit, thumbprint, job, &err)) {
        refuse(visit, &err);
        return;
    }
    if (!httpd_defer(visit->exchange)) {
        (void)err_set(&err, ERR_OVERLOAD, "too many requests wait");
        refuse(visit, &err);
        return;
    }
    *kept = *visit;
    job->ctx = kept;
    if (!clerk_add(oam->clerk, job, &err)) {
        refuse(kept, &err);
        return;
    }
    (void)TAKE(job);
    (void)TAKE(kept);
}

static void handle(void *ctx, struct httpd_exchange *exchange) {
    struct oam *oam = ctx;
    const char *parent = httpd_header(exchange, "traceparent");
    struct visit visit = {
        .oam = oam, .exchange = exchange, .started_us = httpd_started_us(exchange)};
    struct route_params params = {0};
    struct err err = {0};

    if (parent != NULL && trace_read(parent, &visit.caller)) {
        visit.self = trace_child(&visit.caller);
    }
    if (!route_match(TOKEN_PATH, httpd_path(exchange), &params)) {
        (void)err_set(&err, ERR_NOT_FOUND, "no such resource");
        refuse(&visit, &err);
    } else if (httpd_method(exchange) != HTTP_POST) {
        httpd_header_add(exchange, "Allow", "POST");
        (void)err_set(&err, ERR_METHOD_NOT_ALLOWED, "only POST");
        refuse(&visit, &err);
    } else {
        token_asked(oam, &visit, params.value[0]);
    }
}

static void path_of(const char *state, const char *name, char path[PATH_SIZE]) {
    (void)snprintf(path, PATH_SIZE, "%s/%s", state, name);
}

static bool read_authority(const struct oam_options *options, struct token_authority *ret,
                           struct err *err) {
    char path[PATH_SIZE];
    AUTO(x509_cert_done) struct x509_cert cert = {0};

    path_of(options->state, "token-authority.pem", path);
    ret->chain = x509_chain_read_file(path, err);
    if (ret->chain == NULL || !x509_cert_read(sk_X509_value(ret->chain, 0), &cert, err)) {
        return false;
    }
    path_of(options->state, "token-authority.key", path);
    ret->key = key_read_file(path, err);
    (void)snprintf(ret->issuer, sizeof ret->issuer, "%s",
                   cert.names.dns_count > 0 ? cert.names.dns[0] : "oam");
    ret->lifetime_s = options->token_lifetime_s;
    return ret->key != NULL;
}

static bool read_trust(const struct oam_options *options, X509_STORE **ret, struct err *err) {
    char path[PATH_SIZE];

    path_of(options->state, "oam-ca.pem", path);
    AUTO(chain_free) X509_CHAIN *anchors = x509_chain_read_file(path, err);
    if (anchors == NULL) {
        return false;
    }
    if (options->operator_root != NULL) {
        AUTO(chain_free) X509_CHAIN *root = x509_chain_read_file(options->operator_root, err);
        if (root == NULL) {
            return false;
        }
        while (sk_X509_num(root) > 0) {
            (void)sk_X509_push(anchors, sk_X509_shift(root));
        }
    }
    *ret = x509_trust(anchors, err);
    return *ret != NULL;
}

static bool read_clients(const char *state, struct oam *oam, struct err *err) {
    AUTO(inventory_close) struct inventory *inventory = inventory_open(state, false, err);
    struct err last = {0};
    unsigned count = 0;

    if (inventory == NULL) {
        return false;
    }
    while (count < CLIENTS_MAX && inventory_client(inventory, count, oam->names[count], &last)) {
        count++;
    }
    if (last.kind != ERR_NONE && last.kind != ERR_NOT_FOUND) {
        *err = last;
        return false;
    }
    oam->clients = (struct token_clients){.count = count, .names = oam->names};
    return true;
}

static bool serve(struct oam *oam, const struct oam_options *options, struct err *err) {
    AUTO(free) char *trust = NULL;
    AUTO(free) char *cert = NULL;
    AUTO(free) char *key = NULL;
    char path[PATH_SIZE];
    size_t len = 0, key_len = 0;

    path_of(options->state, "oam-ca.pem", path);
    trust = file_read(path, &len, err);
    path_of(options->state, "oam.pem", path);
    cert = file_read(path, &len, err);
    path_of(options->state, "oam.key", path);
    key = file_read(path, &key_len, err);
    if (trust == NULL || cert == NULL || key == NULL) {
        return false;
    }
    const struct httpd_options httpd = {.listen = options->listen,
                                        .cert_pem = cert,
                                        .key_pem = key,
                                        .client_trust_pem = trust,
                                        .threads = options->threads,
                                        .body_max = OAM_BODY_MAX,
                                        .handler = handle,
                                        .ctx = oam};
    oam->httpd = httpd_start(&httpd, err);
    OPENSSL_cleanse(key, key_len);
    if (oam->httpd == NULL) {
        return false;
    }
    const char *colon = strrchr(options->listen, ':');
    (void)snprintf(oam->url, sizeof oam->url, "https://%.*s:%u",
                   colon == NULL ? 0 : (int)(colon - options->listen), options->listen,
                   httpd_port(oam->httpd));
    return true;
}

struct oam *oam_start(const struct oam_options *options, struct err *err) {
    AUTO(oam_stop) struct oam *oam = calloc(1, sizeof *oam);

    if (oam == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the OAM");
        return NULL;
    }
    oam->clock = options->clock;
    oam->trace = options->trace;
    if (!read_authority(options, &oam->authority, err) || !read_trust(options, &oam->trust, err)
        || !read_clients(options->state, oam, err)) {
        return NULL;
    }
    oam->clerk = clerk_start(options->state, &oam->authority, options->clock, OAM_QUEUE_MAX,
                             clerk_answers, err);
    if (oam->clerk == NULL || !serve(oam, options, err)) {
        return NULL;
    }
    return TAKE(oam);
}

void oam_stop(struct oam *oam) {
    /* the clerk first: it answers what it holds while the listener still lives */
    if (oam->clerk != NULL) {
        clerk_stop(oam->clerk);
    }
    if (oam->httpd != NULL) {
        httpd_stop(oam->httpd);
    }
    if (oam->clerk != NULL) {
        clerk_free(oam->clerk);
    }
    chain_free(oam->authority.chain);
    EVP_PKEY_free(oam->authority.key);
    X509_STORE_free(oam->trust);
    free(oam);
}

const char *oam_url(const struct oam *oam) { return oam->url; }

uint64_t oam_issued(const struct oam *oam) { return atomic_load(&oam->issued); }

uint64_t oam_refused(const struct oam *oam) { return atomic_load(&oam->refused); }
