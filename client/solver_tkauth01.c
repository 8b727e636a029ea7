#include "client/solver_tkauth01.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/jwt.h"
#include "common/log.h"
#include "common/ossl.h"
#include "common/problem.h"

#define OAM_TIMEOUT_MS 15000
#define OAM_ANSWER_MAX (64 * 1024)
#define OAM_URL_MAX 1200

struct solver_tkauth01 {
    struct solver_tkauth01_options options;
};

/* The token request of one task. */
struct fetch {
    const struct solver_tkauth01 *solver;
    struct solver_task *task;
    struct httpc_call *call;
    struct loop_timer timer;
    unsigned attempt;
    char *url, *body;
    struct trace_context self;
    uint64_t start_us;
};

static void fetch_go(void *ctx);

struct solver_tkauth01 *solver_tkauth01_new(const struct solver_tkauth01_options *options,
                                            struct err *err) {
    struct solver_tkauth01 *solver = calloc(1, sizeof *solver);

    if (solver == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    solver->options = *options;
    return solver;
}

void solver_tkauth01_free(struct solver_tkauth01 *solver) { free(solver); }

bool solver_tkauth01_fingerprint(const char *thumbprint, char ret[SOLVER_FINGERPRINT_SIZE]) {
    static const char digits[] = "0123456789ABCDEF";
    unsigned char octets[32];
    struct err ignored = {0};
    size_t len = 0;

    if (!b64_decode_into(thumbprint, strlen(thumbprint), octets, sizeof octets, &len, &ignored)
        || len != sizeof octets) {
        return false;
    }
    memcpy(ret, "SHA256 ", 7);
    for (size_t i = 0; i < sizeof octets; i++) {
        ret[7 + i * 3] = digits[octets[i] >> 4];
        ret[8 + i * 3] = digits[octets[i] & 15];
        ret[9 + i * 3] = i + 1 < sizeof octets ? ':' : '\0';
    }
    return true;
}

static void fetch_free(struct fetch *fetch) {
    if (fetch->call != NULL) {
        httpc_cancel(fetch->call);
    }
    loop_timer_unset(upstream_loop(fetch->solver->options.upstream), &fetch->timer);
    free(fetch->url);
    free(fetch->body);
    free(fetch);
}

static void fetch_later(struct fetch *fetch, const struct err *err) {
    uint64_t wait_us = upstream_backoff_us(fetch->solver->options.upstream, fetch->attempt++);
    char detail[160];

    if (err->retry_after_s > 0) {
        uint64_t asked_us = (uint64_t)err->retry_after_s * 1000000;
        wait_us = asked_us < UPSTREAM_BACKOFF_MAX_US ? asked_us : UPSTREAM_BACKOFF_MAX_US;
    }
    log_line(LOG_WARNING, "tkauth01", "retry", "nf=%s kind=%s detail=%s",
             fetch->task->enrolment->nf, err_name(err->kind),
             log_quote(err->detail, detail, sizeof detail));
    loop_timer_set(upstream_loop(fetch->solver->options.upstream), &fetch->timer,
                   clock_wall_us() + wait_us, fetch_go, fetch);
}

static bool payload_make(struct solver_task *task, json_t *token, struct err *err) {
    AUTO(json_release) json_t *payload = json_pack("{s:O}", "tkauth", token);

    task->payload = payload == NULL ? NULL : json_text(payload);
    return task->payload != NULL || err_set(err, ERR_NO_MEMORY, "out of memory");
}

/* {"token": …} of a 200; the server will judge the token, only its shape matters here. */
static bool fetch_read(struct fetch *fetch, const struct httpc_answer *answer, struct err *err) {
    AUTO(json_release) json_t *json = json_read_object(answer->body, answer->body_len, err);
    const char *token = NULL;

    if (json == NULL || !json_get_text(json, "token", JSON_REQUIRED, JWT_MAX, &token, err)) {
        *err = (struct err){.kind = ERR_UPSTREAM, .detail = "the OAM's answer holds no token"};
        return false;
    }
    return payload_make(fetch->task, json_object_get(json, "token"), err);
}

static bool fetch_transient(unsigned status) { return status == 429 || status >= 500; }

static void fetch_answered(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct fetch *fetch = ctx;
    struct solver_task *task = fetch->task;
    struct upstream *upstream = fetch->solver->options.upstream;
    struct err problem = {0};

    fetch->call = NULL;
    upstream_span(upstream, &fetch->self, task->parent, STATS_TOKEN, "oam", fetch->start_us,
                  answer == NULL ? 0 : answer->status);
    if (answer == NULL) {
        fetch_later(fetch, err);
        return;
    }
    if (answer->status == 200) {
        bool good = fetch_read(fetch, answer, &problem);
        task->done(task->ctx, good ? NULL : &problem);
        return;
    }
    problem_read(&problem, answer->status, answer->body, answer->body_len,
                 httpc_retry_after_s(answer, clock_now_s(upstream_clock(upstream))));
    if (fetch_transient(answer->status)) {
        fetch_later(fetch, &problem);
        return;
    }
    /* the OAM has judged the assertion: the NF is told why (design section 5) */
    problem.kind = answer->status == 403 || answer->status == 401 ? ERR_CCA : ERR_UPSTREAM;
    task->done(task->ctx, &problem);
}

static void fetch_go(void *ctx) {
    struct fetch *fetch = ctx;
    char trace[UPSTREAM_TRACE_SIZE];
    const char *headers[] = {"Content-Type: application/json", NULL, NULL};
    struct err err = {0};

    fetch->self = trace_child(fetch->task->parent);
    if (fetch->self.sampled) {
        upstream_trace_header(&fetch->self, trace);
        headers[1] = trace;
    }
    const struct httpc_request request = {.method = "POST",
                                          .url = fetch->url,
                                          .headers = headers,
                                          .body = fetch->body,
                                          .body_len = strlen(fetch->body),
                                          .timeout_ms = OAM_TIMEOUT_MS,
                                          .answer_max = OAM_ANSWER_MAX};
    metric_add(stats_requests(STATS_TOKEN), 1);
    fetch->start_us = clock_wall_us();
    fetch->call = httpc_start(fetch->solver->options.httpc, &request, fetch_answered, fetch, &err);
    if (fetch->call == NULL) {
        fetch_later(fetch, &err);
    }
}

static char *fetch_url(const char *oam, const char *thumbprint) {
    AUTO(buf_done) struct buf url = buf_new(OAM_URL_MAX);
    size_t len = strlen(oam);

    while (len > 0 && oam[len - 1] == '/') {
        len--;
    }
    (void)buf_add(&url, oam, len);
    (void)buf_printf(&url, "/at/account/%s/token", thumbprint); /* RFC 9447 5.1 */
    return buf_take(&url);
}

static char *fetch_body(const struct solver_task *task) {
    char fingerprint[SOLVER_FINGERPRINT_SIZE];

    if (!solver_tkauth01_fingerprint(task->enrolment->thumbprint, fingerprint)) {
        return NULL;
    }
    AUTO(json_release)
    json_t *body = json_pack(
        "{s:{s:s,s:s,s:s,s:b},s:o}", "atc", "tktype", acme_identifier_name(task->identifier.type),
        "tkvalue", task->identifier.value, "fingerprint", fingerprint, "ca", 0, "cca",
        json_string_nocheck(task->enrolment->cca)); /* json_text refuses bad UTF-8 */
    return body == NULL ? NULL : json_text(body);
}

static bool tkauth01_configured(const struct solvers *solvers) {
    return solvers->tkauth01 != NULL || solvers->nf_tokens;
}

bool solver_tkauth01_lacks(const struct solvers *solvers, const struct enrolment *enrolment) {
    return solvers->nf_tokens && enrolment->token == NULL
           && (solvers->tkauth01 == NULL || enrolment->cca == NULL);
}

static bool brought(struct solver_task *task, struct err *err) {
    AUTO(json_release) json_t *token = json_string(task->enrolment->token);

    if (!payload_make(task, token, err)) {
        return false;
    }
    task->done(task->ctx, NULL);
    return true;
}

static bool tkauth01_present(const struct solvers *solvers, struct solver_task *task,
                             struct err *err) {
    if (task->enrolment->token != NULL) {
        return brought(task, err);
    }
    if (task->enrolment->cca == NULL || solvers->tkauth01 == NULL) {
        return err_set(err, ERR_CCA, "no client credentials assertion came with the request");
    }
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    fetch->solver = solvers->tkauth01;
    fetch->task = task;
    fetch->url = fetch_url(fetch->solver->options.oam_url, task->enrolment->thumbprint);
    fetch->body = fetch_body(task);
    if (fetch->url == NULL || fetch->body == NULL) {
        fetch_free(fetch);
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    task->state = fetch;
    fetch_go(fetch);
    return true;
}

static void tkauth01_withdraw(const struct solvers *solvers, struct solver_task *task) {
    (void)solvers;
    if (task->state != NULL) {
        fetch_free(task->state);
        task->state = NULL;
    }
}

const struct solver solver_tkauth01_row = {.type = ACME_CHALLENGE_TKAUTH01,
                                           .identifiers = SOLVER_PROVES(ACME_ID_NF_INSTANCE),
                                           .configured = tkauth01_configured,
                                           .present = tkauth01_present,
                                           .withdraw = tkauth01_withdraw};
