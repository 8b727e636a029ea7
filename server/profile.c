#include "server/profile.h"

#include <string.h>

#include "common/x509.h"

#define DAY_S 86400

/* clang-format off */
const struct profile profiles[] = {
    {"nf-client", "NF service consumer: clientAuth, NfInstanceId alone, at most 365 days",
     X509_EKU_CLIENT, true, false, 365 * DAY_S, false, NULL},
    {"nf-server", "NF service producer: serverAuth, NfInstanceId and dns, at most 365 days",
     X509_EKU_SERVER, true, true, 365 * DAY_S, false, NULL},
    {"nf-both", "NF consumer and producer: clientAuth and serverAuth, NfInstanceId and dns, "
     "at most 365 days", X509_EKU_CLIENT | X509_EKU_SERVER, true, true, 365 * DAY_S, false, NULL},
    {"scp", "SCP: as nf-both, a dns name and NF type SCP needed, at most 365 days",
     X509_EKU_CLIENT | X509_EKU_SERVER, true, true, 365 * DAY_S, true, "SCP"},
    {"sepp", "SEPP: as nf-both, a dns name and NF type SEPP needed, at most 365 days",
     X509_EKU_CLIENT | X509_EKU_SERVER, true, true, 365 * DAY_S, true, "SEPP"},
    {"nf-jwt", "signs JSON Web Tokens such as client credentials assertions (RFC 9509): "
     "NfInstanceId alone, at most 365 days", X509_EKU_JWT, true, false, 365 * DAY_S, false, NULL},
    {"nf-http-encrypt", "encrypts JSON objects in HTTP messages (RFC 9509): NfInstanceId alone, "
     "NF type SEPP, at most 365 days", X509_EKU_HTTP_ENCRYPT, true, false, 365 * DAY_S, false, "SEPP"},
    {"nf-oauth-signing", "signs OAuth 2.0 access tokens (RFC 9509): NfInstanceId alone, NF type "
     "NRF, at most 365 days", X509_EKU_OAUTH_SIGNING, true, false, 365 * DAY_S, false, "NRF"},
    {"tls-server", "any TLS server: serverAuth, dns or ip alone, at most 90 days",
     X509_EKU_SERVER, false, true, 90 * DAY_S, false, NULL},
    {NULL, NULL, 0, false, false, 0, false, NULL},
};
/* clang-format on */

const struct profile *profile_find(const char *name) {
    for (const struct profile *profile = profiles; profile->name != NULL; profile++) {
        if (strcmp(profile->name, name) == 0) {
            return profile;
        }
    }
    return NULL;
}

static bool any_of(enum acme_identifier_type type, const struct acme_identifier *identifiers,
                   unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if (identifiers[i].type == type) {
            return true;
        }
    }
    return false;
}

const struct profile *profile_choose(const char *name, const struct acme_identifier *identifiers,
                                     unsigned count, struct err *err) {
    bool nf = any_of(ACME_ID_NF_INSTANCE, identifiers, count);
    bool dns = any_of(ACME_ID_DNS, identifiers, count) || any_of(ACME_ID_IP, identifiers, count);

    if (name == NULL) {
        name = !nf ? "tls-server" : dns ? "nf-both" : "nf-client";
    }
    const struct profile *profile = profile_find(name);
    if (profile == NULL) {
        (void)err_set(err, ERR_INVALID_PROFILE, "there is no profile \"%.64s\"", name);
        return NULL;
    }
    if (profile->nf && !nf) {
        (void)err_set(err, ERR_INVALID_PROFILE, "profile %s needs an NfInstanceId identifier",
                      profile->name);
        return NULL;
    }
    if (!profile->nf && nf) {
        (void)err_set(err, ERR_INVALID_PROFILE, "profile %s takes no NfInstanceId identifier",
                      profile->name);
        return NULL;
    }
    if (dns && !profile->dns_allowed) {
        (void)err_set(err, ERR_INVALID_PROFILE, "profile %s takes no dns or ip identifier",
                      profile->name);
        return NULL;
    }
    if (profile->dns_needed && !any_of(ACME_ID_DNS, identifiers, count)) {
        (void)err_set(err, ERR_INVALID_PROFILE, "profile %s needs a dns identifier", profile->name);
        return NULL;
    }
    return profile;
}
