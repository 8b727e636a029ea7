/* The driver of one NF: it sends the request its state calls for, and moves along nf_life's arrows
 * by the answer.  What is worth repeating (nobody listens, 503, an answer cut off) is repeated
 * until the deadline: the POST with the same idempotency key, the PUT with the same CSR, so a
 * restart of the client or the server costs time but no enrolment. */
#include "nfsim/nf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/acme.h"
#include "common/httpc.h"
#include "common/json.h"
#include "common/key.h"
#include "common/log.h"
#include "common/problem.h"
#include "common/x509.h"
#include "nfsim/nf_request.h"
#include "nfsim/nf_timeline.h"

#define RETRY_US 200000      /* nobody listens: first pause, doubled up to RETRY_MAX_US */
#define RETRY_MAX_US 2000000 /* a restarted client is met within that */
#define TLS_TRIES_MAX 8      /* a handshake cut off by a restart; a refusal stays one */

struct nf {
    const struct nf_world *world;
    struct nf_order order;
    enum nf_state state;
    struct nf_outcome outcome;
    struct nf_request_memory memory; /* location, assertion parts, CSR: nf_request renders by it */
    struct httpc *httpc;             /* one identity at a time: bootstrap, then operator */
    const struct nf_identity *bootstrap;
    struct nf_identity own; /* when nobody read it before */
    EVP_PKEY *key;          /* made at step 8, never shared */
    X509_CHAIN *chain;
    char *chain_pem;
    struct x509_names names;           /* asked for */
    struct trace_context call_context; /* of the request under way */
    const char *call_name;             /* its span's name */
    struct loop_timer deadline, pause;
    unsigned tls_tries, refusals;
};

enum nf_state nf_state(const struct nf *nf) { return nf->state; }

const struct inventory_nf *nf_id(const struct nf *nf) { return nf->order.id; }

const struct nf_outcome *nf_last(const struct nf *nf) { return &nf->outcome; }

const struct trace_context *nf_trace(const struct nf *nf) { return &nf->order.trace; }

X509_CHAIN *nf_chain(const struct nf *nf) { return nf->chain; }

EVP_PKEY *nf_key(const struct nf *nf) { return nf->key; }

static void nf_release(struct nf *nf) {
    loop_timer_unset(nf->world->loop, &nf->deadline);
    loop_timer_unset(nf->world->loop, &nf->pause);
    httpc_free(nf->httpc);
    nf->httpc = NULL;
}

void nf_free(struct nf *nf) {
    nf_release(nf);
    nf_identity_done(&nf->own);
    chain_free(nf->chain);
    EVP_PKEY_free(nf->key);
    free(nf->chain_pem);
    nf_request_memory_done(&nf->memory);
    free(nf);
}

static void move(struct nf *nf, enum nf_event event) {
    struct err err = {0};
    const enum nf_state from = nf->state;

    if (!nf_next(from, event, &nf->state, &err)) {
        log_line(LOG_ERROR, "nf", "arrow", "nf=%s state=%s event=%d", nf->order.id->id.uuid,
                 nf_state_name(from), event);
        nf->state = NF_FAILED;
    }
    if (from != nf->state) {
        const struct trace_event record = {
            .event = "nf",
            .nf = nf->order.id->id.uuid,
            .enrolment = nf->outcome.enrolment[0] == '\0' ? NULL : nf->outcome.enrolment,
            .from = nf_state_name(from),
            .to = nf_state_name(nf->state),
            .detail = nf->outcome.detail[0] == '\0' ? NULL : nf->outcome.detail};
        trace_event(nf->world->trace, &record);
    }
}

/* The end: whoever started it may free it in done. */
static void end(struct nf *nf, enum nf_event event) {
    struct nf_outcome *outcome = &nf->outcome;

    move(nf, event);
    outcome->end = nf->state;
    outcome->ended_us = clock_wall_us();
    if (nf->state == NF_ENROLLED) {
        outcome->clamped = nf_timeline_order(outcome->t_us);
    }
    nf_timeline_trace(nf->world->trace, &nf->order.trace, &nf->order.id->id, outcome);
    nf_release(nf);
    nf->order.done(nf->order.ctx, nf, outcome);
}

