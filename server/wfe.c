#include "server/wfe.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/log.h"
#include "server/finalizing.h"
#include "server/wfe_faults.h"
#include "server/wfe_request.h"

#define ALLOW_SIZE 32
#define HOST_SIZE 262 /* a name of 253 octets, ":", a port */

static request_handler wfe_directory, wfe_new_nonce;

/* A GET or HEAD passes without the gate; a POST never does. */
struct route {
    unsigned methods; /* enum http_method */
    const char *pattern;
    enum gate_key key;
    enum gate_payload payload;
    enum meter_operation operation;
    request_handler *handler;
};

#define GET_TOO (HTTP_GET | HTTP_HEAD | HTTP_POST)
#define GET_ONLY (HTTP_GET | HTTP_HEAD)
/* clang-format off */
static const struct route routes[] = {
    {GET_TOO,   "/directory",               GATE_KID,    GATE_EMPTY,  METER_DIRECTORY,   wfe_directory},   /* 7.1.1, 6.3 */
    {GET_TOO,   "/new-nonce",               GATE_KID,    GATE_EMPTY,  METER_NEW_NONCE,   wfe_new_nonce},   /* 7.2 */
    {HTTP_POST, "/new-account",             GATE_JWK,    GATE_OBJECT, METER_NEW_ACCOUNT, wfe_new_account}, /* 7.3 */
    {HTTP_POST, "/new-order",               GATE_KID,    GATE_OBJECT, METER_NEW_ORDER,   wfe_new_order},   /* 7.4 */
    {HTTP_POST, "/new-authz",               GATE_KID,    GATE_OBJECT, METER_NEW_AUTHZ,   wfe_new_authz},   /* 7.4.1 */
    {HTTP_POST, "/authz/{id}",              GATE_KID,    GATE_ANY,    METER_AUTHZ,       wfe_authz},       /* 7.5, 7.5.2 */
    {HTTP_POST, "/challenge/{authz}/{type}", GATE_KID,   GATE_ANY,    METER_CHALLENGE,   wfe_challenge},   /* 7.5.1 */
    {HTTP_POST, "/order/{id}",              GATE_KID,    GATE_EMPTY,  METER_ORDER,       wfe_order},       /* 7.4 */
    {HTTP_POST, "/order/{id}/finalize",     GATE_KID,    GATE_OBJECT, METER_FINALIZE,    wfe_finalize},    /* 7.4 */
    {HTTP_POST, "/cert/{serial}",           GATE_KID,    GATE_EMPTY,  METER_CERTIFICATE, wfe_certificate}, /* 7.4.2 */
    {HTTP_POST, "/cert/{serial}/{chain}",   GATE_KID,    GATE_EMPTY,  METER_CERTIFICATE, wfe_certificate},
    {HTTP_POST, "/account/{id}",            GATE_KID,    GATE_ANY,    METER_ACCOUNT,     wfe_account},     /* 7.3.2, 7.3.6 */
    {HTTP_POST, "/account/{id}/orders",     GATE_KID,    GATE_EMPTY,  METER_ORDERS,      wfe_orders},      /* 7.1.2.1 */
    {HTTP_POST, "/account/{id}/orders/{after}", GATE_KID, GATE_EMPTY, METER_ORDERS,      wfe_orders},
    {HTTP_POST, "/key-change",              GATE_KID,    GATE_OBJECT, METER_KEY_CHANGE,  wfe_key_change},  /* 7.3.5 */
    {HTTP_POST, "/revoke-cert",             GATE_EITHER, GATE_OBJECT, METER_REVOKE_CERT, wfe_revoke},      /* 7.6 */
    {GET_ONLY,  "/renewal-info/{certid}",   GATE_KID,    GATE_EMPTY,  METER_RENEWAL_INFO, wfe_renewal_info}, /* RFC 9773 4.1 */
};
/* clang-format on */

struct wfe *wfe_new(const struct wfe_options *options, struct err *err) {
    AUTO(wfe_free) struct wfe *wfe = calloc(1, sizeof(*wfe));

    if (wfe == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the web front end");
        return NULL;
    }
    wfe->options = *options;
    (void)pthread_mutex_init(&wfe->lock, NULL);
    (void)pthread_cond_init(&wfe->idle, NULL);
    wfe->finalizing = finalizing_new(&wfe->options, err);
    return wfe->finalizing == NULL ? NULL : TAKE(wfe);
}

void wfe_free(struct wfe *wfe) {
    if (wfe != NULL) {
        finalizing_free(wfe->finalizing);
        (void)pthread_cond_destroy(&wfe->idle);
        (void)pthread_mutex_destroy(&wfe->lock);
        free(wfe);
    }
}

