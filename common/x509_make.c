/* Extension values are written by hand: the encoders together cost more than the signature. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/kept.h"
#include "common/key.h"
#include "common/rng.h"
#include "common/x509.h"
#include "common/x509_parts.h"
#include "common/x509_write.h"

#define SERIAL_OCTETS 16
#define SHA1_OCTETS 20

/* Append an extension to a certificate. */
static bool put(X509 *x509, const ASN1_OBJECT *object, bool critical, const void *value,
                size_t len) {
    AUTO(ASN1_OCTET_STRING_free) ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();

    if (octets == NULL || object == NULL || ASN1_OCTET_STRING_set(octets, value, (int)len) != 1) {
        return false;
    }
    AUTO(X509_EXTENSION_free)
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical, octets);
    return extension != NULL && X509_add_ext(x509, extension, -1) == 1;
}

static bool put_nid(X509 *x509, int nid, bool critical, const void *value, size_t len) {
    return put(x509, OBJ_nid2obj(nid), critical, value, len);
}

/* basicConstraints, keyUsage, extKeyUsage. */
static bool put_usage(X509 *x509, const struct x509_spec *spec) {
    unsigned char basic[] = {0x30, 3, 1, 1, 0xFF, 2, 1, 0};
    static const unsigned char sign[] = {3, 2, 7, 0x80}, ca[] = {3, 2, 1, 6};
    static const unsigned char usages[] = {0x30, 20, 6, 8,    0x2B, 6, 1, 5, 5, 7, 3,
                                           2,    6,  8, 0x2B, 6,    1, 5, 5, 7, 3, 1};
    unsigned char one[12];

    if (spec->ca) {
        if (spec->path_len >= 0) {
            basic[1] = 6;
            basic[7] = (unsigned char)spec->path_len;
        }
        if (spec->path_len > 127
            || !put_nid(x509, NID_basic_constraints, true, basic, 2U + basic[1])) {
            return false;
        }
    }
    if (!put_nid(x509, NID_key_usage, true, spec->ca ? ca : sign, 4)) {
        return false;
    }
    if (spec->eku == (X509_EKU_CLIENT | X509_EKU_SERVER)) {
        return put_nid(x509, NID_ext_key_usage, false, usages, sizeof usages);
    }
    if (spec->eku == 0) {
        return true;
    }
    memcpy(one, usages, sizeof one);
    one[1] = 10;
    one[11] = spec->eku == X509_EKU_CLIENT ? 2 : 1;
    return put_nid(x509, NID_ext_key_usage, false, one, sizeof one);
}

/* subjectKeyIdentifier, RFC 5280 section 4.2.1.2 method 1, and authorityKeyIdentifier. */
static bool put_key_ids(X509 *x509, X509 *issuer) {
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(x509);
    unsigned char own[2 + SHA1_OCTETS] = {DER_OCTETS, SHA1_OCTETS};
    unsigned char authority[4 + SHA1_OCTETS] = {DER_SEQUENCE, 2 + SHA1_OCTETS, 0x80, SHA1_OCTETS};

    if (bits == NULL
        || !kept_hash(KEPT_SHA1, ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits),
                      own + 2)
        || !put_nid(x509, NID_subject_key_identifier, false, own, sizeof own)) {
        return false;
    }
    if (issuer == NULL) {
        memcpy(authority + 4, own + 2, SHA1_OCTETS);
        return put_nid(x509, NID_authority_key_identifier, false, authority, sizeof authority);
    }
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(issuer);
    if (id == NULL || ASN1_STRING_length(id) > 64) {
        return id == NULL; /* an issuer without one leaves nothing to point to */
    }
    AUTO(buf_done) struct buf value = buf_new(X509_VALUE_MAX);
    (void)x509_put(&value, 0x80, ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id));
    x509_wrap(&value, DER_SEQUENCE);
    return !value.failed
           && put_nid(x509, NID_authority_key_identifier, false, value.data, value.len);
}

static bool put_names(X509 *x509, const struct x509_spec *spec) {
    AUTO(buf_done) struct buf value = buf_new(X509_VALUE_MAX);
    /* RFC 5280 section 4.2.1.6: critical when the subject is empty. */
    bool critical = spec->names_critical || X509_NAME_entry_count(X509_get_subject_name(x509)) == 0;

    if (!x509_put_names(spec->names, spec->ips, &value)) {
        return false;
    }
    return value.len == 0 || put_nid(x509, NID_subject_alt_name, critical, value.data, value.len);
}

/* cRLDistributionPoints with one URI. */
static bool put_crl(X509 *x509, const char *url) {
    AUTO(buf_done) struct buf value = buf_new(X509_VALUE_MAX);

    (void)x509_put_text(&value, 0x86, url);
    x509_wrap(&value, 0xA0); /* fullName */
    x509_wrap(&value, 0xA0); /* distributionPoint */
    x509_wrap(&value, DER_SEQUENCE);
    x509_wrap(&value, DER_SEQUENCE);
    return !value.failed
           && put_nid(x509, NID_crl_distribution_points, false, value.data, value.len);
}