static void fail(struct nf *nf, const char *kind, const struct err *err) {
    char quoted[256];

    nf->outcome.step = nf->state == NF_USING ? 0 : nf_timeline_step(nf->outcome.t_us);
    (void)snprintf(nf->outcome.kind, sizeof nf->outcome.kind, "%s",
                   kind == NULL ? err_name(err->kind) : kind);
    (void)snprintf(nf->outcome.detail, sizeof nf->outcome.detail, "%s", err->detail);
    log_line(LOG_DEBUG, "nf", "failed", "nf=%s state=%s kind=%s detail=%s cause=%d",
             nf->order.id->id.uuid, nf_state_name(nf->state), nf->outcome.kind,
             log_quote(err->detail, quoted, sizeof quoted), err->cause[0] != '\0');
    end(nf, NF_EVENT_FAILED);
}

static void on_deadline(void *ctx) {
    struct nf *nf = ctx;

    nf->outcome.step = nf->state == NF_USING ? 0 : nf_timeline_step(nf->outcome.t_us);
    (void)snprintf(nf->outcome.kind, sizeof nf->outcome.kind, "%s", err_name(ERR_TIMEOUT));
    (void)snprintf(nf->outcome.detail, sizeof nf->outcome.detail, "still %s at the deadline",
                   nf_state_name(nf->state));
    end(nf, NF_EVENT_DEADLINE);
}

static void answered(void *ctx, const struct httpc_answer *answer, const struct err *err);

/* Send the request of the state it is in. */
static void ask(void *ctx) {
    struct nf *nf = ctx;
    struct err err = {0};
    AUTO(nf_request_done) struct nf_request request = {0};
    if (nf->world->key_binding && nf->key == NULL) {
        nf->key = key_generate(KEY_P256, &err);
    }
    const struct nf_request_spec spec = {.bound = nf->world->key_binding ? nf->key : NULL,
                                         .world = nf->world,
                                         .id = &nf->order.id->id,
                                         .state = nf->state,
                                         .chain = nf->bootstrap->chain,
                                         .key = nf->bootstrap->key,
                                         .memory = &nf->memory};

    nf->call_context = nf->order.trace.sampled ? trace_child(&nf->order.trace) : nf->order.trace;
    if (!nf_request_make(&spec, &nf->call_context, &request, &err)) {
        fail(nf, NULL, &err);
        return;
    }
    nf->call_name = request.name;
    if (httpc_start(nf->httpc, &request.http, answered, nf, &err) == NULL) {
        fail(nf, NULL, &err);
    }
}

/* Again after a pause; the deadline bounds how often. */
static void ask_after(struct nf *nf, uint64_t pause_us) {
    loop_timer_set(nf->world->loop, &nf->pause, clock_wall_us() + pause_us, ask, nf);
}

static void repeat(struct nf *nf, uint32_t retry_after_s) {
    uint64_t pause_us = (uint64_t)RETRY_US << (nf->refusals > 4 ? 4 : nf->refusals);

    nf->refusals++;
    nf->outcome.retries++;
    if (pause_us > RETRY_MAX_US) {
        pause_us = RETRY_MAX_US;
    }
    if (retry_after_s != 0) {
        pause_us = clock_real_delay_us(nf->world->clock, (uint64_t)retry_after_s * 1000000);
    }
    ask_after(nf, pause_us);
}

/* Nothing came back, or not all of it. */
static void unanswered(struct nf *nf, const struct err *err) {
    const bool tls = err->kind == ERR_TLS;

    if ((tls && ++nf->tls_tries < TLS_TRIES_MAX && nf->state != NF_USING)
        || err->kind == ERR_UNREACHABLE || err->kind == ERR_TIMEOUT) {
        repeat(nf, 0);
    } else {
        fail(nf, NULL, err);
    }
}

