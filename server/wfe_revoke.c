/* revokeCert: RFC 8555 section 7.6. */
#include <stdio.h>
#include <string.h>

#include "common/b64.h"
#include "server/policy.h"
#include "server/wfe_request.h"

#define CERTIFICATE_TEXT_MAX 32768
#define US_PER_S 1000000
#define REASON_KEY_COMPROMISE 1 /* RFC 5280 5.3.1 */

/* The certificate of the payload, when it is one of ours, octet for octet; else 404. */
static bool find_certificate(struct request *request, X509 **ret_x509, struct err *err) {
    AUTO(free) unsigned char *der = NULL;
    AUTO(X509_free) X509 *x509 = NULL;
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct certificate *stored = &request->certificate;
    const char *text = NULL;
    size_t len = 0;
    struct err why = {0};

    if (!json_get_text(request->pass.payload, "certificate", JSON_REQUIRED, CERTIFICATE_TEXT_MAX,
                       &text, err)) {
        return false;
    }
    if (!b64_decode(text, strlen(text), &der, &len, &why)
        || (x509 = x509_from_der(der, len, &why)) == NULL || !x509_cert_read(x509, &cert, &why)) {
        return err_set(err, ERR_MALFORMED, "\"certificate\" is not base64url of a certificate");
    }
    if (!store_certificate_get(request->wfe->options.store, cert.serial, stored, err)) {
        return false;
    }
    AUTO(chain_free)
    X509_CHAIN *chain = x509_chain_read(stored->chain_pem, strlen(stored->chain_pem), err);
    if (chain == NULL || X509_cmp(sk_X509_value(chain, 0), x509) != 0) {
        return err_set(err, ERR_NOT_FOUND, "this CA did not issue that certificate");
    }
    *ret_x509 = TAKE(x509);
    return true;
}

struct holding {
    uint64_t now_us;
    struct store *store;
    char ids[64][ID_SIZE]; /* a good one is among the latest, of which there are few */
    unsigned count;
};

static bool hold_id(void *ctx, const char *account, const char *id, unsigned type,
                    struct err *err) {
    struct holding *holding = ctx;
    (void)account;
    (void)type;
    (void)err;
    (void)snprintf(holding->ids[holding->count % COUNT(holding->ids)], ID_SIZE, "%s", id);
    holding->count++;
    return true;
}

/* Is it for that name, valid now?  A wildcard's does not cover the name below it, nor the reverse.
 */
static bool covers(const struct request *request, const struct authz *authz, bool wildcard) {
    return authz_status_at(authz, request_now_us(request)) == AUTHZ_VALID
           && ((authz->flags & AUTHZ_WILDCARD) != 0) == wildcard;
}

/* Has the account an authorization for it that is valid now? */
static bool holds(const struct request *request, const struct acme_identifier *identifier,
                  struct err *err) {
    struct store *store = request->wfe->options.store;
    struct holding holding = {0};
    struct acme_identifier name = *identifier;
    bool wildcard = strncmp(name.value, "*.", 2) == 0;

    if (wildcard) {
        memmove(name.value, name.value + 2, strlen(name.value + 2) + 1);
    }
    if (!store_authz_valid_each(store, request_account(request), &name, hold_id, &holding, err)) {
        return false;
    }
    for (unsigned i = 0; i < holding.count && i < COUNT(holding.ids); i++) {
        AUTO(authz_done) struct authz authz = {0};
        if (!store_authz_get(store, request_account(request), holding.ids[i], &authz, err)) {
            return false;
        }
        if (covers(request, &authz, wildcard)) {
            return true;
        }
    }
    return err_set(err, ERR_UNAUTHORIZED,
                   "the account neither issued the certificate nor holds its names");
}

/* Has the account all names of the certificate?  They are read from it: its order may be gone. */
static bool holds_all(const struct request *request, X509 *x509, struct err *err) {
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    struct acme_identifier identifier = {.type = ACME_ID_NF_INSTANCE};

    if (!x509_cert_read(x509, &cert, err)) {
        return false;
    }
    AUTO(GENERAL_NAMES_free)
    GENERAL_NAMES *all = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    if (sk_GENERAL_NAME_num(all)
        != (int)(cert.names.dns_count + cert.names.ip_count
                 + (cert.names.uuid[0] != '\0' ? 1 : 0))) {
        return err_set(err, ERR_UNAUTHORIZED, "the certificate has names of another kind");
    }
    (void)snprintf(identifier.value, sizeof(identifier.value), "%s", cert.names.uuid);
    if (identifier.value[0] != '\0' && !holds(request, &identifier, err)) {
        return false;
    }
    identifier.type = ACME_ID_DNS;
    for (unsigned i = 0; i < cert.names.dns_count; i++) {
        (void)snprintf(identifier.value, sizeof(identifier.value), "%s", cert.names.dns[i]);
        if (!holds(request, &identifier, err)) {
            return false;
        }
    }
    identifier.type = ACME_ID_IP;
    for (unsigned i = 0; i < cert.names.ip_count; i++) {
        (void)snprintf(identifier.value, sizeof(identifier.value), "%s", cert.names.ip[i]);
        if (!holds(request, &identifier, err)) {
            return false;
        }
    }
    return true;
}

/* For the event alone. */
static void read_order(struct request *request) {
    const struct certificate *certificate = &request->certificate;
    struct err none = {0};

    (void)!store_order_get(request->wfe->options.store, certificate->account, certificate->order,
                           &request->order, &none);
}

/* 7.6: who it was issued to, who holds all its names, or its own key. */
static bool check_right(struct request *request, X509 *x509, struct err *err) {
    const struct certificate *certificate = &request->certificate;

    if (!request->pass.by_account) {
        return EVP_PKEY_eq(request->pass.account.key, X509_get0_pubkey(x509)) == 1
               || err_set(err, ERR_UNAUTHORIZED,
                          "the request is not signed by the certificate's key");
    }
    read_order(request);
    return strcmp(certificate->account, request_account(request)) == 0
           || holds_all(request, x509, err);
}

static void listed(void *ctx) {
    struct request *request = ctx;

    wfe_event(request->wfe, &(struct trace_event){.event = "revocation",
                                                  .order = request->certificate.order,
                                                  .nf = order_nf(&request->order),
                                                  .serial = request->certificate.serial});
    request_finish(request);
}

static void revoked(struct request *request) {
    if (request->err.kind != ERR_NONE) {
        request_finish(request);
        return;
    }
    if (request->tx.ops[0].revoke.reason == REASON_KEY_COMPROMISE) {
        (void)key_policy_block(request->wfe->options.keys, request->certificate.spki_sha256);
    }
    request->wait = (struct revoker_wait){.done = listed, .ctx = request};
    revoker_submit(request->wfe->options.revoker, &request->wait);
}

bool wfe_revoke(struct request *request) {
    AUTO(X509_free) X509 *x509 = NULL;
    int reason = -1;

    if (!find_certificate(request, &x509, &request->err)
        || !check_right(request, x509, &request->err)
        || !policy_reason(request->pass.payload, &reason, &request->err)) {
        return true;
    }
    if (request->certificate.revoked_at_s != 0) {
        return request_fail(request, ERR_ALREADY_REVOKED, "the certificate is revoked already");
    }
    struct store_op *op = store_tx_add(&request->tx, STORE_REVOKE);
    op->revoke.serial = request->certificate.serial;
    op->revoke.at_s = (int64_t)(request_now_us(request) / US_PER_S);
    op->revoke.reason = reason;
    request->status = 200;
    return request_commit(request, revoked);
}
