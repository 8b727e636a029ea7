#include "server/ca_alternates.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/rng.h"
#include "server/ca_state.h"

#define BACKDATE_S 60 /* peers' clocks may be a little behind */
#define SERIAL_OCTETS 16
#define NAME_SIZE 32

static bool path_of(const struct ca_options *options, unsigned n, char path[PATH_MAX],
                    struct err *err) {
    int len = snprintf(path, PATH_MAX, "%s/alternate-%u-issuing.pem", options->state_dir, n);
    return (len > 0 && len < PATH_MAX)
           || err_set(err, ERR_CONFIG, "the state directory's name is too long");
}

/* basicConstraints, keyUsage and subjectKeyIdentifier are the issuing CA's. */
static bool copy_extensions(X509 *cross, X509 *issuer) {
    static const int wanted[] = {NID_basic_constraints, NID_key_usage, NID_subject_key_identifier};

    for (unsigned i = 0; i < COUNT(wanted); i++) {
        int at = X509_get_ext_by_NID(issuer, wanted[i], -1);
        if (at >= 0 && X509_add_ext(cross, X509_get_ext(issuer, at), -1) != 1) {
            return false;
        }
    }
    return true;
}

static bool add_authority(X509 *cross, X509 *root) {
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, root, cross, NULL, NULL, 0);
    AUTO(X509_EXTENSION_free)
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    return extension != NULL && X509_add_ext(cross, extension, -1) == 1;
}

static bool set_serial(X509 *cross) {
    unsigned char octets[SERIAL_OCTETS];

    rng_secret(octets, sizeof octets);
    octets[0] = (unsigned char)((octets[0] & 0x7F) | 0x40); /* positive, of full length */
    AUTO(BN_free) BIGNUM *number = BN_bin2bn(octets, sizeof octets, NULL);
    return number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cross)) != NULL;
}

/* Valid from now until the first of the two ends. */
static bool set_validity(X509 *cross, X509 *root, X509 *issuer, int64_t now_s) {
    const ASN1_TIME *own = X509_get0_notAfter(issuer), *above = X509_get0_notAfter(root);

    return ASN1_TIME_set(X509_getm_notBefore(cross), (time_t)(now_s - BACKDATE_S)) != NULL
           && X509_set1_notAfter(cross, ASN1_TIME_compare(own, above) < 0 ? own : above) == 1;
}

static const EVP_MD *digest_of(EVP_PKEY *key) {
    enum key_type curve;

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        return NULL; /* it has one of its own */
    }
    return key_curve(key, &curve) && curve == KEY_P384 ? EVP_sha384() : EVP_sha256();
}

static X509 *cross_make(const struct ca_options *options, X509 *issuer, X509 *root,
                        EVP_PKEY *root_key, struct err *err) {
    AUTO(X509_free) X509 *cross = X509_new();

    if (cross == NULL || X509_set_version(cross, X509_VERSION_3) != 1 || !set_serial(cross)
        || X509_set_issuer_name(cross, X509_get_subject_name(root)) != 1
        || X509_set_subject_name(cross, X509_get_subject_name(issuer)) != 1
        || !set_validity(cross, root, issuer, clock_now_s(options->clock))
        || X509_set_pubkey(cross, X509_get0_pubkey(issuer)) != 1 || !copy_extensions(cross, issuer)
        || !add_authority(cross, root) || X509_sign(cross, root_key, digest_of(root_key)) <= 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not make an alternate chain");
        (void)err_cause_openssl(err);
        return NULL;
    }
    return TAKE(cross);
}

/* Of this issuing CA, and signed by this root. */
static bool cross_fits(X509 *cross, X509 *issuer, X509 *root) {
    return X509_NAME_cmp(X509_get_subject_name(cross), X509_get_subject_name(issuer)) == 0
           && EVP_PKEY_eq(X509_get0_pubkey(cross), X509_get0_pubkey(issuer)) == 1
           && X509_check_issued(root, cross) == X509_V_OK
           && X509_verify(cross, X509_get0_pubkey(root)) == 1;
}

static bool cross_load(const char *path, int64_t now_s, X509 *issuer, X509 *root, X509 **ret,
                       struct err *err) {
    AUTO(chain_free) X509_CHAIN *chain = x509_chain_read_file(path, err);
    AUTO(x509_cert_done) struct x509_cert cert = {0};
    X509 *cross = chain == NULL ? NULL : sk_X509_value(chain, 0);

    if (cross == NULL || !x509_cert_read(cross, &cert, err)) {
        return false;
    }
    if (!cross_fits(cross, issuer, root) || now_s > cert.not_after_s) {
        ERR_clear_error();
        return err_set(err, ERR_CONFIG,
                       "%.120s has expired or is not of this CA: remove it to have it made anew",
                       path);
    }
    *ret = sk_X509_shift(chain);
    return true;
}

static bool alternate_open(const struct ca_options *options, X509 *issuer, unsigned n,
                           struct ca_alternate *ret, struct err *err) {
    char path[PATH_MAX], name[NAME_SIZE], common_name[NAME_SIZE];
    AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;

    (void)snprintf(name, sizeof name, "alternate-%u", n);
    (void)snprintf(common_name, sizeof common_name, "Alternate Root CA %u", n);
    if (!path_of(options, n, path, err)) {
        return false;
    }
    bool made = access(path, F_OK) == 0;
    if (!ca_state_root_open(options, name, common_name, !made, &ret->root, &key, err)) {
        return false;
    }
    if (made
        && !cross_load(path, clock_now_s(options->clock), issuer, ret->root, &ret->cross, err)) {
        return false;
    }
    if (!made) {
        ret->cross = cross_make(options, issuer, ret->root, key, err);
    }
    ret->tail = ret->cross == NULL ? NULL : x509_pem(ret->cross, err);
    return ret->tail != NULL && (made || file_write(path, 0644, ret->tail, strlen(ret->tail), err));
}

bool ca_alternates_open(const struct ca_options *options, X509 *issuer, struct ca_alternates *ret,
                        struct err *err) {
    struct ca_alternates opened = {0};

    while (opened.count < options->alternates) {
        opened.count++;
        if (!alternate_open(options, issuer, opened.count, &opened.at[opened.count - 1], err)) {
            ca_alternates_done(&opened);
            return false;
        }
    }
    *ret = opened;
    return true;
}

void ca_alternates_done(struct ca_alternates *alternates) {
    for (unsigned i = 0; i < alternates->count; i++) {
        X509_free(alternates->at[i].root);
        X509_free(alternates->at[i].cross);
        free(alternates->at[i].tail);
    }
    *alternates = (struct ca_alternates){0};
}
