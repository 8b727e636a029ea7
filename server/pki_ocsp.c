#include "server/pki_ocsp.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/b64.h"
#include "server/pki_answer.h"

#define TYPE_REQUEST "application/ocsp-request"
#define TYPE_RESPONSE "application/ocsp-response"
#define PATH_MAX_LEN 8192

bool pki_ocsp_path(const char *path) {
    const size_t len = strlen(PKI_OCSP_PATH);
    return strncmp(path, PKI_OCSP_PATH, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One character of base64url for the next of the path; '\0': no more, or it cannot be one. */
static char next_character(const char **at) {
    char c = **at;

    if (c == '%' && hex((*at)[1]) >= 0 && hex((*at)[2]) >= 0) {
        c = (char)(hex((*at)[1]) * 16 + hex((*at)[2]));
        *at += 3;
    } else if (c != '\0') {
        (*at)++;
    }
    return c == '+' ? '-' : c == '/' ? '_' : c;
}

bool pki_ocsp_decode(const char *path, unsigned char **ret_der, size_t *ret_len, struct err *err) {
    const char *at = path + strlen(PKI_OCSP_PATH);
    size_t size = strlen(at), len = 0;

    if (size < 2 || size > PATH_MAX_LEN) {
        return err_set(err, ERR_MALFORMED, "no OCSP request in the path");
    }
    AUTO(free) char *text = malloc(size + 1);
    if (text == NULL) {
        return err_set(err, ERR_NO_MEMORY, "no memory for an OCSP request");
    }
    at++; /* the slash */
    for (char c; (c = next_character(&at)) != '\0';) {
        text[len++] = c;
    }
    if (*at != '\0') { /* a %00 */
        return err_set(err, ERR_MALFORMED, "no OCSP request in the path");
    }
    for (unsigned i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++) {
        len--;
    }
    return b64_decode(text, len, ret_der, ret_len, err);
}

static void refuse(struct httpd_exchange *exchange, unsigned status) {
    if (status == 405) {
        httpd_header_add(exchange, "Allow", "GET, POST");
    }
    httpd_answer(exchange, status, NULL, NULL, 0);
}

/* Answer a request, whatever it is; what is kept may be kept by HTTP caches too (RFC 5019 6.2). */
static void answer(struct httpd_exchange *exchange, struct ocsp *ocsp, const struct clock *clock,
                   const unsigned char *request, size_t len) {
    struct ocsp_answer made = {0};
    struct err err = {0};

    if (!ocsp_answer(ocsp, request, len, &made, &err)) {
        refuse(exchange, 503);
        return;
    }
    struct pki_answer given = {
        .type = TYPE_RESPONSE, .body = (char *)made.der, .len = made.len, .must_revalidate = true};
    if (made.kept) {
        given.modified_s = made.this_update_s;
        given.expires_s = made.next_update_s;
        given.fresh_until_s = made.fresh_until_s;
    }
    pki_answer_give(exchange, clock, &given);
}

static void post(struct httpd_exchange *exchange, struct ocsp *ocsp, const struct clock *clock) {
    const char *type = httpd_header(exchange, "Content-Type");
    size_t len = 0;

    if (httpd_body_too_large(exchange)) {
        refuse(exchange, 413);
    } else if (type == NULL || strncasecmp(type, TYPE_REQUEST, strlen(TYPE_REQUEST)) != 0) {
        refuse(exchange, 415);
    } else {
        const char *body = httpd_body(exchange, &len);
        answer(exchange, ocsp, clock, (const unsigned char *)body, len);
    }
}

static void get(struct httpd_exchange *exchange, struct ocsp *ocsp, const struct clock *clock) {
    AUTO(free) unsigned char *der = NULL;
    struct err err = {0};
    size_t len = 0;

    (void)!pki_ocsp_decode(httpd_path(exchange), &der, &len, &err); /* nothing is malformed too */
    answer(exchange, ocsp, clock, der, len);
}

void pki_ocsp_handle(struct httpd_exchange *exchange, struct ocsp *ocsp,
                     const struct clock *clock) {
    const char *rest = httpd_path(exchange) + strlen(PKI_OCSP_PATH);
    bool bare = rest[0] == '\0' || rest[1] == '\0';

    if (ocsp == NULL) {
        refuse(exchange, 404);
    } else if (httpd_method(exchange) == HTTP_POST && bare) {
        post(exchange, ocsp, clock);
    } else if ((httpd_method(exchange) & (HTTP_GET | HTTP_HEAD)) != 0 && !bare) {
        get(exchange, ocsp, clock);
    } else {
        refuse(exchange, 405);
    }
}
