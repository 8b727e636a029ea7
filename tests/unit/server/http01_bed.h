/* An HTTP server that answers a token by what the token says, for http-01. */
#pragma once

#include <check.h>
#include <stdlib.h>

#include "common/httpd.h"
#include "server/va_http01.h"

#define NAME "amf1.amf.5gc.mnc001.mcc001.3gppnetwork.org"
#define THUMBPRINT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PREFIX "/.well-known/acme-challenge/"
#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define TIMEOUT_MS 500

static struct httpd *httpd;
static struct loop *loop;
static struct va_targets *targets;
static struct va_http01 *va_http01;
static char host[256], agent[64], parent[64]; /* of the last request */

static void answer(struct httpd_exchange *exchange, unsigned status, const char *text) {
    httpd_answer(exchange, status, "text/plain", strdup(text), strlen(text));
}

static void key_authorization(struct httpd_exchange *exchange, const char *token,
                              const char *after) {
    char text[256];
    (void)snprintf(text, sizeof text, "%s.%s%s", token, THUMBPRINT, after);
    answer(exchange, 200, text);
}

static void redirect(struct httpd_exchange *exchange, unsigned status, const char *location) {
    if (location != NULL) {
        httpd_header_add(exchange, "Location", location);
    }
    answer(exchange, status, "elsewhere");
}

/* Tokens that answer with a plain page. */
/* clang-format off */
static const struct { const char *token; unsigned status; const char *body; } pages[] = {
    {"wrong",    200, "somebody else's"},
    {"quoted",   200, "\"\x01\xff"},
    {"empty",    200, ""},
    {"missing",  404, "not here"},
    {"broken",   500, "oops"},
    {"created",  201, "created." THUMBPRINT},
    {"leading",  200, " leading." THUMBPRINT},
    {"longer",   200, "longer." THUMBPRINT "x"},
    {"shorter",  200, "shorter.AAAAAAAA"},
};

/* Tokens that answer with a redirect. */
static const struct { const char *token; unsigned status; const char *location; } redirects[] = {
    {"nowhere",  302, NULL},
    {"ftp",      302, "ftp://" NAME "/"},
    {"address",  302, "http://127.0.0.1/"},
    {"port",     302, "http://" NAME ":1/"},
    {"inside",   302, "http://inside.example/"},
    {"same301",  301, PREFIX "good?same301=1"},
    {"same302",  302, PREFIX "good?same302=1"},
    {"same303",  303, PREFIX "good?same303=1"},
    {"same307",  307, PREFIX "good?same307=1"},
    {"same308",  308, PREFIX "good?same308=1"},
    {"choice",   300, PREFIX "good?choice=1"},
    {"cached",   304, PREFIX "good?cached=1"},
};
/* clang-format on */

/* "hopsN" is N redirects away from its key authorization. */
static void hops(struct httpd_exchange *exchange, const char *token, unsigned done) {
    unsigned count = 0;
    char location[128];

    ck_assert_int_eq(sscanf(token, "hops%u", &count), 1);
    if (done == count) {
        key_authorization(exchange, token, "");
        return;
    }
    (void)snprintf(location, sizeof location, "/hop/%u/%s", done + 1, token);
    redirect(exchange, 302, location);
}

static void handle_token(struct httpd_exchange *exchange, const char *token) {
    for (unsigned i = 0; i < COUNT(pages); i++) {
        if (strcmp(pages[i].token, token) == 0) {
            answer(exchange, pages[i].status, pages[i].body);
            return;
        }
    }
    for (unsigned i = 0; i < COUNT(redirects); i++) {
        if (strcmp(redirects[i].token, token) == 0) {
            redirect(exchange, redirects[i].status, redirects[i].location);
            return;
        }
    }
    if (strcmp(token, "slow") == 0) {
        ck_assert(httpd_defer(exchange)); /* answered by httpd_stop */
    } else if (strcmp(token, "large") == 0) {
        char *body = calloc(1, 100000);
        httpd_answer(exchange, 200, "text/plain", body, 100000);
    } else if (strcmp(token, "tls") == 0) {
        char location[256];
        (void)snprintf(location, sizeof location, "https://%s:%u/", NAME, httpd_port(httpd));
        redirect(exchange, 302, location);
    } else if (strncmp(token, "hops", 4) == 0) {
        hops(exchange, token, 0);
    } else {
        key_authorization(exchange, token, strcmp(token, "spaced") == 0 ? "\r\n \t" : "");
    }
}

static void copy(char *to, size_t size, const char *from) {
    (void)snprintf(to, size, "%s", from == NULL ? "" : from);
}

static void handle(void *ctx, struct httpd_exchange *exchange) {
    const char *path = httpd_path(exchange);
    unsigned done = 0;
    char token[64] = "";

    (void)ctx;
    copy(host, sizeof host, httpd_header(exchange, "Host"));
    copy(agent, sizeof agent, httpd_header(exchange, "User-Agent"));
    copy(parent, sizeof parent, httpd_header(exchange, "traceparent"));
    if (strcmp(path, PREFIX "good") == 0) { /* a redirect's end: the token is the query */
        for (unsigned i = 0; i < COUNT(redirects); i++) {
            if (httpd_query(exchange, redirects[i].token) != NULL) {
                key_authorization(exchange, redirects[i].token, "");
                return;
            }
        }
    }
    if (sscanf(path, "/hop/%u/%63s", &done, token) == 2) {
        hops(exchange, token, done);
    } else if (strncmp(path, PREFIX, strlen(PREFIX)) == 0) {
        handle_token(exchange, path + strlen(PREFIX));
    } else {
        answer(exchange, 404, "no such page");
    }
}

static struct va_options options;
