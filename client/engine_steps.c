/* From ACCOUNT to VALIDATING: order, authorizations, challenges. */
#include "client/engine_inner.h"

#include <stdlib.h>
#include <string.h>

#include "client/solver_tkauth01.h"
#include "common/json.h"
#include "common/jwk.h"
#include "common/jws.h"
#include "common/log.h"
#include "common/ossl.h"

bool engine_request(struct live *live, enum stats_op op, const char *url, char *payload,
                    request_done *done) {
    const struct request_spec spec = {
        .op = op,
        .url = url,
        .key = live->key,
        .kid = op == STATS_NEW_ACCOUNT ? NULL : live->record.account_url,
        .tenant = live->record.nf,
        .priority = live->priority,
        .payload = payload,
        .gate = jobs_gate,
        .gate_ctx = live->engine->options.jobs,
        .problem = engine_problem_said,
        .parent = live->trace,
        .done = done,
        .ctx = live,
    };
    struct err err = {0};

    live->request = request_start(live->ca->upstream, &spec, &err);
    if (live->request == NULL) {
        engine_fail(live, &err);
    }
    return live->request != NULL;
}

static void step_again(void *ctx) { engine_step(ctx); }

static void order_done(void *ctx, const struct request_answer *answer, const struct err *err) {
    struct live *live = ctx;
    struct err failure = {0};

    live->request = NULL;
    if (err != NULL && err->kind == ERR_ACCOUNT_DOES_NOT_EXIST && !live->account_lost) {
        live->account_lost = true; /* the server has lost its accounts: make it again, once */
        engine_account_lost(live);
        engine_move(live, ENROLMENT_ON_ACCOUNT_LOST);
        return;
    }
    if (err != NULL && err->kind == ERR_ALREADY_REPLACED && !live->replaced) {
        live->replaced = true; /* RFC 9773 section 5: an order was made for it before; without it */
        engine_step_order(live);
        return;
    }
    if (err != NULL || !engine_order_take(live, answer->json, &failure)
        || !engine_order_names(live, answer->json, &failure)) {
        engine_fail(live, err != NULL ? err : &failure);
        return;
    }
    free(live->record.order_url);
    live->record.order_url = strdup(answer->location);
    engine_move(live, ENROLMENT_ON_ORDER);
}

void engine_step_order(struct live *live) {
    const struct directory *directory = upstream_directory(live->ca->upstream);
    AUTO(json_release)
    json_t *payload = json_pack("{s:o}", "identifiers", enrolment_identifiers(&live->record));

    if (directory == NULL) {
        /* whether to name a profile stands in the directory */
        upstream_wait(live->ca->upstream, &live->waiter,
                      &(struct upstream_turn){true, live->record.nf, live->priority}, step_again,
                      live);
        return;
    }
    if (payload == NULL
        || (directory->profiles
            && json_object_set_new(payload, "profile",
                                   json_string(enrolment_profile(&live->record)))
                   != 0)
        || (directory->renewal_info != NULL && live->record.replaces != NULL && !live->replaced
            && json_object_set_new(payload, "replaces", json_string(live->record.replaces)) != 0)) {
        engine_fail(live, &(struct err){.kind = ERR_NO_MEMORY, .detail = "out of memory"});
        return;
    }
    (void)engine_request(live, STATS_NEW_ORDER, NULL, json_text(payload), order_done);
}

void engine_provision_free(struct live *live) {
    struct provision *provision = live->provision;

    solver_settled(live->engine->options.solvers, live->record.row);
    if (provision == NULL) {
        return;
    }
    live->provision = NULL;
    for (unsigned i = 0; i < provision->count; i++) {
        solver_of(provision->tasks[i].type)
            ->withdraw(live->engine->options.solvers, &provision->tasks[i]);
        solver_task_done(&provision->tasks[i]);
    }
    free(provision);
}

static void presented(void *ctx, const struct err *err) {
    struct live *live = ctx;

    if (err != NULL) {
        struct err failure = *err; /* may live in the task that engine_fail frees */
        engine_fail(live, &failure);
        return;
    }
    live->provision->at++;
    engine_step_authz(live);
}

static bool ours(const struct live *live, const json_t *authz, struct acme_identifier *ret) {
    const json_t *identifier = json_object_get(authz, "identifier");
    const char *type = json_string_value(json_object_get(identifier, "type"));
    const char *value = json_string_value(json_object_get(identifier, "value"));

    for (unsigned i = 0; type != NULL && value != NULL; i++) {
        if (!enrolment_identifier(&live->record, i, ret)) {
            return false;
        }
        if (strcmp(type, acme_identifier_name(ret->type)) == 0
            && strcasecmp(value, ret->value) == 0) {
            return true;
        }
    }
    return false;
}

/* The server was told of the chosen challenge in an earlier life. */
static bool told(const json_t *challenges, const struct solver_task *task) {
    const json_t *challenge = NULL;
    size_t i = 0;

    json_array_foreach(challenges, i, challenge) {
        const char *url = json_string_value(json_object_get(challenge, "url"));
        const char *status = json_string_value(json_object_get(challenge, "status"));
        if (url != NULL && status != NULL && strcmp(url, task->url) == 0) {
            return strcmp(status, "pending") != 0;
        }
    }
    return false;
}

