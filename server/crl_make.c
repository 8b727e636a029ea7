#include "server/crl_make.h"

#include <string.h>
#include <time.h>

#include "common/foreign.h"
#include "common/ossl.h"

AUTO_DEFINE(ASN1_ENUMERATED, ASN1_ENUMERATED_free)
AUTO_DEFINE(ASN1_INTEGER, ASN1_INTEGER_free)
AUTO_DEFINE(AUTHORITY_KEYID, AUTHORITY_KEYID_free)
AUTO_DEFINE(X509_REVOKED, X509_REVOKED_free)

/* One list in the making. */
struct making {
    X509_CRL *list;
    unsigned count;
};

static ASN1_INTEGER *serial_read(const char *hex) {
    AUTO(BN_free) BIGNUM *number = NULL;

    if (hex[0] == '\0' || (size_t)BN_hex2bn(&number, hex) != strlen(hex)) {
        return NULL;
    }
    return BN_to_ASN1_INTEGER(number, NULL);
}

/* RFC 5280 5.3.1: unspecified is left out, removeFromCRL is for delta lists, 7 is not used. */
static bool reason_add(X509_REVOKED *revoked, int reason) {
    if (reason < 1 || reason > 10 || reason == 7 || reason == 8) {
        return true;
    }
    AUTO(ASN1_ENUMERATED_free) ASN1_ENUMERATED *value = ASN1_ENUMERATED_new();
    return value != NULL && ASN1_ENUMERATED_set(value, reason) == 1
           && X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, value, 0, 0) == 1;
}

/* The crl_sink given to the source. */
static bool entry_add(void *ctx, const struct crl_entry *entry, struct err *err) {
    struct making *making = ctx;
    AUTO(X509_REVOKED_free) X509_REVOKED *revoked = X509_REVOKED_new();
    AUTO(ASN1_INTEGER_free) ASN1_INTEGER *serial = serial_read(entry->serial);
    AUTO(ASN1_TIME_free) ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)entry->revoked_at_s);

    if (making->count == CRL_ENTRIES_MAX) {
        return err_set(err, ERR_OVERLOAD, "the revocation list is full");
    }
    if (serial == NULL) {
        return err_set(err, ERR_SERVER_INTERNAL, "a revoked serial is not hexadecimal");
    }
    if (revoked == NULL || when == NULL || X509_REVOKED_set_serialNumber(revoked, serial) != 1
        || X509_REVOKED_set_revocationDate(revoked, when) != 1
        || !reason_add(revoked, entry->reason)
        || X509_CRL_add0_revoked(making->list, revoked) != 1) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not list a revoked certificate");
    }
    (void)TAKE(revoked);
    making->count++;
    return true;
}

/* authorityKeyIdentifier (5.2.1) and CRL number (5.2.3), which every list has. */
static bool extensions_add(const struct crl_spec *spec, X509_CRL *list) {
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(spec->issuer);
    AUTO(AUTHORITY_KEYID_free) AUTHORITY_KEYID *akid = AUTHORITY_KEYID_new();
    AUTO(ASN1_INTEGER_free) ASN1_INTEGER *value = ASN1_INTEGER_new();

    if (ski == NULL || akid == NULL || value == NULL
        || ASN1_INTEGER_set_uint64(value, spec->number) != 1) {
        return false;
    }
    akid->keyid = ASN1_OCTET_STRING_dup(ski);
    return akid->keyid != NULL
           && X509_CRL_add1_ext_i2d(list, NID_authority_key_identifier, akid, 0, 0) == 1
           && X509_CRL_add1_ext_i2d(list, NID_crl_number, value, 0, 0) == 1;
}

static bool sign(const struct crl_spec *spec, X509_CRL *list, struct err *err) {
    char digest[32] = "";
    bool fixed = EVP_PKEY_get_default_digest_name(spec->key, digest, sizeof digest) == 2;

    /* An EdDSA key takes no digest: its name is mandatory and "UNDEF". */
    const EVP_MD *md = fixed && strcmp(digest, "UNDEF") == 0 ? NULL : EVP_sha256();
    foreign_lock(spec->key);
    bool good = X509_CRL_sort(list) == 1 && X509_CRL_sign(list, spec->key, md) > 0;
    foreign_unlock(spec->key);
    if (!good) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not sign the revocation list");
        return err_cause_openssl(err);
    }
    return true;
}

bool crl_make(const struct crl_spec *spec, unsigned char **ret_der, size_t *ret_len,
              struct err *err) {
    AUTO(X509_CRL_free) X509_CRL *list = X509_CRL_new();
    AUTO(ASN1_TIME_free) ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)spec->this_update_s);
    AUTO(ASN1_TIME_free) ASN1_TIME *until = ASN1_TIME_set(NULL, (time_t)spec->next_update_s);
    struct making making = {.list = list};

    if (list == NULL || from == NULL || until == NULL
        || X509_CRL_set_version(list, X509_CRL_VERSION_2) != 1
        || X509_CRL_set_issuer_name(list, X509_get_subject_name(spec->issuer)) != 1
        || X509_CRL_set1_lastUpdate(list, from) != 1 || X509_CRL_set1_nextUpdate(list, until) != 1
        || !extensions_add(spec, list)) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not make a revocation list");
    }
    if ((spec->source != NULL
         && !spec->source(spec->ctx, spec->expiring_after_s, entry_add, &making, err))
        || !sign(spec, list, err)) {
        return false;
    }
    *ret_der = NULL;
    int len = i2d_X509_CRL(list, ret_der);
    if (len <= 0) {
        return err_set(err, ERR_SERVER_INTERNAL, "could not write the revocation list");
    }
    *ret_len = (size_t)len;
    return true;
}
