#include "server/profile.h"

#include <string.h>

#include "common/x509.h"

#define DAY_S 86400

/* clang-format off */
const struct profile profiles[] = {
    {"nf-client", "NF service consumer: clientAuth, NfInstanceId alone, at most 365 days",
     X509_EKU_CLIENT, true, false, 365 * DAY_S},
    {"nf-server", "NF service producer: serverAuth, NfInstanceId and dns, at most 365 days",
     X509_EKU_SERVER, true, true, 365 * DAY_S},
    {"nf-both", "NF consumer and producer: clientAuth and serverAuth, NfInstanceId and dns, "
     "at most 365 days", X509_EKU_CLIENT | X509_EKU_SERVER, true, true, 365 * DAY_S},
    {"tls-server", "any TLS server: serverAuth, dns alone, at most 90 days",
     X509_EKU_SERVER, false, true, 90 * DAY_S},
    {NULL, NULL, 0, false, false, 0},
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
    bool dns = any_of(ACME_ID_DNS, identifiers, count);

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
        (void)err_set(err, ERR_INVALID_PROFILE, "profile %s takes no dns identifier",
                      profile->name);
        return NULL;
    }
    return profile;
}
