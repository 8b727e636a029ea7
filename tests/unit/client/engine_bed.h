/* The whole client without TLS: engine, store, vault and http-01 solver against the scripted ACME
 * server, and an NF that asks over plain HTTP and says who it is in a header. */
#pragma once

#include "acme_bed.h"
#include "client/api.h"
#include "client/engine.h"
#include "client/jobs.h"
#include "client/solver_http01.h"
#include "common/log.h"
#include "folder.h"
#include "loop_bed.h"

#define NF_A "b5ed1d8e-2d2c-4b7e-9a3f-0c5f6e3a7d11"
#define NF_B "0f4f2a5e-3bc8-4d55-8a64-1f2e3d4c5b6a"

static struct {
    struct trace *trace;
    struct clock clock;
    struct vault *vault;
    struct store *store;
    struct httpc *httpc, *nf;
    struct upstream *upstream;
    struct cas cas;
    struct solvers solvers;
    struct jobs *jobs;
    struct engine *engine;
    struct httpd *api;
    unsigned live_max;
    bool any_chain; /* verification is not what is tested */
    uint64_t account_key_life_us;
    char directory[96];
} bed;

static struct {
    unsigned status;
    char body[4096], location[256], timeline[256], id[64];
    uint32_t retry_after_s;
} nf;

static enum call_kind bed_kind(const char *path) {
    switch (path[1]) {
    case 'g':
        return CALL_GET;
    case 'r':
        return CALL_REVOKE;
    case 'd':
        return CALL_DELETE;
    }
    return path[2] == 's' ? CALL_CSR : CALL_CERTIFICATE;
}

/* "/enrol", "/get/ID", "/csr/ID", "/certificate/ID", "/revoke/ID", "/delete/ID" */
static void bed_api(void *ctx, struct httpd_exchange *exchange) {
    const struct api_policy policy = {API_IDENTIFIERS_DNS, &bed.solvers};
    struct call *call = call_new(exchange, bed.trace);
    const char *path = httpd_path(exchange), *slash = strrchr(path, '/');
    char key[ENROLMENT_IDEMPOTENCY_SIZE];
    struct err err = {0};
    size_t len = 0;
    const char *body = httpd_body(exchange, &len);

    (void)ctx;
    (void)snprintf(call->peer, sizeof call->peer, "%s", httpd_header(exchange, "x-peer"));
    (void)snprintf(call->host, sizeof call->host, "nf.example");
    (void)snprintf(call->id, sizeof call->id, "%s", slash + 1);
    call->wait_us = api_prefer_wait_us(httpd_header(exchange, "Prefer"));
    ck_assert(api_max_rsp_us(httpd_header(exchange, "x-max"), &call->max_rsp_us, &err));
    if (strcmp(path, "/enrol") == 0) {
        call->kind = CALL_ENROL;
        ck_assert(api_enrol_read(&policy, body, len, "application/json", &call->asked, &err));
        ck_assert(api_idempotency(httpd_header(exchange, "x-key"), key, &err));
        call->asked.idempotency = key[0] == '\0' ? NULL : strdup(key);
    } else {
        call->kind = bed_kind(path);
    }
    if (call->kind == CALL_CSR) {
        call->csr = malloc(len);
        memcpy(call->csr, body, len);
        call->csr_len = len;
    }
    ck_assert(httpd_defer(exchange));
    engine_take(bed.engine, call);
}

/* ACME_CHAIN is no certificate; engine_verify has tests of its own. */
static bool bed_verify(struct engine_issuers *issuers, const struct enrolment *record,
                       const char *pem, size_t len, const struct clock *clock,
                       struct enrolment *ret, struct err *err) {
    (void)issuers;
    (void)record;
    (void)clock;
    (void)ret;
    return bed.any_chain || strncmp(pem, ACME_CHAIN, len) == 0
           || err_set(err, ERR_UPSTREAM, "the certificate is not the test's");
}

static void bed_client_begin(void) {
    struct err err = {0};

    bed_loop_new();
    bed.clock = clock_real();
    bed.trace = trace_open("client", NULL, NULL, &err);
    bed.vault = vault_open(folder_path("vault.key"), &err);
    bed.store = store_open(folder_path("client.db"), bed_loop, &err);
    bed.httpc = httpc_new(&(struct httpc_options){.loop = bed_loop, .connections_max = 4}, &err);
    bed.nf = httpc_new(&(struct httpc_options){.loop = bed_loop, .connections_max = 4}, &err);
    bed.upstream = upstream_new(&(struct upstream_options){.loop = bed_loop,
                                                           .httpc = bed.httpc,
                                                           .clock = &bed.clock,
                                                           .trace = bed.trace,
                                                           .seed = 1,
                                                           .directory_url = bed.directory,
                                                           .connections_max = 4},
                                &err);
    bed.solvers = (struct solvers){.count = 1, .order = {ACME_CHALLENGE_HTTP01}};
    bed.solvers.http01 = solver_http01_start("127.0.0.1:0", 1, &err);
    bed.cas = (struct cas){1, {{bed.directory, bed.upstream}}};
    bed.jobs = jobs_new(&(struct jobs_options){.loop = bed_loop,
                                               .store = bed.store,
                                               .vault = bed.vault,
                                               .cas = &bed.cas,
                                               .clock = &bed.clock},
                        &err);
    bed.engine = engine_new(&(struct engine_options){.loop = bed_loop,
                                                     .store = bed.store,
                                                     .vault = bed.vault,
                                                     .cas = &bed.cas,
                                                     .jobs = bed.jobs,
                                                     .solvers = &bed.solvers,
                                                     .clock = &bed.clock,
                                                     .trace = bed.trace,
                                                     .account_key_life_us = bed.account_key_life_us,
                                                     .live_max = bed.live_max,
                                                     .seed = 1,
                                                     .verify = bed_verify},
                            &err);
    ck_assert_msg(bed.engine != NULL && bed.store != NULL && bed.nf != NULL, "%s", err.detail);
    ck_assert(jobs_resume(bed.jobs, &err));
    ck_assert(engine_resume(bed.engine, &err));
    bed.api = httpd_start(
        &(struct httpd_options){
            .listen = "127.0.0.1:0", .threads = 1, .body_max = 16384, .handler = bed_api},
        &err);
    ck_assert_msg(bed.api != NULL, "%s", err.detail);
}

