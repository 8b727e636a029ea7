#include "client/admin.h"

#include <stdlib.h>
#include <string.h>

#include "client/admin_list.h"
#include "client/answer.h"
#include "client/stats.h"
#include "common/health.h"
#include "common/route.h"

struct admin {
    struct admin_options options;
    struct admin_lists *lists;
    struct health *health;
};

/* clang-format off */
static const struct {
    enum http_method method;
    const char *pattern;
    enum call_kind kind; /* CALL_OTHER: the list */
    const char *name;
} routes[] = {
    {HTTP_GET,  "/enrolments",               CALL_OTHER,  "list enrolments"},
    {HTTP_GET,  "/enrolments/{id}",          CALL_GET,    "show enrolment"},
    {HTTP_POST, "/enrolments/{id}/retry",    CALL_RETRY,  "retry enrolment"},
    {HTTP_POST, "/enrolments/{id}/withdraw", CALL_DELETE, "withdraw enrolment"},
};
/* clang-format on */

/* The row of a request; COUNT: none, with err. */
static size_t route(struct httpd_exchange *exchange, struct route_params *params, struct err *err) {
    bool known = false;

    for (size_t i = 0; i < COUNT(routes); i++) {
        if (route_match(routes[i].pattern, httpd_path(exchange), params)) {
            known = true;
            if (routes[i].method == httpd_method(exchange)) {
                return i;
            }
        }
    }
    (void)err_set(err, known ? ERR_METHOD_NOT_ALLOWED : ERR_NOT_FOUND,
                  known ? "this page does not take that method"
                        : "no such page: /healthz /readyz /metrics /enrolments");
    return COUNT(routes);
}

/* Every page the health room has not. */
static void serve(void *ctx, struct httpd_exchange *exchange) {
    struct admin *admin = ctx;
    struct route_params params = {0};
    struct err err = {0};
    const size_t row = route(exchange, &params, &err);

    if (row < COUNT(routes) && routes[row].kind == CALL_OTHER) {
        admin_list(admin->lists, exchange);
        return;
    }
    struct call *call = call_new(exchange, admin->options.trace);
    if (call == NULL) {
        httpd_answer(exchange, 500, NULL, NULL, 0);
        return;
    }
    call->by_operator = true;
    if (row < COUNT(routes) && strlen(params.value[0]) >= sizeof call->id) {
        (void)err_set(&err, ERR_NOT_FOUND, "no such enrolment");
    } else if (row < COUNT(routes)) {
        call->kind = routes[row].kind;
        call->name = routes[row].name;
        memcpy(call->id, params.value[0], strlen(params.value[0]) + 1);
    }
    if (err.kind == ERR_NONE && !httpd_defer(exchange)) {
        err.retry_after_s = 1;
        (void)err_set(&err, ERR_OVERLOAD, "too many requests are held open");
    }
    if (err.kind != ERR_NONE) {
        answer_problem(call, &err);
    } else {
        engine_take(admin->options.engine, call);
    }
}

static void add_metrics(void *ctx, struct buf *buf) {
    const struct store *store = ((const struct admin *)ctx)->options.store;

    metric_set(stats_count(STATS_COMMITS), (int64_t)store_commits(store));
    metric_set(stats_count(STATS_RECORDS), (int64_t)store_commit_records(store));
    (void)stats_render(buf);
}

static bool is_ready(void *ctx) {
    return store_writable(((const struct admin *)ctx)->options.store);
}

struct admin *admin_start(const struct admin_options *options, struct err *err) {
    AUTO(admin_free) struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the admin listener");
        return NULL;
    }
    admin->options = *options;
    admin->lists = admin_lists_new(options->loop, options->store, options->engine, err);
    admin->health = admin->lists == NULL
                        ? NULL
                        : health_start(&(struct health_options){.listen = options->listen,
                                                                .ready = is_ready,
                                                                .metrics = add_metrics,
                                                                .other = serve,
                                                                .ctx = admin,
                                                                .program = "nfacme-client"},
                                       err);
    return admin->health == NULL ? NULL : TAKE(admin);
}

void admin_stop(struct admin *admin) {
    if (admin != NULL) {
        health_stop(admin->health);
        admin->health = NULL;
    }
}

void admin_free(struct admin *admin) {
    if (admin != NULL) {
        admin_stop(admin);
        admin_lists_free(admin->lists);
        free(admin);
    }
}

unsigned admin_port(const struct admin *admin) { return health_port(admin->health); }
