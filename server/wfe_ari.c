/* Renewal information and `replaces`: RFC 9773 sections 4 and 5. */
#include <stdio.h>
#include <string.h>

#include "server/ari.h"
#include "server/store_renewal.h"
#include "server/wfe_request.h"

#define US_PER_S 1000000
#define BACKDATE_S 60 /* a certificate begins that long before it was issued */

static bool read_leaf(const struct certificate *certificate, struct x509_cert *ret,
                      struct err *err) {
    AUTO(chain_free)
    X509_CHAIN *chain =
        x509_chain_read(certificate->chain_pem, strlen(certificate->chain_pem), err);
    return chain != NULL && x509_cert_read(sk_X509_value(chain, 0), ret, err);
}

/* Everybody's window is for who had a certificate when it was set: what is issued for it would
 * otherwise be renewed at once, and again. */
static const struct renewal_window *operators(const struct renewal_window *windows, unsigned count,
                                              const struct x509_cert *leaf) {
    for (unsigned i = 0; i < count; i++) {
        if (windows[i].serial[0] != '\0'
            || leaf->not_before_s + BACKDATE_S <= windows[i].set_at_s) {
            return &windows[i];
        }
    }
    return NULL;
}

static json_t *info_new(const struct ari_window *window, const char *url) {
    json_t *object = json_object(), *suggested = json_object();

    (void)json_object_set_new(suggested, "start",
                              wfe_time_new((uint64_t)window->start_s * US_PER_S));
    (void)json_object_set_new(suggested, "end", wfe_time_new((uint64_t)window->end_s * US_PER_S));
    (void)json_object_set_new(object, "suggestedWindow", suggested);
    if (url != NULL && *url != '\0') {
        (void)json_object_set_new(object, "explanationURL", json_string(url));
    }
    return object;
}

bool wfe_renewal_info(struct request *request) {
    const struct wfe_options *options = &request->wfe->options;
    struct certificate *certificate = &request->certificate;
    AUTO(x509_cert_done) struct x509_cert leaf = {0};
    struct renewal_window windows[RENEWAL_WINDOWS_MAX];
    char serial[X509_SERIAL_SIZE], seconds[24];
    unsigned count = 0;

    if (!options->ari) {
        return request_fail(request, ERR_NOT_FOUND, "there is no such resource");
    }
    if (!ari_certid_read(request->params.value[0], ca_issuer(options->ca), serial, &request->err)
        || !store_certificate_get(options->store, serial, certificate, &request->err)
        || !read_leaf(certificate, &leaf, &request->err)
        || !store_windows_get(options->store, serial, windows, &count, &request->err)) {
        return true;
    }
    const struct renewal_window *set = operators(windows, count, &leaf);
    struct ari_window window = ari_window_fresh(leaf.not_before_s, leaf.not_after_s);
    if (certificate->revoked_at_s != 0) {
        window = ari_window_revoked(certificate->revoked_at_s);
    } else if (set != NULL) {
        window = (struct ari_window){set->start_s, set->end_s};
    }
    (void)snprintf(seconds, sizeof(seconds), "%llu",
                   (unsigned long long)(options->ari_retry_us / US_PER_S));
    httpd_header_add(request->exchange, "Retry-After", seconds); /* 4.3: always */
    return request_json(request, 200, info_new(&window, set == NULL ? NULL : set->url));
}

/* Is a name of the order one of the certificate's? */
static bool shares_a_name(const struct order *order, const struct x509_cert *leaf) {
    for (unsigned i = 0; i < order->count; i++) {
        const struct acme_identifier *wanted = &order->identifiers[i];
        bool shared =
            wanted->type == ACME_ID_NF_INSTANCE && strcmp(wanted->value, leaf->names.uuid) == 0;
        for (unsigned k = 0; wanted->type == ACME_ID_DNS && k < leaf->names.dns_count; k++) {
            shared = shared || strcmp(wanted->value, leaf->names.dns[k]) == 0;
        }
        if (shared
            || (wanted->type == ACME_ID_IP
                && X509_check_ip_asc(leaf->x509, wanted->value, 0) == 1)) {
            return true;
        }
    }
    return false;
}

/* Section 5: the same account, a common name, and nobody else's order that stands. */
static bool check_replaced(struct request *request, const char *serial, struct err *err) {
    struct store *store = request->wfe->options.store;
    AUTO(certificate_done) struct certificate certificate = {0};
    AUTO(x509_cert_done) struct x509_cert leaf = {0};
    bool replaced = false;

    if (!store_certificate_get(store, serial, &certificate, err)
        || !read_leaf(&certificate, &leaf, err)) {
        return false;
    }
    if (strcmp(certificate.account, request_account(request)) != 0) {
        return err_set(err, ERR_UNAUTHORIZED, "the certificate to replace is another account's");
    }
    if (!shares_a_name(&request->order, &leaf)) {
        return err_set(err, ERR_MALFORMED,
                       "the certificate to replace has no identifier of the order");
    }
    return store_replaced_get(store, serial, certificate.account, request_now_us(request),
                              &replaced, err)
           && (!replaced
               || err_set(err, ERR_ALREADY_REPLACED, "another order replaces that certificate"));
}

bool wfe_replaces_read(struct request *request, struct err *err) {
    const char *text = NULL;
    char serial[X509_SERIAL_SIZE];
    struct err why = {0};

    if (!request->wfe->options.ari || json_object_get(request->pass.payload, "replaces") == NULL) {
        return true;
    }
    if (!json_get_text(request->pass.payload, "replaces", JSON_REQUIRED, ARI_CERTID_SIZE, &text,
                       err)) {
        return false;
    }
    if (!ari_certid_read(text, ca_issuer(request->wfe->options.ca), serial, &why)
        || !check_replaced(request, serial, &why)) {
        if (why.kind == ERR_NOT_FOUND) { /* of the field, not of the resource */
            return err_set(err, ERR_MALFORMED, "\"replaces\" names no certificate of this CA");
        }
        *err = why;
        return false;
    }
    (void)snprintf(request->order.replaces, sizeof(request->order.replaces), "%s", serial);
    return true;
}

static void add_op(struct request *request, enum store_op_kind kind) {
    if (request->order.replaces[0] != '\0') {
        struct store_op *op = store_tx_add(&request->tx, kind);
        op->account = request->order.account;
        op->order = request->order.id;
        op->replace.serial = request->order.replaces;
        op->replace.at_us = request_now_us(request);
    }
}

void wfe_replaces_claim(struct request *request) { add_op(request, STORE_REPLACE); }

void wfe_replaces_done(struct request *request) { add_op(request, STORE_REPLACED); }

void wfe_replaces_show(const struct request *request, const struct order *order, json_t *object) {
    char text[ARI_CERTID_SIZE];

    if (order->replaces[0] != '\0') {
        ari_certid_text(ca_issuer(request->wfe->options.ca), order->replaces, text);
        (void)json_object_set_new(object, "replaces", json_string(text));
    }
}
