#include "client/solver.h"

#include <stdlib.h>
#include <string.h>

#include "client/solver_dns01.h"
#include "client/solver_http01.h"
#include "client/solver_tkauth01.h"
#include "client/solver_tlsalpn01.h"
#include "common/buf.h"
#include "common/json.h"

#define TOKEN_MAX 256
#define LIST_MAX 80

static const struct solver *const solvers_known[] = {
    [ACME_CHALLENGE_HTTP01] = &solver_http01_row,
    [ACME_CHALLENGE_TKAUTH01] = &solver_tkauth01_row,
    [ACME_CHALLENGE_TLSALPN01] = &solver_tlsalpn01_row,
    [ACME_CHALLENGE_DNS01] = &solver_dns01_row,
};

const struct solver *solver_of(enum acme_challenge_type type) {
    return (unsigned)type < COUNT(solvers_known) ? solvers_known[type] : NULL;
}

/* The row of preference index, if it is configured and proves that kind of name. */
static const struct solver *solver_at(const struct solvers *solvers, unsigned index,
                                      enum acme_identifier_type type) {
    const struct solver *solver = solver_of(solvers->order[index]);

    return solver != NULL && (solver->identifiers & SOLVER_PROVES(type)) != 0
                   && solver->configured(solvers)
               ? solver
               : NULL;
}

bool solver_for(const struct solvers *solvers, enum acme_identifier_type type) {
    for (unsigned i = 0; i < solvers->count; i++) {
        if (solver_at(solvers, i, type) != NULL) {
            return true;
        }
    }
    return solvers->none;
}

static const json_t *challenge_of(const json_t *challenges, enum acme_challenge_type type) {
    const json_t *challenge = NULL;
    size_t i = 0;

    json_array_foreach(challenges, i, challenge) {
        const char *name = json_string_value(json_object_get(challenge, "type"));
        if (name != NULL && strcmp(name, acme_challenge_name(type)) == 0) {
            return challenge;
        }
    }
    return NULL;
}

static bool none_fits(const struct solvers *solvers, const struct acme_identifier *identifier,
                      const json_t *challenges, struct err *err) {
    AUTO(buf_done) struct buf offered = buf_new(LIST_MAX);
    AUTO(buf_done) struct buf ours = buf_new(LIST_MAX);
    const json_t *challenge = NULL;
    size_t i = 0;

    json_array_foreach(challenges, i, challenge) {
        const char *name = json_string_value(json_object_get(challenge, "type"));
        (void)buf_printf(&offered, "%s%s", offered.len == 0 ? "" : ",", name == NULL ? "?" : name);
    }
    for (unsigned k = 0; k < solvers->count; k++) {
        if (solver_of(solvers->order[k])->configured(solvers)) {
            (void)buf_printf(&ours, "%s%s", ours.len == 0 ? "" : ",",
                             acme_challenge_name(solvers->order[k]));
        }
    }
    return err_set(err, ERR_UPSTREAM, "no challenge fits %.60s: the server offers %s, we can %s",
                   identifier->value, offered.data == NULL ? "none" : offered.data,
                   ours.data == NULL ? "none" : ours.data);
}

bool solver_choose(const struct solvers *solvers, const struct acme_identifier *identifier,
                   const json_t *challenges, struct solver_task *task, struct err *err) {
    for (unsigned i = 0; i < solvers->count; i++) {
        const struct solver *solver = solver_at(solvers, i, identifier->type);
        const json_t *challenge = solver == NULL ? NULL : challenge_of(challenges, solver->type);
        if (challenge == NULL) {
            continue;
        }
        const char *url = json_string_value(json_object_get(challenge, "url"));
        const char *token = json_string_value(json_object_get(challenge, "token"));
        if (url == NULL || !directory_url(url) || (token != NULL && strlen(token) > TOKEN_MAX)) {
            return err_set(err, ERR_UPSTREAM, "a challenge without a usable url or token");
        }
        task->type = solver->type;
        task->identifier = *identifier;
        task->url = strdup(url);
        task->token = token == NULL ? NULL : strdup(token);
        return (task->url != NULL && (token == NULL || task->token != NULL))
               || err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    return none_fits(solvers, identifier, challenges, err);
}

void solver_settled(const struct solvers *solvers, int64_t row) {
    if (solvers->dns01 != NULL) {
        solver_dns01_settled(solvers->dns01, row);
    }
}

void solver_task_done(struct solver_task *task) {
    free(task->url);
    free(task->token);
    free(task->payload);
    *task = (struct solver_task){0};
}
