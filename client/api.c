#include "client/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/notify.h"
#include "client/tenant.h"
#include "client/tenant_rate.h"
#include "common/clock.h"
#include "common/guard.h"
#include "common/httpd.h"
#include "common/log.h"
#include "common/problem.h"

#define API_ROOT "/nacme-enrolment/v1/enrolments"

struct api {
    struct api_policy policy;
    struct engine *engine;
    struct trace *trace;
    char address[CALL_HOST_SIZE]; /* for a Location when the Host header is of no use */
    struct tenant_rate *rates;
    struct httpd *httpd;
};

/* Fill the call; false: answer err. */
typedef bool api_reader(struct api *api, struct call *call, struct err *err);

static bool read_enrol(struct api *api, struct call *call, struct err *err) {
    const struct httpd_exchange *exchange = call->exchange;
    char key[ENROLMENT_IDEMPOTENCY_SIZE];
    struct enrolment *asked = &call->asked;
    size_t len = 0;
    const char *body = httpd_body(exchange, &len);

    if (!api_enrol_read(&api->policy, body, len, httpd_header(exchange, "Content-Type"), asked, err)
        || (asked->notification_uri != NULL
            && !notify_allows(asked->notification_uri, httpd_peer(exchange),
                              httpd_peer_address(exchange), err))
        || !tenant_allows(httpd_peer(exchange), asked->nf, asked->nf_type, asked->fqdn, err)
        || !api_cca_read(&api->policy, httpd_header(exchange, "3gpp-Sbi-Client-Credentials"), asked,
                         err)
        || (asked->cca != NULL && !api_cca_subject(asked->cca, asked->nf, err))
        || !api_idempotency(httpd_header(exchange, "3gpp-Sbi-Request-Info"), key, err)) {
        return false;
    }
    asked->idempotency = key[0] == '\0' ? NULL : strdup(key);
    return key[0] == '\0' || asked->idempotency != NULL
           || err_set(err, ERR_NO_MEMORY, "out of memory");
}

/* Whose and for what stands in the enrolment renewed; the assertion is fresh. */
static bool read_renew(struct api *api, struct call *call, struct err *err) {
    const struct httpd_exchange *exchange = call->exchange;
    const char *cca = httpd_header(exchange, "3gpp-Sbi-Client-Credentials");
    char key[ENROLMENT_IDEMPOTENCY_SIZE];
    struct enrolment *asked = &call->asked;
    size_t len = 0;

    (void)httpd_body(exchange, &len);
    if (len > 0) {
        return err_set(err, ERR_INVALID, "a renewal has no body");
    }
    asked->with_nf_instance = cca != NULL; /* the engine knows whether one is needed */
    if (!api_cca_read(&api->policy, cca, asked, err)
        || (asked->cca != NULL && !api_cca_subject(asked->cca, call->peer, err))
        || !api_idempotency(httpd_header(exchange, "3gpp-Sbi-Request-Info"), key, err)) {
        return false;
    }
    asked->idempotency = key[0] == '\0' ? NULL : strdup(key);
    return key[0] == '\0' || asked->idempotency != NULL
           || err_set(err, ERR_NO_MEMORY, "out of memory");
}

static bool read_csr(struct api *api, struct call *call, struct err *err) {
    size_t len = 0;
    const char *body = httpd_body(call->exchange, &len);

    (void)api;
    return api_csr_read(httpd_header(call->exchange, "Content-Type"), body, len, &call->csr,
                        &call->csr_len, err);
}

static bool read_token(struct api *api, struct call *call, struct err *err) {
    size_t len = 0;
    const char *body = httpd_body(call->exchange, &len);

    (void)api;
    return api_token_read(body, len, httpd_header(call->exchange, "Content-Type"),
                          &call->asked.token, err);
}

static bool read_revoke(struct api *api, struct call *call, struct err *err) {
    size_t len = 0;
    const char *body = httpd_body(call->exchange, &len);

    (void)api;
    return api_revoke_read(body, len, httpd_header(call->exchange, "Content-Type"), &call->reason,
                           err);
}