/* A status that says no: later, or never. */
static void refused(struct nf *nf, const struct httpc_answer *answer) {
    const uint32_t retry_s = httpc_retry_after_s(answer, clock_now_s(nf->world->clock));
    struct err err = {0}, ignored = {0};

    if (answer->status == 429 || answer->status == 502 || answer->status == 503
        || answer->status == 504) {
        repeat(nf, retry_s == 0 ? 1 : retry_s);
        return;
    }
    problem_read(&err, answer->status, answer->body, answer->body_len, retry_s);
    AUTO(json_release)
    json_t *problem = json_read_object(answer->body, answer->body_len, &ignored);
    fail(nf, json_string_value(json_object_get(problem, "cause")), &err);
}

/* Step 8: the key pair and the request for exactly the names of the enrolment. */
static bool make_csr(struct nf *nf, struct err *err) {
    return (nf->key != NULL || (nf->key = key_generate(KEY_P256, err)) != NULL)
           && x509_csr_make(nf->key, &nf->names, NULL, &nf->memory.csr, &nf->memory.csr_len, err);
}

static bool is_ours(const struct nf *nf, const struct acme_identifier *id) {
    const struct fleet_nf *self = &nf->order.id->id;

    return strcasecmp(id->value, id->type == ACME_ID_DNS ? self->fqdn : self->uuid) == 0;
}

/* The identifiers the client names must be this NF's own: it certifies nobody else. */
static bool read_identifiers(struct nf *nf, const json_t *list, struct err *err) {
    size_t i = 0;
    const json_t *each = NULL;

    nf->names = (struct x509_names){0};
    json_array_foreach(list, i, each) {
        struct acme_identifier id;
        const char *type = NULL, *value = NULL;
        if (!json_get_text(each, "type", JSON_REQUIRED, 64, &type, err)
            || !json_get_text(each, "value", JSON_REQUIRED, ACME_ID_VALUE_MAX, &value, err)) {
            return false;
        }
        (void)snprintf(id.value, sizeof id.value, "%s", value);
        if (!acme_identifier_parse(type, &id.type) || !is_ours(nf, &id)) {
            return err_set(err, ERR_UPSTREAM, "the enrolment names %.64s, which is not this NF",
                           value);
        }
        if (id.type == ACME_ID_DNS && nf->names.dns_count < X509_DNS_MAX) {
            (void)snprintf(nf->names.dns[nf->names.dns_count++], sizeof nf->names.dns[0], "%s",
                           nf->order.id->id.fqdn);
        } else {
            (void)snprintf(nf->names.uuid, sizeof nf->names.uuid, "%s", nf->order.id->id.uuid);
        }
    }
    return nf->names.uuid[0] != '\0' || nf->names.dns_count > 0
           || err_set(err, ERR_UPSTREAM, "the enrolment has no identifiers");
}

static void failed_enrolment(struct nf *nf, const json_t *body) {
    const json_t *reason = json_object_get(body, "reason");
    struct err err = {0};

    if (json_is_object(reason)) {
        AUTO(free) char *text = json_text(reason);
        problem_read(&err, 400, text == NULL ? "" : text, text == NULL ? 0 : strlen(text), 0);
    } else {
        (void)err_set(&err, ERR_UPSTREAM, "%s",
                      json_is_string(reason) ? json_string_value(reason) : "the enrolment failed");
    }
    fail(nf, json_string_value(json_object_get(body, "failure")), &err);
}

static void ready(struct nf *nf, const struct httpc_answer *answer, const json_t *body) {
    struct err err = {0};

    nf->outcome.t_us[7] = answer->times.done_us;
    if (!read_identifiers(nf, json_object_get(body, "identifiers"), &err) || !make_csr(nf, &err)) {
        fail(nf, NULL, &err);
        return;
    }
    move(nf, NF_EVENT_READY);
    ask(nf);
}

