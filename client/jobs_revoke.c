/* Revocations: the calls that ask for one are held at its job. */
#include <stdlib.h>
#include <string.h>

#include "client/jobs_inner.h"
#include "common/b64.h"
#include "common/json.h"
#include "common/ossl.h"
#include "common/x509.h"

#define RETRY_AFTER_S 1

/* Take a call off its job. */
static struct call *detach(struct job *job, struct call **place) {
    struct call *call = *place;

    *place = call->next;
    loop_timer_unset(job->jobs->options.loop, &call->timer);
    metric_add(stats_count(STATS_NF_HELD), -1);
    return call;
}

void jobs_settle(struct job *job, const struct err *err) {
    while (job->calls != NULL) {
        struct call *call = detach(job, &job->calls);
        if (err == NULL) {
            answer_nothing(call, &job->shown);
        } else {
            answer_problem(call, err);
        }
    }
}

static void waited(void *ctx) {
    struct call *call = ctx;
    struct job *job = call->job;
    struct call **place = &job->calls;

    while (*place != call) {
        place = &(*place)->next;
    }
    (void)detach(job, place);
    if (call->max_rsp_us != 0 && clock_wall_us() - call->started_us >= call->max_rsp_us) {
        answer_problem(
            call, &(struct err){.kind = ERR_TIMEOUT, .detail = "3gpp-Sbi-Max-Rsp-Time has passed"});
    } else {
        answer_enrolment(call, 202, &job->shown, RETRY_AFTER_S);
    }
}

/* Hold a call at its job; one that does not wait is answered when the job is saved. */
static void attach(struct job *job, struct call *call) {
    uint64_t wait_us = call->wait_us;

    if (wait_us == 0 && job->row != 0) {
        answer_enrolment(call, 202, &job->shown, RETRY_AFTER_S);
        return;
    }
    if (call->max_rsp_us != 0 && (wait_us == 0 || call->max_rsp_us < wait_us)) {
        wait_us = call->max_rsp_us;
    }
    call->job = job;
    call->next = job->calls;
    job->calls = call;
    metric_add(stats_count(STATS_NF_HELD), 1);
    if (wait_us != 0) {
        loop_timer_set(job->jobs->options.loop, &call->timer, call->started_us + wait_us, waited,
                       call);
    }
}

/* On disk: those who do not wait are told so. */
static void saved(void *ctx, const struct err *err) {
    struct job *job = ctx;

    if (err != NULL) {
        jobs_settle(job, err);
        job_drop(job);
        return;
    }
    job->row = job->new_row;
    for (struct call **place = &job->calls; *place != NULL;) {
        if ((*place)->wait_us == 0) {
            answer_enrolment(detach(job, place), 202, &job->shown, RETRY_AFTER_S);
        } else {
            place = &(*place)->next;
        }
    }
    jobs_go(job->jobs);
}

static bool insert(struct store_sql *sql, void *ctx, struct err *err) {
    struct job *job = ctx;

    return job_insert(sql, job, &job->new_row, err);
}

/* {"certificate": the leaf's DER, "reason": …}; RFC 5280 5.3.1: unspecified is left out. */
static char *payload_of(const char *chain_pem, int reason, struct err *err) {
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read(chain_pem, strlen(chain_pem), err);
    AUTO(ossl_free) unsigned char *der = NULL;
    const int len = chain == NULL ? 0 : i2d_X509(sk_X509_value(chain, 0), &der);
    AUTO(free) char *text = len <= 0 ? NULL : b64_encode(der, (size_t)len);
    AUTO(json_release)
    json_t *payload = text == NULL ? NULL : json_pack("{s:s}", "certificate", text);

    if (payload == NULL
        || (reason != 0 && json_object_set_new(payload, "reason", json_integer(reason)) != 0)) {
        return NULL;
    }
    return json_text(payload);
}

static struct job *revocation(struct jobs *jobs, const struct enrolment *enrolment, int reason,
                              struct err *err) {
    struct job *job = job_new(jobs, JOB_REVOKE, err);

    if (job == NULL) {
        return NULL;
    }
    job->enrolment = enrolment->row;
    memcpy(job->account, enrolment->account, sizeof enrolment->account);
    job->directory = strdup(enrolment->directory == NULL ? "" : enrolment->directory);
    job->payload = payload_of(enrolment->chain, reason, err);
    if (job->directory == NULL || job->payload == NULL
        || !enrolment_copy(enrolment, &job->shown, err)) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        job_free(job);
        return NULL;
    }
    job->shown.revocation_reason = reason;
    return job;
}

void jobs_revoke(struct jobs *jobs, struct call *call, const struct enrolment *enrolment) {
    struct job *job = jobs->first;
    struct err err = {0};

    while (job != NULL && (job->kind != JOB_REVOKE || job->enrolment != enrolment->row)) {
        job = job->next;
    }
    if (job != NULL) { /* resumed jobs know little of their enrolment */
        if (job->shown.id[0] == '\0' && !enrolment_copy(enrolment, &job->shown, &err)) {
            answer_problem(call, &err);
            return;
        }
        attach(job, call);
        return;
    }
    job = revocation(jobs, enrolment, call->reason, &err);
    if (job == NULL) {
        answer_problem(call, &err);
        return;
    }
    job_add(job);
    attach(job, call);
    if (!store_write(jobs->options.store, insert, saved, job, &err)) {
        saved(job, &err);
    }
}
