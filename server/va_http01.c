/* One fetch is a chain of hops: look the host up, fetch from its addresses in turn until one
 * answers, follow a redirect.  A deadline covers the whole chain. */
#include "server/va_http01.h"

#include <stdio.h>
#include <string.h>

#include "common/httpc.h"
#include "server/url.h"
#include "server/va_query.h"

#define DEFAULT_PORT 80
#define DEFAULT_TIMEOUT_MS 5000
#define DEFAULT_PARALLEL 256
#define ANSWER_MAX 16384 /* a redirect may carry a page; a key authorization has 90 octets */
#define WHERE_URL_MAX 100
#define WHERE_SIZE (WHERE_URL_MAX + RESOLVER_ADDRESS_SIZE + 4)
#define KEY_AUTHORIZATION_SIZE (64 + 1 + 44)
#define FOUND_SIZE 32 /* of a wrong body, for the detail */

struct fetch {
    struct fetch *next, *previous;
    struct va_http01 *va_http01;
    const struct va_task *task;
    va_done *done;
    void *ctx;
    uint64_t deadline_us;
    uint64_t hop_us; /* when the query under way began */
    unsigned redirects;
    struct url url;
    struct resolver_answer addresses;
    unsigned address; /* the one being tried */
};

struct va_http01 {
    struct httpc *httpc;
    struct va_targets *targets;
    struct va_observer observer;
    const struct clock *clock;
    unsigned port, timeout_ms;
    struct fetch *fetches;
};

struct va_http01 *va_http01_new(const struct va_options *options, struct loop *loop,
                                struct va_targets *targets, struct err *err) {
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
    va_http01->targets = targets;
    va_http01->observer = options->observer;
    va_http01->clock = options->clock;
    va_http01->port = options->http01_port != 0 ? options->http01_port : DEFAULT_PORT;
    va_http01->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    va_http01->httpc = httpc_new(&client, err);
    return va_http01->httpc == NULL ? NULL : TAKE(va_http01);
}

void va_http01_free(struct va_http01 *va_http01) {
    if (va_http01 == NULL) {
        return;
    }
    httpc_free(va_http01->httpc);
    while (va_http01->fetches != NULL) {
        struct fetch *fetch = va_http01->fetches;
        va_http01->fetches = fetch->next;
        free(fetch);
    }
    free(va_http01);
}