/* The answer of step 1, or of looking at the enrolment later. */
static void enrolment_answered(struct nf *nf, const struct httpc_answer *answer) {
    struct err err = {0};
    AUTO(json_release) json_t *body = json_read_object(answer->body, answer->body_len, &err);
    const char *state = json_string_value(json_object_get(body, "state"));
    const uint32_t retry_s = httpc_retry_after_s(answer, clock_now_s(nf->world->clock));

    if (!nf_request_located(&nf->memory, nf->world->api, httpc_header(answer, "Location"),
                            nf->outcome.enrolment, &err)
        || (body == NULL && answer->status != 202)) {
        (void)err_set(&err, ERR_UPSTREAM, "the answer is not an enrolment");
        fail(nf, NULL, &err);
    } else if (state != NULL && strcmp(state, "READY") == 0) {
        ready(nf, answer, body);
    } else if (state != NULL && (strcmp(state, "FAILED") == 0 || strcmp(state, "WITHDRAWN") == 0)) {
        failed_enrolment(nf, body);
    } else {
        move(nf, NF_EVENT_PENDING);
        ask_after(nf, retry_s == 0
                          ? RETRY_US
                          : clock_real_delay_us(nf->world->clock, (uint64_t)retry_s * 1000000));
    }
}

/* From now on the NF shows its operator certificate. */
static bool change_identity(struct nf *nf, struct err *err) {
    const struct httpc_options options = {.loop = nf->world->loop,
                                          .trust = nf->world->operator_trust,
                                          .chain = nf->chain,
                                          .key = nf->key,
                                          .peer_uuid = nf->world->producer_uuid,
                                          .clock = nf->world->clock,
                                          .user_agent = nf->memory.user_agent};

    httpc_free(nf->httpc);
    nf->httpc = httpc_new(&options, err);
    return nf->httpc != NULL;
}

static void verified(struct nf *nf, const struct x509_cert *leaf) {
    struct err err = {0};
    const struct trace_event record = {.event = "certificate",
                                       .nf = nf->order.id->id.uuid,
                                       .enrolment = nf->outcome.enrolment,
                                       .serial = leaf->serial,
                                       .to = "verified"};

    nf->outcome.t_us[9] = clock_wall_us();
    (void)snprintf(nf->outcome.serial, sizeof nf->outcome.serial, "%s", leaf->serial);
    memcpy(nf->outcome.sha256, leaf->sha256, sizeof nf->outcome.sha256);
    trace_event(nf->world->trace, &record);
    if (nf->world->producer_url == NULL) {
        end(nf, NF_EVENT_DONE);
        return;
    }
    move(nf, NF_EVENT_VERIFIED);
    if (!change_identity(nf, &err)) {
        fail(nf, NULL, &err);
        return;
    }
    ask(nf);
}

static void chain_answered(struct nf *nf, const struct httpc_answer *answer) {
    AUTO(x509_cert_done) struct x509_cert leaf = {0};
    struct err err = {0};
    const struct nf_wanted wanted = {.names = &nf->names,
                                     .type = nf->order.id->id.type,
                                     .profile = nf->world->profile,
                                     .key = nf->key,
                                     .now_s = clock_now_s(nf->world->clock)};

    if (!nf_check_chain(nf->world->check, &wanted, answer->body, answer->body_len, &nf->chain,
                        &leaf, &err)) {
        fail(nf, NULL, &err);
        return;
    }
    if (nf->order.keep) {
        nf->chain_pem = strndup(answer->body, answer->body_len);
        nf->outcome.chain_pem = nf->chain_pem;
    }
    verified(nf, &leaf);
}

static void csr_answered(struct nf *nf, const struct httpc_answer *answer) {
    const uint32_t retry_s = httpc_retry_after_s(answer, clock_now_s(nf->world->clock));

    if (answer->status == 200) {
        chain_answered(nf, answer);
        return;
    }
    move(nf, NF_EVENT_PENDING);
    ask_after(nf, retry_s == 0
                      ? RETRY_US
                      : clock_real_delay_us(nf->world->clock, (uint64_t)retry_s * 1000000));
}

static void used(struct nf *nf, bool accepted) {
    const struct trace_event record = {.event = "use",
                                       .nf = nf->order.id->id.uuid,
                                       .serial = nf->outcome.serial,
                                       .to = accepted ? "accepted" : "refused"};

    trace_event(nf->world->trace, &record);
    if (accepted) {
        end(nf, NF_EVENT_DONE);
    }
}

