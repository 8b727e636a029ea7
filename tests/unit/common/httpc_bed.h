/* The plain HTTP server, by path, and the client that the tests of httpc and httpc_call share. */
#pragma once

#include "common/log.h"
#include "http_bed.h"

static struct loop *loop;
static struct httpc *httpc;
static struct httpd *httpd;
static char url[128];

/* ---- a server that answers as the path says ---- */

static void handle_links(struct httpd_exchange *exchange) {
    httpd_header_add(exchange, "Link", "<a>;rel=\"index\"");
    httpd_header_add(exchange, "link", "<b>;rel=\"alternate\"");
    httpd_header_add(exchange, "LINK", "<c>;rel=\"alternate\"");
    bed_answer_text(exchange, 200, "links");
}

static void handle_octets(struct httpd_exchange *exchange, size_t len) {
    char *body = malloc(len);

    memset(body, 'x', len);
    httpd_answer(exchange, 200, "text/plain", body, len);
}

/* Which headers came that curl likes to invent, and how long the body was. */
static void handle_echo(struct httpd_exchange *exchange) {
    size_t len;
    const char *type = httpd_header(exchange, "Content-Type");
    const char *agent = httpd_header(exchange, "User-Agent");
    char text[256];

    (void)httpd_body(exchange, &len);
    (void)snprintf(text, sizeof(text), "%s type=%s expect=%u agent=%s len=%zu",
                   httpd_method_text(exchange), type != NULL ? type : "-",
                   httpd_header_count(exchange, "Expect"), agent != NULL ? agent : "-", len);
    bed_answer_text(exchange, 200, text);
}

static void handle(void *ctx, struct httpd_exchange *exchange) {
    const char *path = httpd_path(exchange);
    const char *value = httpd_query(exchange, "v");

    (void)ctx;
    if (strcmp(path, "/never") == 0) {
        ck_assert(httpd_defer(exchange));
    } else if (strcmp(path, "/links") == 0) {
        handle_links(exchange);
    } else if (strcmp(path, "/octets") == 0) {
        handle_octets(exchange, strtoul(value, NULL, 10));
    } else if (strcmp(path, "/retry") == 0) {
        if (value != NULL) {
            httpd_header_add(exchange, "Retry-After", value);
        }
        bed_answer_text(exchange, 503, "");
    } else if (strcmp(path, "/redirect") == 0) {
        httpd_header_add(exchange, "Location", "/echo");
        httpd_header_add(exchange, "x-test", "here");
        bed_answer_text(exchange, 302, "elsewhere");
    } else {
        handle_echo(exchange);
    }
}

BED_UNUSED static void new_client(unsigned connections_max) {
    struct err err = {0};

    httpc = httpc_new(&(struct httpc_options){.loop = loop,
                                              .connections_max = connections_max,
                                              .user_agent = "nfacme-test/1"},
                      &err);
    ck_assert_ptr_nonnull(httpc);
}

static void setup(void) {
    struct err err = {0};

    log_level_set(LOG_ERROR);
    httpd = httpd_start(&(struct httpd_options){.listen = "127.0.0.1:0",
                                                .body_max = 4 * 1024 * 1024,
                                                .handler = handle},
                        &err);
    ck_assert_ptr_nonnull(httpd);
    loop = loop_new(&err);
    new_client(0);
}

static void teardown(void) {
    httpc_free(httpc);
    httpd_stop(httpd);
    loop_free(loop);
}

static const char *at(const char *path) {
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", httpd_port(httpd), path);
    return url;
}