bool wfe_drain(struct wfe *wfe, uint64_t timeout_us) {
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(timeout_us / 1000000);
    (void)pthread_mutex_lock(&wfe->lock);
    wfe->draining = true;
    while (wfe->live > 0 && pthread_cond_timedwait(&wfe->idle, &wfe->lock, &until) != ETIMEDOUT) {
    }
    bool drained = wfe->live == 0;
    (void)pthread_mutex_unlock(&wfe->lock);
    finalizing_stop(wfe->finalizing);
    return drained;
}

unsigned wfe_processing(const struct wfe *wfe) { return finalizing_count(wfe->finalizing); }

static json_t *profiles_new(const struct profile_offer *offer) {
    json_t *list = json_object();

    for (const struct profile *profile = profiles; profile->name != NULL; profile++) {
        if (profile_offered(offer, profile)) {
            (void)json_object_set_new(list, profile->name, json_string(profile->description));
        }
    }
    return list;
}

/* What 7.1.1 lets a server say about itself. */
static void describe(const struct wfe_options *options, json_t *meta) {
    char terms[TERMS_URL_SIZE];
    json_t *identities = NULL;

    if (!profile_offer_silent(options->profiles)) {
        (void)json_object_set_new(meta, "profiles", profiles_new(options->profiles));
    }
    terms_get(options->terms, terms);
    if (terms[0] != '\0') {
        (void)json_object_set_new(meta, "termsOfService", json_string(terms));
    }
    if (options->website != NULL) {
        (void)json_object_set_new(meta, "website", json_string(options->website));
    }
    for (unsigned i = 0; options->caa_identities[i] != NULL; i++) {
        identities = identities == NULL ? json_array() : identities;
        (void)json_array_append_new(identities, json_string(options->caa_identities[i]));
    }
    if (identities != NULL) {
        (void)json_object_set_new(meta, "caaIdentities", identities);
    }
}

/* 7.1.1. */
static bool wfe_directory(struct request *request) {
    AUTO(json_release) json_t *directory = json_object();
    json_t *meta = json_object();

    if (wfe_subdomains(request->wfe)) { /* RFC 9444 4.4 */
        (void)json_object_set_new(meta, "subdomainAuthAllowed", json_true());
    }
    describe(&request->wfe->options, meta);
    if (request->wfe->options.require_eab) {
        (void)json_object_set_new(meta, "externalAccountRequired", json_true());
    }
    (void)json_object_set_new(directory, "newNonce", request_url_new(request, "/new-nonce"));
    (void)json_object_set_new(directory, "newAccount", request_url_new(request, "/new-account"));
    (void)json_object_set_new(directory, "newAuthz", request_url_new(request, "/new-authz"));
    (void)json_object_set_new(directory, "newOrder", request_url_new(request, "/new-order"));
    (void)json_object_set_new(directory, "revokeCert", request_url_new(request, "/revoke-cert"));
    if (request->wfe->options.ari) { /* RFC 9773 3 */
        (void)json_object_set_new(directory, "renewalInfo",
                                  request_url_new(request, "/renewal-info"));
    }
    (void)json_object_set_new(directory, "keyChange", request_url_new(request, "/key-change"));
    (void)json_object_set_new(directory, "meta", meta);
    return request_json(request, 200, TAKE(directory));
}

/* 7.2: HEAD 200, GET 204. */
static bool wfe_new_nonce(struct request *request) {
    request->nonce = true;
    request->status = httpd_method(request->exchange) == HTTP_HEAD ? 200 : 204;
    return true;
}

/* Is the Host header's name one of our certificate's?  name[len] is lower case. */
static bool is_ours(const struct wfe *wfe, const char *name, size_t len) {
    for (const char *const *own = wfe->options.names; *own != NULL; own++) {
        if (strlen(*own) == len && strncmp(*own, name, len) == 0) {
            return true;
        }
    }
    return false;
}

/* base from the Host header: what URLs begin with for this client. */
static bool read_host(struct request *request) {
    const char *host = httpd_header(request->exchange, "Host");
    char text[HOST_SIZE];
    size_t len = host == NULL ? 0 : strlen(host);

    if (len == 0 || len >= sizeof(text) || httpd_header_count(request->exchange, "Host") != 1) {
        return !request_fail(request, ERR_MALFORMED, "the request needs one Host header");
    }
    for (size_t i = 0; i <= len; i++) {
        text[i] = (char)tolower((unsigned char)host[i]);
    }
    bool literal = text[0] == '['; /* RFC 3986 3.2.2: IPv6 addresses stand in brackets */
    const char *name = text + literal;
    size_t name_len = strcspn(name, literal ? "]" : ":");
    const char *port = name + name_len + literal;
    bool closed = !literal || (name[name_len] == ']' && memchr(name, ':', name_len) != NULL);
    bool good = closed
                && (*port == '\0'
                    || (*port == ':' && port[1] != '\0' && strlen(port) <= 6
                        && strspn(port + 1, "0123456789") == strlen(port + 1)));
    if (!good || !is_ours(request->wfe, name, name_len)) {
        return !request_fail(request, ERR_UNAUTHORIZED,
                             "the Host header does not name this server");
    }
    (void)snprintf(request->base, sizeof(request->base), "https://%s", text);
    return true;
}

