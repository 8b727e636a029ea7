#include "server/issue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/b64.h"
#include "common/jwk.h"

bool issue_csr_read(const char *text, struct x509_csr *ret, struct err *err) {
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;
    struct err why = {0};

    if (!b64_decode(text, strlen(text), &der, &len, &why)) {
        return err_set(err, ERR_BAD_CSR, "\"csr\" is not base64url");
    }
    return x509_csr_read(der, len, ret, err);
}

/* 11.1: a good key, and that of no account, this one's or another's. */
static bool check_key(const struct wfe_options *options, const struct x509_csr *csr,
                      struct err *err) {
    char thumbprint[JWK_THUMBPRINT_SIZE];
    bool known = false;

    if (!key_policy_check(options->keys, csr->key, KEY_USE_CERTIFICATE, err)
        || !jwk_thumbprint(csr->key, thumbprint, err)
        || !store_key_known(options->store, thumbprint, &known, err)) {
        return false;
    }
    return !known || err_set(err, ERR_BAD_CSR, "the key of the CSR is an account's key");
}

/* An authorization of a ready order; what says it is not valid is looked at twice. */
static bool read_authz(const struct wfe_options *options, const struct order *order, unsigned i,
                       struct authz *ret, struct err *err) {
    if (!store_authz_get(options->store, order->account, order->authzs[i], ret, err)) {
        return false;
    }
    if (authz_status_at(ret, clock_now_us(options->clock)) == AUTHZ_VALID) {
        return true;
    }
    authz_done(ret);
    return store_authz_get_committed(options->store, order->account, order->authzs[i], ret, err);
}

/* What the authorizations grant; each must be valid now. */
/* A token bound to a key (RFC 7800): who swaps the request gets nothing. */
static bool key_bound(const struct authz *authz, const struct x509_csr *csr, struct err *err) {
    char thumbprint[JWK_THUMBPRINT_SIZE] = "";

    if (authz->jkt[0] == '\0') {
        return true;
    }
    if (!jwk_thumbprint(csr->key, thumbprint, err)) {
        return false;
    }
    return strcmp(thumbprint, authz->jkt) == 0
           || err_set(err, ERR_BAD_CSR,
                      "the CSR is for another key than the authority token of %.40s is bound to",
                      authz->identifier.value);
}

static bool read_grants(const struct wfe_options *options, const struct order *order,
                        struct ca_request *wanted, struct err *err) {
    for (unsigned i = 0; i < order->count; i++) {
        AUTO(authz_done) struct authz authz = {0};
        if (!read_authz(options, order, i, &authz, err)) {
            return false;
        }
        enum authz_status status = authz_status_at(&authz, clock_now_us(options->clock));
        if (status != AUTHZ_VALID) {
            return err_set(err, ERR_ORDER_NOT_READY, "the authorization for %s is %s",
                           authz.identifier.value, authz_status_name(status));
        }
        if (!key_bound(&authz, wanted->csr, err)) {
            return false;
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

bool issue_check(const struct wfe_options *options, const struct order *order,
                 const struct x509_csr *csr, struct ca_request *ret_wanted, struct err *err) {
    *ret_wanted = (struct ca_request){
        .csr = csr,
        .profile = profile_find(order->profile),
        .identifiers = order->identifiers,
        .identifier_count = order->count,
        .not_before_s = order->not_before_s,
        .not_after_s = order->not_after_s,
    };
    if (!check_key(options, csr, err)) {
        return false;
    }
    if (ret_wanted->profile == NULL) {
        return err_set(err, ERR_INVALID_PROFILE, "profile %s is no longer offered", order->profile);
    }
    return profile_offer_check(options->profiles, ret_wanted->profile, err)
           && read_grants(options, order, ret_wanted, err);
}

bool issue(const struct wfe_options *options, struct order *order, const struct ca_request *wanted,
           struct certificate *ret, struct err *err) {
    struct ca_certificate issued = {0};

    if (!ca_issue(options->ca, wanted, &issued, err)) {
        return false;
    }
    *ret = (struct certificate){.chain_pem = issued.chain_pem, .not_after_s = issued.not_after_s};
    (void)snprintf(ret->serial, sizeof(ret->serial), "%s", issued.serial);
    (void)snprintf(ret->account, ID_SIZE, "%s", order->account);
    (void)snprintf(ret->order, ID_SIZE, "%s", order->id);
    memcpy(ret->spki_sha256, issued.spki_sha256, sizeof(ret->spki_sha256));
    (void)snprintf(order->serial, sizeof(order->serial), "%s", issued.serial);
    return true;
}
