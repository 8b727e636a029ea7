/* Finalize and certificate: RFC 8555 sections 7.4 and 7.4.2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/jwk.h"
#include "common/problem.h"
#include "server/wfe_request.h"

#define CSR_TEXT_MAX 24576 /* base64url of x509_csr_read's 16 KiB, and some */

static bool read_csr(const struct request *request, struct x509_csr *ret, struct err *err) {
    AUTO(free) unsigned char *der = NULL;
    const char *text = NULL;
    size_t len = 0;
    struct err why = {0};

    if (!json_get_text(request->pass.payload, "csr", JSON_REQUIRED, CSR_TEXT_MAX, &text, err)) {
        return false;
    }
    if (!b64_decode(text, strlen(text), &der, &len, &why)) {
        return err_set(err, ERR_BAD_CSR, "\"csr\" is not base64url");
    }
    return x509_csr_read(der, len, ret, err);
}

/* 11.1: the key of no account, this one's or another's. */
static bool check_csr_key(const struct request *request, const struct x509_csr *csr,
                          struct err *err) {
    char thumbprint[JWK_THUMBPRINT_SIZE];
    bool known = false;

    if (!jwk_thumbprint(csr->key, thumbprint, err)
        || !store_key_known(request->wfe->options.store, thumbprint, &known, err)) {
        return false;
    }
    return !known || err_set(err, ERR_BAD_CSR, "the key of the CSR is an account's key");
}

/* An authorization of a ready order; what says it is not valid is looked at twice. */
static bool read_authz(const struct request *request, const char *id, struct authz *ret,
                       struct err *err) {
    struct store *store = request->wfe->options.store;
    const char *account = request->order.account;

    if (!store_authz_get(store, account, id, ret, err)) {
        return false;
    }
    if (authz_status_at(ret, request_now_us(request)) == AUTHZ_VALID) {
        return true;
    }
    authz_done(ret);
    return store_authz_get_committed(store, account, id, ret, err);
}

/* What the authorizations grant; each must be valid now. */
static bool read_grants(struct request *request, struct ca_request *wanted, struct err *err) {
    const struct order *order = &request->order;

    for (unsigned i = 0; i < order->count; i++) {
        AUTO(authz_done) struct authz authz = {0};
        if (!read_authz(request, order->authzs[i], &authz, err)) {
            return false;
        }
        if (authz_status_at(&authz, request_now_us(request)) != AUTHZ_VALID) {
            return err_set(err, ERR_ORDER_NOT_READY, "the authorization for %s is %s",
                           authz.identifier.value,
                           authz_status_name(authz_status_at(&authz, request_now_us(request))));
        }
        if (authz.identifier.type == ACME_ID_NF_INSTANCE) {
            wanted->nftypes = authz.types;
        }
        if (authz.token_exp_s != 0
            && (wanted->not_after_max_s == 0 || authz.token_exp_s < wanted->not_after_max_s)) {
            wanted->not_after_max_s = authz.token_exp_s;
        }
    }
    return true;
}

static bool issue(struct request *request, const struct x509_csr *csr, struct err *err) {
    struct order *order = &request->order;
    struct certificate *certificate = &request->certificate;
    struct ca_certificate issued = {0};
    struct ca_request wanted = {
        .csr = csr,
        .profile = profile_find(order->profile),
        .identifiers = order->identifiers,
        .identifier_count = order->count,
        .not_before_s = order->not_before_s,
        .not_after_s = order->not_after_s,
    };

    if (wanted.profile == NULL) {
        return err_set(err, ERR_INVALID_PROFILE, "profile %s is no longer offered", order->profile);
    }
    if (!read_grants(request, &wanted, err)
        || !ca_issue(request->wfe->options.ca, &wanted, &issued, err)) {
        return false;
    }
    (void)snprintf(certificate->serial, sizeof(certificate->serial), "%s", issued.serial);
    (void)snprintf(certificate->account, ID_SIZE, "%s", order->account);
    (void)snprintf(certificate->order, ID_SIZE, "%s", order->id);
    certificate->chain_pem = issued.chain_pem;
    certificate->not_after_s = issued.not_after_s;
    memcpy(certificate->spki_sha256, issued.spki_sha256, sizeof(certificate->spki_sha256));
    (void)snprintf(order->serial, sizeof(order->serial), "%s", issued.serial);
    return true;
}

static void finalized(struct request *request) {
    const struct order *order = &request->order;

    if (request->err.kind == ERR_CONFLICT) { /* another finalize or a deactivation came first */
        request->err = (struct err){0};
        (void)request_fail(request, ERR_ORDER_NOT_READY, "the order is no longer ready");
    } else if (request->err.kind == ERR_NONE) {
        wfe_event(request->wfe, &(struct trace_event){.event = "order",
                                                      .order = order->id,
                                                      .nf = order_nf(order),
                                                      .from = order_status_name(ORDER_READY),
                                                      .to = order_status_name(ORDER_VALID)});
        wfe_event(request->wfe, &(struct trace_event){.event = "certificate",
                                                      .order = order->id,
                                                      .nf = order_nf(order),
                                                      .serial = order->serial,
                                                      .to = "issued"});
    }
    request_finish(request);
}

/* Issued and committed before the answer, so nobody sees the order processing. */
static bool finalize(struct request *request) {
    struct order *order = &request->order;
    AUTO(x509_csr_done) struct x509_csr csr = {0};
    enum order_status from = order->status, processing = from;

    if (!order_next(from, ORDER_FINALIZE, &processing, &request->err)
        || !order_next(processing, ORDER_ISSUED, &order->status, &request->err)
        || !read_csr(request, &csr, &request->err) || !check_csr_key(request, &csr, &request->err)
        || !issue(request, &csr, &request->err)) {
        return true;
    }
    struct store_op *op = store_tx_add(&request->tx, STORE_ORDER_MOVE);
    op->account = order->account;
    op->order = order->id;
    op->from = from;
    op->to = order->status;
    op->serial = order->serial;
    store_tx_add(&request->tx, STORE_CERTIFICATE_INSERT)->certificate = &request->certificate;
    wfe_replaces_done(request);
    request_header_url(request, "Location", NULL, "/order/%s", order->id);
    (void)request_json(request, 200, wfe_order_json(request, order));
    return request_commit(request, finalized);
}

bool wfe_finalize(struct request *request) {
    struct order *order = &request->order;

    if (!store_order_get(request->wfe->options.store, request_account(request),
                         request->params.value[0], order, &request->err)) {
        return true;
    }
    enum order_status status = order_status_at(order, request_now_us(request));
    if (status != ORDER_READY) { /* 7.4: also when it is valid already */
        (void)err_set(&request->err, ERR_ORDER_NOT_READY, "the order is %s",
                      order_status_name(status));
        return true;
    }
    return finalize(request);
}

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