static bool read_nothing(struct api *api, struct call *call, struct err *err) {
    (void)api;
    (void)call;
    (void)err;
    return true;
}

/* clang-format off */
static const struct {
    enum http_method method;
    const char *pattern;
    enum call_kind kind;
    const char *name; /* of the span */
    api_reader *read;
} routes[] = {
    {HTTP_POST,   API_ROOT,                           CALL_ENROL,       "POST enrolments",     read_enrol},
    {HTTP_GET,    API_ROOT "/{id}",                   CALL_GET,         "GET enrolment",       read_nothing},
    {HTTP_DELETE, API_ROOT "/{id}",                   CALL_DELETE,      "DELETE enrolment",    read_nothing},
    {HTTP_PUT,    API_ROOT "/{id}/csr",               CALL_CSR,         "PUT csr",             read_csr},
    {HTTP_GET,    API_ROOT "/{id}/certificate",       CALL_CERTIFICATE, "GET certificate",     read_nothing},
    {HTTP_PUT,    API_ROOT "/{id}/authority-token",   CALL_TOKEN,       "PUT authority-token", read_token},
    {HTTP_POST,   API_ROOT "/{id}/renewals",          CALL_RENEW,       "POST renewals",       read_renew},
    {HTTP_POST,   API_ROOT "/{id}/revocations",       CALL_REVOKE,      "POST revocations",    read_revoke},
};
/* clang-format on */

static const char *method_name(enum http_method method) {
    switch (method) {
    case HTTP_GET:
        return "GET";
    case HTTP_HEAD:
        return "HEAD";
    case HTTP_POST:
        return "POST";
    case HTTP_PUT:
        return "PUT";
    case HTTP_DELETE:
        return "DELETE";
    case HTTP_OTHER:
        return "";
    }
    return "";
}

/* The row of a request; COUNT(routes): none, and err (with Allow added for a known path). */
static size_t route(struct call *call, struct route_params *params, struct err *err) {
    AUTO(buf_done) struct buf allow = buf_new(64);
    const enum http_method method = httpd_method(call->exchange);

    for (size_t i = 0; i < COUNT(routes); i++) {
        if (!route_match(routes[i].pattern, httpd_path(call->exchange), params)) {
            continue;
        }
        if (routes[i].method == method) {
            return i;
        }
        (void)buf_printf(&allow, "%s%s", allow.len == 0 ? "" : ", ", method_name(routes[i].method));
    }
    if (allow.len > 0) {
        httpd_header_add(call->exchange, "Allow", allow.data);
        (void)err_set(err, ERR_METHOD_NOT_ALLOWED, "this resource does not know that method");
    } else {
        (void)err_set(err, ERR_NOT_FOUND, "no such resource");
    }
    return COUNT(routes);
}

