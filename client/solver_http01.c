#include "client/solver_http01.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/map.h"
#include "common/httpd.h"
#include "common/route.h"

#define TOKEN_LEN_MIN 22 /* 128 bits in base64url, section 8.3 */

struct answer {
    char *token;   /* the key in the map */
    char *content; /* token.thumbprint, section 8.1 */
};

struct solver_http01 {
    pthread_mutex_t lock; /* of answers: the loop publishes, the listener reads */
    struct map *answers;
    struct httpd *httpd;
};

static void http01_answer(void *ctx, struct httpd_exchange *exchange) {
    struct solver_http01 *solver = ctx;
    struct route_params params;
    char *content = NULL;

    if (httpd_method(exchange) == HTTP_GET
        && route_match("/.well-known/acme-challenge/{token}", httpd_path(exchange), &params)) {
        (void)pthread_mutex_lock(&solver->lock);
        const struct answer *answer = map_get(solver->answers, params.value[0]);
        content = answer == NULL ? NULL : strdup(answer->content);
        (void)pthread_mutex_unlock(&solver->lock);
    }
    if (content == NULL) {
        httpd_answer(exchange, 404, NULL, NULL, 0);
        return;
    }
    httpd_answer(exchange, 200, "application/octet-stream", content, strlen(content));
}

struct solver_http01 *solver_http01_start(const char *listen, uint64_t seed, struct err *err) {
    AUTO(solver_http01_stop) struct solver_http01 *solver = calloc(1, sizeof *solver);

    if (solver == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    (void)pthread_mutex_init(&solver->lock, NULL);
    solver->answers = map_new(seed);
    if (solver->answers == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    solver->httpd = httpd_start(&(struct httpd_options){.listen = listen,
                                                        .threads = 1,
                                                        .body_max = 1024,
                                                        .idle_timeout_s = 10,
                                                        .handler = http01_answer,
                                                        .ctx = solver},
                                err);
    return solver->httpd == NULL ? NULL : TAKE(solver);
}

void solver_http01_stop(struct solver_http01 *solver) {
    if (solver != NULL) {
        httpd_stop(solver->httpd);
        map_free(solver->answers);
        (void)pthread_mutex_destroy(&solver->lock);
        free(solver);
    }
}

unsigned solver_http01_port(const struct solver_http01 *solver) {
    return httpd_port(solver->httpd);
}

static void answer_free(struct answer *answer) {
    free(answer->token);
    free(answer->content);
    free(answer);
}

/* Key authorization: token "." thumbprint of the account key. */
static struct answer *answer_new(const struct solver_task *task) {
    size_t token_len = strlen(task->token);
    size_t print_len = strlen(task->enrolment->thumbprint);
    struct answer *answer = calloc(1, sizeof *answer);

    if (answer == NULL) {
        return NULL;
    }
    answer->token = strdup(task->token);
    answer->content = malloc(token_len + print_len + 2);
    if (answer->token == NULL || answer->content == NULL) {
        answer_free(answer);
        return NULL;
    }
    memcpy(answer->content, task->token, token_len);
    answer->content[token_len] = '.';
    memcpy(answer->content + token_len + 1, task->enrolment->thumbprint, print_len + 1);
    return answer;
}

static bool http01_configured(const struct solvers *solvers) { return solvers->http01 != NULL; }

static bool http01_publish(struct solver_http01 *solver, struct answer *answer, struct err *err) {
    bool good = false;

    (void)pthread_mutex_lock(&solver->lock);
    good = map_count(solver->answers) < SOLVER_HTTP01_MAX
           && map_put(solver->answers, answer->token, answer);
    (void)pthread_mutex_unlock(&solver->lock);
    return good || err_set(err, ERR_OVERLOAD, "the http-01 responder is full");
}

static bool http01_present(const struct solvers *solvers, struct solver_task *task,
                           struct err *err) {
    struct answer *answer = NULL;

    if (task->token == NULL || strlen(task->token) < TOKEN_LEN_MIN) {
        return err_set(err, ERR_UPSTREAM, "an http-01 challenge without a proper token");
    }
    task->payload = strdup("{}");
    answer = answer_new(task);
    if (answer == NULL || task->payload == NULL) {
        if (answer != NULL) {
            answer_free(answer);
        }
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    if (!http01_publish(solvers->http01, answer, err)) {
        answer_free(answer);
        return false;
    }
    task->state = answer;
    task->done(task->ctx, NULL);
    return true;
}

static void http01_withdraw(const struct solvers *solvers, struct solver_task *task) {
    struct answer *answer = task->state;

    if (answer != NULL) {
        (void)pthread_mutex_lock(&solvers->http01->lock);
        (void)map_take(solvers->http01->answers, answer->token);
        (void)pthread_mutex_unlock(&solvers->http01->lock);
        answer_free(answer);
        task->state = NULL;
    }
}

const struct solver solver_http01_row = {.type = ACME_CHALLENGE_HTTP01,
                                         .identifiers =
                                             SOLVER_PROVES(ACME_ID_DNS) | SOLVER_PROVES(ACME_ID_IP),
                                         .configured = http01_configured,
                                         .present = http01_present,
                                         .withdraw = http01_withdraw};