static void trace_call(struct nf *nf, const struct httpc_answer *answer) {
    char status[12] = "none";
    const struct trace_attribute attributes[] = {
        {"peer", nf->state == NF_USING ? "producer" : "client"}, {"status", status}};

    if (answer == NULL || !nf->order.trace.sampled) {
        return;
    }
    (void)snprintf(status, sizeof status, "%u", answer->status);
    trace_span(nf->world->trace, &nf->call_context, nf->order.trace.span_id, nf->call_name,
               TRACE_CLIENT, answer->times.start_us, answer->times.done_us, attributes,
               COUNT(attributes));
}

static void answered(void *ctx, const struct httpc_answer *answer, const struct err *err) {
    struct nf *nf = ctx;
    const char *timeline = answer == NULL ? NULL : httpc_header(answer, "nfacme-timeline");

    trace_call(nf, answer);
    if (nf->state == NF_USING && (answer == NULL || answer->status != 200)) {
        used(nf, false);
    }
    if (answer == NULL) {
        unanswered(nf, err);
        return;
    }
    nf->refusals = 0;
    nf->tls_tries = 0;
    if (timeline != NULL) {
        nf_timeline_read(timeline, nf->outcome.t_us);
    }
    if (answer->status < 200 || answer->status > 202) {
        refused(nf, answer);
    } else if (nf->state == NF_USING) {
        used(nf, true);
    } else if (nf->state == NF_SUBMITTING || nf->state == NF_COLLECTING) {
        csr_answered(nf, answer);
    } else {
        enrolment_answered(nf, answer);
    }
}

void nf_identity_done(struct nf_identity *identity) {
    chain_free(identity->chain);
    EVP_PKEY_free(identity->key);
    *identity = (struct nf_identity){0};
}

bool nf_identity_read(const struct inventory_nf *id, struct nf_identity *ret, struct err *err) {
    AUTO(X509_free) X509 *x509 = x509_from_der(id->cert_der, id->cert_len, err);
    AUTO(EVP_PKEY_free) EVP_PKEY *key = key_from_private_der(id->key_der, id->key_len, err);
    AUTO(chain_free) X509_CHAIN *chain = sk_X509_new_null();

    if (x509 == NULL || key == NULL) {
        return false;
    }
    if (chain == NULL || sk_X509_push(chain, x509) == 0) {
        return err_set(err, ERR_NO_MEMORY, "no memory for an NF");
    }
    (void)TAKE(x509);
    *ret = (struct nf_identity){.chain = TAKE(chain), .key = TAKE(key)};
    return true;
}

/* Its first identity: key and certificate from the OAM. */
static bool take_bootstrap(struct nf *nf, struct err *err) {
    const struct inventory_nf *id = nf->order.id;

    nf->bootstrap = nf->order.identity;
    if (nf->bootstrap == NULL) {
        if (!nf_identity_read(id, &nf->own, err)) {
            return false;
        }
        nf->bootstrap = &nf->own;
    }
    nf_request_memory_init(&nf->memory, &id->id);
    const struct httpc_options options = {.loop = nf->world->loop,
                                          .trust = nf->world->oam_trust,
                                          .chain = nf->bootstrap->chain,
                                          .key = nf->bootstrap->key,
                                          .clock = nf->world->clock,
                                          .user_agent = nf->memory.user_agent};
    nf->httpc = httpc_new(&options, err);
    return nf->httpc != NULL;
}

struct nf *nf_start(const struct nf_world *world, const struct nf_order *order, struct err *err) {
    AUTO(nf_free) struct nf *nf = calloc(1, sizeof *nf);

    if (nf == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for an NF");
        return NULL;
    }
    nf->world = world;
    nf->order = *order;
    nf->outcome.t_us[0] = order->due_us;
    nf->outcome.started_us = clock_wall_us();
    if (!take_bootstrap(nf, err)) {
        return NULL;
    }
    move(nf, NF_EVENT_START);
    loop_timer_set(world->loop, &nf->deadline,
                   nf->outcome.started_us + clock_real_delay_us(world->clock, world->timeout_us),
                   on_deadline, nf);
    /* the request leaves from the loop, so that done is never called inside nf_start */
    loop_timer_set(world->loop, &nf->pause, nf->outcome.started_us, ask, nf);
    return TAKE(nf);
}
