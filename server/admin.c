#include "server/admin.h"

#include <stdlib.h>
#include <string.h>

#include "common/health.h"
#include "common/problem.h"
#include "server/admin_ari.h"
#include "server/admin_faults.h"
#include "server/admin_metrics.h"
#include "server/history.h"

struct admin {
    struct admin_options options;
    struct health *health;
};

static void add_metrics(void *ctx, struct buf *buf) {
    admin_metrics(&((struct admin *)ctx)->options, buf);
}

void admin_answer(const struct admin_call *call, unsigned status, json_t *json) {
    char *text = json == NULL ? NULL : json_text(json);

    json_decref(json);
    httpd_answer(call->exchange, text == NULL ? 503 : status, "application/json", text,
                 text == NULL ? 0 : strlen(text));
}

void admin_fail(const struct admin_call *call, const struct err *err) {
    char *text = problem_render(err);

    httpd_answer(call->exchange, problem_type(err->kind)->status, "application/problem+json", text,
                 text == NULL ? 0 : strlen(text));
}

/* The trust anchor and the issuer, as PEM. */
static void show_ca(const struct admin_call *call) {
    struct err err = {0};
    AUTO(free) char *root = x509_pem(ca_root(call->options->ca), &err);
    AUTO(free) char *issuer = x509_pem(ca_issuer(call->options->ca), &err);
    json_t *alternates = json_array();

    for (unsigned n = 1; n <= ca_alternate_count(call->options->ca); n++) {
        AUTO(free) char *other = x509_pem(ca_alternate_root(call->options->ca, n), &err);
        (void)json_array_append_new(alternates, json_string(other));
    }
    admin_answer(
        call, 200,
        json_pack("{s:s?, s:s?, s:o}", "root", root, "issuer", issuer, "alternates", alternates));
}

/* What validation asked about an identifier, and what came back. */
static void show_history(const struct admin_call *call) {
    const char *identifier = httpd_query(call->exchange, "identifier");
    struct history *history = call->options->history;
    struct err err = {0};

    if (identifier == NULL || *identifier == '\0') {
        (void)err_set(&err, ERR_MISSING, "/history?identifier=VALUE");
        admin_fail(call, &err);
        return;
    }
    json_t *json = history == NULL ? NULL : history_render(history, identifier);
    if (json == NULL) {
        (void)err_set(&err, ERR_NOT_FOUND,
                      history == NULL ? "no history is kept (validation.history)"
                                      : "nothing is known of that identifier");
        admin_fail(call, &err);
        return;
    }
    admin_answer(call, 200, json);
}

/* clang-format off */
static const struct admin_route {
    enum http_method method;
    const char *pattern;
    admin_handler *handler;
} routes[] = {
    {HTTP_GET, "/ca", show_ca},
    {HTTP_GET, "/faults", admin_faults_show},
    {HTTP_GET, "/history", show_history},
    {HTTP_POST, "/faults", admin_faults_add},
    {HTTP_PUT, "/faults", admin_faults_replace},
    {HTTP_DELETE, "/faults", admin_faults_clear},
    {HTTP_DELETE, "/faults/{id}", admin_faults_remove},
    {HTTP_GET, "/profiles", admin_profile_list},
    {HTTP_PUT, "/profiles/{name}", admin_profile_offer},
    {HTTP_PUT, "/renewal-info", admin_renewal_info},
    {HTTP_GET, "/accounts/{id}", admin_account_show},
    {HTTP_POST, "/accounts/{id}/revoke", admin_account_revoke},
    {HTTP_GET, "/eab", admin_eab_list},
    {HTTP_POST, "/eab", admin_eab_make},
    {HTTP_DELETE, "/eab/{kid}", admin_eab_remove},
    {HTTP_GET, "/terms", admin_terms_show},
    {HTTP_PUT, "/terms", admin_terms_change},
};
/* clang-format on */

static bool read_body(struct admin_call *call, struct err *err) {
    size_t len = 0;
    const char *body = httpd_body(call->exchange, &len);

    if (httpd_body_too_large(call->exchange)) {
        return err_set(err, ERR_TOO_LARGE, "the body is too long");
    }
    if ((httpd_method(call->exchange) & (HTTP_POST | HTTP_PUT)) != 0 && len > 0) {
        call->body = json_read_object(body, len, err);
        return call->body != NULL;
    }
    return true;
}

/* Every page the health room has not. */
static void serve(void *ctx, struct httpd_exchange *exchange) {
    struct admin *admin = ctx;
    struct admin_call call = {.options = &admin->options, .exchange = exchange};
    struct err err = {0};
    bool known = false;

    for (unsigned i = 0; i < COUNT(routes); i++) {
        if (!route_match(routes[i].pattern, httpd_path(exchange), &call.params)) {
            continue;
        }
        known = true;
        if (routes[i].method != httpd_method(exchange)) {
            continue;
        }
        if (read_body(&call, &err)) {
            routes[i].handler(&call);
        } else {
            admin_fail(&call, &err);
        }
        json_decref(call.body);
        return;
    }
    (void)err_set(&err, known ? ERR_METHOD_NOT_ALLOWED : ERR_NOT_FOUND,
                  known ? "this call does not take that method"
                        : "no such page: /healthz /readyz /metrics and the admin calls");
    admin_fail(&call, &err);
}

static bool is_ready(void *ctx) {
    return store_counts(((struct admin *)ctx)->options.store).healthy;
}

struct admin *admin_start(const struct admin_options *options, struct err *err) {
    AUTO(admin_stop) struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the admin listener");
        return NULL;
    }
    admin->options = *options;
    admin->health = health_start(&(struct health_options){.listen = options->listen,
                                                          .ready = is_ready,
                                                          .metrics = add_metrics,
                                                          .other = serve,
                                                          .ctx = admin,
                                                          .program = "nfacme-server"},
                                 err);
    return admin->health == NULL ? NULL : TAKE(admin);
}

void admin_stop(struct admin *admin) {
    if (admin != NULL) {
        health_stop(admin->health);
        free(admin);
    }
}

unsigned admin_port(const struct admin *admin) { return health_port(admin->health); }
