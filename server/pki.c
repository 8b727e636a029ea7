#include "server/pki.h"

#include <stdatomic.h>
#include <string.h>

#include "common/httpd.h"
#include "common/ossl.h"
#include "server/pki_answer.h"
#include "server/pki_ocsp.h"

#define IDLE_TIMEOUT_S 10
#define CERTIFICATE_FRESH_S 3600

struct pki {
    struct httpd *httpd;
    const struct ca *ca;
    const struct clock *clock;
    _Atomic(const struct pki_sources *) sources;
};

static const struct pki_sources no_sources;

/* Fill body, len and times; the body stays NULL when there is nothing to give. */
typedef void pki_body(struct pki *pki, const struct pki_sources *sources, struct pki_answer *ret);

/* Whoever keeps a list asks whether it is still the one: a revocation may have come. */
static void crl_body(struct pki *pki, const struct pki_sources *sources, struct pki_answer *ret) {
    (void)pki;
    if (sources->crl != NULL) {
        ret->body = (char *)crl_der(sources->crl, &ret->len, &ret->modified_s);
    }
}

static void root_crl_body(struct pki *pki, const struct pki_sources *sources,
                          struct pki_answer *ret) {
    if (sources->root_crl != NULL) {
        ret->body = (char *)root_crl_der(sources->root_crl, &ret->len, &ret->modified_s);
    } else if (ca_root(pki->ca) == ca_issuer(pki->ca)) {
        crl_body(pki, sources, ret);
    }
}

static void certificate_body(struct pki *pki, X509 *x509, struct pki_answer *ret) {
    AUTO(ossl_free) unsigned char *der = NULL;
    struct tm from = {0};
    int len = i2d_X509(x509, &der);

    ret->body = len <= 0 ? NULL : malloc((size_t)len);
    if (ret->body != NULL) {
        memcpy(ret->body, der, (size_t)len);
        ret->len = (size_t)len;
    }
    if (ASN1_TIME_to_tm(X509_get0_notBefore(x509), &from) == 1) {
        ret->modified_s = timegm(&from);
    }
    ret->fresh_until_s = clock_now_s(pki->clock) + CERTIFICATE_FRESH_S;
}

static void root_body(struct pki *pki, const struct pki_sources *sources, struct pki_answer *ret) {
    (void)sources;
    certificate_body(pki, ca_root(pki->ca), ret);
}

static void issuing_body(struct pki *pki, const struct pki_sources *sources,
                         struct pki_answer *ret) {
    (void)sources;
    certificate_body(pki, ca_issuer(pki->ca), ret);
}

static void alternate_body(struct pki *pki, unsigned n, struct pki_answer *ret) {
    if (n <= ca_alternate_count(pki->ca)) {
        certificate_body(pki, ca_alternate_root(pki->ca, n), ret);
    }
}

static void alternate_1(struct pki *pki, const struct pki_sources *sources,
                        struct pki_answer *ret) {
    (void)sources;
    alternate_body(pki, 1, ret);
}

static void alternate_2(struct pki *pki, const struct pki_sources *sources,
                        struct pki_answer *ret) {
    (void)sources;
    alternate_body(pki, 2, ret);
}

static void alternate_3(struct pki *pki, const struct pki_sources *sources,
                        struct pki_answer *ret) {
    (void)sources;
    alternate_body(pki, CA_ALTERNATES_MAX, ret);
}

/* clang-format off */
static const struct { const char *path, *type; pki_body *body; } routes[] = {
    {"/crl/issuing.crl", "application/pkix-crl",  crl_body},     /* RFC 5280 4.2.1.13 */
    {"/crl/root.crl",    "application/pkix-crl",  root_crl_body},
    {"/root.crt",        "application/pkix-cert", root_body},
    {"/issuing.crt",     "application/pkix-cert", issuing_body}, /* RFC 5280 4.2.2.1 */
    {"/alternate-1.crt", "application/pkix-cert", alternate_1},  /* roots of alternate chains */
    {"/alternate-2.crt", "application/pkix-cert", alternate_2},
    {"/alternate-3.crt", "application/pkix-cert", alternate_3},
};
/* clang-format on */

static void handle(void *ctx, struct httpd_exchange *exchange) {
    struct pki *pki = ctx;
    const struct pki_sources *sources = atomic_load(&pki->sources);
    size_t row = 0;

    if (pki_ocsp_path(httpd_path(exchange))) {
        pki_ocsp_handle(exchange, sources->ocsp, pki->clock);
        return;
    }
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
    struct pki_answer answer = {.type = routes[row].type};
    routes[row].body(pki, sources, &answer);
    if (answer.body == NULL) {
        httpd_answer(exchange, 404, NULL, NULL, 0);
        return;
    }
    pki_answer_give(exchange, pki->clock, &answer);
}

struct pki *pki_start(const struct pki_options *options, struct err *err) {
    AUTO(pki_stop) struct pki *pki = calloc(1, sizeof *pki);

    if (pki == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "no memory for the PKI listener");
        return NULL;
    }
    pki->ca = options->ca;
    pki->clock = options->clock;
    atomic_init(&pki->sources, &no_sources);
    const struct httpd_options listener = {
        .listen = options->listen,
        .body_max = PKI_BODY_MAX,
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

void pki_sources_set(struct pki *pki, const struct pki_sources *sources) {
    atomic_store(&pki->sources, sources);
}

unsigned pki_port(const struct pki *pki) { return httpd_port(pki->httpd); }