/* One AccessDescription: id-ad-ocsp is 1, id-ad-caIssuers 2. */
static bool add_access(struct buf *out, unsigned char method, const char *url) {
    const unsigned char oid[] = {0x2B, 6, 1, 5, 5, 7, 0x30, method};
    AUTO(buf_done) struct buf one = buf_new(out->max);

    (void)x509_put(&one, DER_OID, oid, sizeof oid);
    (void)x509_put_text(&one, 0x86, url);
    return !one.failed && x509_put(out, DER_SEQUENCE, one.data, one.len);
}

static bool put_access(X509 *x509, const char *ocsp_url, const char *issuer_url) {
    AUTO(buf_done) struct buf value = buf_new(X509_VALUE_MAX);

    if ((ocsp_url != NULL && !add_access(&value, 1, ocsp_url))
        || (issuer_url != NULL && !add_access(&value, 2, issuer_url))) {
        return false;
    }
    x509_wrap(&value, DER_SEQUENCE);
    return !value.failed && put_nid(x509, NID_info_access, false, value.data, value.len);
}

static bool put_types(X509 *x509, const struct nftypes *types, struct err *err) {
    AUTO(free) unsigned char *der = NULL;
    size_t len = 0;

    return nftypes_encode(types, &der, &len, err)
           && put(x509, x509_nftypes_object(), false, der, len);
}

static bool put_extensions(X509 *x509, const struct x509_spec *spec, X509 *issuer,
                           struct err *err) {
    bool types = spec->types != NULL && spec->types->count > 0;

    return put_usage(x509, spec) && put_key_ids(x509, issuer) && put_names(x509, spec)
           && (spec->crl_url == NULL || put_crl(x509, spec->crl_url))
           && ((spec->ocsp_url == NULL && spec->issuer_url == NULL)
               || put_access(x509, spec->ocsp_url, spec->issuer_url))
           && (!types || put_types(x509, spec->types, err));
}

static bool set_key(X509 *x509, const struct x509_spec *spec) {
    static const int groups[] = {
        [KEY_P256] = NID_X9_62_prime256v1, [KEY_P384] = NID_secp384r1, [KEY_P521] = NID_secp521r1};
    unsigned char point[KEY_POINT_MAX];
    struct err unused = {0};
    enum key_type type;

    if (!spec->write_only || !key_curve(spec->key, &type)) {
        return X509_set_pubkey(x509, spec->key) == 1;
    }
    int len = (int)(1 + 2 * key_coordinate_len(type));
    unsigned char *copy =
        key_point(spec->key, type, point, &unused) ? OPENSSL_memdup(point, (size_t)len) : NULL;
    if (copy == NULL
        || X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x509), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                                  V_ASN1_OBJECT, OBJ_nid2obj(groups[type]), copy, len)
               != 1) {
        OPENSSL_free(copy);
        return false;
    }
    return true;
}

static bool set_subject(X509 *x509, const struct x509_spec *spec) {
    const struct {
        int nid;
        const char *text;
    } parts[] = {{NID_countryName, spec->country},
                 {NID_organizationName, spec->organization},
                 {NID_commonName, spec->common_name}};
    X509_NAME *name = X509_get_subject_name(x509);

    for (unsigned i = 0; i < COUNT(parts); i++) {
        if (parts[i].text != NULL
            && X509_NAME_add_entry_by_NID(name, parts[i].nid, MBSTRING_UTF8,
                                          (const unsigned char *)parts[i].text, -1, -1, 0)
                   != 1) {
            return false;
        }
    }
    return true;
}

/* RFC 5280 section 4.1.2.2: positive, of full length. */
static bool set_serial(X509 *x509) {
    unsigned char octets[SERIAL_OCTETS];

    rng_secret(octets, sizeof octets);
    octets[0] = (unsigned char)((octets[0] & 0x7F) | 0x40);
    return ASN1_STRING_set(X509_get_serialNumber(x509), octets, sizeof octets) == 1;
}

X509 *x509_make(const struct x509_spec *spec, X509 *issuer, EVP_PKEY *issuer_key, struct err *err) {
    AUTO(X509_free) X509 *x509 = X509_new();

    if (x509 == NULL || X509_set_version(x509, X509_VERSION_3) != 1 || !set_serial(x509)
        || ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)spec->not_before_s) == NULL
        || ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)spec->not_after_s) == NULL
        || !set_subject(x509, spec)
        || X509_set_issuer_name(x509, X509_get_subject_name(issuer == NULL ? x509 : issuer)) != 1
        || !set_key(x509, spec) || !put_extensions(x509, spec, issuer, err)
        || X509_sign(x509, issuer_key, x509_digest_of(issuer_key)) == 0) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not make a certificate");
        (void)err_cause_openssl(err);
        return NULL;
    }
    return TAKE(x509);
}
