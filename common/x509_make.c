/* Certificates are written by hand into one buffer: X509 objects cost more than the signature. */
#include <openssl/err.h>
#include <string.h>
#include <time.h>

#include "common/kept.h"
#include "common/key.h"
#include "common/rng.h"
#include "common/utf8.h"
#include "common/x509.h"
#include "common/x509_write.h"

#define SERIAL_OCTETS 16
#define SHA1_OCTETS 20
#define CERTIFICATE_MAX 16384
#define NAME_CHARACTERS_MAX 64 /* RFC 5280 A.1: ub-common-name, ub-organization-name */
#define PRINTABLE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"

/* Object identifiers; none holds a zero octet. */
#define CE(last) "\x55\x1D" last
#define PE(last) "\x2B\x06\x01\x05\x05\x07\x01" last
#define KP(last) "\x2B\x06\x01\x05\x05\x07\x03" last
#define AD(last) "\x2B\x06\x01\x05\x05\x07\x30" last

/* Make the value that stands from at on an Extension. */
static void extension(struct buf *out, size_t at, const char *oid, bool critical) {
    unsigned char head[16];
    size_t len = strlen(oid);

    x509_wrap_from(out, at, DER_OCTETS);
    head[0] = DER_OID;
    head[1] = (unsigned char)len;
    memcpy(head + 2, oid, len);
    len += 2;
    if (critical) {
        memcpy(head + len, "\x01\x01\xFF", 3);
        len += 3;
    }
    x509_insert(out, at, head, len);
    x509_wrap_from(out, at, DER_SEQUENCE);
}

/* keyUsage of a leaf: who encrypts to its key needs another bit than who verifies. */
static const unsigned char *leaf_usage(const struct x509_spec *spec) {
    static const unsigned char sign[] = {3, 2, 7, 0x80}, encipher[] = {3, 2, 5, 0x20},
                               agree[] = {3, 2, 3, 0x08};

    if ((spec->eku & X509_EKU_HTTP_ENCRYPT) == 0) {
        return sign;
    }
    return EVP_PKEY_get_base_id(spec->key) == EVP_PKEY_RSA ? encipher : agree;
}

/* RFC 9509 section 3. */
static void put_nf_purposes(struct buf *out, unsigned eku) {
    if ((eku & X509_EKU_JWT) != 0) {
        (void)x509_put_text(out, DER_OID, KP("\x25"));
    }
    if ((eku & X509_EKU_HTTP_ENCRYPT) != 0) {
        (void)x509_put_text(out, DER_OID, KP("\x26"));
    }
    if ((eku & X509_EKU_OAUTH_SIGNING) != 0) {
        (void)x509_put_text(out, DER_OID, KP("\x27"));
    }
}

/* basicConstraints, keyUsage, extKeyUsage. */
static void put_usage(struct buf *out, const struct x509_spec *spec) {
    unsigned char basic[] = {0x30, 3, 1, 1, 0xFF, 2, 1, 0};
    static const unsigned char ca[] = {3, 2, 1, 6};
    size_t at = out->len;

    if (spec->ca) {
        if (spec->path_len >= 0) {
            basic[1] = 6;
            basic[7] = (unsigned char)spec->path_len;
        }
        (void)buf_add(out, basic, 2U + basic[1]);
        extension(out, at, CE("\x13"), true);
        at = out->len;
    }
    (void)buf_add(out, spec->ca ? ca : leaf_usage(spec), sizeof ca);
    extension(out, at, CE("\x0F"), true);
    if (spec->eku == 0) {
        return;
    }
    at = out->len;
    if ((spec->eku & X509_EKU_CLIENT) != 0) {
        (void)x509_put_text(out, DER_OID, KP("\x02"));
    }
    if ((spec->eku & X509_EKU_SERVER) != 0) {
        (void)x509_put_text(out, DER_OID, KP("\x01"));
    }
    if ((spec->eku & X509_EKU_OCSP) != 0) {
        (void)x509_put_text(out, DER_OID, KP("\x09"));
    }
    put_nf_purposes(out, spec->eku);
    x509_wrap_from(out, at, DER_SEQUENCE);
    extension(out, at, CE("\x25"), false);
    if ((spec->eku & X509_EKU_OCSP) != 0) { /* RFC 6960 4.2.2.2.1: nobody asks about its status */
        at = out->len;
        (void)x509_put(out, DER_NULL, NULL, 0);
        extension(out, at, AD("\x01\x05"), false);
    }
}

