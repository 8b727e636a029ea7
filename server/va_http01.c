/* One fetch is a chain of hops: look the host up, fetch from its addresses in turn until one
 * answers, follow a redirect.  A deadline covers the whole chain. */
#include "server/va_http01.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/httpc.h"
#include "server/resolver.h"
#include "server/url.h"

#define DEFAULT_PORT 80
#define DEFAULT_TIMEOUT_MS 5000
#define DEFAULT_PARALLEL 256
#define ANSWER_MAX 16384 /* a redirect may carry a page; a key authorization has 90 octets */
#define KEY_AUTHORIZATION_SIZE (64 + 1 + 44)
#define FOUND_SIZE 48 /* of a wrong body, for the detail */

struct fetch {
    struct fetch *next, *previous;
    struct va_http01 *va_http01;
    const struct va_task *task;
    va_done *done;
    void *ctx;
    uint64_t deadline_us;
    unsigned redirects;
    struct url url;
    struct resolver_answer addresses;
    unsigned address; /* the one being tried */
};

struct va_http01 {
    struct httpc *httpc;
    struct resolver *resolver; /* NULL with resolve_to */
    struct resolver_answer fixed;
    unsigned port, timeout_ms;
    struct fetch *fetches;
};

static bool names_open(struct va_http01 *va_http01, const struct va_options *options,
                       struct loop *loop, struct err *err) {
    struct in6_addr ignored;

    if (options->resolve_to == NULL) {
        va_http01->resolver = resolver_new(loop, options->resolver, va_http01->timeout_ms, err);
        return va_http01->resolver != NULL;
    }
    if (inet_pton(AF_INET, options->resolve_to, &ignored) != 1
        && inet_pton(AF_INET6, options->resolve_to, &ignored) != 1) {
        return err_set(err, ERR_CONFIG, "resolve-to %.60s: not an address", options->resolve_to);
    }
    va_http01->fixed.count = 1;
    (void)snprintf(va_http01->fixed.address[0], RESOLVER_ADDRESS_SIZE, "%s", options->resolve_to);
    return true;
}

struct va_http01 *va_http01_new(const struct va_options *options, struct loop *loop,
                                struct err *err) {
    AUTO(va_http01_free) struct va_http01 *va_http01 = calloc(1, sizeof *va_http01);
    const struct httpc_options client = {
        .loop = loop,
        .connections_max = options->parallel_max != 0 ? options->parallel_max : DEFAULT_PARALLEL,
        .no_verify = true, /* RFC 8555 8.3: the certificate may be what is being asked for */
        .user_agent = "nfacme-server/" NFACME_VERSION,
    };

    if (va_http01 == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for http-01");
        return NULL;
    }
    va_http01->port = options->http01_port != 0 ? options->http01_port : DEFAULT_PORT;
    va_http01->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    va_http01->httpc = httpc_new(&client, err);
    if (va_http01->httpc == NULL || !names_open(va_http01, options, loop, err)) {
        return NULL;
    }
    return TAKE(va_http01);
}

void va_http01_free(struct va_http01 *va_http01) {
    if (va_http01 == NULL) {
        return;
    }
    httpc_free(va_http01->httpc);
    resolver_free(va_http01->resolver);
    while (va_http01->fetches != NULL) {
        struct fetch *fetch = va_http01->fetches;
        va_http01->fetches = fetch->next;
        free(fetch);
    }
    free(va_http01);
}

/* Report and forget; the fetch is gone afterwards.  err NULL: valid. */
static void finish(struct fetch *fetch, const struct err *err) {
    struct va_result result = {.valid = err == NULL};

    if (err != NULL) {
        result.err = *err;
    }
    if (fetch->previous != NULL) {
        fetch->previous->next = fetch->next;
    } else {
        fetch->va_http01->fetches = fetch->next;
    }
    if (fetch->next != NULL) {
        fetch->next->previous = fetch->previous;
    }
    va_done *done = fetch->done;
    void *ctx = fetch->ctx;
    free(fetch);
    done(ctx, &result);
}

static void hop(struct fetch *fetch);
static void try_address(struct fetch *fetch);

