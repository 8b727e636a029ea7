#include "common/x509.h"

#include <openssl/asn1.h>
#include <string.h>
#include <time.h>

#include "common/kept.h"
#include "common/x509_parts.h"
#include "common/x509_write.h"

void x509_cert_done(struct x509_cert *cert) {
    X509_free(cert->x509);
    *cert = (struct x509_cert){0};
}

void x509_cert_done_auto(struct x509_cert *cert) { x509_cert_done(cert); }

static bool read_extensions(X509 *x509, struct x509_cert *cert, struct err *err) {
    int count = X509_get_ext_count(x509);
    struct x509_parts parts = {0};

    if (count > X509_EXTENSIONS_MAX) {
        return err_set(err, ERR_MALFORMED, "the certificate has more than %d extensions",
                       X509_EXTENSIONS_MAX);
    }
    for (int i = 0; i < count; i++) {
        X509_EXTENSION *extension = X509_get_ext(x509, i);
        const ASN1_OBJECT *object = X509_EXTENSION_get_object(extension);
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
        struct der oid = {OBJ_get0_data(object), OBJ_length(object)};
        struct der octets = {ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
        if (!x509_parts_add(&parts, oid, X509_EXTENSION_get_critical(extension) == 1, octets,
                            ERR_MALFORMED, err)) {
            return false;
        }
    }
    cert->names = parts.names;
    cert->names_critical = parts.names_critical;
    cert->types = parts.types;
    cert->ca = parts.ca;
    cert->eku = parts.eku;
    return true;
}

static bool read_time(const ASN1_TIME *time, int64_t *ret) {
    struct tm parts = {0};

    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        return false;
    }
    *ret = timegm(&parts);
    return true;
}

void x509_hex(const unsigned char *octets, size_t len, char *out) {
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *out++ = digits[octets[i] >> 4];
        *out++ = digits[octets[i] & 15];
    }
    *out = '\0';
}

/* RFC 5280 section 4.1.2.2: positive, at most 20 octets. */
static bool read_serial(const ASN1_INTEGER *serial, char ret[X509_SERIAL_SIZE]) {
    const unsigned char *octets = ASN1_STRING_get0_data(serial);
    int len = ASN1_STRING_length(serial);

    if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || len < 1 || len > 20) {
        return false;
    }
    x509_hex(octets, (size_t)len, ret);
    return true;
}

bool x509_cert_read(X509 *x509, struct x509_cert *ret, struct err *err) {
    AUTO(ossl_free) unsigned char *der = NULL;
    struct x509_cert cert = {0};

    if (!read_extensions(x509, &cert, err)) {
        return false;
    }
    if (!read_time(X509_get0_notBefore(x509), &cert.not_before_s)
        || !read_time(X509_get0_notAfter(x509), &cert.not_after_s)) {
        return err_set(err, ERR_MALFORMED, "the certificate's validity is not well-formed");
    }
    if (!read_serial(X509_get0_serialNumber(x509), cert.serial)) {
        return err_set(err, ERR_MALFORMED, "the certificate's serial number is not well-formed");
    }
    int len = i2d_X509(x509, &der);
    if (len <= 0 || !kept_hash(KEPT_SHA256, der, (size_t)len, cert.sha256)
        || X509_up_ref(x509) != 1) {
        (void)err_set(err, ERR_SERVER_INTERNAL, "could not read a certificate");
        return err_cause_openssl(err);
    }
    cert.x509 = x509;
    *ret = cert;
    return true;
}
