/* The client's side of tls.h. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/tls.h"
#include "common/x509_crl.h"

static bool has_uuid(X509 *x509, const char *uuid) {
    char wanted[64];
    bool found = false;
    AUTO(GENERAL_NAMES_free)
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    int len = snprintf(wanted, sizeof wanted, "urn:uuid:%s", uuid);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        found = found
                || (name->type == GEN_URI
                    && ASN1_STRING_length(name->d.uniformResourceIdentifier) == len
                    && strncasecmp(
                           (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                           wanted, (size_t)len)
                           == 0);
    }
    return found;
}

/* Path validation said ok; is the leaf the NF that was meant? */
static int on_server_certificate(int ok, X509_STORE_CTX *store) {
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

    if (ok != 1 && x509_crl_lets_pass(X509_STORE_CTX_get_error(store))) {
        return 1; /* called again for the certificate itself */
    }
    if (ok != 1 || X509_STORE_CTX_get_error_depth(store) != 0) {
        return ok;
    }
    if (has_uuid(X509_STORE_CTX_get_current_cert(store),
                 SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))) {
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
    return 0;
}

bool tls_client_prepare(const struct tls_client *client, SSL_CTX *ctx) {
    if (client->trust != NULL && SSL_CTX_set1_verify_cert_store(ctx, client->trust) != 1) {
        return false;
    }
    if (client->clock != NULL) {
        X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), clock_now_s(client->clock));
    }
    if (client->peer_uuid != NULL) {
        (void)SSL_CTX_set_app_data(ctx, (char *)client->peer_uuid);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_server_certificate);
    }
    if (client->chain == NULL || client->key == NULL) {
        return true;
    }
    /* what is sent is what was given: no search for issuers at each handshake */
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    if (SSL_CTX_use_certificate(ctx, sk_X509_value(client->chain, 0)) != 1
        || SSL_CTX_use_PrivateKey(ctx, client->key) != 1) {
        return false;
    }
    for (int i = 1; i < sk_X509_num(client->chain); i++) {
        if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(client->chain, i)) != 1) {
            return false;
        }
    }
    return true;
}