/* "host (address)" for details. */
static void where(const struct fetch *fetch, char text[160]) {
    (void)snprintf(text, 160, "%.90s:%u (%s)", fetch->url.host, fetch->url.port,
                   fetch->addresses.address[fetch->address]);
}

/* No complete answer: the host's next address, or the end. */
static void no_answer(struct fetch *fetch, const struct err *cause) {
    struct err err = {0};
    char at[160];

    if (cause->kind == ERR_UNREACHABLE && fetch->address + 1 < fetch->addresses.count) {
        fetch->address++;
        try_address(fetch);
        return;
    }
    where(fetch, at);
    if (cause->kind == ERR_TLS) {
        (void)err_set(&err, ERR_TLS, "%s: %.80s", at, cause->detail);
    } else if (cause->kind == ERR_TOO_LARGE) {
        (void)err_set(&err, ERR_INCORRECT_RESPONSE, "%s answered more than %d octets", at,
                      ANSWER_MAX);
    } else if (cause->kind == ERR_TIMEOUT) {
        (void)err_set(&err, ERR_CONNECTION, "%s: no answer in time", at);
    } else {
        (void)err_set(&err, ERR_CONNECTION, "%s: %.80s", at, cause->detail);
    }
    finish(fetch, &err);
}

static bool is_redirect(unsigned status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool follow(struct fetch *fetch, const char *location, struct err *err) {
    char at[160];
    struct url url;

    where(fetch, at);
    if (location == NULL) {
        return err_set(err, ERR_INCORRECT_RESPONSE, "%s redirected without a Location", at);
    }
    if (fetch->redirects == VA_HTTP01_REDIRECTS_MAX) {
        return err_set(err, ERR_INCORRECT_RESPONSE, "%s: more than %d redirects", at,
                       VA_HTTP01_REDIRECTS_MAX);
    }
    struct err why = {0};
    if (!url_follow(&fetch->url, location, &url, &why)) {
        return err_set(err, ERR_INCORRECT_RESPONSE, "%s %.80s", at, why.detail);
    }
    if (url.port != 80 && url.port != 443 && url.port != fetch->va_http01->port) {
        return err_set(err, ERR_INCORRECT_RESPONSE,
                       "%s redirected to port %u; only 80, 443 and %u are followed", at, url.port,
                       fetch->va_http01->port);
    }
    fetch->redirects++;
    fetch->url = url;
    return true;
}

/* What the peer sent, fit for a detail. */
static void found_text(const char *body, size_t len, char text[FOUND_SIZE]) {
    size_t shown = len < FOUND_SIZE - 4 ? len : FOUND_SIZE - 4;

    for (size_t i = 0; i < shown; i++) {
        text[i] = (char)(body[i] >= ' ' && body[i] < 0x7f && body[i] != '"' ? body[i] : '?');
    }
    memcpy(text + shown, shown < len ? "..." : "", shown < len ? 4 : 1);
}

/* RFC 8555 8.3: the body is the key authorization, white space at its end ignored. */
static bool body_fits(const struct fetch *fetch, const struct httpc_answer *answer,
                      struct err *err) {
    const struct va_task *task = fetch->task;
    char wanted[KEY_AUTHORIZATION_SIZE], at[160], found[FOUND_SIZE];
    size_t len = answer->body_len;

    while (len > 0 && strchr(" \t\r\n\v\f", answer->body[len - 1]) != NULL
           && answer->body[len - 1] != '\0') {
        len--;
    }
    (void)snprintf(wanted, sizeof wanted, "%s.%s", task->token, task->account_thumbprint);
    if (len == strlen(wanted) && memcmp(answer->body, wanted, len) == 0) {
        return true;
    }
    where(fetch, at);
    found_text(answer->body, len, found);
    return err_set(err, ERR_INCORRECT_RESPONSE, "%.110s gave \"%s\", not the key authorization", at,
                   found);
}

static void on_answer(void *ctx, const struct httpc_answer *answer, const struct err *cause) {
    struct fetch *fetch = ctx;
    struct err err = {0};
    char at[160];

    if (answer == NULL) {
        no_answer(fetch, cause);
        return;
    }
    if (is_redirect(answer->status)) {
        if (follow(fetch, httpc_header(answer, "Location"), &err)) {
            hop(fetch);
        } else {
            finish(fetch, &err);
        }
        return;
    }
    if (answer->status != 200) {
        where(fetch, at);
        (void)err_set(&err, ERR_INCORRECT_RESPONSE, "%s answered %u, not 200", at, answer->status);
    }
    if (err.kind == ERR_NONE && body_fits(fetch, answer, &err)) {
        finish(fetch, NULL);
        return;
    }
    finish(fetch, &err);
}

/* Milliseconds until the deadline; 0: it has passed. */
static unsigned left_ms(const struct fetch *fetch) {
    uint64_t now_us = clock_wall_us();
    return now_us >= fetch->deadline_us ? 0 : (unsigned)((fetch->deadline_us - now_us) / 1000);
}

static void try_address(struct fetch *fetch) {
    char text[URL_TEXT_SIZE], parent[TRACE_PARENT_SIZE + 16];
    const char *headers[] = {NULL, NULL};
    unsigned ms = left_ms(fetch);
    struct err err = {0};

    if (ms == 0) {
        char at[160];
        where(fetch, at);
        (void)err_set(&err, ERR_CONNECTION, "%s: no answer in time", at);
        finish(fetch, &err);
        return;
    }
    if (fetch->task->traceparent[0] != '\0') {
        (void)snprintf(parent, sizeof parent, "traceparent: %s", fetch->task->traceparent);
        headers[0] = parent;
    }
    url_text(&fetch->url, text);
    const struct httpc_request request = {
        .method = "GET",
        .url = text,
        .headers = headers,
        .timeout_ms = ms,
        /* leave time for another address */
        .connect_timeout_ms = fetch->address + 1 < fetch->addresses.count ? ms / 2 + 1 : ms,
        .answer_max = ANSWER_MAX,
        .address = fetch->addresses.address[fetch->address],
        .fresh = true,
    };
    if (httpc_start(fetch->va_http01->httpc, &request, on_answer, fetch, &err) == NULL) {
        finish(fetch, &err);
    }
}

static void on_addresses(void *ctx, const struct resolver_answer *answer, const struct err *err) {
    struct fetch *fetch = ctx;

    if (answer == NULL) {
        finish(fetch, err);
        return;
    }
    fetch->addresses = *answer;
    fetch->address = 0;
    try_address(fetch);
}

static void hop(struct fetch *fetch) {
    struct err none = {0};

    if (fetch->va_http01->resolver == NULL) {
        on_addresses(fetch, &fetch->va_http01->fixed, &none);
    } else {
        resolver_start(fetch->va_http01->resolver, fetch->url.host, on_addresses, fetch);
    }
}

void va_http01_start(struct va_http01 *va_http01, const struct va_task *task, va_done *done,
                     void *ctx) {
    struct fetch *fetch = calloc(1, sizeof *fetch);

    if (fetch == NULL || task->identifier.type != ACME_ID_DNS) {
        struct va_result result = {0};
        free(fetch);
        (void)err_set(&result.err, fetch == NULL ? ERR_NO_MEMORY : ERR_UNAUTHORIZED,
                      "http-01 validates dns identifiers only");
        done(ctx, &result);
        return;
    }
    *fetch = (struct fetch){
        .next = va_http01->fetches,
        .va_http01 = va_http01,
        .task = task,
        .done = done,
        .ctx = ctx,
        .deadline_us = clock_wall_us() + (uint64_t)va_http01->timeout_ms * 1000,
    };
    if (fetch->next != NULL) {
        fetch->next->previous = fetch;
    }
    va_http01->fetches = fetch;
    fetch->url.port = va_http01->port;
    (void)snprintf(fetch->url.host, sizeof fetch->url.host, "%s", task->identifier.value);
    (void)snprintf(fetch->url.target, sizeof fetch->url.target, "/.well-known/acme-challenge/%s",
                   task->token);
    hop(fetch);
}
