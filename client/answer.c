#include "client/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/crash_point.h"
#include "client/overload.h"
#include "client/stats.h"
#include "common/acme.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/problem.h"

#define ANSWER_LOCATION_SIZE (CALL_HOST_SIZE + ENROLMENT_ID_SIZE + 64)

static void call_free(void *data) {
    struct call *call = data;

    enrolment_done(&call->asked);
    free(call->csr);
    free(call);
}

struct call *call_new(struct httpd_exchange *exchange, struct trace *trace) {
    struct call *call = calloc(1, sizeof *call);
    const struct x509_cert *peer = httpd_peer(exchange);

    if (call == NULL) {
        return NULL;
    }
    call->kind = CALL_OTHER;
    call->name = "other";
    call->exchange = exchange;
    call->trace = trace;
    call->started_us = httpd_started_us(exchange);
    if (peer != NULL) {
        memcpy(call->peer, peer->names.uuid, sizeof call->peer);
    }
    if (trace_read(httpd_header(exchange, "traceparent"), &call->caller)) {
        call->self = trace_child(&call->caller);
    }
    httpd_data_set(exchange, call, call_free);
    return call;
}

static void answer_span(const struct call *call, unsigned status, const char *nf,
                        const char *enrolment, uint64_t now_us) {
    char text[12];
    const struct trace_attribute attributes[] = {
        {"status", text}, {"nf", nf}, {"enrolment", enrolment}};

    if (call->self.sampled) {
        (void)snprintf(text, sizeof text, "%u", status);
        trace_span(call->trace, &call->self, call->caller.span_id, call->name, TRACE_SERVER,
                   call->started_us, now_us, attributes, COUNT(attributes));
    }
}

/* The log line and the span, then the answer itself, which ends call and exchange. */
static void answer_send(struct call *call, unsigned status, const char *type, char *body,
                        size_t len, const char *nf, const char *kind) {
    const uint64_t now_us = clock_wall_us();
    char path[200];

    metric_add(stats_count(STATS_NF_REQUESTS), call->by_operator ? 0 : 1);
    metric_add(stats_count(STATS_NF_REFUSED), !call->by_operator && status >= 400 ? 1 : 0);
    overload_count(now_us, status == 503);
    answer_span(call, status, nf, call->id, now_us);
    log_line(LOG_INFO, call->by_operator ? "admin" : "api", "request",
             "method=%s path=%s status=%u nf=%s peer=%s%s%s us=%" PRIu64,
             httpd_method_text(call->exchange),
             log_quote(httpd_path(call->exchange), path, sizeof path), status, nf, call->peer,
             kind[0] == '\0' ? "" : " kind=", kind, now_us - call->started_us);
    httpd_answer(call->exchange, status, type, body, len);
}

/* The answer is on its way to the NF. */
static void crash_answered(const char *state) {
    (void)state;
    CRASH_POINT("answered", state);
}

void answer_problem(struct call *call, const struct err *err) {
    const unsigned status = problem_type(err->kind)->sbi_status;
    char *body = problem_render_sbi(err);
    char seconds[12];
    const char *nf = call->asked.nf[0] != '\0' ? call->asked.nf : call->peer;

    if (err->retry_after_s > 0) {
        (void)snprintf(seconds, sizeof seconds, "%" PRIu32, err->retry_after_s);
        httpd_header_add(call->exchange, "Retry-After", seconds);
    }
    if (status == 503) {
        char oci[OVERLOAD_TEXT_SIZE];
        overload_oci(clock_wall_us(), NULL, oci);
        httpd_header_add(call->exchange, "3gpp-Sbi-Oci", oci);
    }
    answer_send(call, status, ACME_PROBLEM_TYPE, body, body == NULL ? 0 : strlen(body), nf,
                err_name(err->kind));
}

static void answer_out_of_memory(struct call *call) {
    answer_problem(call, &(struct err){.kind = ERR_NO_MEMORY, .detail = "out of memory"});
}

static void answer_headers(struct call *call, unsigned status, const struct enrolment *enrolment,
                           uint32_t retry_after_s) {
    char text[ANSWER_LOCATION_SIZE];
    char timeline[ENROLMENT_TIMELINE_SIZE];

    memcpy(call->id, enrolment->id, sizeof call->id);
    enrolment_timeline(enrolment, timeline);
    if (timeline[0] != '\0') {
        httpd_header_add(call->exchange, "nfacme-timeline", timeline);
    }
    if (status == 201 || status == 202) {
        (void)snprintf(text, sizeof text, "%s%s%s/enrolments/%s",
                       call->by_operator ? "" : "https://", call->host,
                       call->by_operator ? "" : "/nacme-enrolment/v1", enrolment->id);
        httpd_header_add(call->exchange, "Location", text);
    }
    if (status == 202) {
        (void)snprintf(text, sizeof text, "%" PRIu32, retry_after_s == 0 ? 1 : retry_after_s);
        httpd_header_add(call->exchange, "Retry-After", text);
    }
}

void answer_enrolment(struct call *call, unsigned status, const struct enrolment *enrolment,
                      uint32_t retry_after_s) {
    char *body = enrolment_render(enrolment);

    if (body == NULL) {
        answer_out_of_memory(call);
        return;
    }
    const char *state = enrolment_state_name(enrolment->state);
    answer_headers(call, status, enrolment, retry_after_s);
    answer_send(call, status, "application/json", body, strlen(body), enrolment->nf, "");
    crash_answered(state);
}

void answer_nothing(struct call *call, const struct enrolment *enrolment) {
    answer_headers(call, 204, enrolment, 0);
    answer_send(call, 204, NULL, NULL, 0, enrolment->nf, "");
    crash_answered("WITHDRAWN");
}

void answer_chain(struct call *call, const struct enrolment *enrolment) {
    char *body = strdup(enrolment->chain);

    if (body == NULL) {
        answer_out_of_memory(call);
        return;
    }
    answer_headers(call, 200, enrolment, 0);
    answer_send(call, 200, ACME_CHAIN_TYPE, body, strlen(body), enrolment->nf, "");
    crash_answered("ISSUED");
}

void answer_failure(struct call *call, const struct enrolment *enrolment) {
    struct err err = {0};

    enrolment_failure(enrolment, &err);
    answer_headers(call, 0, enrolment, 0);
    answer_problem(call, &err);
    crash_answered("FAILED");
}
