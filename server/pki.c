#include "server/pki.h"

#include <stdatomic.h>
#include <string.h>

#include "common/httpd.h"
#include "common/ossl.h"

#define IDLE_TIMEOUT_S 10

struct pki {
    struct httpd *httpd;
    const struct ca *ca;
    _Atomic(struct crl *) crl;
};

/* A malloc'd body, or NULL with *ret_len 0 when there is nothing to give. */
typedef char *pki_body(struct pki *pki, size_t *ret_len);

static char *crl_body(struct pki *pki, size_t *ret_len) {
    struct crl *crl = atomic_load(&pki->crl);
    return crl == NULL ? NULL : (char *)crl_der(crl, ret_len);
}

static char *certificate_body(X509 *x509, size_t *ret_len) {
    AUTO(ossl_free) unsigned char *der = NULL;
    int len = i2d_X509(x509, &der);
    char *body = len <= 0 ? NULL : malloc((size_t)len);

    if (body != NULL) {
        memcpy(body, der, (size_t)len);
        *ret_len = (size_t)len;
    }
    return body;
}

static char *root_body(struct pki *pki, size_t *ret_len) {
    return certificate_body(ca_root(pki->ca), ret_len);
}

static char *issuing_body(struct pki *pki, size_t *ret_len) {
    return certificate_body(ca_issuer(pki->ca), ret_len);
}

/* clang-format off */
static const struct { const char *path, *type; pki_body *body; } routes[] = {
    {"/crl/issuing.crl", "application/pkix-crl",  crl_body},     /* RFC 5280 4.2.1.13 */
    {"/root.crt",        "application/pkix-cert", root_body},
    {"/issuing.crt",     "application/pkix-cert", issuing_body}, /* RFC 5280 4.2.2.1 */
};
/* clang-format on */

static void handle(void *ctx, struct httpd_exchange *exchange) {
    struct pki *pki = ctx;
    size_t row = 0, len = 0;

    while (row < COUNT(routes) && strcmp(routes[row].path, httpd_path(exchange)) != 0) {
        row++;
    }
    if (row == COUNT(routes)) {
        httpd_answer(exchange, 404, NULL, NULL, 0);
        return;
    }
    if ((httpd_method(exchange) & (HTTP_GET | HTTP_HEAD)) == 0) {
        httpd_header_add(exchange, "Allow", "GET, HEAD");
        httpd_answer(exchange, 405, NULL, NULL, 0);
        return;
    }
    char *body = routes[row].body(pki, &len);
    if (body == NULL) {
        httpd_answer(exchange, 404, NULL, NULL, 0);
        return;
    }
    httpd_header_add(exchange, "Cache-Control", "no-cache"); /* a list is only as good as its age */
    httpd_answer(exchange, 200, routes[row].type, body, len);
}

struct pki *pki_start(const struct pki_options *options, struct err *err) {
    AUTO(pki_stop) struct pki *pki = calloc(1, sizeof *pki);

    if (pki == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the PKI listener");
        return NULL;
    }
    pki->ca = options->ca;
    atomic_init(&pki->crl, options->crl);
    const struct httpd_options listener = {
        .listen = options->listen,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .handler = handle,
        .ctx = pki,
    };
    pki->httpd = httpd_start(&listener, err);
    return pki->httpd == NULL ? NULL : TAKE(pki);
}

void pki_stop(struct pki *pki) {
    if (pki == NULL) {
        return;
    }
    if (pki->httpd != NULL) {
        httpd_stop(pki->httpd);
    }
    free(pki);
}

void pki_crl_set(struct pki *pki, struct crl *crl) { atomic_store(&pki->crl, crl); }

unsigned pki_port(const struct pki *pki) { return httpd_port(pki->httpd); }