/* The Host header goes into Location: it must look like one (RFC 9110 7.2). */
static bool take_host(const struct api *api, struct call *call, struct err *err) {
    static const char good[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    const char *host = httpd_header(call->exchange, "Host");

    host = host == NULL || host[0] == '\0' ? api->address : host;
    if (!GUARD("host-form",
               strlen(host) < sizeof call->host && strspn(host, good) == strlen(host))) {
        return err_set_param(err, ERR_INVALID, "Host", "Host is not a host and port");
    }
    (void)snprintf(call->host, sizeof call->host, "%s", host);
    return true;
}

/* Said twice, it may mean one thing to a proxy and another here. */
static bool said_once(const struct httpd_exchange *exchange, struct err *err) {
    static const char *const names[] = {"Host", "Content-Type", "3gpp-Sbi-Client-Credentials",
                                        "3gpp-Sbi-Request-Info", "3gpp-Sbi-Max-Rsp-Time"};

    for (size_t i = 0; i < COUNT(names); i++) {
        if (!GUARD("header-once", httpd_header_count(exchange, names[i]) <= 1)) {
            return err_set_param(err, ERR_INVALID, names[i], "header %s is given twice", names[i]);
        }
    }
    return true;
}

static bool take_headers(struct call *call, const struct route_params *params, struct err *err) {
    const struct httpd_exchange *exchange = call->exchange;

    call->wait_us = api_prefer_wait_us(httpd_header(exchange, "Prefer"));
    call->priority = api_priority(httpd_header(exchange, "3gpp-Sbi-Message-Priority"));
    if (params->count > 0) {
        const size_t len = strlen(params->value[0]);
        if (len >= sizeof call->id) {
            return err_set(err, ERR_NOT_FOUND, "no such enrolment");
        }
        memcpy(call->id, params->value[0], len + 1);
    }
    return api_max_rsp_us(httpd_header(exchange, "3gpp-Sbi-Max-Rsp-Time"), &call->max_rsp_us, err);
}

/* All checks of a request; true: the engine's. */
static bool admit(struct api *api, struct call *call, struct err *err) {
    struct route_params params = {0};
    const size_t row = route(call, &params, err);

    if (row == COUNT(routes)) {
        return false;
    }
    call->kind = routes[row].kind;
    call->name = routes[row].name;
    if (httpd_body_too_large(call->exchange)) {
        return err_set(err, ERR_TOO_LARGE, "a body may have %d octets", API_BODY_MAX);
    }
    return tenant_peer(httpd_peer(call->exchange), err)
           && tenant_rate_take(api->rates, call->peer, clock_wall_us(), err)
           && said_once(call->exchange, err) && take_host(api, call, err)
           && take_headers(call, &params, err) && routes[row].read(api, call, err);
}

static void api_handle(void *ctx, struct httpd_exchange *exchange) {
    struct api *api = ctx;
    struct call *call = call_new(exchange, api->trace);
    struct err err = {0};

    if (call == NULL) {
        httpd_answer(exchange, 500, NULL, NULL, 0);
        return;
    }
    if (!admit(api, call, &err)) {
        answer_problem(call, &err);
        return;
    }
    if (!httpd_defer(exchange)) {
        err.retry_after_s = 1;
        (void)err_set(&err, ERR_OVERLOAD, "too many requests are held open");
        answer_problem(call, &err);
        return;
    }
    engine_take(api->engine, call);
}

struct api *api_start(const struct api_options *options, struct err *err) {
    AUTO(api_stop) struct api *api = calloc(1, sizeof *api);

    if (api == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    api->policy = (struct api_policy){options->identifiers, options->solvers};
    api->engine = options->engine;
    api->trace = options->trace;
    const struct httpd_options http = {
        .listen = options->listen,
        .cert_pem = options->cert_pem,
        .key_pem = options->key_pem,
        .client_trust_pem = options->nf_trust_pem,
        .client_crl_pem = options->nf_crl_pem,
        .clock = options->clock,
        .threads = options->threads,
        .body_max = API_BODY_MAX,
        .deferred_max = options->held_max == 0 ? API_HELD_MAX : options->held_max,
        .idle_timeout_s = 120,
        .handler = api_handle,
        .ctx = api,
    };
    /* requests may come before httpd_start returns: all they need is set already */
    (void)snprintf(api->address, sizeof api->address, "%s", options->listen);
    api->rates = tenant_rate_new(options->tenant_rate, options->tenant_burst);
    if (api->rates == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    api->httpd = httpd_start(&http, err);
    return api->httpd == NULL ? NULL : TAKE(api);
}

bool api_reload(struct api *api, const char *cert_pem, const char *key_pem,
                const char *nf_trust_pem, const char *nf_crl_pem, struct err *err) {
    return httpd_reload(api->httpd, cert_pem, key_pem, nf_trust_pem, nf_crl_pem, err);
}

void api_stop(struct api *api) {
    if (api != NULL) {
        httpd_stop(api->httpd);
        tenant_rate_free(api->rates);
        free(api);
    }
}

bool api_crls(struct api *api, const char *nf_crl_pem, struct err *err) {
    return httpd_crls(api->httpd, nf_crl_pem, err);
}

unsigned api_port(const struct api *api) { return httpd_port(api->httpd); }

bool api_media_type(const char *content_type, const char *wanted) {
    const size_t len = strlen(wanted);

    return content_type != NULL && strncasecmp(content_type, wanted, len) == 0
           && (content_type[len] == '\0' || content_type[len] == ';' || content_type[len] == ' ');
}
