/* CAA at issuance, RFC 8659 section 3: names whose records were looked at too long ago, or that
 * were proved by another name's authorization, are looked at again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/problem.h"
#include "server/caa_search.h"
#include "server/names.h"
#include "server/wfe_request.h"

/* The challenge that made it valid. */
static const struct challenge *met(const struct authz *authz) {
    for (unsigned i = 0; i < authz->count; i++) {
        if (authz->challenges[i].status == CHALLENGE_VALID) {
            return &authz->challenges[i];
        }
    }
    return NULL;
}

/* Was CAA asked for this very name, and lately? */
static bool is_settled(const struct request *request, const struct authz *authz,
                       const struct challenge *challenge, const struct caa_question *question) {
    uint64_t reuse_us = request->wfe->options.caa_reuse_us;

    return ((authz->flags & AUTHZ_WILDCARD) != 0) == question->wildcard
           && strcmp(authz->identifier.value, question->name) == 0
           && request_now_us(request) < challenge->validated_us + reuse_us;
}

/* The name's question in *ret; false: there is none, or err tells why it is not known. */
static bool question_of(struct request *request, unsigned i, struct caa_question *ret) {
    const struct acme_identifier *identifier = &request->order.identifiers[i];
    AUTO(authz_done) struct authz authz = {0};

    if (identifier->type != ACME_ID_DNS
        || !store_authz_get(request->wfe->options.store, request->order.account,
                            request->order.authzs[i], &authz, &request->err)) {
        return false;
    }
    const struct challenge *challenge = met(&authz);
    if (challenge == NULL) {
        return false; /* issue_check has its say */
    }
    *ret = (struct caa_question){.wildcard = names_wildcard(identifier->value),
                                 .method = challenge->type};
    (void)snprintf(ret->name, sizeof(ret->name), "%s", names_base(identifier->value));
    (void)snprintf(ret->account, sizeof(ret->account), "%s", request->order.account);
    return !is_settled(request, &authz, challenge, ret);
}

static void on_caa(void *ctx, const struct caa_question *refused, const struct err *err) {
    struct request *request = ctx;

    if (refused == NULL) {
        request->caa_permits = true;
    } else {
        request->err = *err;
        if (request->order.count > 1) { /* 6.7.1: which name it is */
            char name[ACME_ID_VALUE_MAX + 3];
            (void)snprintf(name, sizeof(name), "%s%s", refused->wildcard ? "*." : "",
                           refused->name);
            request->subproblems = json_array();
            (void)json_array_append_new(
                request->subproblems,
                problem_sub_new(err, acme_identifier_name(ACME_ID_DNS), name));
        }
    }
    request->committed(request);
}

static void dropped(void *ctx) {
    struct request *request = ctx;

    (void)request_fail(request, ERR_OVERLOAD, "the server is going down");
    request->committed(request);
}

bool wfe_caa(struct request *request, void (*go_on)(struct request *request)) {
    struct va *va = request->wfe->options.va;
    unsigned count = 0;

    if (request->caa_permits || !va_caa_asked(va)) {
        return true;
    }
    AUTO(free) struct caa_question *questions = calloc(request->order.count, sizeof(*questions));
    for (unsigned i = 0; questions != NULL && i < request->order.count; i++) {
        count += question_of(request, i, &questions[count]);
    }
    if (questions == NULL) {
        return request_fail(request, ERR_NO_MEMORY, "no memory for CAA");
    }
    if (count == 0 || request->err.kind != ERR_NONE || !request_defer(request)) {
        return true;
    }
    request->committed = go_on;
    const struct caa_batch batch = {
        .questions = questions, .count = count, .done = on_caa, .dropped = dropped, .ctx = request};
    if (!va_caa(va, &batch, &request->err)) {
        request_finish(request);
    }
    return false;
}
