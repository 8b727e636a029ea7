/* newAuthz: RFC 8555 section 7.4.1, with the flag of RFC 9444 section 4.2. */
#include "server/names.h"
#include "server/policy.h"
#include "server/wfe_request.h"

/* The identifier's, or the authorization object's. */
static bool read_subdomains(struct request *request, const json_t *identifier, bool *ret,
                            struct err *err) {
    return json_get_bool(request->pass.payload, "subdomainAuthAllowed", JSON_OPTIONAL, ret, err)
           && json_get_bool(identifier, "subdomainAuthAllowed", JSON_OPTIONAL, ret, err);
}

/* 7.4.1: what we are not willing to authorize is a 403, whatever the kind. */
static bool read_new_authz(struct request *request, struct acme_identifier *ret,
                           unsigned *ret_flags, struct err *err) {
    const json_t *identifier = NULL;
    bool wanted = false;

    if (!json_get_object(request->pass.payload, "identifier", JSON_REQUIRED, &identifier, err)
        || !read_subdomains(request, identifier, &wanted, err)) {
        return false;
    }
    if (!policy_identifier(identifier, ret, err)) {
        request->problem_status = err->kind == ERR_UNSUPPORTED_IDENTIFIER ? 403 : 0;
        return false;
    }
    if (ret->type == ACME_ID_DNS && names_wildcard(ret->value)) {
        return err_set(err, ERR_REJECTED_IDENTIFIER,
                       "a wildcard cannot be authorized beforehand, only with its order");
    }
    /* RFC 9444 4.2: not granted is answered by an authorization without the flag */
    *ret_flags =
        wanted && ret->type == ACME_ID_DNS && wfe_subdomains(request->wfe) ? AUTHZ_SUBDOMAINS : 0;
    return true;
}

static void authz_inserted(struct request *request) {
    if (request->err.kind == ERR_NONE && !request->pass.account.prepared) {
        keyring_forget(request->wfe->options.gate.keyring, request_account(request));
    }
    request_finish(request);
}

bool wfe_new_authz(struct request *request) {
    struct acme_identifier identifier = {0};
    struct authz *authz = &request->authz;
    uint64_t now_us = request_now_us(request);
    unsigned flags = 0;

    if (!read_new_authz(request, &identifier, &flags, &request->err)
        || !wfe_admit_authz(request, &identifier)) {
        return true;
    }
    authz_init(authz, &identifier, flags, request_account(request), "", now_us,
               now_us + request->wfe->options.order_lifetime_us);
    request_header_url(request, "Location", NULL, "/authz/%s", authz->id);
    (void)request_json(request, 201, wfe_authz_json(request, authz));
    store_tx_add(&request->tx, STORE_AUTHZ_INSERT)->new_authz = authz;
    return request_commit(request, authz_inserted);
}
