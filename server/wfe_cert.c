/* Certificates: RFC 8555 section 7.4.2. */
#include <stdio.h>
#include <string.h>

#include "server/wfe_request.h"

/* 7.4.2: the other chains of this certificate. */
static void link_alternates(struct request *request, unsigned shown) {
    const struct ca *ca = request->wfe->options.ca;
    const struct certificate *certificate = &request->certificate;

    for (unsigned n = 0; n <= ca_alternate_count(ca); n++) {
        if (n == 0 && shown != 0) {
            request_header_url(request, "Link", "alternate", "/cert/%s", certificate->serial);
        } else if (n != shown) {
            request_header_url(request, "Link", "alternate", "/cert/%s/%u", certificate->serial, n);
        }
    }
}

/* The number of the alternate chain asked for; 0: the first chain. */
static bool read_shown(struct request *request, unsigned *ret) {
    const char *text = request->params.value[1];
    const struct ca *ca = request->wfe->options.ca;

    *ret = 0;
    if (request->params.count < 2) {
        return true;
    }
    *ret = (unsigned)(text[0] - '0');
    return (text[1] == '\0' && text[0] > '0' && *ret <= ca_alternate_count(ca)
            && ca_is_issuer_of(ca, request->certificate.chain_pem))
           || !request_fail(request, ERR_NOT_FOUND, "there is no such resource");
}

bool wfe_certificate(struct request *request) {
    struct certificate *certificate = &request->certificate;
    unsigned shown = 0;

    if (!store_certificate_get(request->wfe->options.store, request->params.value[0], certificate,
                               &request->err)) {
        return true;
    }
    (void)snprintf(request->order.id, ID_SIZE, "%s", certificate->order);
    if (strcmp(certificate->account, request_account(request)) != 0) {
        return request_fail(request, ERR_NOT_FOUND, "there is no such resource");
    }
    const struct ca *ca = request->wfe->options.ca;
    if (!read_shown(request, &shown)) {
        return true;
    }
    if (ca_alternate_count(ca) > 0 && ca_is_issuer_of(ca, certificate->chain_pem)) {
        link_alternates(request, shown);
    }
    return request_text(request, 200, ACME_CHAIN_TYPE,
                        shown == 0 ? TAKE(certificate->chain_pem)
                                   : ca_alternate_chain(ca, shown, certificate->chain_pem));
}