/* subjectKeyIdentifier, RFC 5280 section 4.2.1.2 method 1, and authorityKeyIdentifier. */
static bool put_key_ids(struct buf *out, struct der spki, X509 *issuer) {
    struct der info = {0}, algorithm = {0}, bits = {0};
    unsigned char own[SHA1_OCTETS];
    size_t at = out->len;

    if (!der_take(&spki, DER_SEQUENCE, &info) || !der_take(&info, DER_SEQUENCE, &algorithm)
        || !der_take(&info, DER_BITS, &bits) || bits.len < 1
        || !kept_hash(KEPT_SHA1, bits.at + 1, bits.len - 1, own)) {
        return false;
    }
    (void)x509_put(out, DER_OCTETS, own, sizeof own);
    extension(out, at, CE("\x0E"), false);
    struct der id = {own, sizeof own};
    if (issuer != NULL) {
        const ASN1_OCTET_STRING *above = X509_get0_subject_key_id(issuer);
        if (above == NULL) {
            return true; /* an issuer without one leaves nothing to point to */
        }
        id = (struct der){ASN1_STRING_get0_data(above), (size_t)ASN1_STRING_length(above)};
    }
    at = out->len;
    (void)x509_put(out, 0x80, id.at, id.len);
    x509_wrap_from(out, at, DER_SEQUENCE);
    extension(out, at, CE("\x23"), false);
    return true;
}

/* subjectAltName; RFC 5280 section 4.2.1.6: critical when the subject is empty. */
static bool put_names(struct buf *out, const struct x509_spec *spec) {
    bool subject = spec->country != NULL || spec->organization != NULL || spec->common_name != NULL;
    size_t at = out->len;

    if (!x509_put_names(spec->names, spec->ips, out)) {
        return false;
    }
    if (out->len > at) {
        extension(out, at, CE("\x11"), spec->names_critical || !subject);
    }
    return true;
}

/* cRLDistributionPoints with one URI. */
static void put_crl(struct buf *out, const char *url) {
    size_t at = out->len;

    (void)x509_put_text(out, 0x86, url);
    x509_wrap_from(out, at, 0xA0); /* fullName */
    x509_wrap_from(out, at, 0xA0); /* distributionPoint */
    x509_wrap_from(out, at, DER_SEQUENCE);
    x509_wrap_from(out, at, DER_SEQUENCE);
    extension(out, at, CE("\x1F"), false);
}

/* One AccessDescription. */
static void add_access(struct buf *out, const char *method, const char *url) {
    size_t at = out->len;

    if (url != NULL) {
        (void)x509_put_text(out, DER_OID, method);
        (void)x509_put_text(out, 0x86, url);
        x509_wrap_from(out, at, DER_SEQUENCE);
    }
}

/* authorityInfoAccess */
static void put_access(struct buf *out, const char *ocsp_url, const char *issuer_url) {
    size_t at = out->len;

    add_access(out, AD("\x01"), ocsp_url);
    add_access(out, AD("\x02"), issuer_url);
    if (out->len > at) {
        x509_wrap_from(out, at, DER_SEQUENCE);
        extension(out, at, PE("\x01"), false);
    }
}

static bool put_types(struct buf *out, const struct nftypes *types, struct err *err) {
    AUTO(free) unsigned char *der = NULL;
    size_t at = out->len, len = 0;

    if (types == NULL || types->count == 0) {
        return true;
    }
    if (!nftypes_encode(types, &der, &len, err)) {
        return false;
    }
    (void)buf_add(out, der, len);
    extension(out, at, PE("\x22"), false);
    return true;
}

static bool put_extensions(struct buf *out, const struct x509_spec *spec, struct der spki,
                           X509 *issuer, struct err *err) {
    size_t at = out->len;

    if (spec->ca && spec->path_len > 127) {
        return false;
    }
    put_usage(out, spec);
    if (!put_key_ids(out, spki, issuer) || !put_names(out, spec)) {
        return false;
    }
    if (spec->crl_url != NULL) {
        put_crl(out, spec->crl_url);
    }
    put_access(out, spec->ocsp_url, spec->issuer_url);
    if (!put_types(out, spec->types, err)) {
        return false;
    }
    x509_wrap_from(out, at, DER_SEQUENCE);
    x509_wrap_from(out, at, 0xA3);
    return !out->failed;
}

/* One attribute of a name, alone in its set; NULL: none. */
static bool put_attribute(struct buf *out, unsigned char id, unsigned tag, const char *text) {
    const unsigned char oid[] = {0x55, 4, id};
    const char *end = text;
    unsigned characters = 0;
    size_t at = out->len;

    if (text == NULL) {
        return true;
    }
    for (size_t len = 0; (len = utf8_len(end)) > 0; end += len) {
        characters++;
    }
    if (*end != '\0' || characters < 1 || characters > NAME_CHARACTERS_MAX) {
        return false;
    }
    (void)x509_put(out, DER_OID, oid, sizeof oid);
    (void)x509_put_text(out, tag, text);
    x509_wrap_from(out, at, DER_SEQUENCE);
    x509_wrap_from(out, at, DER_SET);
    return true;
}

