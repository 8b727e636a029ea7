#include "client/tenant.h"

#include <string.h>

#include "common/guard.h"

bool tenant_peer(const struct x509_cert *peer, struct err *err) {
    if (peer == NULL || peer->names.uuid[0] == '\0') {
        return err_set(err, ERR_FORBIDDEN, "the TLS certificate names no NF instance");
    }
    return true;
}

static bool names_dns(const struct x509_cert *peer, const char *fqdn) {
    for (unsigned i = 0; i < peer->names.dns_count; i++) {
        if (strcmp(peer->names.dns[i], fqdn) == 0) {
            return true;
        }
    }
    return false;
}

bool tenant_allows(const struct x509_cert *peer, const char *nf, const char *nf_type,
                   const char *fqdn, struct err *err) {
    if (!tenant_peer(peer, err)) {
        return false;
    }
    if (!GUARD("identity", strcmp(peer->names.uuid, nf) == 0)) {
        return err_set_param(err, ERR_FORBIDDEN, "nfInstanceId",
                             "nfInstanceId %s is not the one of the TLS certificate", nf);
    }
    if (!GUARD("nf-type", nftypes_has(&peer->types, nf_type))) {
        return err_set_param(err, ERR_FORBIDDEN, "nfType",
                             "nfType %s is not among those of the TLS certificate", nf_type);
    }
    if (!GUARD("fqdn", fqdn == NULL || names_dns(peer, fqdn))) {
        return err_set_param(err, ERR_FORBIDDEN, "fqdn",
                             "fqdn is not among the names of the TLS certificate");
    }
    return true;
}
