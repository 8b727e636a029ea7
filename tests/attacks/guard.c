#include "common/guard.h"

#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"

static const char *off(void) {
    const char *name = getenv("NFACME_GUARD_OFF");

    return name == NULL ? "" : name;
}

bool guard_off(const char *name) { return strcmp(off(), name) == 0; }

void guard_warn(void) {
    log_line(LOG_WARNING, "guard", "switchable", "off=%s text=\"for tests only: do not expose it\"",
             off());
}

/* clang-format off */
static const struct {
    int code;
    const char *guard;
} faults[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED,                   "expiry"},
    {X509_V_ERR_CERT_NOT_YET_VALID,                 "not-before"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,        "trust"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,          "trust"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,          "trust"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,  "trust"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,    "trust"},
    {X509_V_ERR_CERT_UNTRUSTED,                     "trust"},
    {X509_V_ERR_INVALID_PURPOSE,                    "usage"},
    {X509_V_ERR_PERMITTED_VIOLATION,                "name-constraints"},
    {X509_V_ERR_EXCLUDED_VIOLATION,                 "name-constraints"},
    {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX,            "name-constraints"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE,        "name-constraints"},
    {X509_V_ERR_CERT_REVOKED,                       "revocation"},
    {X509_V_ERR_EE_KEY_TOO_SMALL,                   "key-strength"},
    {X509_V_ERR_CA_KEY_TOO_SMALL,                   "key-strength"},
    {X509_V_ERR_CA_MD_TOO_WEAK,                     "digest-strength"},
    {X509_V_ERR_INVALID_CA,                         "issuer-is-ca"},
    {X509_V_ERR_KEYUSAGE_NO_CERTSIGN,               "issuer-is-ca"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED,               "path-length"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE,             "signature"},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION,       "critical-extension"},
};
/* clang-format on */

const char *guard_of_fault(int code, int depth) {
    if (code == X509_V_ERR_INVALID_PURPOSE && depth > 0) {
        return "issuer-is-ca";
    }
    for (size_t i = 0; i < COUNT(faults); i++) {
        if (faults[i].code == code) {
            return faults[i].guard;
        }
    }
    return "path";
}
