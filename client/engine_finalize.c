/* From FINALIZING to ISSUED, or back to READY when the server refuses the CSR. */
#include "client/engine_inner.h"

#include <stdlib.h>
#include <string.h>

#include "client/schedule.h"
#include "common/b64.h"
#include "common/json.h"
#include "common/ossl.h"

/* The order is still ready: the NF hears why and may send another CSR. */
static void csr_refused(struct live *live) {
    struct enrolment *record = &live->record;

    free(record->csr);
    record->csr = NULL;
    record->csr_len = 0;
    record->t_us[8] = 0;
    free(record->reason);
    record->reason = strdup(live->refusal.detail);
    record->reason_kind = live->refusal.kind;
    live->refusal.retry_after_s = 0;
    engine_move(live, ENROLMENT_ON_CSR_REFUSED);
}

static void finalize_done(void *ctx, const struct request_answer *answer, const struct err *err) {
    struct live *live = ctx;
    struct err failure = {0};

    live->request = NULL;
    if (err != NULL) {
        live->refusal = *err;
        engine_order_poll(live); /* the order tells what became of it, RFC 8555 7.4 */
        return;
    }
    live->refusal = (struct err){0};
    live->record.t_us[8] = answer->sent_us;
    if (!engine_order_take(live, answer->json, &failure)) {
        engine_fail(live, &failure);
        return;
    }
    engine_order_go(live, answer->json, answer->retry_after_s);
}

void engine_step_finalize(struct live *live) {
    const struct enrolment *record = &live->record;

    if (live->refusal.kind != ERR_NONE) {
        csr_refused(live);
        return;
    }
    if (live->finalize_tries == 1 && !live->order_known) {
        engine_order_poll(live); /* a new life: finalize may have been sent already */
        return;
    }
    if (live->finalize_tries++ >= ENGINE_FINALIZE_TRIES) {
        engine_fail(
            live, &(struct err){.kind = ERR_UPSTREAM, .detail = "finalize leaves the order ready"});
        return;
    }
    AUTO(free) char *csr = b64_encode(record->csr, record->csr_len);
    AUTO(json_release) json_t *payload = csr == NULL ? NULL : json_pack("{s:s}", "csr", csr);
    if (payload == NULL) {
        engine_fail(live, &(struct err){.kind = ERR_NO_MEMORY, .detail = "out of memory"});
        return;
    }
    (void)engine_request(live, STATS_FINALIZE, record->finalize_url, json_text(payload),
                         finalize_done);
}

/* When the certificate, whose life engine_verify has noted, is looked at again. */
static void plan_renewal(struct live *live) {
    const struct engine_options *options = &live->engine->options;
    const struct directory *directory = upstream_directory(live->ca->upstream);
    struct enrolment *record = &live->record;

    if (options->renewal != NULL && record->not_after_us != 0) {
        record->renewal_due_us = schedule_first_us(
            options->renewal, directory != NULL && directory->renewal_info != NULL,
            clock_now_us(options->clock), record->not_before_us, record->not_after_us, record->row);
    }
}

static void certificate_done(void *ctx, const struct request_answer *answer,
                             const struct err *err) {
    struct live *live = ctx;
    const struct engine_options *options = &live->engine->options;
    struct err wrong = {0};

    live->request = NULL;
    if (err != NULL
        || !options->verify(&live->engine->issuers, &live->record, answer->body, answer->body_len,
                            options->clock, &live->record, &wrong)) {
        engine_fail(live, err != NULL ? err : &wrong);
        return;
    }
    free(live->record.chain);
    live->record.chain = strdup(answer->body);
    plan_renewal(live);
    engine_chain_choose(live, answer);
}

void engine_step_certificate(struct live *live) {
    (void)engine_request(live, STATS_CERTIFICATE, live->certificate_url, NULL, certificate_done);
}
