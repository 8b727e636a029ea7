#include "client/solvers.h"

#include <string.h>

#include "client/dns01_hook.h"
#include "client/dns01_server.h"
#include "client/solver_dns01.h"
#include "client/solver_http01.h"
#include "client/solver_tlsalpn01.h"

#define DNS01_AT_A_TIME 64         /* exchanges with name servers */
#define DNS01_PATIENCE_US 60000000 /* of publishing, when nobody looks */
#define DNS01_HOOK_TRIES 3

static bool open_dns01(const struct options *options, struct loop *loop, struct store *store,
                       struct solvers *ret, struct err *err) {
    const struct options_dns01 *dns01 = &options->dns01;
    struct dns01_server_options server = {.loop = loop,
                                          .server = dns01->server,
                                          .zone = dns01->zone,
                                          .key = dns01->key,
                                          .ttl_s = dns01->ttl_s,
                                          .checks_count = dns01->checks_count};
    struct solver_dns01_options solver = {
        .loop = loop,
        .store = store,
        .at_a_time = dns01->by_hook ? dns01->hook_max : DNS01_AT_A_TIME,
        .tries_max = dns01->by_hook ? DNS01_HOOK_TRIES : 0,
        .patience_us = dns01->wait_us != 0 ? dns01->wait_us : DNS01_PATIENCE_US,
        .seed = options->seed};

    if (!dns01->by_server && !dns01->by_hook) {
        return true;
    }
    memcpy(server.checks, dns01->checks, sizeof server.checks);
    ret->dns01_server = dns01_server_new(&server, err);
    if (ret->dns01_server == NULL) {
        return false;
    }
    solver.change = dns01_server_runner(ret->dns01_server);
    solver.look = dns01->checks_count > 0 ? solver.change : (struct dns01_runner){0};
    if (dns01->by_hook) {
        ret->dns01_hook = dns01_hook_new(
            &(struct dns01_hook_options){
                .loop = loop, .command = dns01->hook, .limit_us = dns01->hook_limit_us},
            err);
        if (ret->dns01_hook == NULL) {
            return false;
        }
        solver.change = dns01_hook_runner(ret->dns01_hook);
    }
    ret->dns01 = solver_dns01_start(&solver, err);
    return ret->dns01 != NULL;
}

bool solvers_open(const struct options *options, struct loop *loop, struct store *store,
                  struct solvers *ret, struct err *err) {
    ret->count = options->challenges_count;
    ret->none = options->challenge_none;
    ret->nf_tokens = options->nf_tokens;
    memcpy(ret->order, options->challenges, sizeof ret->order);
    if (options->http01_listen != NULL
        && (ret->http01 = solver_http01_start(options->http01_listen, options->seed, err))
               == NULL) {
        return false;
    }
    if (options->tlsalpn01_listen != NULL
        && (ret->tlsalpn01 =
                solver_tlsalpn01_start(loop, options->tlsalpn01_listen, options->seed, err))
               == NULL) {
        return false;
    }
    return open_dns01(options, loop, store, ret, err);
}

void solvers_close(struct solvers *solvers) {
    solver_dns01_stop(solvers->dns01);
    solver_tlsalpn01_stop(solvers->tlsalpn01);
    solver_http01_stop(solvers->http01);
    dns01_server_free(solvers->dns01_server);
    dns01_hook_free(solvers->dns01_hook);
    solvers->dns01 = NULL;
    solvers->tlsalpn01 = NULL;
    solvers->http01 = NULL;
}