/* A pending authorization: choose a challenge and present its answer. */
static void authz_pending(struct live *live, const json_t *authz) {
    const struct solvers *solvers = live->engine->options.solvers;
    const json_t *challenges = json_object_get(authz, "challenges");
    struct provision *provision = live->provision;
    struct solver_task *task = &provision->tasks[provision->count];
    struct acme_identifier identifier;
    struct err err = {0};

    if (!ours(live, authz, &identifier)) {
        engine_fail(live, &(struct err){.kind = ERR_UPSTREAM,
                                        .detail = "an authorization is for a name not ordered"});
        return;
    }
    *task = (struct solver_task){
        .enrolment = &live->record, .parent = &live->trace, .done = presented, .ctx = live};
    if (!solver_choose(solvers, &identifier, challenges, task, &err)) {
        solver_task_done(task);
        engine_fail(live, &err);
        return;
    }
    if (task->type == ACME_CHALLENGE_TKAUTH01 && solver_tkauth01_lacks(solvers, &live->record)) {
        solver_task_done(task);
        engine_provision_free(live); /* made anew when the token is there */
        engine_move(live, ENROLMENT_ON_TOKEN_WANTED);
        return;
    }
    provision->responded[provision->count] = told(challenges, task);
    provision->count++;
    if (!solver_of(task->type)->present(solvers, task, &err)) {
        engine_fail(live, &err);
    }
}

/* The reason why an authorization went wrong: its challenge's. */
static void authz_reason(struct live *live, const json_t *authz) {
    const json_t *challenge = NULL;
    size_t i = 0;

    json_array_foreach(json_object_get(authz, "challenges"), i, challenge) {
        if (live->problem.kind == ERR_NONE && json_object_get(challenge, "error") != NULL) {
            engine_problem(live, json_object_get(challenge, "error"), &live->problem);
        }
    }
}

static void authz_done(void *ctx, const struct request_answer *answer, const struct err *err) {
    struct live *live = ctx;
    const char *status = NULL;

    live->request = NULL;
    if (err != NULL) {
        engine_fail(live, err);
        return;
    }
    status = json_string_value(json_object_get(answer->json, "status"));
    if (live->diagnosing || status == NULL || strcmp(status, "valid") == 0) {
        authz_reason(live, answer->json);
        live->provision->at++;
        engine_step_authz(live);
    } else if (strcmp(status, "pending") == 0) {
        authz_pending(live, answer->json);
    } else if (!engine_order_again(live)) {
        authz_reason(live, answer->json);
        (void)err_set(&live->problem, ERR_UPSTREAM, "an authorization is %.20s", status);
        engine_fail(live, &live->problem);
    }
}

/* All authorizations were read and what is pending is provisioned. */
static void provisioned(struct live *live) {
    struct enrolment *record = &live->record;

    live->provision->at = 0;
    if (live->diagnosing) {
        (void)err_set(&live->problem, ERR_UPSTREAM, "the order is invalid");
        engine_fail(live, &live->problem);
    } else if (record->state == ENROLMENT_CHALLENGED) {
        engine_step_respond(live);
    } else if (live->provision->count == 0) {
        engine_provision_free(live);
        live->walked = true;
        engine_order_poll(live);
    } else {
        record->t_us[4] = engine_now_us();
        engine_move(live, ENROLMENT_ON_PROVISIONED);
    }
}

/* Authorization after authorization; the order is read first when this life has not seen it. */
void engine_step_authz(struct live *live) {
    if (!live->order_known) {
        engine_order_poll(live);
        return;
    }
    if (live->order_status != ORDER_PENDING && !live->diagnosing) {
        engine_order_go(live, NULL, 0);
        return;
    }
    if (live->provision == NULL) {
        live->provision = calloc(1, sizeof *live->provision);
        if (live->provision == NULL) {
            engine_fail(live, &(struct err){.kind = ERR_NO_MEMORY, .detail = "out of memory"});
            return;
        }
    }
    if (live->provision->at < live->authz_count) {
        (void)engine_request(live, STATS_AUTHZ, live->authz[live->provision->at], NULL, authz_done);
    } else {
        provisioned(live);
    }
}

static void respond_done(void *ctx, const struct request_answer *answer, const struct err *err) {
    struct live *live = ctx;
    const json_t *error = NULL;

    live->request = NULL;
    if (err != NULL && live->problem.kind == ERR_NONE) {
        live->problem = *err; /* the order tells whether it matters */
    } else if (err == NULL && (error = json_object_get(answer->json, "error")) != NULL
               && live->problem.kind == ERR_NONE) {
        engine_problem(live, error, &live->problem);
    }
    live->provision->at++;
    engine_step_respond(live);
}

/* Response after response; then the server has its say. */
void engine_step_respond(struct live *live) {
    struct provision *provision = live->provision;

    if (provision == NULL || !live->order_known) {
        engine_step_authz(live); /* a new life: publish again first */
        return;
    }
    while (provision->at < provision->count && provision->responded[provision->at]) {
        provision->at++;
    }
    if (provision->at < provision->count) {
        const struct solver_task *task = &provision->tasks[provision->at];
        char *payload = strdup(task->payload);
        if (payload == NULL) {
            engine_fail(live, &(struct err){.kind = ERR_NO_MEMORY, .detail = "out of memory"});
            return;
        }
        (void)engine_request(live, STATS_CHALLENGE, task->url, payload, respond_done);
        return;
    }
    live->record.t_us[5] = engine_now_us();
    engine_move_unsaved(live, ENROLMENT_ON_RESPONDED);
}