static void bed_client_end(void) {
    struct loop *loop = bed_loop;

    httpc_free(bed.nf);
    httpd_stop(bed.api);
    store_close(bed.store);
    engine_free(bed.engine);
    jobs_free(bed.jobs);
    solver_http01_stop(bed.solvers.http01);
    upstream_free(bed.upstream);
    httpc_free(bed.httpc);
    vault_close(bed.vault);
    trace_close(bed.trace);
    loop_free(loop);
}

static void bed_begin(void) {
    log_level_set(LOG_ERROR);
    folder_make();
    bed.live_max = 100;
    acme_begin("127.0.0.1:0");
    (void)snprintf(bed.directory, sizeof bed.directory, "%s/directory", acme.base);
    bed_client_begin();
}

static void bed_end(void) {
    bed_client_end();
    acme_end();
    folder_remove();
}

static void bed_text(char *out, size_t size, const char *text) {
    (void)snprintf(out, size, "%s", text == NULL ? "" : text);
}

static void nf_answered(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    const char *slash = NULL;

    (void)ctx;
    ck_assert_msg(answer != NULL, "%s", err == NULL ? "" : err->detail);
    nf.status = answer->status;
    bed_text(nf.body, sizeof nf.body, answer->body);
    bed_text(nf.timeline, sizeof nf.timeline, httpc_header(answer, "nfacme-timeline"));
    nf.retry_after_s = httpc_retry_after_s(answer, 0);
    if (httpc_header(answer, "Location") != NULL) {
        bed_text(nf.location, sizeof nf.location, httpc_header(answer, "Location"));
        slash = strrchr(nf.location, '/');
        bed_text(nf.id, sizeof nf.id, slash + 1);
    }
    loop_stop(bed_loop);
}

/* What the NF sends; NULL members are left out. */
struct nf_call {
    const char *method, *path, *id, *body, *peer, *wait, *key, *max;
};

static void nf_start(const struct nf_call *call) {
    char url[256], peer[64], wait[32], key[160], max[32];
    const char *headers[6] = {peer};
    unsigned count = 1;
    struct err err = {0};

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s%s", httpd_port(bed.api), call->path,
                   call->id == NULL ? "" : call->id);
    (void)snprintf(peer, sizeof peer, "x-peer: %s", call->peer == NULL ? NF_A : call->peer);
    if (call->wait != NULL) {
        (void)snprintf(wait, sizeof wait, "Prefer: wait=%s", call->wait);
        headers[count++] = wait;
    }
    if (call->key != NULL) {
        (void)snprintf(key, sizeof key, "x-key: idempotency-key=%s", call->key);
        headers[count++] = key;
    }
    if (call->max != NULL) {
        (void)snprintf(max, sizeof max, "x-max: %s", call->max);
        headers[count++] = max;
    }
    ck_assert_ptr_nonnull(httpc_start(
        bed.nf,
        &(struct httpc_request){.method = call->method,
                                .url = url,
                                .headers = headers,
                                .body = call->body,
                                .body_len = call->body == NULL ? 0 : strlen(call->body)},
        nf_answered, NULL, &err));
}

__attribute__((unused)) static unsigned nf_call(const struct nf_call *call) {
    nf_start(call);
    bed_run();
    return nf.status;
}

#define NF_BODY(id) "{\"nfInstanceId\":\"" id "\",\"nfType\":\"AMF\",\"fqdn\":\"a.example\"}"

__attribute__((unused)) static unsigned nf_enrol(const char *wait, const char *key) {
    return nf_call(&(struct nf_call){
        .method = "POST", .path = "/enrol", .body = NF_BODY(NF_A), .wait = wait, .key = key});
}

__attribute__((unused)) static unsigned nf_get(const char *wait) {
    return nf_call(&(struct nf_call){.method = "GET", .path = "/get/", .id = nf.id, .wait = wait});
}

__attribute__((unused)) static unsigned nf_csr(const char *csr, const char *wait) {
    return nf_call(&(struct nf_call){
        .method = "PUT", .path = "/csr/", .id = nf.id, .body = csr, .wait = wait});
}

/* A member of the last answer's JSON; "" when absent. */
__attribute__((unused)) static const char *nf_member(const char *name) {
    static char text[512];
    struct err err = {0};
    AUTO(json_release) json_t *json = json_read_object(nf.body, strlen(nf.body), &err);

    bed_text(text, sizeof text, json_string_value(json_object_get(json, name)));
    return text;
}
