/* Does a CSR ask for what its order was authorized for, no less and no more? */
#include <string.h>
#include <strings.h>

#include "server/ca.h"

static bool ordered(const struct ca_request *request, enum acme_identifier_type type,
                    const char *value) {
    for (unsigned i = 0; i < request->identifier_count; i++) {
        if (request->identifiers[i].type == type
            && strcasecmp(request->identifiers[i].value, value) == 0) {
            return true;
        }
    }
    return false;
}

static bool ordered_dns(const struct ca_request *request, const char *name) {
    return ordered(request, ACME_ID_DNS, name);
}

/* RFC 8738 3: as iPAddress; a common name or a dNSName that reads like it does not count. */
static bool asked_ip(const struct x509_csr *csr, const char *address) {
    for (unsigned i = 0; i < csr->names.ip_count; i++) {
        if (strcmp(csr->names.ip[i], address) == 0) {
            return true;
        }
    }
    return false;
}

static bool asked_dns(const struct x509_csr *csr, const char *name) {
    for (unsigned i = 0; i < csr->names.dns_count; i++) {
        if (strcasecmp(csr->names.dns[i], name) == 0) {
            return true;
        }
    }
    return strcasecmp(csr->common_name, name) == 0; /* RFC 8555 7.4: CN or SAN */
}

/* Every identifier of the order is in the CSR. */
static bool nothing_missing(const struct ca_request *request, struct err *err) {
    const struct x509_csr *csr = request->csr;

    for (unsigned i = 0; i < request->identifier_count; i++) {
        const struct acme_identifier *identifier = &request->identifiers[i];
        if (identifier->type == ACME_ID_DNS) {
            if (!asked_dns(csr, identifier->value)) {
                return err_set(err, ERR_BAD_CSR, "the order has the name %.100s, the CSR lacks it",
                               identifier->value);
            }
        } else if (identifier->type == ACME_ID_IP) {
            if (!asked_ip(csr, identifier->value)) {
                return err_set(err, ERR_BAD_CSR,
                               "the order has the address %s, the CSR lacks it as iPAddress",
                               identifier->value);
            }
        } else if (csr->names.uuid[0] == '\0') {
            return err_set(err, ERR_BAD_CSR, "the CSR's subjectAltName lacks the URI urn:uuid:%s",
                           identifier->value);
        } else if (strcasecmp(csr->names.uuid, identifier->value) != 0) {
            return err_set(err, ERR_BAD_CSR, "the CSR asks for NF instance %s, the order is for %s",
                           csr->names.uuid, identifier->value);
        }
    }
    return true;
}

static bool order_has_nf(const struct ca_request *request) {
    for (unsigned i = 0; i < request->identifier_count; i++) {
        if (request->identifiers[i].type == ACME_ID_NF_INSTANCE) {
            return true;
        }
    }
    return false;
}

/* Every name of the CSR is in the order. */
static bool nothing_extra(const struct ca_request *request, struct err *err) {
    const struct x509_csr *csr = request->csr;

    if (csr->names.others > 0) {
        return err_set(err, ERR_BAD_CSR,
                       "the CSR's subjectAltName holds something that is neither one urn:uuid URI "
                       "nor one of up to %d dns names and %d addresses",
                       X509_DNS_MAX, X509_IP_MAX);
    }
    if (csr->names.uuid[0] != '\0' && !order_has_nf(request)) {
        return err_set(err, ERR_BAD_CSR, "the CSR asks for NF instance %s, the order is for none",
                       csr->names.uuid);
    }
    for (unsigned i = 0; i < csr->names.dns_count; i++) {
        if (!ordered_dns(request, csr->names.dns[i])) {
            return err_set(err, ERR_BAD_CSR, "the CSR asks for the name %.100s, the order does not",
                           csr->names.dns[i]);
        }
    }
    for (unsigned i = 0; i < csr->names.ip_count; i++) {
        if (!ordered(request, ACME_ID_IP, csr->names.ip[i])) {
            return err_set(err, ERR_BAD_CSR, "the CSR asks for the address %s, the order does not",
                           csr->names.ip[i]);
        }
    }
    if (csr->common_name[0] != '\0' && !ordered_dns(request, csr->common_name)
        && !ordered(request, ACME_ID_IP, csr->common_name)) {
        return err_set(err, ERR_BAD_CSR, "the CSR's common name %.100s is not a name of the order",
                       csr->common_name);
    }
    return true;
}

/* RFC 9310: only what the authority token grants. */
static bool types_fit(const struct ca_request *request, struct err *err) {
    char granted[256];

    if (nftypes_within(&request->csr->types, &request->nftypes)) {
        return true;
    }
    if (request->nftypes.count == 0) {
        return err_set(err, ERR_BAD_CSR, "the CSR asks for NF types, the order grants none");
    }
    nftypes_text(&request->nftypes, granted, sizeof granted);
    for (unsigned i = 0; i < request->csr->types.count; i++) {
        if (!nftypes_has(&request->nftypes, request->csr->types.name[i])) {
            return err_set(err, ERR_BAD_CSR, "the CSR asks for NF type %s, the token grants %.100s",
                           request->csr->types.name[i], granted);
        }
    }
    return err_set(err, ERR_BAD_CSR, "the CSR asks for other NF types than the token grants");
}

/* TS 33.310 6.1.3c: some entities have profiles of their own. */
static bool profile_fits(const struct ca_request *request, struct err *err) {
    const struct profile *profile = request->profile;

    if (profile->nf_type != NULL && !nftypes_has(&request->nftypes, profile->nf_type)) {
        return err_set(err, ERR_UNAUTHORIZED,
                       "profile %s is for NF type %s, which the authority token does not grant",
                       profile->name, profile->nf_type);
    }
    if ((profile->eku & X509_EKU_HTTP_ENCRYPT) != 0
        && EVP_PKEY_get_base_id(request->csr->key) == EVP_PKEY_ED25519) {
        return err_set(err, ERR_BAD_CSR, "profile %s needs an EC or RSA key: Ed25519 only signs",
                       profile->name);
    }
    return true;
}

bool ca_csr_fits(const struct ca_request *request, struct err *err) {
    if (request->csr->asks_ca) {
        return err_set(err, ERR_BAD_CSR, "the CSR asks for a CA certificate");
    }
    return nothing_missing(request, err) && nothing_extra(request, err) && types_fit(request, err)
           && profile_fits(request, err);
}