/* What a browser asks before it posts from another origin. */
static bool answer_preflight(struct request *request, unsigned allowed) {
    struct httpd_exchange *exchange = request->exchange;

    if (allowed == 0 || httpd_header(exchange, "Origin") == NULL
        || strcmp(httpd_method_text(exchange), "OPTIONS") != 0) {
        return false;
    }
    httpd_header_add(exchange, "Access-Control-Allow-Methods", "GET, HEAD, POST");
    httpd_header_add(exchange, "Access-Control-Allow-Headers", "Content-Type");
    httpd_header_add(exchange, "Access-Control-Max-Age", "86400");
    request->status = 204;
    return true;
}

/* The route for method and path; the answer is 404 or 405 when there is none. */
static const struct route *find_route(struct request *request) {
    const char *path = httpd_path(request->exchange);
    enum http_method method = httpd_method(request->exchange);
    unsigned allowed = 0;
    char allow[ALLOW_SIZE];

    for (unsigned i = 0; i < COUNT(routes); i++) {
        if (route_match(routes[i].pattern, path, &request->params)) {
            request->operation = routes[i].operation;
            allowed |= routes[i].methods;
            if ((routes[i].methods & method) != 0) {
                return &routes[i];
            }
        }
    }
    if (allowed == 0) {
        (void)request_fail(request, ERR_NOT_FOUND, "there is no such resource");
        return NULL;
    }
    if (answer_preflight(request, allowed)) {
        return NULL;
    }
    (void)snprintf(allow, sizeof(allow), "%s",
                   allowed == HTTP_POST  ? "POST"
                   : allowed == GET_ONLY ? "GET, HEAD"
                                         : "GET, HEAD, POST");
    httpd_header_add(request->exchange, "Allow", allow);
    (void)request_fail(request, ERR_METHOD_NOT_ALLOWED, "this resource does not take that method");
    return NULL;
}

static bool pass_gate(struct request *request, const struct route *route) {
    struct httpd_exchange *exchange = request->exchange;
    char url[GATE_URL_SIZE], prefix[REQUEST_BASE_SIZE + 16];
    struct gate_input input = {
        .key = route->key,
        .payload = route->payload,
        .content_types = httpd_header_count(exchange, "Content-Type"),
        .content_type = httpd_header(exchange, "Content-Type"),
        .content_encoding = httpd_header(exchange, "Content-Encoding"),
        .too_large = httpd_body_too_large(exchange),
        .url = url,
        .account_prefix = prefix,
    };

    input.body = httpd_body(exchange, &input.len);
    /* no resource has a query, so a target with one is no URL we handed out (6.4) */
    request_url(request, url, sizeof(url), "%s%s", httpd_path(exchange),
                httpd_has_query(exchange) ? "?" : "");
    request_url(request, prefix, sizeof(prefix), "/account/");
    return gate_check(&request->wfe->options.gate, &input, &request->pass, &request->deactivated,
                      &request->err);
}

static bool is_draining(struct wfe *wfe) {
    (void)pthread_mutex_lock(&wfe->lock);
    bool draining = wfe->draining;
    (void)pthread_mutex_unlock(&wfe->lock);
    return draining;
}

static void read_trace(struct request *request) {
    const char *parent = httpd_header(request->exchange, "traceparent");
    struct trace_context context = {0};

    if (parent != NULL && trace_read(parent, &context)) {
        memcpy(request->parent, context.span_id, sizeof(request->parent));
        request->trace = trace_child(&context);
    }
}

/* true: answer now. */
static bool serve(struct request *request) {
    const struct route *route = find_route(request);
    bool post = httpd_method(request->exchange) == HTTP_POST;

    bool ours = read_host(request); /* a missing route comes first */

    request->nonce = post;
    read_trace(request);
    if (is_draining(request->wfe)) {
        return request_fail(request, ERR_OVERLOAD, "the server is stopping");
    }
    if (route == NULL || !ours) {
        return true;
    }
    if (post
        && (!wfe_admit_address(request) || !pass_gate(request, route)
            || !wfe_admit_terms(request))) {
        return true;
    }
    if (faults_on(request->wfe->options.faults) && wfe_fault_before(request)) {
        return true;
    }
    return route->handler(request);
}

void wfe_handle(void *ctx, struct httpd_exchange *exchange) {
    struct wfe *wfe = ctx;
    struct request *request = request_new(wfe, exchange);

    if (request == NULL) {
        httpd_answer(exchange, 503, NULL, NULL, 0);
    } else if (serve(request)) {
        request_finish(request);
    }
}