/* Tell the observer of the query just ended.  answer NULL: none came. */
static void observe(const struct fetch *fetch, const struct httpc_answer *answer,
                    const struct err *err) {
    char url[URL_TEXT_SIZE];

    if (fetch->va_http01->observer.query != NULL) {
        url_text(&fetch->url, url);
        va_query_tell(&fetch->va_http01->observer,
                      &(struct va_query){.type = ACME_CHALLENGE_HTTP01,
                                         .identifier = &fetch->task->identifier,
                                         .asked = url,
                                         .status = answer == NULL ? 0 : answer->status,
                                         .connected = answer != NULL,
                                         .answer = answer == NULL ? NULL : answer->body,
                                         .answer_len = answer == NULL ? 0 : answer->body_len,
                                         .err = err},
                      &fetch->addresses, fetch->address, fetch->url.port, fetch->hop_us,
                      fetch->va_http01->clock);
    }
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

/* "URL (address)" for details. */
static void where(const struct fetch *fetch, char text[WHERE_SIZE]) {
    char url[URL_TEXT_SIZE];

    url_text(&fetch->url, url);
    (void)snprintf(text, WHERE_SIZE, "%.*s (%s)", WHERE_URL_MAX, url,
                   fetch->addresses.address[fetch->address]);
}

static unsigned left_ms(const struct fetch *fetch);

static void explain(const struct fetch *fetch, const struct err *cause, struct err *err) {
    char at[WHERE_SIZE];

    where(fetch, at);
    if (cause->kind == ERR_TLS) {
        (void)err_set(err, ERR_TLS, "%s: %.80s", at, cause->detail);
    } else if (cause->kind == ERR_TOO_LARGE) {
        (void)err_set(err, ERR_INCORRECT_RESPONSE, "%s answered more than %d octets", at,
                      ANSWER_MAX);
    } else if (cause->kind == ERR_TIMEOUT) {
        (void)err_set(err, ERR_CONNECTION, "%s: no answer in time", at);
    } else {
        (void)err_set(err, ERR_CONNECTION, "%s: %.80s", at, cause->detail);
    }
}

/* No complete answer: the host's next address, or the end. */
static void no_answer(struct fetch *fetch, const struct err *cause) {
    bool elsewhere = cause->kind == ERR_UNREACHABLE || cause->kind == ERR_TIMEOUT;
    struct err err = {0};

    explain(fetch, cause, &err);
    observe(fetch, NULL, &err);
    if (elsewhere && fetch->address + 1 < fetch->addresses.count && left_ms(fetch) > 0) {
        fetch->address++;
        try_address(fetch);
        return;
    }
    finish(fetch, &err);
}

static bool is_redirect(unsigned status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool follow(struct fetch *fetch, const char *location, struct err *err) {
    char at[WHERE_SIZE];
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
    char wanted[KEY_AUTHORIZATION_SIZE], at[WHERE_SIZE], found[FOUND_SIZE];
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
    return err_set(err, ERR_INCORRECT_RESPONSE, "%s gave \"%s\", not the key authorization", at,
                   found);
}

/* Is it what it should be?  Or *ret_redirect, to where the fetch then points. */
static bool judge(struct fetch *fetch, const struct httpc_answer *answer, bool *ret_redirect,
                  struct err *err) {
    char at[WHERE_SIZE];

    if (is_redirect(answer->status)) {
        struct url from = fetch->url;
        *ret_redirect = follow(fetch, httpc_header(answer, "Location"), err);
        if (*ret_redirect) { /* the query was the old URL's */
            struct url to = fetch->url;
            fetch->url = from;
            observe(fetch, answer, err);
            fetch->url = to;
        }
        return *ret_redirect;
    }
    if (answer->status != 200) {
        where(fetch, at);
        return err_set(err, ERR_INCORRECT_RESPONSE, "%s answered %u, not 200", at, answer->status);
    }
    return body_fits(fetch, answer, err);
}

static void on_answer(void *ctx, const struct httpc_answer *answer, const struct err *cause) {
    struct fetch *fetch = ctx;
    struct err err = {0};
    bool redirect = false;

    if (answer == NULL) {
        no_answer(fetch, cause);
        return;
    }
    bool good = judge(fetch, answer, &redirect, &err);
    if (redirect) {
        hop(fetch);
        return;
    }
    observe(fetch, answer, &err);
    finish(fetch, good ? NULL : &err);
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
        char at[WHERE_SIZE];
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
    fetch->hop_us = clock_wall_us();
    const struct httpc_request request = {
        .method = "GET",
        .url = text,
        .headers = headers,
        .timeout_ms = ms,
        /* leave time for another address */
        .connect_timeout_ms = ms / (fetch->addresses.count - fetch->address) + 1,
        .answer_max = ANSWER_MAX,
        .address = fetch->addresses.address[fetch->address],
        .fresh = true,
    };
    if (httpc_start(fetch->va_http01->httpc, &request, on_answer, fetch, &err) == NULL) {
        finish(fetch, &err);
    }
}

static void on_addresses(void *ctx, const struct resolver_answer *answer, const struct err *cause) {
    struct fetch *fetch = ctx;
    struct err err = *cause;

    fetch->addresses = answer == NULL ? (struct resolver_answer){0} : *answer;
    fetch->address = 0;
    if (answer != NULL) {
        try_address(fetch);
        return;
    }
    if (err.kind == ERR_REJECTED_IDENTIFIER && fetch->redirects > 0) {
        err.kind = ERR_CONNECTION; /* it is not the identifier that is refused */
    }
    observe(fetch, NULL, &err);
    finish(fetch, &err);
}

static void hop(struct fetch *fetch) {
    fetch->hop_us = clock_wall_us();
    va_targets_find(fetch->va_http01->targets, fetch->url.host, on_addresses, fetch);
}

void va_http01_start(struct va_http01 *va_http01, const struct va_task *task, va_done *done,
                     void *ctx) {
    struct fetch *fetch = calloc(1, sizeof *fetch);

    if (fetch == NULL || task->identifier.type == ACME_ID_NF_INSTANCE) {
        struct va_result result = {0};
        free(fetch);
        (void)err_set(&result.err, fetch == NULL ? ERR_NO_MEMORY : ERR_UNAUTHORIZED,
                      "http-01 validates dns and ip identifiers only");
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