/* C= as PrintableString of two characters, O= and CN= as UTF8String. */
static bool put_subject(struct buf *out, const struct x509_spec *spec) {
    size_t at = out->len;

    if ((spec->country != NULL
         && (strlen(spec->country) != 2 || strspn(spec->country, PRINTABLE) != 2))
        || !put_attribute(out, 6, 0x13, spec->country)
        || !put_attribute(out, 10, 0x0C, spec->organization)
        || !put_attribute(out, 3, 0x0C, spec->common_name)) {
        return false;
    }
    x509_wrap_from(out, at, DER_SEQUENCE);
    return true;
}

static bool put_issuer(struct buf *out, const struct x509_spec *spec, X509 *issuer) {
    const unsigned char *der = NULL;
    size_t len = 0;

    if (issuer == NULL) {
        return put_subject(out, spec);
    }
    return X509_NAME_get0_der(X509_get_subject_name(issuer), &der, &len) == 1
           && buf_add(out, der, len);
}

/* RFC 5280 section 4.1.2.5: UTCTime through 2049. */
static bool put_time(struct buf *out, int64_t s) {
    time_t time = (time_t)s;
    struct tm parts = {0};
    char text[20];

    if (gmtime_r(&time, &parts) == NULL || parts.tm_year < 50 || parts.tm_year > 9999 - 1900) {
        return false;
    }
    bool utc = parts.tm_year < 150;
    return strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts) > 0
           && x509_put_text(out, utc ? 0x17 : 0x18, text + (utc ? 2 : 0)); /* without century */
}

/* RFC 5280 section 4.1.2.2: positive, of full length. */
static void put_serial(struct buf *out, char ret[X509_SERIAL_SIZE]) {
    unsigned char octets[SERIAL_OCTETS];

    rng_secret(octets, sizeof octets);
    octets[0] = (unsigned char)((octets[0] & 0x7F) | 0x40);
    (void)x509_put(out, DER_INTEGER, octets, sizeof octets);
    x509_hex(octets, sizeof octets, ret);
}

/* TBSCertificate */
static bool put_certificate(struct buf *out, const struct x509_spec *spec, X509 *issuer,
                            EVP_PKEY *issuer_key, char ret_serial[X509_SERIAL_SIZE],
                            struct err *err) {
    static const unsigned char version_3[] = {0xA0, 3, 2, 1, 2};
    AUTO(ossl_free) unsigned char *spki = NULL;
    size_t spki_len = 0;

    if (!key_spki(spec->key, &spki, &spki_len, err)) {
        return false;
    }
    (void)buf_add(out, version_3, sizeof version_3);
    put_serial(out, ret_serial);
    if (!x509_put_algorithm(issuer_key, out) || !put_issuer(out, spec, issuer)) {
        return false;
    }
    size_t at = out->len;
    if (!put_time(out, spec->not_before_s) || !put_time(out, spec->not_after_s)) {
        return false;
    }
    x509_wrap_from(out, at, DER_SEQUENCE);
    if (!put_subject(out, spec) || !buf_add(out, spki, spki_len)
        || !put_extensions(out, spec, (struct der){spki, spki_len}, issuer, err)) {
        return false;
    }
    x509_wrap(out, DER_SEQUENCE);
    return true;
}

bool x509_make_der(const struct x509_spec *spec, X509 *issuer, EVP_PKEY *issuer_key,
                   unsigned char **ret_der, size_t *ret_len, char ret_serial[X509_SERIAL_SIZE],
                   struct err *err) {
    AUTO(buf_done) struct buf out = buf_new(CERTIFICATE_MAX);

    if (!put_certificate(&out, spec, issuer, issuer_key, ret_serial, err)
        || !x509_seal(issuer_key, &out)) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not make a certificate");
        return err_cause_openssl(err);
    }
    *ret_len = out.len;
    *ret_der = (unsigned char *)buf_take(&out);
    return true;
}

X509 *x509_make(const struct x509_spec *spec, X509 *issuer, EVP_PKEY *issuer_key, struct err *err) {
    AUTO(free) unsigned char *der = NULL;
    char serial[X509_SERIAL_SIZE];
    size_t len = 0;

    return x509_make_der(spec, issuer, issuer_key, &der, &len, serial, err)
               ? x509_from_der(der, len, err)
               : NULL;
}
